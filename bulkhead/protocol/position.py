"""A position: what it is now, and what its trader can do with it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from bulkhead.chain import Address, ChainError, to_address
from bulkhead.chain.address import to_bytes
from bulkhead.chain.base import AddressLike
from bulkhead.model.interfaces.market import OrderKind, Status
from bulkhead.protocol.errors import TypedContract
from bulkhead.protocol.events import Claimed, ContractEvent, MarginChanged, OrderRequested, PositionEvent
from bulkhead.protocol.oracle import IndexPrice
from bulkhead.protocol.units import (
    LOTS,
    WAD,
    Moment,
    Number,
    plain,
    short,
    to_datetime,
    to_decimal,
    to_integer,
    to_seconds,
)

if TYPE_CHECKING:
    from bulkhead.protocol.market import Band, Market

T = TypeVar("T", bound=PositionEvent)

#: Larger than any position: "all of it".
_ALL = 2**128 - 1
#: The lens' highest index: healthy at any price.
HIGHEST = 2**112 - 1
#: How the code of a minimal proxy (EIP-1167) begins; the address it stands for follows.
_PROXY = bytes.fromhex("363d3d373d3d3d363d73")


class Health(NamedTuple):
    """Tokens: what is left of the margin, what must be left, and what a partial liquidation restores."""

    equity: Decimal
    maintenance: Decimal
    target: Decimal

    @property
    def healthy(self) -> bool:
        """Not to be liquidated."""
        return self.equity >= self.maintenance


class PendingOrder(NamedTuple):
    """An order; `amount` is the size to close, or tokens of reserve: to add, or set aside for a position to open."""

    kind: OrderKind
    amount: Decimal


class CloseQuote(NamedTuple):
    """What a close comes to, in tokens; `premium` is a fraction of notional.

    fee           the close fee as asked; no more is taken than is left
    carry         funding and borrowing that the closed part owes; negative: is owed
    to_trader     and the other two, as `Exited` tells
    """

    premium: Decimal
    fee: Decimal
    carry: Decimal
    to_trader: Decimal
    to_pool: Decimal
    to_keeper: Decimal


class Claimable(NamedTuple):
    """Tokens that wait in the vault because the token refused to pay them."""

    trader: Decimal
    pool: Decimal


class PositionState(NamedTuple):
    """A position at one block; sizes in units of the underlying, amounts in tokens, prices in tokens per unit.

    trader         who owns it; None where status is NONE
    status         PENDING, OPEN, or NONE: it is over, or never was
    series         which contract of the market's family
    size           negative: short
    margin         the trader's tokens in it
    reserve        the pool's tokens in it, or earmarked for it: the most it can win
    entry          the price it was opened at, premium included; None unless it is open
    time           of the request; when open, of the price it was opened at
    order          the order that waits for its price, if there is one; of a PENDING position the one that opens it
    claimable      what the token refused to pay
    price          the newest of the oracle; None while there is none that is valid
    health         at that price; None without one, and unless it is open
    """

    trader: Address | None
    status: Status
    series: int
    size: Decimal
    margin: Decimal
    reserve: Decimal
    entry: Decimal | None
    time: datetime
    order: PendingOrder | None
    claimable: Claimable
    price: IndexPrice | None
    health: Health | None


class Position:
    """A position of a market, named by its vault. Nothing is kept here: every look asks the chain.

    `state` is everything at once, by one question to the lens; the other properties are its fields, each asked anew.
    They raise LookupError where no lens is known. A trader's calls are sent by the trader unless `sender` is an
    operator of theirs, and answer with what the market's event says.
    """

    def __init__(self, market: Market, address: Address) -> None:
        self.market, self.address = market, address

    # ---------------------------------------------------------------- what it is

    @property
    def state(self) -> PositionState:
        """All that is known about it, of one block."""
        market = self.market
        amount = market.token.amount
        raw = market.need_lens().call.stateOf(market.address, market.oracle.address, self.address)
        terms, order, status = raw.terms, None, Status(raw.terms.status)
        if raw.order.kind != OrderKind.NONE:
            decimals = LOTS if raw.order.kind == OrderKind.CLOSE else market.token.decimals
            order = PendingOrder(OrderKind(raw.order.kind), to_decimal(raw.order.amount, decimals))
        priced = raw.index > 0
        health = Health(amount(raw.equity), amount(raw.maintenance), amount(raw.target))
        return PositionState(
            trader=None if status is Status.NONE else to_address(raw.trader),
            status=status,
            series=int(terms.series),
            size=to_decimal(terms.size, WAD),
            margin=amount(terms.margin),
            reserve=amount(terms.reserve),
            entry=to_decimal(terms.entry, WAD) if status is Status.OPEN else None,
            time=to_datetime(terms.time),
            order=order,
            claimable=Claimable(amount(raw.owedTrader), amount(raw.owedPool)),
            price=IndexPrice(to_decimal(raw.index, WAD), to_datetime(raw.time)) if priced else None,
            health=health if priced and status is Status.OPEN else None,
        )

    @property
    def trader(self) -> Address:
        """Who owns it, or owned it: its vault says so, also when it is over."""
        vault = TypedContract(self.market.chain, "PositionVault", self.address)
        return to_address(vault.call.trader())

    @property
    def status(self) -> Status:
        """PENDING, OPEN, or NONE: it is over, or never was."""
        return self.state.status

    @property
    def is_over(self) -> bool:
        """Was it a position of this market once? Its terms are forgotten then, its vault and its events stay."""
        if self.status != Status.NONE:
            return False
        chain = self.market.chain
        code = chain.code(self.address)
        # A vault stands for code that knows its market.
        found = code.startswith(_PROXY)
        return found and to_bytes(self.market.address) in chain.code(code[len(_PROXY) : len(_PROXY) + 20])

    @property
    def series(self) -> int:
        """Which contract of the market's family."""
        return self.state.series

    @property
    def size(self) -> Decimal:
        """Units of the underlying; negative: short."""
        return self.state.size

    @property
    def margin(self) -> Decimal:
        """The trader's tokens in it."""
        return self.state.margin

    @property
    def reserve(self) -> Decimal:
        """The pool's tokens in it, or earmarked for it: the most it can win."""
        return self.state.reserve

    @property
    def entry(self) -> Decimal | None:
        """The price it was opened at, premium included; None unless it is open."""
        return self.state.entry

    @property
    def order(self) -> PendingOrder | None:
        """The order that waits for its price, if there is one; of a PENDING position the one that opens it."""
        return self.state.order

    @property
    def claimable(self) -> Claimable:
        """What the token refused to pay."""
        return self.state.claimable

    def health(self, price: Number | None = None) -> Health:
        """At a price, by default the newest. Raises UnknownPosition, WrongStatus unless open, the oracle's refusals."""
        if price is None:
            index, time = self.market.oracle.contract.call.latest()
        else:
            index, time = to_integer(price, WAD, "price"), self.market.chain.timestamp
        answer = self.market.contract.call.health(self.address, index, time)
        return Health(*map(self.market.token.amount, answer))

    def healthy_range(self) -> tuple[Decimal, Decimal]:
        """Lowest and highest price, both included, at which it is healthy now; the highest may be Infinity.

        Empty (low above high) if it is healthy nowhere. Raises WrongStatus unless it is open.
        """
        low, high = self.market.need_lens().call.healthyRange(self.market.address, self.address)
        return to_decimal(low, WAD), Decimal("Infinity") if high == HIGHEST else to_decimal(high, WAD)

    def quote_close(
        self, size: Number | None = None, *, price: Number | None = None, time: Moment | None = None
    ) -> CloseQuote:
        """What closing a size, by default all of it, brings if asked for now and carried out at `time` at a price.

        By default at once, and at the newest price. A later time adds carry and raises the keeper's fee. Raises
        UnknownPosition, WrongStatus unless it is open, LookupError as `Market.quote` does.
        """
        market = self.market
        index = market.oracle.contract.call.latest()[0] if price is None else to_integer(price, WAD, "price")
        closing = _ALL if size is None else to_integer(size, WAD, "size")
        when = market.chain.timestamp if time is None else to_seconds(time, "time")
        answer = market.need_lens().call.quoteClose(*market.need_origin(), self.address, closing, index, when)
        return CloseQuote(to_decimal(answer.premium, WAD), *map(market.token.amount, answer[1:]))

    def events(self, from_block: int = 0) -> list[PositionEvent]:
        """Its life so far, oldest first. A public node may want a `from_block` that is not too long ago."""
        names = [name for name, kind in ContractEvent.kinds.items() if issubclass(kind, PositionEvent)]
        raw = self.market.contract.events(*names, from_block=from_block)
        own = [event for event in raw if event.args.position == self.address]
        return PositionEvent.of(own, self.market.address, self.market.token.decimals)

    # ---------------------------------------------------------------- what its trader does

    def close(
        self,
        size: Number | None = None,
        *,
        band: Band | None = None,
        max_premium: Number = Decimal("0.01"),
        sender: AddressLike = None,
    ) -> OrderRequested:
        """Asks to close a size, by default all of it; at any price unless there is a band. Then `market.execute` it.

        max_premium is a fraction of notional. Raises SizeTooSmall, SizeNotInLots, PremiumAboveLimit, BandInvalid,
        OrderPending, WrongStatus, OutOfScope.
        """
        closing = _ALL if size is None else to_integer(size, WAD, "size")
        low, high = (0, 0) if band is None else self.market.band(band)
        limit = to_integer(max_premium, WAD, "max_premium")
        return self._send(OrderRequested, "requestClose", closing, low, high, limit, sender=sender)

    def raise_reserve(self, amount: Number, *, sender: AddressLike = None) -> OrderRequested:
        """Asks the pool for more reserve: tokens to add. Then `market.execute` it.

        Raises LiquidityShort, UtilisationAboveCap, OrderPending, WrongStatus, OutOfScope.
        """
        return self._send(OrderRequested, "requestRaise", self.market.token.units(amount), sender=sender)

    def add_margin(self, amount: Number, *, sender: AddressLike = None) -> MarginChanged:
        """Puts tokens in, at once. The sender must have approved the market.

        Raises UnknownPosition, ERC20InsufficientAllowance, ERC20InsufficientBalance.
        """
        return self._send(MarginChanged, "addMargin", self.market.token.units(amount), sender=sender)

    def remove_margin(self, amount: Number, *, sender: AddressLike = None) -> MarginChanged:
        """Takes tokens out to the trader, at once. Raises MarginBelowMinimum, MarginTooSmall, the oracle's refusals."""
        return self._send(MarginChanged, "removeMargin", self.market.token.units(amount), sender=sender)

    def claim(self, to: AddressLike = None, *, sender: AddressLike = None) -> Claimed:
        """Pays what the token once refused, to the trader or where the trader directs it. Raises NothingToClaim."""
        return self._send(Claimed, "claim", to or self.trader, sender=sender)

    def _send(self, kind: type[T], name: str, *args: Any, sender: AddressLike) -> T:
        send = getattr(self.market.contract.send, name)
        events = self.market.events_in(send(self.address, *args, sender=sender or self.trader))
        return next(event for event in events if isinstance(event, kind))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Position) and (self.address, self.market) == (other.address, other.market)

    def __hash__(self) -> int:
        return hash(self.address)

    def __repr__(self) -> str:
        try:
            now = self.state
            over = now.status is Status.NONE and self.is_over
        except (ChainError, LookupError):  # a look at an object must not need a node
            return f"<Position {short(self.address)}>"
        status = "over" if over else now.status.name.lower()
        if not now.size:
            return f"<Position {short(self.address)}: {status}>"
        side, size = ("long" if now.size > 0 else "short"), plain(abs(now.size))
        entry = "" if now.entry is None else f" at {plain(now.entry)}"
        amounts = f"margin {plain(now.margin)}, reserve {plain(now.reserve)}"
        return f"<Position {short(self.address)}: {status}, {side} {size}{entry}, {amounts}>"
