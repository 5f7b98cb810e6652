"""Twin of Market.sol: orders, positions, liquidation and settlement. `sender` is the caller.

A vault is an address that holds tokens; `new_vault` gives the address of the n-th one, from 1 on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bulkhead.model.integers import MAX_UINT32, MAX_UINT64, saturating_sub, signed, unsigned, wrap, wrap_signed
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
    SeriesNotOpen,
    SizeNotInLots,
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
from bulkhead.model.libraries.book import Carry, Series
from bulkhead.model.libraries.position_math import LOT, ONE, Split
from bulkhead.model.libraries.position_store import PREMIUM, save_order, save_state, save_terms
from bulkhead.model.operators import Operators
from bulkhead.model.oracles.errors import PriceNotThereYet
from bulkhead.model.pool import Pool
from bulkhead.model.state import atomic, replace
from bulkhead.model.token import Token

#: Token units that the roundings of one partial liquidation may eat.
ROUNDINGS = 8
#: No index is above it.
HIGHEST = (1 << 112) - 1
MAX_SERIES = 10


@dataclass(frozen=True)
class Claim:
    """What waits in a vault for its trader and for the pool."""

    trader: int = 0
    pool: int = 0


#: What there is where there is nothing; made once.
NO_POSITION, NO_ORDER, NO_CLAIM, NO_SERIES = Position(), Order(), Claim(), Series()


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


@dataclass
class Trade:
    """What one call changes in one series: the pool hears of it once, at the end."""

    state: Snapshot
    carry: Carry
    flow: Flow = field(default_factory=Flow)


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
        self.unit: int = 10 ** (36 - token.decimals)
        pool.book = self
        self._positions: dict[str, Position] = {}
        self._orders: dict[str, Order] = {}
        self._claims: dict[str, Claim] = {}
        self._traders: dict[str, str] = {}
        self._series: dict[int, Series] = {}
        self._live: list[int] = []

    def places(self) -> list[tuple[Any, str]]:
        """Where its state, its pool's, the token's and the operators' lie."""
        own = [(self, name) for name in ("_positions", "_orders", "_claims", "_traders", "_series", "_live")]
        return [*own, *self.pool.places(), (self.operators, "grants")]

    # ---------------------------------------------------------------- orders

    @atomic
    def request_open(self, trader: str, legs: Sequence[Leg], low: int, high: int, *, sender: str) -> list[str]:
        """Commits an opening order; gives the positions."""
        if low == 0 or low > high or high > HIGHEST:
            raise BandInvalid(low, high)
        order = Order(OrderKind.OPEN, self.block.timestamp, self.oracle.commitment(), 0, 0, low, high)
        self._authorise(trader, Action.OPEN, unsigned(sum(leg.margin for leg in legs)), sender)
        return [self._commit(trader, leg, order) for leg in legs]

    def _commit(self, trader: str, leg: Leg, order: Order) -> str:
        c = self.config
        size = position_math.absolute(leg.size)
        self._require_size(size)
        if size > (MAX_UINT64 >> 1) * LOT:
            raise AmountTooLarge(size)
        if leg.margin < c.min_margin:
            raise MarginBelowMinimum(leg.margin, c.min_margin)
        committed, idle, last = self.pool.earmark(leg.reserve, size, order.high, sender=self.address)
        state = self._snapshot(leg.series, committed, idle)
        book.require_room(self.series_of(leg.series), leg.size)
        order = replace(order, amount=leg.reserve, premium=self._pend(state, leg.size, leg.max_premium))

        position = self.new_vault(len(self._traders) + 1)
        self._traders[position] = trader
        p = Position(leg.margin, leg.reserve, Status.PENDING, leg.size, 0, leg.series, order.requested_at)
        self._positions[position] = save_state(p)
        self._orders[position] = order = save_order(order)
        top = max(order.high, last)
        value = position_math.value_up(size, top, self.unit)
        if value >> 88:
            raise AmountTooLarge(value)
        self._require_initial_in_band(state, leg, size, order, top)
        self.token.transfer_from(trader, position, leg.margin, sender=self.address)
        self._require_held(position, leg.margin)
        return position

    def _require_initial_in_band(self, state: Snapshot, leg: Leg, size: int, order: Order, top: int) -> None:
        low = self.instrument.mark(leg.series, order.low, state.time)
        high = self.instrument.mark(leg.series, top, state.time)
        cap = self.instrument.cap(leg.series)
        mark = max(low, high) if leg.size > 0 else min(low, high)
        largest_loss = position_math.largest_loss_down(leg.size, mark, cap, self.unit)
        self._require_initial_at(state, leg, size, top, high, largest_loss, order.premium)
        self._require_initial_at(state, leg, size, order.low, low, largest_loss, order.premium)

    def _require_initial_at(
        self, state: Snapshot, leg: Leg, size: int, index: int, mark: int, largest_loss: int, premium: int
    ) -> None:
        costs = unsigned(self.config.keeper_cap + self._fee_up(self.config.open_fee + premium, size, index))
        equity = signed(leg.margin - wrap_signed(costs))
        self._require_initial(replace(state, index=index), mark, leg.size, equity, largest_loss)

    @atomic
    def request_close(self, position: str, size: int, low: int, high: int, max_premium: int, *, sender: str) -> None:
        """Commits to close `size` (or what is left); the band 0, 0 takes any price."""
        p = self._for_order(position, Action.CLOSE, sender)
        if low > high or high > HIGHEST:
            raise BandInvalid(low, high)
        held = position_math.absolute(p.size)
        closing = min(size, held)
        self._require_size(closing)
        if closing != held:
            self._require_size(held - closing)
            margin = position_math.mul_down(p.margin, held - closing, held)
            if margin < self.config.min_margin:
                raise MarginBelowMinimum(margin, self.config.min_margin)
        change = -closing if p.size > 0 else closing
        premium = self._pend(self._snapshot(p.series, *self.pool.liquidity()), change, max_premium)
        self._order(position, OrderKind.CLOSE, closing // LOT, low, high, premium)

    @atomic
    def request_raise(self, position: str, amount: int, *, sender: str) -> None:
        """Commits to raise the reserve by `amount` token units."""
        p = self._for_order(position, Action.RAISE_RESERVE, sender)
        self._require_trading(p.series)
        self.pool.earmark(amount, position_math.absolute(p.size), 0, sender=self.address)
        self._order(position, OrderKind.RAISE_RESERVE, amount, 0, 0, 0)

    def _for_order(self, position: str, action: Action, sender: str) -> Position:
        p = self._load_open(position)
        self._authorise(self._traders[position], action, 0, sender)
        if self.order_of(position).kind != OrderKind.NONE:
            raise OrderPending(position)
        return p

    def _order(self, position: str, kind: OrderKind, amount: int, low: int, high: int, premium: int) -> None:
        phase = self.oracle.commitment()
        self._orders[position] = save_order(Order(kind, self.block.timestamp, phase, premium, amount, low, high))

    def _require_trading(self, id: int) -> None:
        if not self.instrument.is_open(id, self.block.timestamp):
            raise SeriesNotOpen(id, self.block.timestamp)

    def _pend(self, state: Snapshot, change: int, limit: int) -> int:
        """The premium of a change of the open size, which is pending from now on."""
        id = state.series
        self._require_trading(id)
        if not self.series_of(id).live:
            self._list(id)
        series = self.series_of(id)
        buys, sells = book.pending(series)
        if change > 0:
            state = replace(state, long=state.long + buys)
        else:
            state = replace(state, short=state.short + sells)
        premium = unsigned(-(-self.instrument.premium(state, change) // PREMIUM) * PREMIUM)
        limit = min(limit, MAX_UINT32 * PREMIUM)
        if premium > limit:
            raise PremiumAboveLimit(premium, limit)
        self._series[id] = book.pend(series, change)
        return premium

    def _list(self, id: int) -> None:
        if len(self._live) == MAX_SERIES:
            raise SeriesNotOpen(id, self.block.timestamp)
        self._live.append(id)
        self._freeze(id, self.block.timestamp)

    def _retire(self, id: int) -> None:
        if self.instrument.has_carry():
            return
        if retired := book.retire(self.series_of(id)):
            self._series[id] = retired
            self._live = [live for live in reversed(self._live) if live != id]

    # ---------------------------------------------------------------- execution

    @atomic
    def execute(self, positions: Sequence[str], proof: bytes, *, sender: str) -> None:
        """Carries out the pending order of each position at the first price after it, or voids it; all or none."""
        for position in positions:
            self._execute(position, proof, sender)

    def _execute(self, position: str, proof: bytes, sender: str) -> None:
        p, order = self.position_of(position), self.order_of(position)
        if p.status == Status.NONE:
            raise UnknownPosition(position)
        if order.kind == OrderKind.NONE:
            raise NoOrder(position)
        reason, index, time = self._find_price(p.series, order, proof)
        if reason != VoidReason.NONE:
            return self._void(position, p, order, reason, index, sender)
        mark = self.instrument.mark(p.series, index, time)
        if order.kind == OrderKind.OPEN:
            return self._open(position, p, order, index, mark, time, sender)
        if order.kind == OrderKind.RAISE_RESERVE:
            return self._raise(position, p, order, index, mark, sender)
        return self._close(position, p, order, index, mark, sender)

    def _close(self, position: str, p: Position, order: Order, index: int, mark: int, sender: str) -> None:
        held = position_math.absolute(p.size)
        size = min(order.amount * LOT, held)
        if held - size < self.config.min_size:
            size = held
        trade = self._begin(p.series)
        fee = self._keeper_fee(order.requested_at)
        self._exit(position, p, order, Terms(ExitKind.CLOSE, size, index, mark, order.premium, fee, 0), trade)
        self._finish(trade, sender)

    def _open(self, position: str, p: Position, order: Order, index: int, mark: int, time: int, sender: str) -> None:
        keeper_fee = self._keeper_fee(order.requested_at)
        size = position_math.absolute(p.size)
        fee = unsigned(keeper_fee + self._fee_up(self.config.open_fee, size, index))
        entry = position_math.fill(mark, order.premium, index, p.size > 0)
        reserve = min(p.reserve, self._largest_reserve(p, index, entry))
        if book.is_full(self.series_of(p.series), p, entry, self.unit):
            return self._void(position, p, order, VoidReason.FUNDING_REFUSED, index, sender)
        trade = self._begin(p.series)
        flow = trade.flow
        flow.freed, flow.keeper_fee, flow.index = p.reserve, keeper_fee, index
        funded, committed, idle = self._fund(position, flow, reserve, fee, sender)
        if not funded:
            return self._void(position, p, order, VoidReason.FUNDING_REFUSED, index, sender)

        funding, borrowing = book.at_entry(trade.carry, p.size > 0)
        opened = Position(
            unsigned(p.margin - fee), reserve, Status.OPEN, p.size, entry, p.series, wrap(time, 32), funding, borrowing
        )
        series = book.unpend(self.series_of(p.series), p.size)
        self._series[p.series] = book.replace_position(series, NO_POSITION, opened, self.unit)
        self._set_rates(trade, committed, idle)
        self._positions[position] = save_terms(save_state(opened))
        del self._orders[position]
        return None

    def _fund(self, position: str, flow: Flow, added: int, fee: int, sender: str) -> tuple[bool, int, int]:
        """More reserve for a vault, and fees out of it: netted out of what the pool sends."""
        flow.added = added
        if fee > added:
            flow.received = fee - added
            _, paid = self._pay_vault(position, 0, flow.received)
            if not paid:
                return False, 0, 0
        flow.vault, flow.sent = position, saturating_sub(added, fee)
        return self._move(flow, sender)

    def _void(self, position: str, p: Position, order: Order, reason: VoidReason, index: int, sender: str) -> None:
        keeper_fee = min(self._keeper_fee(order.requested_at), p.margin)
        fee = 0
        if reason in (VoidReason.OUTSIDE_BAND, VoidReason.UNPROVEN) and order.kind != OrderKind.RAISE_RESERVE:
            size = position_math.absolute(p.size) if order.kind == OrderKind.OPEN else order.amount * LOT
            fee = min(self._fee_up(self.config.open_fee, size, max(order.high, index)), p.margin - keeper_fee)
        flow, to_trader = Flow(), 0
        self._drop(p, order, flow)
        del self._orders[position]
        if order.kind == OrderKind.OPEN:
            to_trader = p.margin - fee - keeper_fee
            flow.ended = 1
            del self._positions[position]
        else:
            self._set_margin(position, p, p.margin - fee - keeper_fee)
        self._pay(position, Split(to_trader, fee, keeper_fee), flow)
        self._move(flow, sender)
        self._retire(p.series)

    def _raise(self, position: str, p: Position, order: Order, index: int, mark: int, sender: str) -> None:
        trade = self._begin(p.series)
        if self._gain(p, index, mark, trade.carry) >= p.reserve:
            return self._void(position, p, order, VoidReason.RESERVE_REACHED, index, sender)
        flow = trade.flow
        highest = max(p.reserve, self._largest_reserve(p, index, p.entry))
        added = min(order.amount, highest - p.reserve)
        keeper_fee = min(self._keeper_fee(order.requested_at), p.margin)
        flow.freed, flow.keeper_fee, flow.index = order.amount, keeper_fee, index
        funded, committed, idle = self._fund(position, flow, added, keeper_fee, sender)
        if not funded:
            return self._void(position, p, order, VoidReason.FUNDING_REFUSED, index, sender)

        reserve = p.reserve + added
        raised = replace(
            p, margin=p.margin - keeper_fee, reserve=reserve, borrowing=book.rebased(trade.carry, p, reserve)
        )
        self._series[p.series] = book.replace_position(self.series_of(p.series), p, raised, self.unit)
        self._set_rates(trade, committed, idle)
        self._positions[position] = save_terms(save_state(raised))
        del self._orders[position]
        return None

    # ---------------------------------------------------------------- margin

    @atomic
    def add_margin(self, position: str, amount: int, *, sender: str) -> None:
        """Adds margin out of the caller's allowance. Asks nobody."""
        p = self.position_of(position)
        if p.status == Status.NONE:
            raise UnknownPosition(position)
        margin = unsigned(p.margin + amount)
        self._positions[position] = save_state(replace(p, margin=margin))
        if p.status == Status.OPEN:
            series = self.series_of(p.series)
            self._series[p.series] = book.replace_margin(series, p.size, p.margin, margin)
        held = self.token.balance_of(position)
        self.token.transfer_from(sender, position, amount, sender=self.address)
        self._require_held(position, held + amount)

    @atomic
    def remove_margin(self, position: str, amount: int, *, sender: str) -> None:
        """Takes margin out, to the trader. Unrealised gain never counts."""
        p = self._load_open(position)
        self._authorise(self._traders[position], Action.REMOVE_MARGIN, 0, sender)
        margin = saturating_sub(p.margin, amount)
        if margin < self.config.min_margin:
            raise MarginBelowMinimum(margin, self.config.min_margin)
        if not self._covered(p, margin):
            self._require_initial_after(p, margin)
        self._set_margin(position, p, margin)
        self._pay(position, Split(amount, 0, 0), Flow())

    def _require_initial_after(self, p: Position, margin: int) -> None:
        index, time = self.oracle.latest()
        shock = self.oracle.deviation
        index = position_math.mul_down(index, ONE - shock if p.size > 0 else ONE + shock, ONE)
        state = replace(self._snapshot(p.series, *self.pool.liquidity()), index=index, time=time)
        mark = self.instrument.mark(p.series, index, time)
        worst = min(mark, p.entry) if p.size > 0 else max(mark, p.entry)
        carry = book.carry_at(self.series_of(p.series), self.block.timestamp)
        equity = signed(self._equity(p, index, worst, carry) + margin - p.margin)
        cap = self.instrument.cap(p.series)
        largest_loss = position_math.largest_loss_down(p.size, mark, cap, self.unit)
        self._require_initial(state, mark, p.size, equity, largest_loss)

    def _set_margin(self, position: str, p: Position, margin: int) -> None:
        series = self.series_of(p.series)
        self._series[p.series] = book.replace_margin(series, p.size, p.margin, margin)
        self._positions[position] = save_state(replace(p, margin=margin))

    # ---------------------------------------------------------------- ends

    @atomic
    def liquidate(self, positions: Sequence[str], *, sender: str) -> int:
        """Liquidates what is liquidatable, skips the rest; gives how many were."""
        index, time = self.oracle.latest()
        trade: Trade | None = None
        done = 0
        for position in positions:
            trade, liquidated = self._liquidate(position, index, time, trade, sender)
            done += liquidated
        self._finish(trade, sender)
        return done

    def _liquidate(
        self, position: str, index: int, time: int, trade: Trade | None, sender: str
    ) -> tuple[Trade | None, bool]:
        p, order = self.position_of(position), self.order_of(position)
        if p.status != Status.OPEN or time <= p.time:
            return trade, False
        if order.kind == OrderKind.CLOSE and self._due(order, time):
            return trade, False
        c = self.config
        trade = self._turn(trade, p.series, sender)
        long, short = book.open(self.series_of(p.series))
        trade.state = replace(trade.state, index=index, time=time, long=long, short=short)
        mark = self.instrument.mark(p.series, index, time)
        equity = self._equity(p, index, mark, trade.carry)
        maintenance, target = self._required(p, index, mark)
        if equity >= wrap_signed(maintenance):
            return trade, False

        held = position_math.absolute(p.size)
        premium = min(self.instrument.premium(trade.state, -p.size), MAX_UINT64)
        fraction = position_math.liquidation_fraction_up(
            signed(equity - (c.liquidation_fee + ROUNDINGS)),
            target,
            self._fee_up(c.close_fee + premium, held, index),
            c.phi,
        )
        fraction = max(fraction, c.smallest_liquidation)
        size = -(-position_math.mul_up(held, fraction, ONE) // LOT) * LOT
        if fraction > c.largest_liquidation or held < size + c.min_size:
            size = held
        terms = Terms(ExitKind.LIQUIDATION, size, index, mark, premium, c.liquidation_fee, c.phi)
        self._exit(position, p, order, terms, trade)
        return trade, True

    @atomic
    def close_at_reserve(self, position: str, *, sender: str) -> None:
        """Closes a position whose gain has reached its reserve, paid in full less fees."""
        p, order = self._load_open(position), self.order_of(position)
        index, time = self.oracle.latest()
        if time <= p.time:
            raise PriceNotLater(time, p.time)
        if self._due(order, time):
            raise OrderDue(position)
        mark = self.instrument.mark(p.series, index, time)
        trade = self._begin(p.series)
        gain = self._gain(p, index, mark, trade.carry)
        if gain < p.reserve:
            raise ReserveNotReached(position, gain, p.reserve)
        size, flat = position_math.absolute(p.size), self.config.keeper_floor
        self._exit(position, p, order, Terms(ExitKind.AT_RESERVE, size, index, mark, 0, flat, 0), trade)
        self._finish(trade, sender)

    @atomic
    def settle(self, positions: Sequence[str], *, sender: str) -> int:
        """Ends positions of an expired series or an ended market at the final mark; gives how many."""
        ended, index, time = self.oracle.final_price()
        trade: Trade | None = None
        done = 0
        for position in positions:
            trade, settled = self._settle(position, ended, index, time, trade, sender)
            done += settled
        self._finish(trade, sender)
        return done

    def _settle(
        self, position: str, ended: bool, index: int, time: int, trade: Trade | None, sender: str
    ) -> tuple[Trade | None, bool]:
        p, order = self.position_of(position), self.order_of(position)
        if p.status == Status.NONE:
            return trade, False
        if p.status == Status.PENDING:
            if ended:
                self._void(position, p, order, VoidReason.MARKET_ENDED, index, sender)
            return trade, ended
        known, mark, fixing = self.instrument.final_mark(p.series)
        if not known:
            if not ended:
                return trade, False
            mark = self.instrument.mark(p.series, index, time)
            fixing = index
        if ended:
            self._freeze(p.series, time)
        trade = self._turn(trade, p.series, sender)
        size, flat = position_math.absolute(p.size), self.config.keeper_floor
        self._exit(position, p, order, Terms(ExitKind.SETTLEMENT, size, fixing, mark, 0, flat, 0), trade)
        return trade, True

    def _freeze(self, id: int, time: int) -> None:
        series = self.series_of(id)
        self._series[id] = book.set_rates(series, book.carry_at(series, time), 0, 0, self.block.timestamp)

    def _begin(self, id: int) -> Trade:
        return Trade(self._snapshot(id, 0, 0), book.carry_at(self.series_of(id), self.block.timestamp))

    def _turn(self, trade: Trade | None, id: int, sender: str) -> Trade:
        """A batch comes to a position of another series."""
        if trade is not None and trade.state.series == id:
            return trade
        self._finish(trade, sender)
        trade = self._begin(id)
        reserved, idle = self.pool.liquidity()
        trade.state = replace(trade.state, reserved=reserved, idle=idle)
        return trade

    def _finish(self, trade: Trade | None, sender: str) -> None:
        """Tells the pool, and fixes the rates of carry until the next trade."""
        if trade is None:
            return
        _, committed, idle = self._move(trade.flow, sender)
        if trade.flow.index != 0:
            self._set_rates(trade, committed, idle)
        self._retire(trade.state.series)

    def _set_rates(self, trade: Trade, committed: int, idle: int) -> None:
        if not self.instrument.has_carry():
            return
        id, now = trade.state.series, self.block.timestamp
        series = self.series_of(id)
        long, short = book.open(series)
        state = Snapshot(id, trade.flow.index, now, long, short, committed, idle)
        funding, borrowing = self.instrument.carry(state, series.borrow_rate, unsigned(now - series.time))
        self._series[id] = book.set_rates(series, trade.carry, funding, borrowing, now)

    def _exit(self, position: str, p: Position, order: Order, t: Terms, trade: Trade) -> None:
        flat = min(t.flat, p.margin)
        slice_ = self._cut(p, t.size, flat)
        parts = position_math.split(
            slice_.margin,
            slice_.reserve,
            self._equity(slice_, t.index, t.mark, trade.carry),
            self._fee_up(self.config.close_fee + t.premium, t.size, t.index),
            t.phi,
            self.config.phi_to_pool,
        )
        keep = t.kind == ExitKind.LIQUIDATION and slice_.size != p.size
        kept, to_trader = (parts.to_trader, 0) if keep else (0, parts.to_trader)
        rest = replace(
            p,
            size=p.size - slice_.size,
            reserve=p.reserve - slice_.reserve,
            margin=unsigned(p.margin - flat - slice_.margin + kept),
        )
        parts = Split(to_trader, parts.to_pool, parts.to_keeper + flat)
        self._series[p.series] = book.replace_position(self.series_of(p.series), p, rest, self.unit)
        if rest.size == 0 or t.kind == ExitKind.CLOSE:
            self._drop(p, order, trade.flow)
            self._orders.pop(position, None)
        if rest.size == 0:
            del self._positions[position]
            trade.flow.ended += 1
        else:
            self._positions[position] = save_terms(save_state(rest))
        reserved, idle = trade.state.reserved - slice_.reserve, trade.state.idle + parts.to_pool
        trade.state = replace(trade.state, reserved=reserved, idle=idle)
        trade.flow.index = 0 if t.kind == ExitKind.SETTLEMENT else t.index
        trade.flow.released += slice_.reserve
        self._pay(position, parts, trade.flow)

    @staticmethod
    def _cut(p: Position, size: int, flat: int) -> Position:
        """The slice of `size`, rounded down: what does not divide stays with the position."""
        held = position_math.absolute(p.size)
        margin = position_math.mul_down(p.margin - flat, size, held)
        reserve = position_math.mul_down(p.reserve, size, held)
        return replace(p, margin=margin, reserve=reserve, size=size if p.size > 0 else -size)

    @atomic
    def claim(self, position: str, to: str, *, sender: str) -> None:
        """Pays what the token once refused. The trader may direct it; others can only pay trader and pool."""
        owed = self._claims.get(position, NO_CLAIM)
        if owed.trader == 0 and owed.pool == 0:
            raise NothingToClaim(position)
        trader = self._traders[position]
        if sender != trader and to != trader:
            raise NotTrader(sender, trader)
        del self._claims[position]
        flow = Flow()
        self._pay(position, Split(owed.trader if to == trader else 0, owed.pool, 0), flow)
        if flow.received != 0:
            self.pool.collect_claim(flow.received, sender=self.address)
        if to != trader:
            self.token.transfer(to, owed.trader, sender=position)

    # ---------------------------------------------------------------- views

    def position_of(self, position: str) -> Position:
        """The position; of status NONE where there is none."""
        return self._positions.get(position, NO_POSITION)

    def order_of(self, position: str) -> Order:
        """Its order; of kind NONE where there is none."""
        return self._orders.get(position, NO_ORDER)

    def claimable(self, position: str) -> tuple[int, int]:
        """What waits in a vault for its trader and for the pool."""
        owed = self._claims.get(position, NO_CLAIM)
        return owed.trader, owed.pool

    def health(self, position: str, index: int, time: int) -> tuple[int, int, int]:
        """Unclamped equity, what it must be, and what a partial liquidation restores."""
        p = self._load_open(position)
        carry = book.carry_at(self.series_of(p.series), self.block.timestamp)
        mark = self.instrument.mark(p.series, index, time)
        return self._equity(p, index, mark, carry), *self._required(p, index, mark)

    def live_series(self) -> list[int]:
        """The series in which something is open or pending, as their word is read: from its lowest lane."""
        return self._live[::-1]

    def series_of(self, id: int) -> Series:
        """The aggregates of a series."""
        return self._series.get(id, NO_SERIES)

    # ---------------------------------------------------------------- shared

    def _snapshot(self, id: int, committed: int, idle: int) -> Snapshot:
        long, short = book.open(self.series_of(id))
        return Snapshot(id, 0, self.block.timestamp, long, short, committed, idle)

    def _load_open(self, position: str) -> Position:
        p = self.position_of(position)
        if p.status == Status.NONE:
            raise UnknownPosition(position)
        if p.status != Status.OPEN:
            raise WrongStatus(position, p.status, Status.OPEN)
        return p

    def _authorise(self, trader: str, action: Action, amount: int, sender: str) -> None:
        if sender != trader:
            self.operators.spend(trader, sender, action, amount, sender=self.address)

    def _find_price(self, series: int, order: Order, proof: bytes) -> tuple[VoidReason, int, int]:
        """Why the order is void (NONE: it is not), index, time. A wrong proof raises."""
        due = order.requested_at + self.config.delay
        if len(proof) == 0:
            if self.block.timestamp <= due + self.config.time_to_live:
                raise PriceNotThereYet(due)
            ended, _, _ = self.oracle.final_price()
            return (VoidReason.MARKET_ENDED if ended else VoidReason.UNPROVEN), 0, 0
        index, time, undisputed = self.oracle.first_after(order.phase, due, proof)
        if time > due + self.config.time_to_live:
            return VoidReason.LATE, index, time
        if not undisputed:
            return VoidReason.DISPUTED, index, time
        if index < order.low or (order.high != 0 and index > order.high):
            return VoidReason.OUTSIDE_BAND, index, time
        if not self.instrument.is_open(series, time):
            return VoidReason.SERIES_CLOSED, index, time
        return VoidReason.NONE, index, time

    def _due(self, order: Order, time: int) -> bool:
        """An order whose price may be known goes first, as long as it can be proven."""
        due = order.requested_at + self.config.delay
        return (
            due < time
            and self.block.timestamp <= due + self.config.time_to_live
            and order.phase == self.oracle.commitment()
        )

    def _keeper_fee(self, requested_at: int) -> int:
        c = self.config
        waited = min(saturating_sub(self.block.timestamp, requested_at + c.delay), c.time_to_live)
        return c.keeper_floor + (c.keeper_cap - c.keeper_floor) * waited // c.time_to_live

    def _fee_up(self, rate: int, size: int, price: int) -> int:
        return position_math.fee_up(rate, size, price, self.unit)

    def _required(self, p: Position, index: int, mark: int) -> tuple[int, int]:
        maintenance, target = self.margin_model.maintenance(p.series, index, mark, p.size)
        cap = self.instrument.cap(p.series)
        largest_loss = position_math.largest_loss_down(p.size, mark, cap, self.unit)
        return min(self._tokens_up(maintenance), largest_loss), min(self._tokens_up(target), largest_loss)

    def _equity(self, p: Position, index: int, mark: int, carry: Carry) -> int:
        return signed(p.margin + self._gain(p, index, mark, carry))

    def _gain(self, p: Position, index: int, mark: int, carry: Carry) -> int:
        """After carry: what an exit pays from the reserve, and what the reserve caps."""
        gain = position_math.gain_down(p.size, p.entry, mark, self.unit)
        return signed(gain - book.carry_up(carry, p, index, self.unit))

    def _require_initial(self, state: Snapshot, mark: int, size: int, equity: int, largest_loss: int) -> None:
        required = min(self._tokens_up(self.margin_model.initial(state, mark, size)), largest_loss)
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
            position_math.mul_down(self.config.largest_reserve, value, ONE),
            position_math.largest_gain_down(p.size, entry, cap, self.unit),
        )

    def _drop(self, p: Position, order: Order, flow: Flow) -> None:
        """What ends with an order: its pending size, its earmark."""
        if order.kind == OrderKind.NONE:
            return
        change = p.size
        if order.kind == OrderKind.CLOSE:
            change = -order.amount * LOT if p.size > 0 else order.amount * LOT
        else:
            flow.freed += order.amount
        if order.kind != OrderKind.RAISE_RESERVE:
            self._series[p.series] = book.unpend(self.series_of(p.series), change)

    def _require_size(self, size: int) -> None:
        if size < self.config.min_size:
            raise SizeTooSmall(size, self.config.min_size)
        if size % LOT != 0:
            raise SizeNotInLots(size, LOT)

    def _require_held(self, position: str, wanted: int) -> None:
        held = self.token.balance_of(position)
        if held < wanted:
            raise TransferShort(held, wanted)

    def _tokens_up(self, value: int) -> int:
        return position_math.mul_up(value, ONE, self.unit)

    def _move(self, flow: Flow, sender: str) -> tuple[bool, int, int]:
        flow.keeper = sender
        return self.pool.move(flow, sender=self.address)

    def _pay(self, position: str, parts: Split, flow: Flow) -> None:
        """Pay or keep: what the token refuses to deliver stays in the vault. A keeper is paid out of what comes in."""
        to_pool = unsigned(parts.to_pool + parts.to_keeper)
        trader_paid, pool_paid = self._pay_vault(position, parts.to_trader, to_pool)
        if pool_paid:
            flow.received += to_pool
            flow.keeper_fee += parts.to_keeper
        else:
            flow.unpaid += to_pool
        if not trader_paid or not pool_paid:
            owed = self._claims.get(position, NO_CLAIM)
            kept = Claim(0 if trader_paid else parts.to_trader, 0 if pool_paid else to_pool)
            self._claims[position] = Claim(
                unsigned(owed.trader + kept.trader, 128), unsigned(owed.pool + kept.pool, 128)
            )

    def _pay_vault(self, position: str, to_trader: int, to_pool: int) -> tuple[bool, bool]:
        """Twin of PositionVault.pay: a payee that the token blocks does not block the other one."""
        pay, trader = self.token.try_transfer, self._traders[position]
        trader_paid = to_trader == 0 or pay(trader, to_trader, sender=position)
        return trader_paid, to_pool == 0 or pay(self.pool.address, to_pool, sender=position)
