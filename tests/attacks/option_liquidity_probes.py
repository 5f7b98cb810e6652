"""What entries and exits of an options pool leave open: `python -m tests.attacks.option_liquidity_probes`."""

from __future__ import annotations

from tests.attacks.option_liquidity import STRIKE, TOKEN, Attacker, after_a_crash, pass_hours


def a_spread_that_grows(size: int, later: int) -> None:
    """Sold to a pool that is his; somebody's 1,000,000 leave when the bid has fallen."""
    world = after_a_crash()
    mal = Attacker(world)
    mal.enter()
    mal.sell_calls(size)
    pass_hours(world, later)
    world.pool.send.requestRedeem(world.pool.call.balanceOf(world.provider), 0, sender=world.provider)
    before = world.balance(world.provider)
    world.pool.send.executeExit(world.tick(), sender=mal.account)
    paid = (world.balance(world.provider) - before) / TOKEN
    print(f"{size:,} calls sold, {later} hours later: 1,000,000 leave with {paid:,.0f}")


def a_dear_entry(size: int) -> None:
    """Sold to an honest pool of 1,000,000: what an entry pays for its worth."""
    world = after_a_crash()
    Attacker(world, 0).sell_calls(size)
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
