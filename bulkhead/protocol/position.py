"""A position: what it is now, and what its trader can do with it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkhead.chain import Address, ChainError, Receipt, to_address
from bulkhead.chain.address import to_bytes
from bulkhead.chain.base import AddressLike
from bulkhead.model.interfaces.market import OrderKind, Status
from bulkhead.protocol.errors import TypedContract
from bulkhead.protocol.events import PositionEvent, Told
from bulkhead.protocol.units import LOTS, WAD, Number, plain, short, to_decimal, to_integer

if TYPE_CHECKING:
    from bulkhead.protocol.market import Band, Market

#: Larger than any position: "all of it".
_ALL = 2**128 - 1
#: The lens' highest index: healthy at any price.
_HIGHEST = 2**112 - 1
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


class Position:
    """A position of a market, named by its vault. Nothing is kept here: every look asks the chain.

    A trader's calls are sent by the trader unless `sender` is an operator of theirs.
    """

    def __init__(self, market: Market, address: Address) -> None:
        self.market, self.address = market, address

    # ---------------------------------------------------------------- what it is

    @property
    def trader(self) -> Address:
        """Who owns it."""
        vault = TypedContract(self.market.chain, "PositionVault", self.address)
        return to_address(vault.call.trader())

    @property
    def status(self) -> Status:
        """PENDING, OPEN, or NONE: it is over, or never was."""
        return Status(self._written().status)

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
        return int(self._written().series)

    @property
    def size(self) -> Decimal:
        """Units of the underlying; negative: short."""
        return to_decimal(self._written().size, WAD)

    @property
    def margin(self) -> Decimal:
        """The trader's tokens in it."""
        return self.market.token.amount(self._written().margin)

    @property
    def reserve(self) -> Decimal:
        """The pool's tokens in it, or earmarked for it: the most it can win."""
        return self.market.token.amount(self._written().reserve)

    @property
    def entry(self) -> Decimal | None:
        """The price it was opened at, premium included; None unless it is open."""
        written = self._written()
        return to_decimal(written.entry, WAD) if written.status == Status.OPEN else None

    @property
    def order(self) -> PendingOrder | None:
        """The order that waits for its price, if there is one; of a PENDING position the one that opens it."""
        order = self.market.contract.call.orderOf(self.address)
        if order.kind == OrderKind.NONE:
            return None
        decimals = LOTS if order.kind == OrderKind.CLOSE else self.market.token.decimals
        return PendingOrder(OrderKind(order.kind), to_decimal(order.amount, decimals))

    @property
    def claimable(self) -> Claimable:
        """What the token refused to pay."""
        return Claimable(*map(self.market.token.amount, self.market.contract.call.claimable(self.address)))

    def health(self, price: Number | None = None) -> Health:
        """At a price, by default the newest. Raises UnknownPosition, WrongStatus unless it is open."""
        if price is None:
            index, time = self.market.oracle.contract.call.latest()
        else:
            index, time = to_integer(price, WAD, "price"), self.market.chain.timestamp
        told = self.market.contract.call.health(self.address, index, time)
        return Health(*map(self.market.token.amount, told))

    def healthy_range(self) -> tuple[Decimal, Decimal]:
        """Lowest and highest price, both included, at which it is healthy now; the highest may be Infinity.

        Empty (low above high) if it is healthy nowhere. Raises WrongStatus unless it is open.
        """
        low, high = self.market.need_lens().call.healthyRange(self.market.address, self.address)
        return to_decimal(low, WAD), Decimal("Infinity") if high == _HIGHEST else to_decimal(high, WAD)

    def quote_close(
        self, size: Number | None = None, *, price: Number | None = None, time: int | None = None
    ) -> CloseQuote:
        """What closing a size, by default all of it, brings if asked for now and carried out at `time` at a price.

        By default at once, and at the newest price. A later time adds carry and raises the keeper's fee. Raises
        UnknownPosition, WrongStatus unless it is open, LookupError as `Market.quote` does.
        """
        market = self.market
        index = market.oracle.contract.call.latest()[0] if price is None else to_integer(price, WAD, "price")
        closing = _ALL if size is None else to_integer(size, WAD, "size")
        when = market.chain.timestamp if time is None else time
        told = market.need_lens().call.quoteClose(*market.need_origin(), self.address, closing, index, when)
        return CloseQuote(to_decimal(told.premium, WAD), *map(market.token.amount, told[1:]))

    def events(self, from_block: int = 0) -> list[PositionEvent]:
        """Its life so far, oldest first. A public node may want a `from_block` that is not too long ago."""
        names = [name for name, kind in Told.kinds.items() if issubclass(kind, PositionEvent)]
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
    ) -> Receipt:
        """Asks to close a size, by default all of it; at any price unless there is a band. Then `market.execute` it."""
        closing = _ALL if size is None else to_integer(size, WAD, "size")
        low, high = (0, 0) if band is None else self.market.band(band)
        limit = to_integer(max_premium, WAD, "max_premium")
        return self._send("requestClose", closing, low, high, limit, sender=sender)

    def raise_reserve(self, amount: Number, *, sender: AddressLike = None) -> Receipt:
        """Asks the pool for more reserve: tokens to add. Then `market.execute` it."""
        return self._send("requestRaise", self.market.token.units(amount), sender=sender)

    def add_margin(self, amount: Number, *, sender: AddressLike = None) -> Receipt:
        """Puts tokens in, at once. The sender must have approved the market."""
        return self._send("addMargin", self.market.token.units(amount), sender=sender)

    def remove_margin(self, amount: Number, *, sender: AddressLike = None) -> Receipt:
        """Takes tokens out to the trader, at once. Raises MarginBelowMinimum, MarginTooSmall."""
        return self._send("removeMargin", self.market.token.units(amount), sender=sender)

    def claim(self, to: AddressLike = None, *, sender: AddressLike = None) -> Receipt:
        """Pays what the token once refused, to the trader or where the trader directs it. Raises NothingToClaim."""
        return self._send("claim", to or self.trader, sender=sender)

    def _send(self, name: str, *args: Any, sender: AddressLike) -> Receipt:
        send = getattr(self.market.contract.send, name)
        receipt: Receipt = send(self.address, *args, sender=sender or self.trader)
        return receipt

    def _written(self) -> Any:
        return self.market.contract.call.positionOf(self.address)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Position) and (self.address, self.market) == (other.address, other.market)

    def __hash__(self) -> int:
        return hash(self.address)

    def __repr__(self) -> str:
        try:
            written = self._written()
            over = not written.size and self.is_over
        except ChainError:  # a look at an object must not need a node
            return f"<Position {short(self.address)}>"
        status = "over" if over else Status(written.status).name.lower()
        if not written.size:
            return f"<Position {short(self.address)}: {status}>"
        side, size = ("long" if written.size > 0 else "short"), plain(abs(to_decimal(written.size, WAD)))
        margin, reserve = (plain(self.market.token.amount(x)) for x in (written.margin, written.reserve))
        entry = f" at {plain(to_decimal(written.entry, WAD))}" if written.status == Status.OPEN else ""
        return f"<Position {short(self.address)}: {status}, {side} {size}{entry}, margin {margin}, reserve {reserve}>"
