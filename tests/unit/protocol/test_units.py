"""Human numbers: exact both ways, or refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkhead.protocol.units import plain, to_decimal, to_integer


@given(st.integers(-(2**256), 2**256), st.integers(0, 18))
def test_there_and_back_is_the_same(raw: int, decimals: int) -> None:
    assert to_integer(to_decimal(raw, decimals), decimals, "size", signed=True) == raw
    assert to_integer(f"{to_decimal(raw, decimals):f}", decimals, "size", signed=True) == raw


@pytest.mark.parametrize(
    ("value", "raw"),
    [(1, 10**6), ("1", 10**6), (Decimal("0.000001"), 1), ("1e3", 10**9), ("0.1000000", 10**5), ("-0", 0), ("1e-6", 1)],
)
def test_numbers(value: Decimal | int | str, raw: int) -> None:
    assert to_integer(value, 6, "margin") == raw


def test_floats_are_refused() -> None:
    with pytest.raises(TypeError) as refused:
        to_integer(0.1, 6, "margin")  # type: ignore[arg-type]
    assert str(refused.value) == "margin must be exact, not the float 0.1: write '0.1' or a Decimal."


@pytest.mark.parametrize("value", [True, None, b"1", [1]])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="margin must be a Decimal, an int or a decimal string, not "):
        to_integer(value, 6, "margin")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("0.0000001", "margin must have at most 6 decimals, not 0.0000001."),
        (Decimal("1.0000001"), "margin must have at most 6 decimals, not 1.0000001."),
        (Decimal("1e-200"), "margin must have at most 6 decimals, not 1E-200."),
        ("1e200", "margin must be less than 1e94, not 1e200."),
        (-1, "margin must be 0 or more, not -1."),
        ("ten", "margin must be a number, not 'ten'."),
        ("NaN", "margin must be finite, not NaN."),
        (Decimal("Infinity"), "margin must be finite, not Infinity."),
    ],
)
def test_what_does_not_fit_is_refused(value: Decimal | int | str, why: str) -> None:
    with pytest.raises(ValueError) as refused:
        to_integer(value, 6, "margin")
    assert str(refused.value) == why


def test_text() -> None:
    assert plain(to_decimal(1_234_500_000, 6)) == "1,234.5"
    assert plain(to_decimal(5_000 * 10**18, 18)) == "5,000"
    assert str(to_decimal(5_000 * 10**18, 18)) == "5000"
