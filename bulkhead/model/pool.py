"""Twin of Pool.sol: the counterparty of one market. `shares` is its own ERC-20; `sender` is the caller."""

from __future__ import annotations

from enum import Enum
from typing import Any, Protocol

from bulkhead.model.errors import ModelError
from bulkhead.model.integers import (
    MAX_UINT88,
    mul_div,
    mul_div_up,
    saturating_sub,
    signed,
    to_uint,
    unsigned,
    wrap,
)
from bulkhead.model.interfaces.instrument import Instrument, Snapshot
from bulkhead.model.interfaces.market import MarketConfig, ReserveOutOfBounds, TransferShort
from bulkhead.model.interfaces.oracle import Block, IOracle
from bulkhead.model.interfaces.pool import (
    Exit,
    ExitByRequest,
    Flow,
    LiquidityShort,
    NothingToRedeem,
    NotMarket,
    SharesBelowLeast,
    SharesTooFew,
    UtilisationAboveCap,
)
from bulkhead.model.libraries import bands, book, position_math
from bulkhead.model.libraries.book import Series
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.state import atomic, replace
from bulkhead.model.token import Token

VIRTUAL_SHARES = 10**6
CAPACITY = MAX_UINT88 // 2
NO_EXIT = Exit()

_STATE: tuple[str, ...] = ("_busy", "_idle", "_committed", "_index", "_claims", "_exit_shares", "_exits", "_kept")
_STATE += ("_first_exit", "_next_exit")


class ERC4626ExceededMaxDeposit(ModelError):
    """receiver, assets, max."""


class Mover(Enum):
    """Whose worth it is: of nobody who moves, of who enters, of who leaves."""

    NONE = 0
    ENTRANT = 1
    LEAVER = 2


class Book(Protocol):
    """What a pool asks of its market."""

    def live_series(self) -> list[int]: ...
    def series_of(self, id: int) -> Series: ...


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
        self._has_carry = instrument.has_carry()
        self.shares = Token(token.decimals + 6, address)
        self.book: Book | None = None  # the market, born after its pool
        self._busy = self._idle = self._committed = self._claims = self._exit_shares = 0
        self._index = bands.floor(oracle.latest()[0])
        self._exits: dict[int, Exit] = {}
        self._kept: dict[str, int] = {}
        self._first_exit = self._next_exit = 0

    def places(self) -> list[tuple[Any, str]]:
        """Where its state, its shares' and the token's lie."""
        return [(self, name) for name in _STATE] + self.shares.places() + self.token.places()

    # ---------------------------------------------------------------- worth

    def worth(self, index: int, time: int) -> int:
        """Worth at a price: idle + earmarks + reserves + claims - what the traders have gained."""
        return self._value(index, time, self.block.timestamp, Mover.NONE)[0]

    def _value(self, index: int, time: int, until: int, mover: Mover) -> tuple[int, int]:
        assert self.book is not None
        held = self._held()
        net, at_risk, exposed, doubt = held, 0, 0, 0
        for id in self.book.live_series():
            series, mark = self.book.series_of(id), self.instrument.mark(id, index, time)
            net = signed(net - book.gain(series, mark, index, until, self.unit))
            at_risk += book.reserves(series)
            long, short = book.open(series)
            exposed += abs(long - short)
            if not self._has_carry and mover is not Mover.NONE:
                doubt += self._spread(Snapshot(id, index, time, long, short, 0, 0), mover)
        value = max(net, 0)
        if mover is Mover.NONE:
            return value, 0
        doubt += mul_div_up(mul_div(exposed, index, self.unit), self.oracle.deviation, ONE)
        if mover is Mover.LEAVER:
            doubt = min(doubt, saturating_sub(value + at_risk, held))
        return value, doubt

    def _spread(self, s: Snapshot, mover: Mover) -> int:
        sign = 1 if mover is Mover.LEAVER else -1
        return self._premium_up(s, sign * s.long) + self._premium_up(s, -sign * s.short)

    def _premium_up(self, s: Snapshot, size: int) -> int:
        if size == 0:
            return 0
        return position_math.fee_up(self.instrument.premium(s, size), abs(size), s.index, self.unit)

    def total_assets(self) -> int:
        """Worth at the newest price; where there is none, what the pool holds before gains. Never raises."""
        if self._busy == 0:
            return self._held()
        try:
            return self.worth(*self.oracle.latest())
        except ModelError:
            return self._held()

    def liquidity(self) -> tuple[int, int]:
        """Token units in vaults and earmarks, and those that are free."""
        return self._committed, self._idle

    def last_index(self) -> int:
        """Index of the last trade, to 33 bits."""
        return bands.value(self._index)

    def due_exits(self) -> int:
        """What the queue of exits may still ask of the idle liquidity."""
        if self._exit_shares == 0:
            return 0
        return mul_div_up(self._exit_shares, self._held() + 1, self._supply())

    def exit_of(self, id: int) -> tuple[Exit, int]:
        """A request to leave and the first one in line."""
        return self._exits.get(id, NO_EXIT), self._first_exit

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
        return self._deposit(assets, receiver, 0, sender)

    @atomic
    def deposit_at_least(self, assets: int, receiver: str, least: int, *, sender: str) -> int:
        """Shares. Raises SharesBelowLeast, and as `deposit`."""
        return self._deposit(assets, receiver, least, sender)

    def _deposit(self, assets: int, receiver: str, least: int, sender: str) -> int:
        shares = self.preview_deposit(assets)
        if shares < least:
            raise SharesBelowLeast(shares, least)
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

    def max_deposit(self, receiver: str) -> int:
        """What the pool still takes in; 0 while there is no valid price to enter at."""
        try:
            self.preview_deposit(1)
        except ModelError:
            return 0
        return saturating_sub(CAPACITY, self._idle)

    def max_mint(self, receiver: str) -> int:
        """The same in shares."""
        assets = self.max_deposit(receiver)
        return 0 if assets == 0 else self.preview_deposit(assets)

    def _entry_worth(self) -> int:
        if self._busy == 0:
            return self._held()
        value, doubt = self._value(*self.oracle.latest(), self.block.timestamp, Mover.ENTRANT)
        return unsigned(value + doubt)

    def _enter(self, assets: int, shares: int, receiver: str, sender: str) -> None:
        if shares == 0:
            raise SharesTooFew(shares)
        before = self.token.balance_of(self.address)
        self.token.transfer_from(sender, self.address, assets, sender=self.address)
        received = unsigned(self.token.balance_of(self.address) - before)
        if received < assets:
            raise TransferShort(received, assets)
        if unsigned(self._idle + assets) > CAPACITY:
            raise ERC4626ExceededMaxDeposit(receiver, assets, self.max_deposit(receiver))
        self._idle += assets
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
        self._idle = unsigned(self._idle - to_uint(assets, 88))
        self.token.transfer(receiver, assets, sender=self.address)

    @atomic
    def request_redeem(self, shares: int, least: int, *, sender: str) -> int:
        """The request's id; the shares must bring `least` token units after the keeper's fee.

        Raises SharesTooFew, and what the oracle and the shares raise."""
        if shares == 0 or mul_div(shares, self._held() + 1, self._supply()) < 2 * self.exit_fee:
            raise SharesTooFew(shares)
        id = self._next_exit
        self._next_exit += 1
        phase = self._phase()
        self._exits[id] = Exit(sender, wrap(self.block.timestamp, 32), phase, to_uint(shares, 128), to_uint(least, 128))
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
        keeper_fee = min(self.exit_fee, assets // 2)
        if (assets - keeper_fee) * exit.shares < exit.least * shares:
            self._void(id, exit, keeper_fee, mul_div_up(keeper_fee, supply, price), sender)
            return 0, 0
        self._dequeue(id, exit, shares)
        self._idle = unsigned(self._idle - wrap(assets, 88))
        self.shares.burn(self.address, shares)
        paid = assets - keeper_fee
        if not self.token.try_transfer(exit.owner, paid, sender=self.address):
            self._kept[exit.owner] = self._kept.get(exit.owner, 0) + paid
        self._pay_keeper(sender, keeper_fee)
        return shares, assets

    def _void(self, id: int, exit: Exit, keeper_fee: int, burned: int, keeper: str) -> None:
        assert exit.owner is not None
        self._dequeue(id, exit, exit.shares)
        self._idle = unsigned(self._idle - keeper_fee)
        self.shares.burn(self.address, burned)
        self.shares.transfer(exit.owner, unsigned(exit.shares - burned), sender=self.address)
        self._pay_keeper(keeper, keeper_fee)

    def _pay_keeper(self, keeper: str, fee: int) -> None:
        if fee != 0 and not self.token.try_transfer(keeper, fee, sender=self.address):
            self._idle += fee

    def _dequeue(self, id: int, exit: Exit, shares: int) -> None:
        rest = unsigned(exit.shares - shares)
        if rest == 0:
            del self._exits[id]
            self._first_exit = id + 1
        else:
            least = mul_div_up(exit.least, rest, exit.shares)
            self._exits[id] = self._renewed(replace(exit, shares=rest, least=least))
        self._exit_shares = unsigned(self._exit_shares - shares)

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
            return self._value(index, time, time, Mover.NONE)[0]
        due = exit.requested_at + self.config.delay
        if len(proof) == 0 and self.block.timestamp > due + self.config.time_to_live:
            return None
        index, time, undisputed = self.oracle.first_after(exit.phase, due, proof)
        if not undisputed:
            return None
        first = self._exit_value(index, time)
        return min(first, self._exit_value(*self.oracle.latest()))

    def _exit_value(self, index: int, time: int) -> int:
        return saturating_sub(*self._value(index, time, self.block.timestamp, Mover.LEAVER))

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

    @atomic
    def earmark(self, amount: int, size: int, high: int, *, sender: str) -> tuple[int, int, int]:
        """Puts `amount` aside for an order: committed, idle, index of the last trade. See the errors of IPool."""
        self._only_market(sender)
        c, last, lowest = self.config, self.last_index(), 0
        top = max(last, high)
        busy = self._busy
        if high != 0:
            lowest = position_math.fee_up(c.smallest_reserve, size, top, self.unit)
            busy = unsigned(busy + 1, 24)
        highest = position_math.fee_up(c.largest_reserve, size, top, self.unit)
        if not lowest <= amount <= highest:
            raise ReserveOutOfBounds(amount, lowest, highest)
        free = saturating_sub(self._idle, self.due_exits())
        if amount > free or self._committed + amount > CAPACITY:
            raise LiquidityShort(amount, free)
        utilisation = mul_div(self._committed + amount, ONE, max(self._held(), 1))
        if utilisation > c.largest_utilisation:
            raise UtilisationAboveCap(utilisation, c.largest_utilisation)
        self._committed += amount
        self._idle -= amount
        self._busy = busy
        return self._committed, self._idle, last

    @atomic
    def move(self, flow: Flow, *, sender: str) -> tuple[bool, int, int]:
        """Money moves with positions: done, committed, idle. Raises NotMarket, Panic."""
        self._only_market(sender)
        token = self.token
        if flow.sent != 0 and not token.try_transfer(flow.vault, flow.sent, sender=self.address):
            return False, 0, 0
        paid = 0
        if flow.keeper_fee != 0 and token.try_transfer(flow.keeper, flow.keeper_fee, sender=self.address):
            paid = flow.keeper_fee
        committed = unsigned(unsigned(self._committed + flow.added - flow.freed) - flow.released)
        idle = unsigned(unsigned(self._idle + flow.freed + flow.received - flow.sent) - paid)
        self._committed, self._idle = committed, min(idle, MAX_UINT88)
        self._busy = unsigned(self._busy - flow.ended)
        if flow.index != 0:
            self._index = bands.floor(flow.index)
        self._claims = unsigned(self._claims + to_uint(flow.unpaid, 128), 128)
        return True, committed, idle

    @atomic
    def collect_claim(self, amount: int, *, sender: str) -> None:
        """`amount` of unpaid claims has arrived. Raises NotMarket, Panic."""
        self._only_market(sender)
        self._claims = unsigned(self._claims - to_uint(amount, 128))
        self._idle = min(self._idle + amount, MAX_UINT88)

    def _only_market(self, sender: str) -> None:
        if sender != self.market:
            raise NotMarket(sender)
