"""The codec against eth_abi, and what it refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st

from bulkhead.chain import EncodingError, to_address
from bulkhead.chain.abi import Function
from bulkhead.chain.codec import Tuple, field_names, parse
from bulkhead.chain.errors import DecodingError


def params(*types: str) -> list[dict[str, Any]]:
    return [{"name": f"p{i}", "type": t} for i, t in enumerate(types)]


integers = st.one_of(*(st.tuples(st.just(f"uint{b}"), st.integers(0, 2**b - 1)) for b in (8, 64, 160, 256)))
signed = st.one_of(
    *(st.tuples(st.just(f"int{b}"), st.integers(-(2 ** (b - 1)), 2 ** (b - 1) - 1)) for b in (8, 128, 256))
)
others = st.one_of(
    st.tuples(st.just("bool"), st.booleans()),
    st.tuples(st.just("address"), st.binary(min_size=20, max_size=20).map(to_address)),
    st.tuples(st.just("bytes32"), st.binary(min_size=32, max_size=32)),
    st.tuples(st.just("bytes4"), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just("bytes"), st.binary(max_size=70)),
    st.tuples(st.just("string"), st.text(max_size=40)),
    st.tuples(st.just("uint64[]"), st.lists(st.integers(0, 2**64 - 1), max_size=4)),
    st.tuples(st.just("bool[2]"), st.lists(st.booleans(), min_size=2, max_size=2)),
    st.tuples(st.just("string[]"), st.lists(st.text(max_size=40), max_size=3)),
    st.tuples(st.just("bytes[2][]"), st.lists(st.lists(st.binary(max_size=40), min_size=2, max_size=2), max_size=2)),
)


@given(st.lists(st.one_of(integers, signed, others), max_size=6))
def test_agrees_with_eth_abi_both_ways(pairs: list[tuple[str, Any]]) -> None:
    types, values = [t for t, _ in pairs], [v for _, v in pairs]
    ours = Tuple(params(*types))
    data = ours.encode(values)
    assert data == encode(types, values)
    assert list(ours.decode(data)) == values


LEG = {
    "name": "leg",
    "type": "tuple",
    "internalType": "struct Probe.Leg",
    "components": params("uint8", "string"),
}
LEGS = {**LEG, "type": "tuple[]", "internalType": "struct Probe.Leg[]"}


@dataclass
class Leg:
    p0: int
    p1: str


@pytest.mark.parametrize("given_as", [(1, "a"), [1, "a"], {"p0": 1, "p1": "a"}, Leg(1, "a")])
def test_a_struct_goes_in_by_order_name_or_attribute_and_comes_out_named(given_as: Any) -> None:
    types = Tuple([LEG, LEGS])
    data = types.encode([given_as, [given_as, given_as]])
    assert data == encode(["(uint8,string)", "(uint8,string)[]"], [(1, "a"), [(1, "a"), (1, "a")]])
    one, many = types.decode(data)
    assert (one.p0, one.p1, many[1].p1, type(one).__name__, type(many[0]).__name__) == (
        1,
        "a",
        "a",
        "Leg",
        "Leg",
    )


@pytest.mark.parametrize(
    ("type_", "value", "words"),
    [
        ("uint8", 256, "uint8 cannot hold 256"),
        ("uint8", -1, "uint8 cannot hold -1"),
        ("int8", -129, "int8 cannot hold -129"),
        ("uint256", 1.0, "uint256 cannot hold 1.0"),
        ("uint256", "1", "uint256 cannot hold '1'"),
        ("bool", 2, "bool cannot hold 2"),
        ("bool", None, "bool cannot hold None"),
        ("address", "0x12", "is not an address"),
        ("address", 5, "is not an address"),
        ("bytes4", b"123", "bytes4 cannot hold"),
        ("bytes4", 5, "bytes4 cannot hold"),
        ("bytes", "0xzz", "not hexadecimal"),
        ("string", b"a", "string cannot hold"),
        ("uint8[2]", [1], "takes 2 items, not 1"),
        ("uint8[]", 7, "cannot hold 7"),
        ("uint8[]", [1, 999], "uint8 cannot hold 999"),
    ],
)
def test_refuses_what_does_not_fit_and_names_the_argument(type_: str, value: Any, words: str) -> None:
    function = Function({"name": "set", "inputs": [{"name": "level", "type": type_}]})
    with pytest.raises(EncodingError, match=re.escape(words)) as refusal:
        function.encode(value)
    assert str(refusal.value).startswith(f"set({type_}): level: ")


def test_counts_arguments_and_takes_names() -> None:
    function = Function({"name": "f", "inputs": [{"name": "from", "type": "uint8"}, {"name": "_to", "type": "uint8"}]})
    assert function.encode(1, 2) == function.encode(1, to=2) == function.encode(_to=2, from_=1)
    for args, named in [((1,), {}), ((1, 2, 3), {}), ((1, 2), {"to": 3}), ((1,), {"too": 2})]:
        with pytest.raises(EncodingError):
            function.encode(*args, **named)


def test_a_struct_by_name_must_be_complete_and_nothing_more() -> None:
    with pytest.raises(EncodingError, match="needs a value for p1"):
        parse(LEG).encode({"p0": 1})
    with pytest.raises(EncodingError, match="has no px"):
        parse(LEG).encode({"p0": 1, "p1": "", "px": 1})


def test_zero_and_false_count_as_values_of_a_struct() -> None:
    assert parse(LEG).encode({"p0": 0, "p1": ""}) == parse(LEG).encode((0, ""))


@pytest.mark.parametrize("type_", ["uint256", "string", "uint8[]", "string[]", "(uint8)[2]"])
def test_short_data_are_an_error_not_zeros(type_: str) -> None:
    param = {"name": "x", "type": type_}
    if type_.startswith("("):
        param = {"name": "x", "type": "tuple[2]", "components": params("uint8")}  # type: ignore[dict-item]
    types = Tuple([param])
    for data in (b"", b"\xff" * 31, b"\xff" * 32, bytes(31) + b"\x20" + b"\xff" * 32):
        if len(data) >= {"uint256": 32, "(uint8)[2]": 64}.get(type_, 1000):
            continue
        with pytest.raises(DecodingError):
            types.decode(data)


def test_every_field_gets_a_usable_name() -> None:
    assert field_names(["from", "_owner", "", "x", "x", "owner"]) == [
        "from_",
        "owner",
        "arg2",
        "x",
        "x_",
        "owner_",
    ]
