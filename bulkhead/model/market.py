"""Twin of Market.sol: orders, positions, liquidation and settlement. `sender` is the caller.

A vault is an address that holds tokens; `new_vault` gives the address of the n-th one, from 1 on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bulkhead.model.integers import mul_div, mul_div_up, saturating_sub, signed, to_uint, unsigned, wrap, wrap_signed
from bulkhead.model.interfaces.instrument import Instrument, MarginModel, Snapshot
from bulkhead.model.interfaces.market import (
    Action,
    AmountTooLarge,
    BandInvalid,
    ExitKind,
    Leg,
    MarginBelowMinimum,
    MarginTooSmall,
    MarketConfig,
    NoOrder,
    NothingToClaim,
    NotTrader,
    Order,
    OrderDue,
    OrderKind,
    OrderPending,
    Position,
    PremiumAboveLimit,
    PriceNotLater,
    ReserveNotReached,
    SizeTooSmall,
    Status,
    TransferShort,
    UnknownPosition,
    VoidReason,
    WrongStatus,
)
from bulkhead.model.interfaces.oracle import Block, IOracle
from bulkhead.model.interfaces.pool import Flow
from bulkhead.model.libraries import book, position_math
from bulkhead.model.libraries.book import Carry
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.operators import Operators
from bulkhead.model.oracles.errors import PriceNotThereYet
from bulkhead.model.pool import Pool
from bulkhead.model.state import atomic
from bulkhead.model.token import Token

#: Token units that the roundings of one partial liquidation may eat.
ROUNDINGS = 8

_MAX_UINT112 = (1 << 112) - 1
_LOW = (1 << 128) - 1


@dataclass(frozen=True)
class Claim:
    """What waits in a vault for its trader and for the pool."""

    trader: int = 0
    pool: int = 0


@dataclass(frozen=True)
class Terms:
    """How a slice of a position leaves; see the Solidity struct."""

    kind: ExitKind
    size: int
    index: int
    mark: int
    premium: int
    flat: int
    phi: int
    keep: bool
    frozen: int


class Market:
    """Every function that changes something is all or nothing."""

    def __init__(
        self,
        address: str,
        config: MarketConfig,
        token: Token,
        oracle: IOracle,
        instrument: Instrument,
        margin_model: MarginModel,
        operators: Operators,
        pool: Pool,
        block: Block,
        new_vault: Callable[[int], str] = "vault {}".format,
    ) -> None:
        self.address, self.config, self.block, self.new_vault = address, config, block, new_vault
        self.token, self.oracle, self.instrument = token, oracle, instrument
        self.margin_model, self.operators, self.pool = margin_model, operators, pool
        self.unit = 10 ** (36 - token.decimals)
        self._positions: dict[str, Position] = {}
        self._orders: dict[str, Order] = {}
        self._claims: dict[str, Claim] = {}
        self._traders: dict[str, str] = {}

    def places(self) -> list[tuple[Any, str]]:
        """Where its state, its pool's, the token's and the operators' lie."""
        own = [(self, name) for name in ("_positions", "_orders", "_claims", "_traders")]
        return [*own, *self.pool.places(), (self.operators, "grants")]

    # ---------------------------------------------------------------- orders

    @atomic
    def request_open(self, trader: str, legs: Sequence[Leg], low: int, high: int, *, sender: str) -> list[str]:
        """Commits an opening order; gives the positions."""
        if low == 0 or low > high or high > _MAX_UINT112:
            raise BandInvalid(low, high)
        phase = self.oracle.commitment()
        self._authorise(trader, Action.OPEN, sum(leg.margin for leg in legs), sender)
        return [self._commit(trader, leg, low, high, phase) for leg in legs]

    def _commit(self, trader: str, leg: Leg, low: int, high: int, phase: int) -> str:
        c = self.config
        size = position_math.absolute(leg.size)
        self._require_size(size)
        if size > _MAX_UINT112:
            raise AmountTooLarge(size)
        if leg.margin < c.min_margin:
            raise MarginBelowMinimum(leg.margin, c.min_margin)
        state, premium = self.pool.commit(leg.series, leg.size, leg.reserve, size, high, sender=self.address)
        if premium > leg.max_premium:
            raise PremiumAboveLimit(premium, leg.max_premium)
        self._require_initial_at_commit(replace(state, index=high), leg, size, premium)
        if low != high:
            self._require_initial_at_commit(replace(state, index=low), leg, size, premium)

        position = self.new_vault(len(self._traders) + 1)
        self._traders[position] = trader
        self._positions[position] = Position(
            margin=leg.margin,
            reserve=leg.reserve,
            series=leg.series,
            status=Status.PENDING,
            time=wrap(self.block.timestamp, 32),
            size=leg.size,
            entry=wrap(premium, 112),
            phase=phase,
            band=low | high << 128,
        )
        self.token.transfer_from(trader, position, leg.margin, sender=self.address)
        self._require_held(position, leg.margin)
        return position

    def _require_initial_at_commit(self, state: Snapshot, leg: Leg, size: int, premium: int) -> None:
        mark = self.instrument.mark(leg.series, state.index, state.time)
        fee = self._fee_up(self.config.open_fee, size, state.index)
        costs = unsigned(self.config.keeper_cap + fee + self._fee_up(premium, size, state.index))
        self._require_initial(state, mark, leg.size, signed(leg.margin - wrap_signed(costs)))

    @atomic
    def request_close(self, position: str, size: int, low: int, high: int, max_premium: int, *, sender: str) -> None:
        """Commits to close `size` (or what is left); the band 0, 0 takes any price."""
        p = self._for_order(position, Action.CLOSE, sender)
        if low > high:
            raise BandInvalid(low, high)
        held = position_math.absolute(p.size)
        closing = min(size, held)
        self._require_size(closing)
        if closing != held:
            self._require_size(held - closing)
        change = -closing if p.size > 0 else closing
        _, premium = self.pool.commit(p.series, change, 0, 0, 0, sender=self.address)
        if premium > max_premium:
            raise PremiumAboveLimit(premium, max_premium)
        self._order(position, OrderKind.CLOSE, closing, low, high, premium)

    @atomic
    def request_raise(self, position: str, amount: int, *, sender: str) -> None:
        """Commits to raise the reserve by `amount` token units."""
        p = self._for_order(position, Action.RAISE_RESERVE, sender)
        self.pool.commit(p.series, 0, amount, position_math.absolute(p.size), 0, sender=self.address)
        self._order(position, OrderKind.RAISE_RESERVE, amount, 0, 0, 0)

    def _for_order(self, position: str, action: Action, sender: str) -> Position:
        p = self._load(position, Status.OPEN)
        self._authorise(self._traders[position], action, 0, sender)
        if self.order_of(position).kind != OrderKind.NONE:
            raise OrderPending(position)
        return p

    def _order(self, position: str, kind: OrderKind, amount: int, low: int, high: int, premium: int) -> None:
        phase = self.oracle.commitment()
        now = wrap(self.block.timestamp, 32)
        self._orders[position] = Order(kind, now, phase, wrap(premium, 64), amount, low, high)

    # ---------------------------------------------------------------- execution

    @atomic
    def execute(self, position: str, proof: bytes, *, sender: str) -> None:
        """Carries out the pending order of a position at the first price after it, or voids it."""
        p = self.position_of(position)
        if p.status == Status.PENDING:
            return self._execute_open(position, p, proof, sender)
        order = self.order_of(position)
        if order.kind == OrderKind.NONE:
            raise NoOrder(position)
        return self._execute_order(position, p, order, proof, sender)

    def _execute_open(self, position: str, p: Position, proof: bytes, sender: str) -> None:
        reason, index, time = self._first_price(p.series, p.phase, p.time, p.band & _LOW, p.band >> 128, proof)
        if reason is not None:
            return self._void_open(position, p, reason, sender)

        keeper_fee = self._keeper_fee(p.time)
        fee = unsigned(keeper_fee + self._fee_up(self.config.open_fee, position_math.absolute(p.size), index))
        mark = self.instrument.mark(p.series, index, time)
        entry = position_math.fill(mark, p.entry, index, p.size > 0)
        reserve = min(p.reserve, self._largest_reserve(p, index, entry))
        received = 0
        if fee > reserve:
            received = fee - reserve
            _, paid = self._pay_vault(position, 0, received)
            if not paid:
                return self._void_open(position, p, VoidReason.FUNDING_REFUSED, sender)
        opened = replace(
            p,
            margin=wrap(unsigned(p.margin - fee), 96),
            reserve=wrap(reserve, 96),
            status=Status.OPEN,
            time=wrap(time, 32),
            entry=to_uint(entry, 112),
            phase=0,
        )
        flow = Flow(
            unpend=p.size,
            freed=p.reserve,
            sent=saturating_sub(reserve, fee),
            received=received,
            keeper=sender,
            keeper_fee=keeper_fee,
            index=index,
        )
        funded, band = self.pool.post(position, Position(), opened, flow, sender=self.address)
        if not funded:
            return self._void_open(position, p, VoidReason.FUNDING_REFUSED, sender)
        self._positions[position] = replace(opened, band=band)
        return None

    def _void_open(self, position: str, p: Position, reason: VoidReason, sender: str) -> None:
        keeper_fee = self._keeper_fee(p.time)
        void_fee = self._void_fee(reason, position_math.absolute(p.size), p.band >> 128)
        fee = min(void_fee, unsigned(p.margin - keeper_fee))
        self._close(position)
        received, unpaid = self._pay(position, p.margin - fee - keeper_fee, fee + keeper_fee)
        none = Position(series=p.series)
        flow = Flow(p.size, p.reserve, 0, received, unpaid, sender, keeper_fee, 0)
        self.pool.post(position, none, none, flow, sender=self.address)

    def _execute_order(self, position: str, p: Position, order: Order, proof: bytes, sender: str) -> None:
        reason, index, time = self._first_price(p.series, order.phase, order.requested_at, order.low, order.high, proof)
        if reason is not None:
            return self._void_order(position, p, order, reason, sender)
        mark = self.instrument.mark(p.series, index, time)
        if order.kind == OrderKind.RAISE_RESERVE:
            return self._raise(position, p, order, index, mark, sender)

        del self._orders[position]
        held = position_math.absolute(p.size)
        size = min(order.amount, held)
        if held - size < self.config.min_size:
            size = held
        flat = self._keeper_fee(order.requested_at)
        terms = Terms(ExitKind.CLOSE, size, index, mark, order.premium, flat, 0, False, 0)
        return self._exit(position, p, order, terms, sender)

    def _void_order(self, position: str, p: Position, order: Order, reason: VoidReason, sender: str) -> None:
        del self._orders[position]
        keeper_fee = min(self._keeper_fee(order.requested_at), p.margin)
        fee = self._void_fee(reason, order.amount, order.high) if order.kind == OrderKind.CLOSE else 0
        fee = min(fee, p.margin - keeper_fee)
        unpend, freed = self._ends(p, order)
        self._charge(position, p, fee + keeper_fee, keeper_fee, unpend, freed, sender)

    def _raise(self, position: str, p: Position, order: Order, index: int, mark: int, sender: str) -> None:
        if position_math.gain_down(p.size, p.entry, mark, self.unit) >= p.reserve:
            return self._void_order(position, p, order, VoidReason.RESERVE_REACHED, sender)
        highest = max(p.reserve, self._largest_reserve(p, index, p.entry))
        added = min(order.amount, highest - p.reserve)
        _, carry = self.pool.state_of(p.series)
        reserve = unsigned(p.reserve + wrap(added, 96), 96)
        raised = replace(p, reserve=reserve, band=book.rebased(carry, p, reserve))
        flow = Flow(freed=order.amount, sent=added, keeper=sender, index=index)
        funded, _ = self.pool.post(position, p, raised, flow, sender=self.address)
        if not funded:
            return self._void_order(position, p, order, VoidReason.FUNDING_REFUSED, sender)
        del self._orders[position]
        keeper_fee = min(self._keeper_fee(order.requested_at), raised.margin)
        return self._charge(position, raised, keeper_fee, keeper_fee, 0, 0, sender)

    def _charge(
        self, position: str, p: Position, fee: int, keeper_fee: int, unpend: int, freed: int, sender: str
    ) -> None:
        self._positions[position] = p
        received, unpaid = self._pay(position, 0, fee)
        flow = Flow(unpend, freed, 0, received, unpaid, sender, keeper_fee, 0)
        self._post_margin(position, p, unsigned(p.margin - wrap(fee, 96)), flow)

    # ---------------------------------------------------------------- margin

    @atomic
    def add_margin(self, position: str, amount: int, *, sender: str) -> None:
        """Adds margin out of the caller's allowance. Asks nobody."""
        p = self.position_of(position)
        if p.status == Status.NONE:
            raise UnknownPosition(position)
        if p.status == Status.CLOSED:
            raise WrongStatus(position, p.status, Status.OPEN)
        margin = unsigned(p.margin + amount, 96)
        if p.status == Status.OPEN:
            self._post_margin(position, p, margin, Flow(keeper=sender))
        else:
            self._positions[position] = replace(p, margin=margin)
        self.token.transfer_from(sender, position, amount, sender=self.address)
        self._require_held(position, margin + p.reserve if p.status == Status.OPEN else margin)

    @atomic
    def remove_margin(self, position: str, amount: int, *, sender: str) -> None:
        """Takes margin out, to the trader. Unrealised gain never counts."""
        p = self._load(position, Status.OPEN)
        self._authorise(self._traders[position], Action.REMOVE_MARGIN, 0, sender)
        if amount + self.config.min_margin > p.margin:
            raise MarginBelowMinimum(saturating_sub(p.margin, amount), self.config.min_margin)
        margin = p.margin - amount
        if not self._covered(p, margin):
            self._require_initial_after(p, margin)
        self._post_margin(position, p, margin, Flow(keeper=sender))
        self._pay(position, amount, 0)

    def _require_initial_after(self, p: Position, margin: int) -> None:
        state, carry = self.pool.state_of(p.series)
        index, time = self.oracle.latest()
        shock = self.oracle.deviation
        index = mul_div(index, ONE - shock if p.size > 0 else ONE + shock, ONE)
        mark = self.instrument.mark(p.series, index, time)
        gain = position_math.gain_down(p.size, p.entry, mark, self.unit)
        equity = signed(margin + min(gain, 0) - book.carry_up(carry, p, index, self.unit))
        self._require_initial(replace(state, index=index, time=time), mark, p.size, equity)

    # ---------------------------------------------------------------- ends

    @atomic
    def liquidate(self, positions: Sequence[str], *, sender: str) -> int:
        """Liquidates what is liquidatable, skips the rest; gives how many were."""
        index, time = self.oracle.latest()
        return sum(self._liquidate(position, index, time, sender) for position in positions)

    def _liquidate(self, position: str, index: int, time: int, sender: str) -> bool:
        p = self.position_of(position)
        if p.status != Status.OPEN or time <= p.time:
            return False
        c, order = self.config, self.order_of(position)
        if order.kind == OrderKind.CLOSE and self._due(order, time):
            return False
        mark = self.instrument.mark(p.series, index, time)
        state, carry = self.pool.state_of(p.series)
        equity = self._equity(p, index, mark, carry)
        maintenance, target = self._required(p, index, mark)
        if equity >= wrap_signed(maintenance):
            return False

        held = position_math.absolute(p.size)
        premium = self.instrument.premium(replace(state, index=index, time=time), -p.size)
        fraction = position_math.liquidation_fraction_up(
            signed(equity - (c.liquidation_fee + ROUNDINGS)),
            target,
            self._fee_up(c.close_fee + premium, held, index),
            c.phi,
        )
        fraction = max(fraction, c.smallest_liquidation)
        size = mul_div_up(held, fraction, ONE)
        if fraction > c.largest_liquidation or unsigned(held - size) < c.min_size:
            size = held
        cancelled = self._cancelled(position) if size == held else Order()
        flat, keep = c.liquidation_fee, size != held
        terms = Terms(ExitKind.LIQUIDATION, size, index, mark, premium, flat, c.phi, keep, 0)
        self._exit(position, p, cancelled, terms, sender)
        return True

    @atomic
    def close_at_reserve(self, position: str, *, sender: str) -> None:
        """Closes a position whose gain has reached its reserve, paid in full less fees."""
        p = self._load(position, Status.OPEN)
        index, time = self.oracle.latest()
        if time <= p.time:
            raise PriceNotLater(time, p.time)
        if self._due(self.order_of(position), time):
            raise OrderDue(position)
        mark = self.instrument.mark(p.series, index, time)
        _, carry = self.pool.state_of(p.series)
        gain = position_math.gain_down(p.size, p.entry, mark, self.unit)
        gain = signed(gain - book.carry_up(carry, p, index, self.unit))
        if gain < p.reserve:
            raise ReserveNotReached(position, gain, p.reserve)
        size, flat = position_math.absolute(p.size), self.config.keeper_floor
        terms = Terms(ExitKind.AT_RESERVE, size, index, mark, 0, flat, 0, False, 0)
        self._exit(position, p, self._cancelled(position), terms, sender)

    @atomic
    def settle(self, positions: Sequence[str], *, sender: str) -> int:
        """Ends positions of an expired series or an ended market at the final mark; gives how many."""
        ended, index, time = self.oracle.final_price()
        return sum(self._settle(position, ended, index, time, sender) for position in positions)

    def _settle(self, position: str, ended: bool, index: int, time: int, sender: str) -> bool:
        p = self.position_of(position)
        if p.status == Status.PENDING and ended:
            self._void_open(position, p, VoidReason.MARKET_ENDED, sender)
            return True
        if p.status != Status.OPEN:
            return False
        known, mark, fixing = self.instrument.final_mark(p.series)
        if not known:
            if not ended:
                return False
            mark = self.instrument.mark(p.series, index, time)
            fixing = index
        size, flat = position_math.absolute(p.size), self.config.keeper_floor
        terms = Terms(ExitKind.SETTLEMENT, size, fixing, mark, 0, flat, 0, False, time)
        self._exit(position, p, self._cancelled(position), terms, sender)
        return True

    def _exit(self, position: str, p: Position, order: Order, t: Terms, sender: str) -> None:
        if t.frozen != 0:
            self.pool.freeze(p.series, t.frozen, sender=self.address)
        _, carry = self.pool.state_of(p.series)
        flat = min(t.flat, p.margin)
        margin = p.margin - flat
        held = position_math.absolute(p.size)
        slice_ = replace(
            p,
            margin=wrap(mul_div(margin, t.size, held), 96),
            reserve=wrap(mul_div(p.reserve, t.size, held), 96),
            size=t.size if p.size > 0 else -t.size,
        )
        fees = self._fee_up(self.config.close_fee + t.premium, t.size, t.index)
        equity = self._equity(slice_, t.index, t.mark, carry)
        parts = position_math.split(slice_.margin, slice_.reserve, equity, fees, t.phi, self.config.phi_to_pool)
        to_keeper = parts.to_keeper + flat

        rest = replace(
            p,
            size=p.size - slice_.size,
            reserve=p.reserve - slice_.reserve,
            margin=unsigned(margin - slice_.margin + (parts.to_trader if t.keep else 0), 96),
        )
        to_trader = 0 if t.keep else parts.to_trader
        if rest.size == 0:
            self._close(position)
        else:
            self._positions[position] = rest
        received, unpaid = self._pay(position, to_trader, parts.to_pool + to_keeper)
        unpend, freed = self._ends(p, order)
        index = t.index if t.frozen == 0 else 0
        flow = Flow(unpend, freed, 0, received, unpaid, sender, to_keeper, index)
        self.pool.post(position, p, rest, flow, sender=self.address)

    @atomic
    def claim(self, position: str, to: str, *, sender: str) -> None:
        """Pays what the token once refused. The trader may direct it; others can only pay trader and pool."""
        owed = self._claims.get(position, Claim())
        if owed.trader == 0 and owed.pool == 0:
            raise NothingToClaim(position)
        trader = self._traders[position]
        if sender != trader and to != trader:
            raise NotTrader(sender, trader)
        del self._claims[position]
        received, _ = self._pay(position, owed.trader if to == trader else 0, owed.pool)
        if received != 0:
            self.pool.collect_claim(received, sender=self.address)
        if to != trader:
            self.token.transfer(to, owed.trader, sender=position)

    # ---------------------------------------------------------------- views

    def position_of(self, position: str) -> Position:
        """The position; of status NONE where there is none."""
        return self._positions.get(position, Position())

    def order_of(self, position: str) -> Order:
        """Its order; of kind NONE where there is none."""
        return self._orders.get(position, Order())

    def claimable(self, position: str) -> tuple[int, int]:
        """What waits in a vault for its trader and for the pool."""
        owed = self._claims.get(position, Claim())
        return owed.trader, owed.pool

    def health(self, position: str, index: int, time: int) -> tuple[int, int, int]:
        """Unclamped equity, what it must be, and what a partial liquidation restores."""
        p = self._load(position, Status.OPEN)
        _, carry = self.pool.state_of(p.series)
        mark = self.instrument.mark(p.series, index, time)
        return self._equity(p, index, mark, carry), *self._required(p, index, mark)

    # ---------------------------------------------------------------- shared

    def _load(self, position: str, wanted: Status) -> Position:
        p = self.position_of(position)
        if p.status == Status.NONE:
            raise UnknownPosition(position)
        if p.status != wanted:
            raise WrongStatus(position, p.status, wanted)
        return p

    def _authorise(self, trader: str, action: Action, amount: int, sender: str) -> None:
        if sender != trader:
            self.operators.spend(trader, sender, action, amount, sender=self.address)

    def _first_price(
        self, series: int, phase: int, requested_at: int, low: int, high: int, proof: bytes
    ) -> tuple[VoidReason | None, int, int]:
        """Why the order is void (None: it is not), index, time. A wrong proof raises."""
        due = requested_at + self.config.delay
        if len(proof) == 0:
            if self.block.timestamp <= due + self.config.time_to_live:
                raise PriceNotThereYet(due)
            return VoidReason.UNPROVEN, 0, 0
        index, time, undisputed = self.oracle.first_after(phase, due, proof)
        if time > due + self.config.time_to_live:
            return VoidReason.LATE, index, time
        if not undisputed:
            return VoidReason.DISPUTED, index, time
        if index < low or (high != 0 and index > high):
            return VoidReason.OUTSIDE_BAND, index, time
        if not self.instrument.is_open(series, time):
            return VoidReason.SERIES_CLOSED, index, time
        return None, index, time

    def _due(self, order: Order, time: int) -> bool:
        """An order whose price may be known goes first, as long as it can be proven."""
        due = order.requested_at + self.config.delay
        return (
            order.kind != OrderKind.NONE
            and due < time
            and self.block.timestamp <= due + self.config.time_to_live
            and order.phase == self.oracle.commitment()
        )

    def _keeper_fee(self, requested_at: int) -> int:
        c = self.config
        waited = min(saturating_sub(self.block.timestamp, requested_at + c.delay), c.time_to_live)
        return c.keeper_floor + (c.keeper_cap - c.keeper_floor) * waited // c.time_to_live

    def _void_fee(self, reason: VoidReason, size: int, high: int) -> int:
        if reason not in (VoidReason.OUTSIDE_BAND, VoidReason.UNPROVEN):
            return 0
        return self._fee_up(self.config.open_fee, size, high)

    def _fee_up(self, rate: int, size: int, price: int) -> int:
        return position_math.fee_up(rate, size, price, self.unit)

    def _required(self, p: Position, index: int, mark: int) -> tuple[int, int]:
        maintenance, target = self.margin_model.maintenance(p.series, index, mark, p.size)
        cap = self.instrument.cap(p.series)
        largest_loss = position_math.largest_loss_down(p.size, mark, cap, self.unit)
        return min(self._tokens_up(maintenance), largest_loss), min(self._tokens_up(target), largest_loss)

    def _equity(self, p: Position, index: int, mark: int, carry: Carry) -> int:
        gain = position_math.gain_down(p.size, p.entry, mark, self.unit)
        return signed(signed(p.margin + gain) - book.carry_up(carry, p, index, self.unit))

    def _require_initial(self, state: Snapshot, mark: int, size: int, equity: int) -> None:
        required = min(
            self._tokens_up(self.margin_model.initial(state, mark, size)),
            position_math.largest_loss_down(size, mark, self.instrument.cap(state.series), self.unit),
        )
        if equity < wrap_signed(required):
            raise MarginTooSmall(equity, required)

    def _covered(self, p: Position, margin: int) -> bool:
        if self.instrument.has_carry():
            return False
        price = p.entry if p.size > 0 else saturating_sub(self.instrument.cap(p.series), p.entry)
        return margin >= position_math.value_up(position_math.absolute(p.size), price, self.unit)

    def _largest_reserve(self, p: Position, index: int, entry: int) -> int:
        value = position_math.value_down(position_math.absolute(p.size), index, self.unit)
        cap = self.instrument.cap(p.series)
        return min(
            mul_div(self.config.largest_reserve, value, ONE),
            position_math.largest_gain_down(p.size, entry, cap, self.unit),
        )

    def _post_margin(self, position: str, p: Position, margin: int, flow: Flow) -> None:
        current = replace(self._positions[position], margin=margin)
        self.pool.post(position, p, current, flow, sender=self.address)
        self._positions[position] = current

    @staticmethod
    def _ends(p: Position, order: Order) -> tuple[int, int]:
        """What is no longer pending, and the earmark that ends, with an order."""
        if order.kind == OrderKind.CLOSE:
            return (-order.amount if p.size > 0 else order.amount), 0
        return 0, order.amount

    def _cancelled(self, position: str) -> Order:
        return self._orders.pop(position, Order())

    def _close(self, position: str) -> None:
        self._positions[position] = Position(status=Status.CLOSED)

    def _require_size(self, size: int) -> None:
        if size < self.config.min_size:
            raise SizeTooSmall(size, self.config.min_size)

    def _require_held(self, position: str, wanted: int) -> None:
        held = self.token.balance_of(position)
        if held < wanted:
            raise TransferShort(held, wanted)

    def _tokens_up(self, value: int) -> int:
        return mul_div_up(value, ONE, self.unit)

    def _pay_vault(self, position: str, to_trader: int, to_pool: int) -> tuple[bool, bool]:
        """Twin of PositionVault.pay: a payee that the token blocks does not block the other one."""
        pay, trader = self.token.try_transfer, self._traders[position]
        trader_paid = to_trader == 0 or pay(trader, to_trader, sender=position)
        return trader_paid, to_pool == 0 or pay(self.pool.address, to_pool, sender=position)

    def _pay(self, position: str, to_trader: int, to_pool: int) -> tuple[int, int]:
        """Pay or keep: what reached the pool, and what stays for it."""
        trader_paid, pool_paid = self._pay_vault(position, to_trader, to_pool)
        if not trader_paid or not pool_paid:
            owed = self._claims.get(position, Claim())
            kept_trader = 0 if trader_paid else wrap(to_trader, 128)
            kept_pool = 0 if pool_paid else wrap(to_pool, 128)
            self._claims[position] = Claim(
                unsigned(owed.trader + kept_trader, 128), unsigned(owed.pool + kept_pool, 128)
            )
        return (to_pool, 0) if pool_paid else (0, to_pool)
