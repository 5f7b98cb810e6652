"""What entries and exits of an options pool leave open: `python -m tests.attacks.option_liquidity_probes`."""

from __future__ import annotations

from tests.attacks.test_option_liquidity import EXPIRY, STRIKE, TOKEN, Attacker, after_a_crash
from tests.unit.options.options_world import HOUR, MINUTE, OptionsWorld

#: Of the notional: just above the least.
LEAST = 131 / 10_000


def ready(capital: int) -> tuple[OptionsWorld, Attacker]:
    """After a crash, in the pool with `capital`."""
    world = after_a_crash()
    mal = Attacker(world, capital)
    world.token.send.mint(mal.account, 10**20)
    mal.start = world.balance(mal.account)
    mal.enter()
    return world, mal


def opened(world: OptionsWorld, mal: Attacker, put: bool, size: int, reserve: float) -> str:
    """A position of his, opened."""
    margin = 3 * STRIKE * abs(size)
    leg = world.position(world.series(put, STRIKE, EXPIRY), size, margin, int(reserve * STRIKE * abs(size)))
    (position,) = world.request(leg, trader=mal.account)
    assert world.execute(position, world.tick()).events_of("Opened")
    return position


def hours(world: OptionsWorld, count: int) -> None:
    """They pass at a constant index, upkeep done."""
    for _ in range(count):
        world.go((world.now // HOUR + 1) * HOUR + 2 * MINUTE)
        world.keep()


def a_spread_that_grows(size: int, later: int) -> None:
    """Sold to a pool that is his; somebody's 1,000,000 leave when the bid has fallen."""
    world, mal = ready(10**8)
    opened(world, mal, False, -size, LEAST)
    hours(world, later)
    world.pool.send.requestRedeem(world.pool.call.balanceOf(world.provider), sender=world.provider)
    before = world.balance(world.provider)
    world.pool.send.executeExit(world.tick(), sender=mal.account)
    paid = (world.balance(world.provider) - before) / TOKEN
    print(f"{size:,} calls sold, {later} hours later: 1,000,000 leave with {paid:,.0f}")


def a_dear_entry(size: int) -> None:
    """Sold to an honest pool of 1,000,000: what an entry pays for its worth."""
    world, mal = ready(0)
    opened(world, mal, False, -size, LEAST)
    worth = world.pool.call.worth(STRIKE * 10**18, world.now)
    per_share = world.pool.call.previewMint(10**12) * world.pool.call.totalSupply() / 10**12
    print(
        f"{size:,} calls sold to an honest pool: worth {worth / TOKEN:,.0f}, entries pay for {per_share / TOKEN:,.0f}"
    )


if __name__ == "__main__":
    for size, later in ((300_000, 48), (1_000_000, 48), (1_000_000, 96), (3_000_000, 48)):
        a_spread_that_grows(size, later)
    for size in (500, 5_000, 40_000):
        a_dear_entry(size)
