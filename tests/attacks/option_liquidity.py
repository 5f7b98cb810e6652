"""Who trades options and owns their pool for as long as he likes, in the two weathers that matter."""

from __future__ import annotations

from bulkhead.protocol.options import OptionTerms
from tests.unit.options.options_world import HOUR, MAX, MINUTE, START, WEEK, OptionsWorld

TOKEN = 10**6
EXPIRY = START + 4 * WEEK
STRIKE = 1_600
#: A hundred times the honest pool.
CAPITAL = 10**8
#: Just above the least reserve, in ten-thousandths of the notional.
LEAST = 131


def after_a_crash() -> OptionsWorld:
    """A fifth down in a minute: fast is far above slow, and the path of marks has only begun to follow."""
    world = OptionsWorld(terms=OptionTerms())
    world.go(START + 2 * HOUR)
    world.keep()
    world.tick(STRIKE)
    world.go((world.now // HOUR + 1) * HOUR + 2 * MINUTE)
    world.keep()
    return world


def in_calm() -> OptionsWorld:
    """Nothing has moved for ten hours: fast is below slow."""
    world = OptionsWorld(terms=OptionTerms())
    world.tick(STRIKE * 1.2)
    world.tick(STRIKE)
    world.go(START + 10 * HOUR)
    world.keep()
    return world


class Attacker:
    """Owns tokens without end, the pool for as long as he likes, and the keeper's key."""

    def __init__(self, world: OptionsWorld, capital: int = CAPITAL) -> None:
        self.world, self.capital, self.account = world, capital, world.chain.new_account("attacker")
        world.token.send.mint(self.account, 10**18)
        for spender in (world.market.address, world.pool.address):
            world.token.send.approve(spender, MAX, sender=self.account)
        self.positions: list[str] = []
        self.start = world.balance(self.account)

    def enter(self) -> None:
        if self.capital:
            self.world.pool.send.deposit(self.capital * TOKEN, self.account, sender=self.account)

    def leave(self) -> None:
        """With all shares, at the next price."""
        pool = self.world.pool
        shares = pool.call.balanceOf(self.account)
        if not shares:
            return
        if pool.call.maxRedeem(self.account):
            pool.send.redeem(shares, self.account, self.account, sender=self.account)
            return
        pool.send.requestRedeem(shares, 0, sender=self.account)
        pool.send.executeExit(self.world.tick(), sender=self.account)
        assert pool.call.balanceOf(self.account) == pool.call.balanceOf(pool.address) == 0

    def open(self, put: bool, size: int) -> None:
        leg = self.world.position(
            self.world.series(put, STRIKE, EXPIRY), size, 3 * STRIKE * abs(size), STRIKE * abs(size) // 2
        )
        receipt = self.world.market.send.requestOpen(
            self.account, [leg], STRIKE * 99 * 10**16, STRIKE * 101 * 10**16, sender=self.account
        )
        position = receipt.event("OpenRequested").args.position
        assert self.world.market.send.execute([position], self.world.tick(), sender=self.account).events_of("Opened")
        self.positions.append(position)

    def sell_calls(self, size: int) -> int:
        """To the pool, against the least reserve, which is returned in tokens."""
        reserve = STRIKE * size * LEAST // 10_000
        leg = self.world.position(self.world.series(False, STRIKE, EXPIRY), -size, 3 * STRIKE * size, reserve)
        self.positions += self.world.open(leg, trader=self.account)
        return reserve

    def close(self) -> None:
        position = self.positions.pop(0)
        size = abs(self.world.market.call.positionOf(position).size)
        self.world.market.send.requestClose(position, size, 0, 0, 2**64 - 1, sender=self.account)
        assert self.world.market.send.execute([position], self.world.tick(), sender=self.account).events_of("Exited")

    @property
    def gained(self) -> float:
        """Tokens, with nothing left in positions or shares."""
        assert not self.positions and not self.world.pool.call.balanceOf(self.account)
        return (self.world.balance(self.account) - self.start) / TOKEN


def pass_hours(world: OptionsWorld, count: int) -> None:
    """At a constant index, upkeep done."""
    for _ in range(count):
        world.go((world.now // HOUR + 1) * HOUR + 2 * MINUTE)
        world.keep()
