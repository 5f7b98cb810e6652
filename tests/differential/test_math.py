"""PositionMath and Book against their twins: random words, and words near the ends of every type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkhead.build import artifacts
from bulkhead.chain import Contract, RevmChain
from bulkhead.model.interfaces.market import Position, Status
from bulkhead.model.libraries import book, position_math
from bulkhead.model.libraries.book import Carry, Series, Side
from bulkhead.protocol.config import camel
from tests.differential.answers import answer_of, plain

Words = st.SearchStrategy[int]


def uint(bits: int) -> Words:
    """Any size of number is as likely, and so are both ends."""
    return st.integers(0, bits).flatmap(lambda n: st.integers(max(0, (1 << n) - 2), (1 << n) - 1)) | st.integers(
        0, bits
    ).flatmap(lambda n: st.integers(0, (1 << n) - 1))


def sint(bits: int) -> Words:
    """The same with a sign."""
    return st.builds(lambda value, minus: ~value if minus else value, uint(bits - 1), st.booleans())


def below(limit: int) -> Words:
    """Amounts as they occur."""
    return st.integers(0, limit)


ONE = 10**18
TOKENS, SIZE, PRICE, RATE = below(10**15), below(10**24), below(10**24), below(2 * ONE)
WORD, UNIT = uint(256), st.sampled_from([10**18, 10**30, 10**36, 1])
SIGNED_SIZE = st.integers(-(10**24), 10**24) | sint(128) | sint(256)
POSITIONS = st.builds(
    Position,
    margin=TOKENS | uint(96),
    reserve=TOKENS | uint(96),
    series=uint(24),
    status=st.sampled_from(list(Status)),
    time=uint(32),
    size=st.integers(-(10**24), 10**24) | sint(128),
    entry=PRICE | uint(112),
    phase=uint(16),
    band=st.builds(lambda f, b: f & (1 << 96) - 1 | b << 96, st.integers(-ONE, ONE), below(ONE)) | WORD,
)
CARRIES = st.builds(Carry, st.integers(-ONE, ONE) | sint(96), st.integers(-ONE, ONE) | sint(96), below(ONE) | uint(64))
SIDES = st.builds(
    Side,
    SIZE | uint(128),
    TOKENS | uint(128),
    TOKENS | uint(128),
    TOKENS | uint(128),
    st.integers(-(10**24), 10**24) | sint(128),
    TOKENS | uint(128),
)
SERIES = st.builds(
    Series,
    SIDES,
    SIDES,
    uint(128),
    uint(128),
    st.integers(-ONE, ONE) | sint(96),
    st.integers(-ONE, ONE) | sint(96),
    below(ONE) | uint(64),
    st.integers(-(10**12), 10**12) | sint(56),
    st.integers(-(10**12), 10**12) | sint(56),
    below(10**12) | uint(64),
    st.integers(1_800_000_000, 1_900_000_000) | uint(32),
    uint(32),
    st.booleans(),
)
TIME = st.integers(1_800_000_000, 1_900_000_000) | uint(256)

#: Twin and arguments; the contract's name is the twin's in camelCase unless it is given.
PURE: list[tuple[Callable[..., Any], str, tuple[st.SearchStrategy[Any], ...]]] = [
    (position_math.value_down, "", (SIZE | WORD, PRICE | WORD, UNIT)),
    (position_math.value_up, "", (SIZE | WORD, PRICE | WORD, UNIT)),
    (position_math.fee_up, "", (RATE | WORD, SIZE | WORD, PRICE | WORD, UNIT)),
    (position_math.gain_down, "", (SIGNED_SIZE, PRICE | WORD, PRICE | WORD, UNIT)),
    (position_math.carry_up, "", (TOKENS | WORD, st.integers(-ONE, ONE) | sint(256))),
    (position_math.largest_loss_down, "", (SIGNED_SIZE, PRICE | WORD, PRICE | WORD, UNIT)),
    (position_math.largest_gain_down, "", (SIGNED_SIZE, PRICE | WORD, PRICE | WORD, UNIT)),
    (position_math.fill, "", (PRICE | WORD, RATE | WORD, PRICE | WORD, st.booleans())),
    (
        position_math.split,
        "",
        (TOKENS | WORD, TOKENS | WORD, st.integers(-(10**15), 10**15) | sint(256), TOKENS | WORD, RATE, RATE),
    ),
    (
        position_math.liquidation_fraction_up,
        "",
        (st.integers(-(10**15), 10**15) | sint(256), TOKENS | WORD, TOKENS | WORD, RATE | WORD),
    ),
    (position_math.absolute, "", (sint(256),)),
    (book.carry_up, "carryOf", (CARRIES, POSITIONS, PRICE | WORD, UNIT)),
    (
        book.side_gain,
        "",
        (
            SIDES,
            st.booleans(),
            PRICE | WORD,
            PRICE | WORD,
            st.integers(-ONE, ONE) | sint(256),
            below(ONE) | WORD,
            UNIT,
        ),
    ),
    (book.at_entry, "", (POSITIONS,)),
    (book.rebased, "", (CARRIES, POSITIONS, TOKENS | WORD)),
    (book.packed, "", (CARRIES, st.booleans())),
]


@pytest.fixture(scope="module")
def harness() -> Contract:
    return RevmChain(keep_logs=False).deploy(artifacts()["MathHarness"])


def check(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(("twin", "name", "arguments"), PURE, ids=[f"{p[0].__module__}.{p[0].__name__}" for p in PURE])
def test_pure_functions(
    harness: Contract, twin: Callable[..., Any], name: str, arguments: tuple[st.SearchStrategy[Any], ...]
) -> None:
    call = getattr(harness.call, name or camel(twin.__name__))

    @check(80)
    @given(st.tuples(*arguments))
    def compare(args: tuple[Any, ...]) -> None:
        assert answer_of(call, *map(plain, args)) == answer_of(twin, *args)

    compare()


@check(80)
@given(series=SERIES, time=TIME, mark=PRICE | WORD, index=PRICE | WORD, unit=UNIT)
def test_series_views(harness: Contract, series: Series, time: int, mark: int, index: int, unit: int) -> None:
    harness.send.set(plain(series))
    assert plain(harness.call.get()) == plain(series)
    assert answer_of(harness.call.carryAt, time) == answer_of(book.carry_at, series, time)
    told = answer_of(harness.call.gain, mark, index, time, unit)
    assert told == answer_of(book.gain, series, mark, index, time, unit)


@check(80)
@given(series=SERIES, time=TIME)
def test_accrue_and_freeze(harness: Contract, series: Series, time: int) -> None:
    for name, twin in (("accrue", lambda: book.accrue(series, time)[0]), ("freeze", lambda: book.freeze(series, time))):
        harness.send.set(plain(series))
        assert written(harness, name, time) == answer_of(twin), name


@check(80)
@given(series=SERIES | st.just(Series()), first=POSITIONS, second=POSITIONS, unit=UNIT)
def test_add_and_remove(harness: Contract, series: Series, first: Position, second: Position, unit: int) -> None:
    harness.send.set(plain(series))
    for name, twin, p in (("add", book.add, first), ("add", book.add, second), ("remove", book.remove, first)):
        foreseen = answer_of(twin, series, p, unit)
        assert written(harness, name, plain(p), unit) == foreseen, name
        if foreseen[0] != "error":
            series = twin(series, p, unit)


@check(50)
@given(series=SERIES, positions=st.lists(POSITIONS, max_size=4), unit=st.sampled_from([10**18, 10**30]))
def test_what_was_added_can_be_removed(harness: Contract, series: Series, positions: list[Position], unit: int) -> None:
    grown = series
    for p in positions:
        if answer_of(book.add, grown, p, unit)[0] == "error":
            return
        grown = book.add(grown, p, unit)
    for p in positions:
        grown = book.remove(grown, p, unit)
    assert grown == series
    harness.send.set(plain(series))
    for name in ("add", "remove"):
        for p in positions:
            assert written(harness, name, plain(p), unit)[0] != "error"
    assert plain(harness.call.get()) == plain(series)


def written(harness: Contract, name: str, *args: Any) -> Any:
    """The series after a call, or the call's error."""
    told = answer_of(lambda: getattr(harness.send, name)(*args) and None)
    return told or plain(harness.call.get())
