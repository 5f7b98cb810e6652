"""The attacker of a search for profit from prices: what he can do, and what a history of it earns on a path of prices.

He has capital without end, long and short vaults at once, liquidity in both pools, and the first word in every block;
he knows the true price a block ahead of every feed. One account stands for all of his: a vault is its own. A history is
played on every sequence of ups and downs of a setting, all equally likely and equally large, so that the expected price
never changes: the mean of his gain is exact, and what only follows the price cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from itertools import product
from typing import NamedTuple

from bulkhead.chain import Revert
from bulkhead.model.libraries.position_math import ONE
from tests.attacks.oracle_search_world import BLOCK, LATE, LIQUIDITY, PRICE, UNIT, SearchWorld, Variant
from tests.uniswap import MAX

#: Blocks in which he acts; seconds of each round after them, in which all comes to its end, and how many there may be.
BLOCKS, ROUND, ROUNDS = 30, 60, 30
#: Values of an action's `size` (ETH), `push` (ticks of the exchange), of bands, reserves and lies.
SIZES = (1, 5, 20, 100, 400, 2_000)
PUSHES = (0, 0, 130, -130, 1_000, -1_000, 6_000, -6_000)
BANDS = ((0.8, 1.2), (0.99, 1.01), (0.998, 1.002), (0.8, 0.999), (1.001, 1.2))
RESERVES = (0.07, 0.2, 0.75)
MARGINS = (0.045, 0.06, 0.07, 0.08, 0.1, 0.15, 0.25, 0.6)
LIES = (0.5, 0.98, 0.992, 1.0, 1.008, 1.02, 2.0)
REMOVED = (0.9, 0.5, 0.25, 0.1, 0.03)
#: What honest traders hold, long and short, ETH; and their margin, so that they are just healthy at the end of a crash.
HONEST, HONEST_MARGIN = 100, 0.142


class Setting(NamedTuple):
    """moves: by block, of the true price, as fractions of the first one; up or down"""

    name: str
    moves: dict[int, float]

    def paths(self) -> Iterator[dict[int, float]]:
        """Every sequence of signs."""
        for signs in product((1, -1), repeat=len(self.moves)):
            yield {block: sign * move for sign, (block, move) in zip(signs, self.moves.items(), strict=True)}


#: Primaries speak in every fifth block; moves come just after, just before, and between.
CALM = Setting("calm", {7: 0.002, 16: 0.003})
JUMP = Setting("jump", {11: 0.024, 20: 0.006})
CRASH = Setting("crash", {9: 0.034, 16: 0.034, 23: 0.034})
SETTINGS = (CALM, JUMP, CRASH)


class Action(NamedTuple):
    """One thing that he does, in a block before or after the feeds have spoken in it.

    side    1 long, -1 short, 0 both; 2 with what he knows and no contract does, -2 against it
    size    place in a list; what it is the size of depends on the kind
    way     another one: of band, reserve, or how many blocks it lasts
    push    ticks by which the exchange's price is off while he does it; put back by himself at once, unless it is held
    """

    block: int
    late: bool
    kind: str
    side: int = 0
    size: int = 0
    way: int = 0
    push: int = 0


History = tuple[Action, ...]


class Attacker:
    """Plays histories. Deployed once for a variant; nothing of a history is left behind."""

    def __init__(self, variant: Variant) -> None:
        self.world = world = SearchWorld(variant)
        self.account = world.chain.new_account("attacker")
        self.honest = world.chain.new_account("honest trader")
        for account in (self.account, self.honest):
            world.welcome(account)
        self.own: list[str] = []
        self._held: dict[int, int] = {}
        self._liquidity: dict[int, tuple[int, int]] = {}
        self.ahead, self.traded = PRICE, False
        self._open(self.honest, [HONEST, -HONEST], HONEST_MARGIN, RESERVES[2], BANDS[0])
        for _ in range(20):
            self._block(None)
        assert all(world.market.call.positionOf(position).status == 2 for position in world.orders), "nobody is open"
        # Primaries speak five blocks after this one: what a block's number means in the settings.
        while world.told.spoken[0] != world.now:
            self._block(None)

    def play(self, history: History, moves: dict[int, float]) -> tuple[float, bool]:
        """Gain in USDC at the last true price against doing nothing, and whether an order of his was taken."""
        world = self.world
        kept = deepcopy(world.told), world.price, world.lie, dict(world.orders), list(world.exits), list(self.own)
        try:
            with world.chain.isolated():
                return self._play(history, moves)
        finally:
            world.told, world.price, world.lie, world.orders, world.exits, self.own = kept
            world.balanced = 0.0

    def _play(self, history: History, moves: dict[int, float]) -> tuple[float, bool]:
        world = self.world
        ether, tokens = self._holds()
        self.own, self._held, self._liquidity, self.traded = [], {}, {}, False
        prices = [world.price]
        for block in range(BLOCKS + 1):
            prices.append(prices[-1] + PRICE * moves.get(block, 0.0))
        for block in range(BLOCKS):
            self.ahead = prices[block + 2]
            acts = [one for one in history if one.block == block]
            self._block(prices[block + 1], block, acts)
        self.ahead = world.price
        self._finish()
        ether_now, tokens_now = self._holds()
        return (tokens_now - tokens) / UNIT + (ether_now - ether) / ONE * world.price, self.traded

    def _holds(self) -> tuple[int, int]:
        world = self.world
        return world.ether.call.balanceOf(self.account), world.token.call.balanceOf(self.account)

    # ---------------------------------------------------------------- time

    def _block(self, price: float | None, block: int = -1, acts: Sequence[Action] = (), seconds: int = BLOCK) -> None:
        world = self.world
        world.tick(seconds, price)
        if acts or block >= 0:
            self._withdraw(block)
        for act in acts:
            if not act.late:
                self._act(act)
        world.news()
        for act in acts:
            if act.late:
                self._act(act)
        for until, ticks in self._held.items():
            if block < until:
                self._move(ticks)
        world.work(0 if block < 0 else LATE)

    def _finish(self) -> None:
        """All is closed, left and taken home, at the prices that then come."""
        world = self.world
        self._held = {}
        if world.lie != 1:
            world.say(1.0)
        self._withdraw(MAX)
        for _ in range(ROUNDS):
            self._block(world.price, seconds=ROUND)
            for position in self._with(2):
                if not world.orders.get(position):
                    self._close(position, BANDS[0])
            shares = world.pool.call.balanceOf(self.account)
            if not self._with(2) and not self._with(1):
                if not shares and not world.exits:
                    return
                self._leave()
        raise AssertionError(f"something never came back: {self.own}, {world.exits}")

    # ---------------------------------------------------------------- what he does

    def _act(self, act: Action) -> None:
        do: Callable[[Action], None] = getattr(self, f"_do_{act.kind}")
        if act.kind in ("execute", "hold"):
            do(act)
            return
        tick = self.world.swaps.tick
        if act.push:
            self._move(act.push)
        do(act)
        if act.push:
            self.world.trade(tick, self.account)

    def _signs(self, side: int) -> list[int]:
        if side == 0:
            return [1, -1]
        if abs(side) == 1:
            return [side]
        answer = self._answer()
        if abs(self.ahead - answer) < 1e-6:
            return []
        return [(1 if self.ahead > answer else -1) * side // 2]

    def _answer(self) -> float:
        """The primary's newest price on chain."""
        try:
            index, _ = self.world.oracle.call.latest()
        except Revert:
            return self.world.told.spoken[1]
        return float(index / ONE)

    def _do_open(self, act: Action) -> None:
        sizes = [sign * SIZES[act.size % len(SIZES)] for sign in self._signs(act.side)]
        band, reserve = BANDS[act.way % len(BANDS)], RESERVES[act.way // len(BANDS) % len(RESERVES)]
        for size in sizes:
            for margin in MARGINS:
                with suppress(Revert):
                    self.own += self._open(self.account, [size], margin, reserve, band)
                    self.traded = True
                    break

    def _open(self, who: str, sizes: list[int], margin: float, reserve: float, band: tuple[float, float]) -> list[str]:
        world = self.world
        legs = [
            {
                "series": 0,
                "size": size * ONE,
                "margin": int(max(150, margin * abs(size) * world.price)) * UNIT,
                "reserve": int(reserve * abs(size) * world.price) * UNIT,
                "maxPremium": 2**64 - 1,
            }
            for size in sizes
        ]
        low, high = (int(world.price * end) * ONE for end in band)
        receipt = world.market.send.requestOpen(who, legs, low, high, sender=who)
        positions = [event.args.position for event in receipt.events_of("OpenRequested")]
        world.orders |= dict.fromkeys(positions, world.now)
        return positions

    def _do_close(self, act: Action) -> None:
        signs = self._signs(act.side)
        for position in self._with(2):
            if (1 if self.world.market.call.positionOf(position).size > 0 else -1) in signs:
                self._close(position, BANDS[act.way % len(BANDS)])

    def _close(self, position: str, band: tuple[float, float]) -> None:
        world = self.world
        low, high = (int(world.price * end) * ONE for end in band)
        with suppress(Revert):
            world.market.send.requestClose(position, 2**80, low, high, 2**64 - 1, sender=self.account)
            world.orders[position] = world.now

    def _do_execute(self, act: Action) -> None:
        """Each of his orders as suits him: at which price, what is shown of it, with the exchange moved or not."""
        world = self.world
        for position in list(self.own):
            requested = world.orders.get(position)
            if not requested:
                continue
            choices = [
                (at, shown, push)
                for at in range(max(0, world.prices() - 4), world.prices())
                for shown in (True, False)
                for push in {0, act.push}
            ]
            values = []
            for choice in choices:
                with self._tried():
                    if self._executes(position, *choice):
                        values.append((self._wealth(), choice))
            if values:
                self._executes(position, *max(values)[1])

    def _executes(self, position: str, at: int, shown: bool, push: int) -> bool:
        world = self.world
        tick = world.swaps.tick
        if push:
            self._move(push)
        try:
            world.execute(position, at, shown, self.account)
            done = True
        except Revert:
            done = False
        world.trade(tick, self.account)
        return done

    @contextmanager
    def _tried(self) -> Iterator[None]:
        orders = dict(self.world.orders)
        with self.world.chain.isolated():
            yield
        self.world.orders = orders

    def _wealth(self) -> float:
        """At the true price: what he holds, and what his vaults owe him."""
        world = self.world
        ether, tokens = self._holds()
        value = tokens / UNIT + ether / ONE * world.price
        for position in self.own:
            held = world.market.call.positionOf(position)
            if held.status == 1:
                value += held.margin / UNIT
            elif held.status == 2:
                equity = world.market.call.health(position, int(world.price * ONE), world.now).equity
                value += min(max(equity, 0), held.margin + held.reserve) / UNIT
        return value

    def _with(self, status: int) -> list[str]:
        return [one for one in self.own if self.world.market.call.positionOf(one).status == status]

    def _do_hold(self, act: Action) -> None:
        """Moves the exchange, again at the end of each of so many blocks: others bring it back in every one."""
        if act.late:
            self._held[act.block + 1 + act.way] = act.push
        else:
            self._move(act.push)

    def _move(self, ticks: int) -> None:
        self.world.trade(self.world.swaps.tick + ticks, self.account)

    def _do_provide(self, act: Action) -> None:
        """Liquidity around the price, for so many blocks."""
        world = self.world
        tick = world.swaps.tick // 10 * 10
        width = (10, 200, 5_000)[act.way % 3]
        amount = (1, 30, 1_000)[act.size % 3] * LIQUIDITY
        terms = (world.ether.address, world.token.address, world.swaps.fee, tick - width, tick + width)
        limits = (amount * 10**5, amount // 10**4)
        with suppress(Revert):
            mint = (*terms, *limits, 0, 0, self.account, MAX)
            receipt = world.exchange.manager.send.mint(mint, sender=self.account)
            number, liquidity = receipt.event("IncreaseLiquidity").args[:2]
            self._liquidity[number] = act.block + act.way // 3, liquidity

    def _withdraw(self, block: int) -> None:
        manager = self.world.exchange.manager
        for number, (until, liquidity) in list(self._liquidity.items()):
            if block > until:
                manager.send.decreaseLiquidity((number, liquidity, 0, 0, MAX), sender=self.account)
                manager.send.collect((number, self.account, 2**128 - 1, 2**128 - 1), sender=self.account)
                del self._liquidity[number]

    def _do_liquidate(self, act: Action) -> None:
        with suppress(Revert):
            self.world.market.send.liquidate(list(self.world.orders), sender=self.account)

    def _do_reserve(self, act: Action) -> None:
        for position in self._with(2):
            with suppress(Revert):
                self.world.market.send.closeAtReserve(position, sender=self.account)

    def _do_remove(self, act: Action) -> None:
        """As much margin as he is let."""
        for position in self._with(2):
            margin = self.world.market.call.positionOf(position).margin
            for share in REMOVED:
                with suppress(Revert):
                    self.world.market.send.removeMargin(position, int(margin * share), sender=self.account)
                    break

    def _do_add(self, act: Action) -> None:
        for position in self._with(2):
            self.world.market.send.addMargin(position, 10_000 * UNIT, sender=self.account)

    def _do_deposit(self, act: Action) -> None:
        """Never before an order whose price is known: docs/attacks.md names that limit, `make profit` measures it."""
        self.world.work()
        with suppress(Revert):
            amount = (1_000, 100_000, 20_000_000)[act.size % 3] * UNIT
            self.world.pool.send.deposit(amount, self.account, sender=self.account)

    def _do_leave(self, act: Action) -> None:
        self.world.work()
        self._leave()

    def _leave(self) -> None:
        world = self.world
        shares = world.pool.call.balanceOf(self.account)
        if not shares:
            return
        with suppress(Revert):
            world.pool.send.redeem(shares, self.account, self.account, sender=self.account)
            return
        if not world.exits:
            with suppress(Revert):
                world.pool.send.requestRedeem(shares, 0, sender=self.account)
                world.exits = [world.now]

    def _do_outage(self, act: Action) -> None:
        self.world.oracle.send.checkOutage(sender=self.account)

    def _do_update(self, act: Action) -> None:
        """The feed of volatility, with every proof there is; or past a point that has expired."""
        world = self.world
        _, _, when, _ = world.volatility.call.due()
        for at in range(max(0, world.prices() - 6), world.prices()):
            with suppress(Revert):
                world.prove("update", world.volatility, (), at, when, bool(act.way % 2), self.account)
                return
        with suppress(Revert):
            world.volatility.send.skip(sender=self.account)

    def _do_lie(self, act: Action) -> None:
        """Only where a validator is his."""
        if self.world.variant in (Variant.LIAR, Variant.LAG, Variant.LIAR_OF_FOUR):
            self.world.say(LIES[act.size % len(LIES)])

    def _do_bring(self, act: Action) -> None:
        """An update of Pyth of his choice that nobody has brought."""
        if self.world.pull:
            with suppress(Revert):
                self.world.store(max(0, self.world.prices() - 1 - act.way % 6))
