"""Human numbers at the door, integers behind it.

In go Decimals, whole ints or decimal strings; out come Decimals. Both ways are exact: what does not fit is refused,
never rounded. Times come out as datetimes in UTC; in go datetimes with a time zone, or unix seconds. A field of an
error or an event says its unit in its type: `margin: Tokens` is a Decimal, `expiry: Time` a datetime.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import IntEnum
from typing import Annotated, Any, NamedTuple

Number = Decimal | int | str
Moment = datetime | int

#: What stands for every later time: no clock reads it.
END_OF_TIME = datetime.max.replace(microsecond=0, tzinfo=UTC)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = (END_OF_TIME - _EPOCH) // timedelta(seconds=1)

WAD = 18
"""Decimals of prices, sizes and rates."""

LOTS = 8
"""Decimals of a size in lots: no market keeps more of them."""

SHARE_OFFSET = 6
"""Decimals that a pool's shares have more than its token."""


def to_integer(value: Number, decimals: int, what: str, *, signed: bool = False) -> int:
    """`value` in units of 10 ** -decimals. Raises TypeError for floats, ValueError for what does not fit exactly."""
    if isinstance(value, float):
        raise TypeError(f"{what} must be exact, not the float {value!r}: write '{value!r}' or a Decimal.")
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise TypeError(f"{what} must be a Decimal, an int or a decimal string, not {value!r}.")
    try:
        exact = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{what} must be a number, not {value!r}.") from None
    sign, digits, exponent = exact.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{what} must be finite, not {value}.")
    if sign and not signed and exact:
        raise ValueError(f"{what} must be 0 or more, not {value}.")
    shift = exponent + decimals
    if shift > 100:  # nothing on a chain is that large: do not even compute it
        raise ValueError(f"{what} must be less than 1e{100 - decimals}, not {value}.")
    text = "".join(map(str, digits)) + "0" * max(shift, 0)
    kept, cut = (text[:shift], text[shift:]) if shift < 0 else (text, "")
    if cut.strip("0"):
        raise ValueError(f"{what} must have at most {decimals} decimals, not {value}.")
    return -int(kept or 0) if sign else int(kept or 0)


def to_decimal(raw: int, decimals: int) -> Decimal:
    """An integer of units of 10 ** -decimals; exact, whatever the context's precision, without zeros at the end."""
    text = f"{Decimal(f'{raw}e-{decimals}'):f}"
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def to_datetime(seconds: int) -> datetime:
    """Unix seconds as a datetime in UTC; beyond the year 9999, the end of it."""
    return min(_EPOCH + timedelta(seconds=min(seconds, _LAST)), END_OF_TIME)


def to_seconds(moment: Moment, what: str) -> int:
    """A datetime, or unix seconds, as unix seconds. Raises TypeError for others, ValueError for what is not exact.

    A datetime without a time zone is refused, because nobody can tell whose clock it means; so is a part of a second.
    """
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"{what} must have a time zone, not {moment}: add tzinfo=UTC.")
        if moment.microsecond:
            raise ValueError(f"{what} must be a whole second, not {moment}.")
        return (moment - _EPOCH) // timedelta(seconds=1)
    return to_integer(moment, 0, what)


def to_text(word: bytes) -> str:
    """A short text out of a bytes32."""
    return bytes(word).rstrip(b"\0").decode(errors="replace")


def plain(value: Decimal) -> str:
    """Thousands separated, no exponent."""
    return f"{value:,f}"


def short(address: str) -> str:
    """0x1234…abcd"""
    return f"{address[:6]}…{address[-4:]}"


def snake(name: str) -> str:
    """camelCase to snake_case."""
    return re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), name)


class Unit(NamedTuple):
    """How a contract's value reads here: as a Python value, and as text. Decimals are the token's, None: unknown."""

    human: Callable[[Any, int | None], Any]
    text: Callable[[Any, int | None], str]


def _amount(raw: int, decimals: int | None) -> Decimal:
    return to_decimal(raw, decimals or 0)


def _amount_text(raw: int, decimals: int | None) -> str:
    return f"{raw} units" if decimals is None else plain(to_decimal(raw, decimals))


def _tokens_text(raw: int, decimals: int | None) -> str:
    if decimals is None:
        return f"{raw} token units"
    text = _amount_text(raw, decimals)
    return f"{text} token{'' if text == '1' else 's'}"


def _wad(raw: int, _: int | None) -> Decimal:
    return to_decimal(raw, WAD)


def _exact(raw: int, _: int | None) -> str:
    return plain(to_decimal(raw, WAD))


def _near(raw: int, _: int | None) -> str:
    return _nine_digits(to_decimal(raw, WAD))


def _percent(raw: int, _: int | None) -> str:
    return f"{_nine_digits(to_decimal(raw, WAD - 2))} %"


def _nine_digits(value: Decimal) -> str:
    return plain(Decimal(f"{value:.9g}").normalize())


def _moment(raw: int, _: int | None) -> str:
    # Beyond the year 5138 no clock was meant.
    return f"{to_datetime(raw):%Y-%m-%d %H:%M:%S} UTC" if raw < 10**11 else "the end of time"


def _word(raw: bytes, _: int | None) -> str:
    return to_text(raw)


#: A value as it stands.
PLAIN = Unit(lambda raw, _: raw, lambda raw, _: str(raw))

#: Token units as whole tokens.
Tokens = Annotated[Decimal, Unit(_amount, _tokens_text)]
#: The same of a token that the sentence does not name.
Amount = Annotated[Decimal, Unit(_amount, _amount_text)]
#: A pool's shares.
Shares = Annotated[
    Decimal,
    Unit(
        lambda raw, decimals: _amount(raw, None if decimals is None else decimals + SHARE_OFFSET),
        lambda raw, decimals: _amount_text(raw, None if decimals is None else decimals + SHARE_OFFSET),
    ),
]
#: Collateral per unit of underlying; as text in nine digits, which hide what 33 bits cut from a price that was meant.
Price = Annotated[Decimal, Unit(_wad, _near)]
#: Units of the underlying.
Size = Annotated[Decimal, Unit(_wad, _exact)]
#: A plain number with 18 decimals; as text in nine digits.
Multiple = Price
#: A fraction, 1 = 100 %; as text in percent, in nine digits.
Rate = Annotated[Decimal, Unit(_wad, _percent)]
#: A checksummed address; as text shortened.
Account = Annotated[str, Unit(lambda raw, _: raw, lambda raw, _: short(raw))]
#: A moment in UTC; as text a date.
Time = Annotated[datetime, Unit(lambda raw, _: to_datetime(raw), _moment)]
#: Id of a feed's round, its phase << 64 plus its number.
RoundId = Annotated[int, Unit(lambda raw, _: raw, lambda raw, _: f"{raw & 2**64 - 1} of phase {raw >> 64}")]
#: A short text in a bytes32.
Word = Annotated[str, Unit(_word, _word)]


def units_of(cls: type) -> dict[str, Unit]:
    """The fields that a class itself declares, in order, with their units."""
    return {name: _unit(hint) for name, hint in inspect.get_annotations(cls, eval_str=True).items()}


def _unit(hint: Any) -> Unit:
    for said in getattr(hint, "__metadata__", ()):
        if isinstance(said, Unit):
            return said
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        kind = hint
        return Unit(lambda raw, _: kind(raw), lambda raw, _: kind(raw).name.lower().replace("_", " "))
    return PLAIN


def human(units: Mapping[str, Unit], values: Iterable[Any], decimals: int | None) -> dict[str, Any]:
    """A contract's values, in their order, by field, as Python values."""
    return {name: unit.human(raw, decimals) for (name, unit), raw in zip(units.items(), values, strict=True)}


def texts(units: Mapping[str, Unit], values: Iterable[Any], decimals: int | None) -> dict[str, str]:
    """The same as text for a sentence."""
    return {name: unit.text(raw, decimals) for (name, unit), raw in zip(units.items(), values, strict=True)}
