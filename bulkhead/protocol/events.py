"""What a market did, in human units: one class per event of a position's life, its sentence in `str()`.

A class is named as its event; its fields stand in the order of the event's parameters, their types say the unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from bulkhead.chain import Address, Event
from bulkhead.model.interfaces.market import ExitKind, OrderKind, VoidReason
from bulkhead.protocol.leg import Leg
from bulkhead.protocol.units import (
    LOTS,
    WAD,
    Account,
    Amount,
    Price,
    Rate,
    Shares,
    Size,
    Time,
    Tokens,
    Unit,
    human,
    plain,
    texts,
    to_decimal,
    units_of,
)

#: Why an order came to nothing, and what it cost.
WHY = {
    VoidReason.OUTSIDE_BAND: "its first price was outside its band; it pays the open fee",
    VoidReason.DISPUTED: "its first price was disputed",
    VoidReason.LATE: "its first price came after its time to live",
    VoidReason.UNPROVEN: "nobody proved its price within its time to live; it pays the open fee",
    VoidReason.SERIES_CLOSED: "its series could not be traded any more at its first price",
    VoidReason.FUNDING_REFUSED: "the token refused a transfer that it needed, or its side of the market is full",
    VoidReason.RESERVE_REACHED: "the gain at its price had reached the old reserve already",
    VoidReason.MARKET_ENDED: "the market has ended",
}

#: How a position, or a part of it, ended.
ENDS = {
    ExitKind.CLOSE: "Closed",
    ExitKind.LIQUIDATION: "Liquidated",
    ExitKind.AT_RESERVE: "Closed at its reserve",
    ExitKind.SETTLEMENT: "Settled",
}


def _leg(raw: Any, decimals: int | None) -> Leg:
    margin, reserve = (to_decimal(value, decimals or 0) for value in (raw.margin, raw.reserve))
    return Leg(to_decimal(raw.size, WAD), margin, reserve, to_decimal(raw.maxPremium, WAD), raw.series)


def _leg_text(raw: Any, decimals: int | None) -> str:
    leg = _leg(raw, decimals)
    side = "short" if raw.size < 0 else "long"
    return f"{side} {plain(abs(Decimal(leg.size)))} with margin {plain(Decimal(leg.margin))}"


class ContractEvent:
    """An event of a contract; fields in human units, `raw` as the chain layer decoded it."""

    said: ClassVar[str]
    units: ClassVar[Mapping[str, Unit]]
    kinds: ClassVar[dict[str, type[ContractEvent]]] = {}

    def __init__(self, raw: Event, decimals: int) -> None:
        self.raw, self.decimals = raw, decimals
        self.__dict__.update(human(self.units, raw.args, decimals))

    def __init_subclass__(cls) -> None:
        if "said" in cls.__dict__:  # the others are bases
            cls.units = units_of(cls)
            cls.kinds[cls.__name__] = cls

    def __str__(self) -> str:
        return self.said.format_map(texts(self.units, self.raw.args, self.decimals))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    @classmethod
    def of(cls, events: Iterable[Event], address: Address, decimals: int) -> list[Self]:
        """Those of this class among one contract's events."""
        kinds = {name: kind for name, kind in ContractEvent.kinds.items() if issubclass(kind, cls)}
        return [kinds[e.name](e, decimals) for e in events if e.address == address and e.name in kinds]


class PositionEvent(ContractEvent):
    """Base of the events of a position's life."""

    position: str


class OpenRequested(PositionEvent):
    """The band is the one that is kept: to 33 bits, rounded outwards."""

    said = "{trader} asks to open {leg} between {low} and {high}, at a premium of {premium}."
    position: Account
    trader: Account
    leg: Annotated[Leg, Unit(_leg, _leg_text)]
    low: Price
    high: Price
    premium: Rate


class Opened(PositionEvent):
    """A position is open. `fee` is the open fee; `margin` what both fees leave of it."""

    said = "Opened at {entry} (index {index}) with a margin of {margin} and a reserve of {reserve}."
    position: Account
    index: Price
    entry: Price
    margin: Tokens
    reserve: Tokens
    fee: Tokens
    keeper_fee: Tokens


class OrderVoided(PositionEvent):
    """An order came to nothing, and pays two fees; what is left of the margin goes back, or stays with the position."""

    said = "The order is void, because {reason}. Fees: {fee} and {keeper_fee} for the keeper."
    position: Account
    kind: OrderKind
    reason: Annotated[VoidReason, Unit(lambda raw, _: VoidReason(raw), lambda raw, _: WHY[VoidReason(raw)])]
    fee: Tokens
    keeper_fee: Tokens


class OrderRequested(PositionEvent):
    """`amount` is a size to close, or tokens of reserve to add: as `kind` says."""

    said = "Asks to {kind} {amount}, at a premium of {premium}."
    position: Account
    kind: OrderKind
    amount: Amount
    low: Price
    high: Price
    premium: Rate

    def __init__(self, raw: Event, decimals: int) -> None:
        super().__init__(raw, LOTS if raw.args.kind == OrderKind.CLOSE else decimals)


class ReserveRaised(PositionEvent):
    """The pool has added to what the position can win."""

    said = "The reserve is {reserve} now, at an index of {index}; the keeper got {keeper_fee}."
    position: Account
    index: Price
    reserve: Tokens
    keeper_fee: Tokens


class Exited(PositionEvent):
    """A position, or a slice of it, is over: `size` of it, and how what it held was divided."""

    said = "{kind}: {size} at {mark}; {to_trader} to the trader, {to_pool} to the pool, {to_keeper} to the keeper."
    position: Account
    kind: Annotated[ExitKind, Unit(lambda raw, _: ExitKind(raw), lambda raw, _: ENDS[ExitKind(raw)])]
    size: Size
    index: Price
    mark: Price
    to_trader: Tokens
    to_pool: Tokens
    to_keeper: Tokens


class MarginChanged(PositionEvent):
    """Margin came in, or was taken out (negative), between orders."""

    said = "The margin changed by {change}."
    position: Account
    change: Tokens


class PaymentKept(PositionEvent):
    """The token refused a payment; it waits in the vault."""

    said = "The token refused to pay {trader} to the trader and {pool} to the pool: claim them."
    position: Account
    trader: Tokens
    pool: Tokens


class Claimed(PositionEvent):
    """What waited for the trader was paid to `to`."""

    said = "{amount} were claimed to {to}."
    position: Account
    to: Account
    amount: Tokens


class OracleEvent(ContractEvent):
    """Base of the events of an oracle's clock."""


class OutageStarted(OracleEvent):
    """There is no valid price; the clock of the outage runs from `time` on."""

    said = "An outage has started at {time}."
    time: Time


class OutageCleared(OracleEvent):
    """There is a good price again, of `time`."""

    said = "The outage is over: there is a price of {time}."
    time: Time


class Ended(OracleEvent):
    """The outage has lasted too long: `index`, of `time`, is final for every market on this oracle."""

    said = "The oracle has ended: {index} of {time} is final."
    index: Price
    time: Time


class VolatilityEvent(ContractEvent):
    """Base of the events of a feed of volatility."""


class Updated(VolatilityEvent):
    """The grid point of `time` was taken, at a price of `index`; passed over, where that is 0."""

    said = "The volatility follows the price {index} of {time}."
    time: Time
    index: Price


class Skipped(VolatilityEvent):
    """Nobody proved the grid point of `time` in its life; `next` is the one that waits."""

    said = "The point of {time} is skipped; the next one is of {next}."
    time: Time
    next: Time


class PoolEvent(ContractEvent):
    """Base of the events of an exit from a pool."""


class ExitPaid(PoolEvent):
    """A request to leave was paid for `shares` of it."""

    said = "Exit {id} is paid: {assets} to {owner} for its shares, {keeper_fee} to the keeper."
    id: int
    owner: Account
    shares: Shares
    assets: Tokens
    keeper_fee: Tokens


class ExitRenewed(PoolEvent):
    """A request to leave met no valid price in time, and waits for the next."""

    said = "Exit {id} found no good price and counts from now: execute it after the next one."
    id: int


class ExitVoid(PoolEvent):
    """A request to leave met a price below its least; `shares` of it are given back."""

    said = "Exit {id} brings {assets}, below its least: {shares} go back to {owner}, {keeper_fee} to the keeper."
    id: int
    owner: Account
    shares: Shares
    assets: Tokens
    keeper_fee: Tokens


class ExitKept(PoolEvent):
    """The token refused to pay who leaves; the pool keeps it for them."""

    said = "The token refused to pay {assets} to {owner}: claim_exit pays them elsewhere."
    owner: Account
    assets: Tokens
