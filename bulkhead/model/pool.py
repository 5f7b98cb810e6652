"""Twin of Pool.sol: the counterparty of one market. `shares` is its own ERC-20; `sender` is the caller."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bulkhead.model.errors import ModelError
from bulkhead.model.integers import mul_div, mul_div_up, saturating_sub, signed, to_int, to_uint, unsigned, wrap
from bulkhead.model.interfaces.instrument import Instrument, Snapshot
from bulkhead.model.interfaces.market import MarketConfig, Position, ReserveOutOfBounds, TransferShort
from bulkhead.model.interfaces.oracle import Block, IOracle
from bulkhead.model.interfaces.pool import (
    BandBelowIndex,
    Exit,
    ExitByRequest,
    Flow,
    LiquidityShort,
    NothingToRedeem,
    NotMarket,
    SeriesNotOpen,
    SharesTooFew,
    UtilisationAboveCap,
)
from bulkhead.model.libraries import book, position_math
from bulkhead.model.libraries.book import Carry, Series
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.state import atomic
from bulkhead.model.token import Token

MAX_SERIES = 16
VIRTUAL_SHARES = 10**6

_STATE: tuple[str, ...] = (
    "_busy",
    "_idle",
    "_committed",
    "_claims",
    "_exit_shares",
    "_series",
    "_live",
    "_exits",
    "_kept",
)
_STATE += ("_first_exit", "_next_exit")


class Pool:
    """`market` is its address; the floor of a keeper's fee pays for an exit too."""

    def __init__(
        self,
        address: str,
        market: str,
        config: MarketConfig,
        token: Token,
        oracle: IOracle,
        instrument: Instrument,
        block: Block,
    ) -> None:
        self.address, self.market, self.config, self.block = address, market, config, block
        self.oracle, self.instrument, self.token = oracle, instrument, token
        self.unit, self.exit_fee = 10 ** (36 - token.decimals), config.keeper_floor
        self.shares = Token(token.decimals + 6, address)
        self._busy = self._idle = self._committed = self._claims = self._exit_shares = 0
        self._series: dict[int, Series] = {}
        self._live: list[int] = []
        self._exits: dict[int, Exit] = {}
        self._kept: dict[str, int] = {}
        self._first_exit = self._next_exit = 0

    def places(self) -> list[tuple[Any, str]]:
        """Where its state, its shares' and the token's lie."""
        return [(self, name) for name in _STATE] + self.shares.places() + self.token.places()

    # ---------------------------------------------------------------- worth

    def worth(self, index: int, time: int) -> int:
        """Worth at a price: idle + earmarks + reserves + claims - what the traders have gained."""
        return self._value(index, time, self.block.timestamp)[0]

    def _value(self, index: int, time: int, carry_time: int) -> tuple[int, int]:
        net, hidden = self._held(), 0
        for id in self._live:
            series, mark = self._series[id], self.instrument.mark(id, index, time)
            net = signed(net - book.gain(series, mark, index, carry_time, self.unit))
            hidden += abs(series.long.size - series.short.size)
        return max(net, 0), mul_div_up(mul_div(hidden, index, self.unit), self.oracle.deviation, ONE)

    def total_assets(self) -> int:
        """Worth at the newest price; where there is none, what the pool holds before gains. Never raises."""
        if self._busy == 0:
            return self._held()
        try:
            return self.worth(*self.oracle.latest())
        except ModelError:
            return self._held()

    def live_series(self) -> list[int]:
        """The series in which something is open or pending."""
        return list(self._live)

    def series_of(self, id: int) -> Series:
        """The aggregates of a series."""
        return self._series.get(id, Series())

    def liquidity(self) -> tuple[int, int]:
        """Token units in vaults and earmarks, and those that are free."""
        return self._committed, self._idle

    def due_exits(self) -> int:
        """What the queue of exits may still ask of the idle liquidity."""
        if self._exit_shares == 0:
            return 0
        return mul_div_up(self._exit_shares, self._held() + 1, self._supply())

    def exit_of(self, id: int) -> tuple[Exit, int]:
        """A request to leave and the first one in line."""
        return self._exits.get(id, Exit()), self._first_exit

    def total_supply(self) -> int:
        """Shares."""
        return self.shares.total_supply

    def balance_of(self, account: str) -> int:
        """Shares of an account."""
        return self.shares.balance_of(account)

    def _held(self) -> int:
        return self._idle + self._committed + self._claims

    def _supply(self) -> int:
        return self.shares.total_supply + VIRTUAL_SHARES

    # ---------------------------------------------------------------- entry

    @atomic
    def deposit(self, assets: int, receiver: str, *, sender: str) -> int:
        """Shares. Raises SharesTooFew, TransferShort, and what oracle and token raise."""
        shares = self.preview_deposit(assets)
        self._enter(assets, shares, receiver, sender)
        return shares

    @atomic
    def mint(self, shares: int, receiver: str, *, sender: str) -> int:
        """Token units. Raises as `deposit`."""
        assets = self.preview_mint(shares)
        self._enter(assets, shares, receiver, sender)
        return assets

    def preview_deposit(self, assets: int) -> int:
        """Shares for an entry now, rounded down."""
        return mul_div(assets, self._supply(), self._entry_worth() + 1)

    def preview_mint(self, shares: int) -> int:
        """Token units that an entry costs now, rounded up."""
        return mul_div_up(shares, self._entry_worth() + 1, self._supply())

    def _entry_worth(self) -> int:
        if self._busy == 0:
            return self._held()
        value, hidden = self._value(*self.oracle.latest(), self.block.timestamp)
        return unsigned(value + hidden)

    def _enter(self, assets: int, shares: int, receiver: str, sender: str) -> None:
        if shares == 0:
            raise SharesTooFew(shares)
        before = self.token.balance_of(self.address)
        self.token.transfer_from(sender, self.address, assets, sender=self.address)
        received = unsigned(self.token.balance_of(self.address) - before)
        if received < assets:
            raise TransferShort(received, assets)
        self._idle = unsigned(self._idle + to_uint(assets, 128), 128)
        self.shares.mint(receiver, shares)

    # ---------------------------------------------------------------- exit

    @atomic
    def redeem(self, shares: int, receiver: str, owner: str, *, sender: str) -> int:
        """At once while nothing is open or pending. Raises ExitByRequest and the token's errors."""
        assets = self.preview_redeem(shares)
        self._leave(assets, shares, receiver, owner, sender)
        return assets

    @atomic
    def withdraw(self, assets: int, receiver: str, owner: str, *, sender: str) -> int:
        """At once while nothing is open or pending. Raises ExitByRequest and the token's errors."""
        shares = self.preview_withdraw(assets)
        self._leave(assets, shares, receiver, owner, sender)
        return shares

    def preview_redeem(self, shares: int) -> int:
        """What leaving at once pays, rounded down. Raises ExitByRequest."""
        self._require_idle()
        return mul_div(shares, self._held() + 1, self._supply())

    def preview_withdraw(self, assets: int) -> int:
        """Shares that leaving at once costs, rounded up. Raises ExitByRequest."""
        self._require_idle()
        return mul_div_up(assets, self._supply(), self._held() + 1)

    def max_redeem(self, owner: str) -> int:
        """Shares that can leave at once."""
        return 0 if self._busy or self._claims or self._exit_shares else self.balance_of(owner)

    def max_withdraw(self, owner: str) -> int:
        """What they pay."""
        shares = self.max_redeem(owner)
        return 0 if shares == 0 else self.preview_redeem(shares)

    def _require_idle(self) -> None:
        if self._busy or self._claims or self._exit_shares:
            raise ExitByRequest()

    def _leave(self, assets: int, shares: int, receiver: str, owner: str, sender: str) -> None:
        if sender != owner:
            self.shares.spend_allowance(owner, sender, shares)
        self.shares.burn(owner, shares)
        self._idle = unsigned(self._idle - to_uint(assets, 128))
        self.token.transfer(receiver, assets, sender=self.address)

    @atomic
    def request_redeem(self, shares: int, *, sender: str) -> int:
        """The request's id. Raises SharesTooFew, and what the oracle and the shares raise."""
        if shares == 0 or mul_div(shares, self._held() + 1, self._supply()) < 2 * self.exit_fee:
            raise SharesTooFew(shares)
        id = self._next_exit
        self._next_exit += 1
        phase = self._phase()
        self._exits[id] = Exit(sender, wrap(self.block.timestamp, 32), phase, to_uint(shares, 128))
        self._exit_shares = unsigned(self._exit_shares + shares, 128)
        self.shares.transfer(self.address, shares, sender=sender)
        return id

    @atomic
    def execute_exit(self, proof: bytes, *, sender: str) -> tuple[int, int]:
        """Pays the first request in line: shares, assets. Raises NothingToRedeem and the oracle's errors."""
        id = self._first_exit
        if id == self._next_exit:
            raise NothingToRedeem()
        exit = self._exits[id]
        assert exit.owner is not None
        price = self._exit_worth(exit, proof)
        if price is None:
            self._exits[id] = self._renewed(exit)
            return 0, 0
        if price == 0 and self._busy != 0:
            raise NothingToRedeem()
        price += 1
        supply = self._supply()
        shares = exit.shares
        assets = mul_div(shares, price, supply)
        if assets > self._idle:
            shares = mul_div(self._idle, supply, price)
            assets = mul_div(shares, price, supply)
            if assets < 10 * self.exit_fee:
                raise NothingToRedeem()
            self._exits[id] = self._renewed(replace(exit, shares=wrap(unsigned(exit.shares - shares), 128)))
        else:
            del self._exits[id]
            self._first_exit = id + 1
        keeper_fee = min(self.exit_fee, assets // 2)
        self._exit_shares = unsigned(self._exit_shares - wrap(shares, 128))
        self._idle = unsigned(self._idle - wrap(assets, 128))
        self.shares.burn(self.address, shares)
        paid = assets - keeper_fee
        if not self.token.try_transfer(exit.owner, paid, sender=self.address):
            self._kept[exit.owner] = self._kept.get(exit.owner, 0) + paid
        if keeper_fee != 0 and not self.token.try_transfer(sender, keeper_fee, sender=self.address):
            self._idle = unsigned(self._idle + to_uint(keeper_fee, 128), 128)
        return shares, assets

    def _renewed(self, exit: Exit) -> Exit:
        return replace(exit, requested_at=wrap(self.block.timestamp, 32), phase=self._phase())

    def _phase(self) -> int:
        ended, _, _ = self.oracle.final_price()
        return 0 if ended else self.oracle.commitment()

    def _exit_worth(self, exit: Exit, proof: bytes) -> int | None:
        """The lower of the worth at the first price after the request and at the newest; None where there is none."""
        if self._busy == 0:
            return self._held()
        ended, index, time = self.oracle.final_price()
        if ended:
            return self._value(index, time, time)[0]
        due = exit.requested_at + self.config.delay
        if len(proof) == 0 and self.block.timestamp > due + self.config.time_to_live:
            return None
        index, time, undisputed = self.oracle.first_after(exit.phase, due, proof)
        if not undisputed:
            return None
        first = self._exit_value(index, time)
        return min(first, self._exit_value(*self.oracle.latest()))

    def _exit_value(self, index: int, time: int) -> int:
        return saturating_sub(*self._value(index, time, self.block.timestamp))

    @atomic
    def claim_exit(self, to: str, *, sender: str) -> int:
        """Pays what the token once refused. Raises NothingToRedeem and the token's errors."""
        assets = self._kept.get(sender, 0)
        if assets == 0:
            raise NothingToRedeem()
        self._kept[sender] = 0
        self.token.transfer(to, assets, sender=self.address)
        return assets

    # ---------------------------------------------------------------- the market's orders

    def state_of(self, id: int) -> tuple[Snapshot, Carry]:
        """A series as its instrument and margin model see it, and its carry now."""
        series = self.series_of(id)
        return self._snapshot(id, series), book.carry_at(series, self.block.timestamp)

    @atomic
    def commit(self, id: int, change: int, amount: int, size: int, high: int, *, sender: str) -> tuple[Snapshot, int]:
        """Counts a change as pending, puts `amount` aside and prices it: state, premium. See the errors of IPool."""
        self._only_market(sender)
        if not self.instrument.is_open(id, self.block.timestamp):
            raise SeriesNotOpen(id, self.block.timestamp)
        if high != 0:
            self._busy += 1
        if high != 0 or amount != 0:
            self._earmark(amount, size, high)
        series = self.series_of(id)
        if not series.live:
            series = self._list(id, series)
        self._series[id] = series
        state = self._snapshot(id, series)
        if change == 0:
            return state, 0
        if change > 0:
            pending = replace(state, long=state.long + series.pending_buys)
        else:
            pending = replace(state, short=state.short + series.pending_sells)
        premium = self.instrument.premium(pending, change)
        if change > 0:
            buys = unsigned(series.pending_buys + to_uint(change, 128), 128)
            self._series[id] = replace(series, pending_buys=buys)
        else:
            sells = unsigned(series.pending_sells + to_uint(-change, 128), 128)
            self._series[id] = replace(series, pending_sells=sells)
        return state, premium

    @atomic
    def post(self, vault: str, old: Position, current: Position, flow: Flow, *, sender: str) -> tuple[bool, int]:
        """A position changes from `old` to `current`, and money with it: done, band."""
        self._only_market(sender)
        if flow.sent != 0 and not self.token.try_transfer(vault, flow.sent, sender=self.address):
            return False, 0
        id = old.series if old.size != 0 else current.series
        series = self.series_of(id)
        if current.size == 0:
            self._busy = unsigned(self._busy - 1)
        if flow.unpend > 0:
            series = replace(series, pending_buys=unsigned(series.pending_buys - wrap(flow.unpend, 128)))
        elif flow.unpend < 0:
            series = replace(series, pending_sells=unsigned(series.pending_sells - wrap(-flow.unpend, 128)))

        opened = current
        if flow.index != 0:
            # A trade sets new rates: the past is settled at the old ones first.
            series, carry = book.accrue(series, self.block.timestamp)
            if old.size == 0:
                opened = replace(opened, band=book.packed(carry, current.size > 0))
        if old.size != 0:
            series = book.remove(series, old, self.unit)
        if current.size != 0:
            series = book.add(series, opened, self.unit)

        paid = 0
        if (
            flow.unpaid == 0
            and flow.keeper_fee != 0
            and self.token.try_transfer(flow.keeper, flow.keeper_fee, sender=self.address)
        ):
            paid = flow.keeper_fee
        committed = unsigned(unsigned(self._committed + current.reserve - old.reserve) - flow.freed)
        self._committed = to_uint(committed, 128)
        idle = unsigned(unsigned(self._idle + flow.freed + flow.received - flow.sent) - paid)
        self._idle = to_uint(idle, 128)
        if flow.unpaid != 0:
            self._claims = unsigned(self._claims + to_uint(flow.unpaid, 128), 128)
        if flow.index != 0 and self.instrument.has_carry():
            series = self._reprice(id, series, flow.index)
        self._series[id] = series
        if not self.instrument.has_carry():
            self._retire(id, series)
        return True, opened.band

    def _earmark(self, amount: int, size: int, high: int) -> None:
        c = self.config
        index, _ = self.oracle.latest()
        if high != 0 and high < index:
            raise BandBelowIndex(high, index)
        top = max(high, index)
        lowest = 0 if high == 0 else position_math.fee_up(c.smallest_reserve, size, top, self.unit)
        highest = position_math.fee_up(c.largest_reserve, size, top, self.unit)
        if not lowest <= amount <= highest:
            raise ReserveOutOfBounds(amount, lowest, highest)
        free = saturating_sub(self._idle, self.due_exits())
        if amount > free:
            raise LiquidityShort(amount, free)
        utilisation = mul_div(self._committed + amount, ONE, max(self._held(), 1))
        if utilisation > c.largest_utilisation:
            raise UtilisationAboveCap(utilisation, c.largest_utilisation)
        self._committed = unsigned(self._committed + to_uint(amount, 128), 128)
        self._idle -= amount

    def _reprice(self, id: int, series: Series, index: int) -> Series:
        now = self.block.timestamp
        state = replace(self._snapshot(id, series), index=index, time=now)
        long, short, borrow = self.instrument.carry(state)
        return replace(
            series,
            long_rate=to_int(long, 56),
            short_rate=to_int(short, 56),
            borrow_rate=to_uint(borrow, 64),
            rates_at=wrap(now, 32),
        )

    def _snapshot(self, id: int, series: Series) -> Snapshot:
        now = self.block.timestamp
        return Snapshot(
            series=id,
            index=0,
            time=now,
            long=series.long.size,
            short=series.short.size,
            reserved=self._committed,
            idle=self._idle,
            borrow_rate=series.borrow_rate,
            elapsed=unsigned(now - series.rates_at),
        )

    def _list(self, id: int, series: Series) -> Series:
        if len(self._live) == MAX_SERIES:
            raise SeriesNotOpen(id, self.block.timestamp)
        self._live.append(id)
        return replace(series, live=True)

    def _retire(self, id: int, series: Series) -> None:
        if series.long.size or series.short.size or series.pending_buys or series.pending_sells:
            return
        self._series[id] = replace(series, live=False)
        if id in self._live:
            self._live[self._live.index(id)] = self._live[-1]
            self._live.pop()

    @atomic
    def freeze(self, id: int, time: int, *, sender: str) -> None:
        """Carry of a series ends for good at `time`. Raises NotMarket."""
        self._only_market(sender)
        self._series[id] = book.freeze(self.series_of(id), time)

    @atomic
    def collect_claim(self, amount: int, *, sender: str) -> None:
        """`amount` of unpaid claims has arrived. Raises NotMarket, Panic."""
        self._only_market(sender)
        self._claims = unsigned(self._claims - to_uint(amount, 128))
        self._idle = unsigned(self._idle + to_uint(amount, 128), 128)

    def _only_market(self, sender: str) -> None:
        if sender != self.market:
            raise NotMarket(sender)
