"""A market: orders in, and the upkeep that anyone may do for a fee."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from bulkhead.chain import Address, Chain, Receipt, Revert, to_address
from bulkhead.chain.base import AddressLike
from bulkhead.protocol.errors import TypedContract
from bulkhead.protocol.events import Exited, Opened, OpenRequested, OrderVoided, PositionEvent, ReserveRaised
from bulkhead.protocol.leg import Leg
from bulkhead.protocol.operators import Operators
from bulkhead.protocol.oracle import Oracle
from bulkhead.protocol.pool import Pool
from bulkhead.protocol.position import Position
from bulkhead.protocol.token import Token
from bulkhead.protocol.units import WAD, Number, short, to_decimal, to_integer

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
    """What a request to open asks for now, in tokens; `premium` is a fraction of notional.

    refusal                      why the market would refuse the trader's request with that margin; None: it would not
    open_fee, keeper_cap         the most they can come to within the band
    margin                       the smallest that passes
    lowest, highest_reserve      for the size at the top of the band
    free_liquidity               what the pool could set aside
    """

    refusal: Revert | None
    premium: Decimal
    open_fee: Decimal
    keeper_cap: Decimal
    margin: Decimal
    lowest_reserve: Decimal
    highest_reserve: Decimal
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
        reserve: Number,
        *,
        band: Band | None = None,
        max_premium: Number = Decimal("0.01"),
        series: int = 0,
        trader: AddressLike = None,
        sender: AddressLike = None,
    ) -> Position:
        """Asks for one position; `execute` opens it at the first price after. See `Leg` and `request`."""
        leg = Leg(size, margin, reserve, max_premium, series)
        return self.request(leg, band=band, trader=trader, sender=sender)[0]

    def request(
        self, *legs: Leg, band: Band | None = None, trader: AddressLike = None, sender: AddressLike = None
    ) -> list[Position]:
        """Asks for several positions with one band, so that all or none open; `execute` each of them.

        The trader must have approved the market for the margins. Raises TypeError for floats, ValueError for too many
        decimals, and the market's refusals.
        """
        encoded = [leg.encoded(self.token.decimals) for leg in legs]
        owner = to_address(trader or sender or self.chain.accounts[0])
        low, high = self.band(band) if band is not None else self.near()
        receipt = self.contract.send.requestOpen(owner, encoded, low, high, sender=sender or owner)
        return [self.position(told.position) for told in self.told(receipt) if isinstance(told, OpenRequested)]

    def quote(
        self,
        size: Number,
        reserve: Number,
        *,
        band: Band | None = None,
        max_premium: Number = Decimal("0.01"),
        series: int = 0,
        trader: AddressLike = None,
    ) -> Quote:
        """What `open` asks for now, and whether it would take it: the very request is tried out, and not sent.

        Raises BandInvalid, LookupError where no lens is known, or not what the market was created from.
        """
        owner = to_address(trader or self.chain.accounts[0])
        low, high = self.band(band) if band is not None else self.near()
        leg = Leg(size, 0, reserve, max_premium, series).encoded(self.token.decimals)
        told = self.need_lens().call.quoteOpen(*self.need_origin(), leg, low, high)
        refusal = None
        try:
            self.contract.call.requestOpen(owner, [leg | {"margin": told.margin}], low, high, sender=owner)
        except Revert as revert:
            refusal = revert
        return Quote(refusal, to_decimal(told.premium, WAD), *map(self.token.amount, told[1:]))

    def band(self, band: Band) -> tuple[int, int]:
        """A band as the contract takes it."""
        low, high = band
        return to_integer(low, WAD, "lowest price"), to_integer(high, WAD, "highest price")

    def near(self) -> tuple[int, int]:
        """The band around the newest price."""
        price = self.oracle.latest().price
        # Whole in the last of 18 decimals.
        low, high = (int((price * (1 + side)).scaleb(WAD)) for side in (-NEAR, NEAR))
        return low, high

    # ---------------------------------------------------------------- upkeep

    def execute(self, position: AddressLike, *, proof: bytes | None = None, sender: AddressLike = None) -> Outcome:
        """Carries out the order of a position at its first price, or voids it: the answer says which, and why.

        Finds the proof itself. Raises PriceNotThereYet before there is such a price, NoOrder.
        """
        if proof is None:
            proof = self.oracle.prove(lambda proof: self.contract.call.execute(position, proof))
        told = self.told(self.contract.send.execute(position, proof, sender=sender))
        return next(event for event in told if isinstance(event, Outcome))

    def liquidate(self, positions: Iterable[AddressLike], *, sender: AddressLike = None) -> list[Exited]:
        """Liquidates what is liquidatable at the newest price, skips the rest."""
        return self._exits(self.contract.send.liquidate(list(positions), sender=sender))

    def close_at_reserve(self, position: AddressLike, *, sender: AddressLike = None) -> Exited:
        """Closes a position whose gain has reached its reserve. Raises ReserveNotReached, OrderDue, PriceNotLater."""
        return self._exits(self.contract.send.closeAtReserve(position, sender=sender))[0]

    def settle(self, positions: Iterable[AddressLike], *, sender: AddressLike = None) -> list[Exited | OrderVoided]:
        """Ends positions of an expired series or an ended market at the final price, skips the rest."""
        told = self.told(self.contract.send.settle(list(positions), sender=sender))
        return [event for event in told if isinstance(event, Exited | OrderVoided)]

    def unhealthy(self, positions: Iterable[Position]) -> list[Position]:
        """Those that can be liquidated at the newest price, as far as health decides; one call for all."""
        listed = list(positions)
        index, time = self.oracle.contract.call.latest()
        bitmap = self.need_lens().call.unhealthy(self.address, listed, index, time)
        return [position for number, position in enumerate(listed) if bitmap[number // 256] >> number % 256 & 1]

    # ---------------------------------------------------------------- shared with its positions

    def told(self, receipt: Receipt) -> list[PositionEvent]:
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
        return [event for event in self.told(receipt) if isinstance(event, Exited)]

    def __repr__(self) -> str:
        return f"<Market {self.name or 'without a name'} at {short(self.address)}>"
