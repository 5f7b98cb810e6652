"""A market: orders in, and the upkeep that anyone may do for a fee."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from bulkhead.chain import Address, Chain, Receipt, Revert, to_address
from bulkhead.chain.base import AddressLike
from bulkhead.model.interfaces.market import Status
from bulkhead.protocol.errors import TypedContract
from bulkhead.protocol.events import Exited, Opened, OpenRequested, OrderVoided, PositionEvent, ReserveRaised
from bulkhead.protocol.leg import Leg
from bulkhead.protocol.operators import Operators
from bulkhead.protocol.oracle import Oracle
from bulkhead.protocol.pool import Pool
from bulkhead.protocol.position import HIGHEST, Position
from bulkhead.protocol.token import Token
from bulkhead.protocol.units import WAD, Moment, Number, short, to_decimal, to_integer, to_seconds

#: What becomes of an order when it is executed.
Outcome = Opened | ReserveRaised | Exited | OrderVoided

#: Lowest and highest price at which an order may be carried out.
Band = tuple[Number, Number]

#: Without a band an order takes prices so near to the newest one, as a fraction.
NEAR = Decimal("0.01")


class Origin(NamedTuple):
    """What a market was created by and from, which together give its address; quotes go by its terms."""

    factory: Address
    config: Any


class Quote(NamedTuple):
    """What a request to open comes to: what the position would be, and what the market asks for. Amounts in tokens.

    refusal              why the market would refuse the trader's very request now; None: it would not
    premium              a fraction of notional, fixed by the request
    fill                 the price it would open at: mark plus premium, less for a short
    open_fee             at that price
    keeper_fee           for who executes it; it grows with the wait
    margin, reserve      in the position then: fees go out of the margin, the reserve is cut to the market's bounds
    liquidation_price    the last price at which it is healthy, just after its opening; None: it is so at every price
    largest_loss         what is put in, fees included: nothing else is ever asked for
    smallest_margin      the least that may be put in
    lowest_reserve       for the size at the top of the band, as
    highest_reserve
    highest_open_fee     the most that fees can come to within the band, and what a void order pays, as
    highest_keeper_fee
    free_liquidity       what the pool could set aside
    """

    refusal: Revert | None
    premium: Decimal
    fill: Decimal
    open_fee: Decimal
    keeper_fee: Decimal
    margin: Decimal
    reserve: Decimal
    liquidation_price: Decimal | None
    largest_loss: Decimal
    smallest_margin: Decimal
    lowest_reserve: Decimal
    highest_reserve: Decimal
    highest_open_fee: Decimal
    highest_keeper_fee: Decimal
    free_liquidity: Decimal


class Market:
    """A market at an address. Sizes are units of the underlying, amounts whole tokens, prices tokens per unit.

    A trader's calls are sent by the trader unless `sender` is an operator of theirs; upkeep by `sender`, who gets the
    keeper's fee. None is the chain's first account. Every refusal is an exception of `bulkhead.protocol.errors`.
    """

    def __init__(
        self,
        chain: Chain,
        address: AddressLike,
        oracle: Oracle,
        operators: Operators | None = None,
        lens: AddressLike = None,
        name: str = "",
        origin: Origin | None = None,
    ) -> None:
        self.chain, self.oracle, self.operators, self.name = chain, oracle, operators, name
        self.origin = origin
        self.contract = TypedContract(chain, "Market", address)
        pool = self.contract.call.pool()
        self.token = Token(chain, TypedContract(chain, "Pool", pool).call.asset())
        self.contract.decimals = self.token.decimals
        self.pool = Pool(chain, pool, self.token, oracle)
        self.lens = None if lens is None else TypedContract(chain, "Lens", lens, self.token.decimals)

    @property
    def address(self) -> Address:
        """Where it is; traders approve it."""
        return self.contract.address

    def position(self, address: AddressLike) -> Position:
        """A position of this market by its vault."""
        return Position(self, to_address(address))

    # ---------------------------------------------------------------- orders

    def open(
        self,
        size: Number,
        margin: Number,
        reserve: Number | None = None,
        *,
        band: Band | None = None,
        max_premium: Number = Decimal("0.01"),
        series: int = 0,
        trader: AddressLike = None,
        sender: AddressLike = None,
    ) -> Position:
        """Asks for one position; `execute` opens it at the first price after.

        size         units of the underlying, negative: short
        margin       tokens, fees included: all that can be lost
        reserve      tokens of the pool, the most that can be won; by default as much as the margin, within bounds
        band         lowest and highest price, by default 1 % around the newest
        max_premium  largest premium accepted, as a fraction of notional

        Raises what `request` raises, and without a reserve what `quote` raises.
        """
        band = band if band is not None else self._near()
        if reserve is None:
            reserve = self._usual_reserve(size, margin, band, series)
        leg = Leg(size, margin, reserve, max_premium, series)
        return self.request(leg, band=band, trader=trader, sender=sender)[0]

    def request(
        self, *legs: Leg, band: Band | None = None, trader: AddressLike = None, sender: AddressLike = None
    ) -> list[Position]:
        """Asks for several positions with one band, so that all or none are taken; then `execute_all`.

        The trader must have approved the market for the margins. Raises TypeError for floats, ValueError for too many
        decimals, and the market's refusals, before anything is sent: MarginTooSmall, MarginBelowMinimum, SizeTooSmall,
        SizeNotInLots, ReserveOutOfBounds, PremiumAboveLimit, BandInvalid, SideFull, LiquidityShort, SeriesNotOpen,
        UtilisationAboveCap, InGrace, OutOfScope, BudgetExceeded, ERC20InsufficientAllowance, ERC20InsufficientBalance.
        """
        encoded = [leg.encoded(self.token.decimals) for leg in legs]
        owner = to_address(trader or sender or self.chain.accounts[0])
        low, high = self.band(band if band is not None else self._near())
        receipt = self.contract.send.requestOpen(owner, encoded, low, high, sender=sender or owner)
        return [self.position(event.position) for event in self.events_in(receipt) if isinstance(event, OpenRequested)]

    def quote(
        self,
        size: Number,
        margin: Number | None = None,
        reserve: Number | None = None,
        *,
        price: Number | None = None,
        time: Moment | None = None,
        band: Band | None = None,
        max_premium: Number = Decimal("0.01"),
        series: int = 0,
        trader: AddressLike = None,
    ) -> Quote:
        """What `open` with the same arguments comes to if asked for now and carried out at `time` at a price.

        By default at once, at the newest price, with the smallest margin. The lens answers by the functions that the
        market acts by: exact as long as nobody trades in between. The request is tried out, too, and not sent. Raises
        BandInvalid, AmountTooLarge, the oracle's refusals, LookupError where no lens is known, or not what the market
        was created from.
        """
        owner = to_address(trader or self.chain.accounts[0])
        band = band if band is not None else self._near()
        (low, high), lens, origin = self.band(band), self.need_lens(), self.need_origin()
        if reserve is None:
            reserve = self._usual_reserve(size, margin or 0, band, series)
        leg = Leg(size, margin or 0, reserve, max_premium, series).encoded(self.token.decimals)
        asked = lens.call.quoteOpen(*origin, leg, low, high)
        if margin is None:
            leg["margin"] = asked.margin
        index = self.oracle.contract.call.latest()[0] if price is None else to_integer(price, WAD, "price")
        when = self.chain.timestamp if time is None else to_seconds(time, "time")
        filled = lens.call.quoteFill(*origin, leg, index, when)
        refusal = None
        try:
            self.contract.call.requestOpen(owner, [leg], low, high, sender=owner)
        except Revert as revert:
            refusal = revert
        amount, edge = self.token.amount, filled.low if leg["size"] > 0 else filled.high
        return Quote(
            refusal=refusal,
            premium=to_decimal(filled.premium, WAD),
            fill=to_decimal(filled.entry, WAD),
            open_fee=amount(filled.openFee),
            keeper_fee=amount(filled.keeperFee),
            margin=amount(filled.margin),
            reserve=amount(filled.reserve),
            liquidation_price=None if (filled.low, filled.high) == (0, HIGHEST) else to_decimal(edge, WAD),
            largest_loss=amount(leg["margin"]),
            smallest_margin=amount(asked.margin),
            lowest_reserve=amount(asked.lowestReserve),
            highest_reserve=amount(asked.highestReserve),
            highest_open_fee=amount(asked.openFee),
            highest_keeper_fee=amount(asked.keeperCap),
            free_liquidity=amount(asked.freeLiquidity),
        )

    def _usual_reserve(self, size: Number, margin: Number, band: Band, series: int) -> Decimal:
        """As much as the margin, within the market's bounds; without a margin as much as the smallest."""
        leg = Leg(size, margin, 0, series=series).encoded(self.token.decimals)
        asked = self.need_lens().call.quoteOpen(*self.need_origin(), leg, *self.band(band))
        wanted = leg["margin"] or asked.margin
        return self.token.amount(min(max(wanted, asked.lowestReserve), asked.highestReserve))

    def band(self, band: Band) -> tuple[int, int]:
        """A band as the contract takes it."""
        low, high = band
        return to_integer(low, WAD, "lowest price"), to_integer(high, WAD, "highest price")

    def _near(self) -> Band:
        """The band around the newest price, whole in the last of 18 decimals."""
        price = self.oracle.latest().price
        low, high = (to_decimal(int((price * (1 + side)).scaleb(WAD)), WAD) for side in (-NEAR, NEAR))
        return low, high

    # ---------------------------------------------------------------- its positions

    def positions(self, from_block: int = 0) -> list[Position]:
        """Those that are pending or open, of requests from a block on, oldest first.

        One question for the events, and one for each position of which a part has ended. A public node may want a
        `from_block` that is not too long ago.
        """
        events = self.contract.events("OpenRequested", "OrderVoided", "Exited", from_block=from_block)
        asked = [self.position(event.args.position) for event in events if event.name == "OpenRequested"]
        touched = {event.args.position for event in events if event.name != "OpenRequested"}
        return [
            position
            for position in asked
            if position.address not in touched or self.contract.call.positionOf(position.address).status != Status.NONE
        ]

    # ---------------------------------------------------------------- upkeep

    def execute(self, position: AddressLike, *, proof: bytes | None = None, sender: AddressLike = None) -> Outcome:
        """Carries out the order of a position at its first price, or voids it: the answer says which, and why.

        Finds the proof itself. Raises PriceNotThereYet before there is such a price, NoOrder, UnknownPosition,
        QuorumNotShown, LookupError where the feeds are not known.
        """
        return self.execute_all([position], proof=proof, sender=sender)[0]

    def execute_all(
        self, positions: Iterable[AddressLike], *, proof: bytes | None = None, sender: AddressLike = None
    ) -> list[Outcome]:
        """Carries out orders whose first prices one proof shows, as legs of one order have it: all or none.

        Finds the proof itself, and answers in the order of the positions. Raises what `execute` raises, and
        ProofInvalid or PriceNotThereYet where they do not share a proof. One that somebody else has executed refuses
        all (NoOrder): then execute the others.
        """
        if not (vaults := list(positions)):
            return []
        if proof is None:
            proof = self.oracle.prove(lambda proof: self.contract.call.execute(vaults, proof))
        events = self.events_in(self.contract.send.execute(vaults, proof, sender=sender))
        return [event for event in events if isinstance(event, Outcome)]

    def liquidate(self, positions: Iterable[AddressLike], *, sender: AddressLike = None) -> list[Exited]:
        """Liquidates what is liquidatable at the newest price, skips the rest; for no positions nothing is sent.

        Raises the oracle's refusals while there is no valid price.
        """
        listed = list(positions)
        return self._exits(self.contract.send.liquidate(listed, sender=sender)) if listed else []

    def close_at_reserve(self, position: AddressLike, *, sender: AddressLike = None) -> Exited:
        """Closes a position whose gain has reached its reserve. Raises ReserveNotReached, OrderDue, PriceNotLater."""
        return self._exits(self.contract.send.closeAtReserve(position, sender=sender))[0]

    def settle(self, positions: Iterable[AddressLike], *, sender: AddressLike = None) -> list[Exited | OrderVoided]:
        """Ends positions of an expired series or an ended market at the final price, skips the rest; as `liquidate`."""
        listed = list(positions)
        events = self.events_in(self.contract.send.settle(listed, sender=sender)) if listed else []
        return [event for event in events if isinstance(event, Exited | OrderVoided)]

    def unhealthy(self, positions: Iterable[Position]) -> list[Position]:
        """Those that can be liquidated at the newest price, as far as health decides; one call for all."""
        listed = list(positions)
        index, time = self.oracle.contract.call.latest()
        bitmap = self.need_lens().call.unhealthy(self.address, listed, index, time)
        return [position for number, position in enumerate(listed) if bitmap[number // 256] >> number % 256 & 1]

    # ---------------------------------------------------------------- shared with its positions

    def events_in(self, receipt: Receipt) -> list[PositionEvent]:
        """What this market did in a transaction."""
        return PositionEvent.of(receipt.events, self.address, self.token.decimals)

    def need_lens(self) -> TypedContract:
        """The lens; LookupError where none is known."""
        if self.lens is None:
            raise LookupError(f"No lens is known for {self!r}: deploy one and name it in the addresses.")
        return self.lens

    def need_origin(self) -> Origin:
        """What it was created by and from; LookupError where that is not known."""
        if self.origin is None:
            raise LookupError(f"What {self!r} was created from is not known: name factory and config in the addresses.")
        return self.origin

    def _exits(self, receipt: Receipt) -> list[Exited]:
        return [event for event in self.events_in(receipt) if isinstance(event, Exited)]

    def __repr__(self) -> str:
        return f"<Market {self.name or 'without a name'} at {short(self.address)}>"
