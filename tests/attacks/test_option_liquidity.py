"""Row 33 on options: capital that comes for minutes must not bring the pool's spread back to who paid it."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.attacks.option_liquidity import CAPITAL, EXPIRY, STRIKE, TOKEN, Attacker, after_a_crash, in_calm, pass_hours
from tests.unit.options.options_world import OptionsWorld


@pytest.mark.parametrize("size", [100, -100], ids=["long", "short"])
@pytest.mark.parametrize("put", [False, True], ids=["call", "put"])
@pytest.mark.parametrize("made", [after_a_crash, in_calm])
def test_row_33_capital_for_two_minutes_pays_the_spread_like_anybody(
    made: Callable[[], OptionsWorld], put: bool, size: int
) -> None:
    """In the pool around the opening and around the close, out of it in between: what the trade costs without capital,
    but for what the slope of utilisation and fees come to."""
    lost = []
    for capital in (0, CAPITAL):
        mal = Attacker(made(), capital)
        mal.enter()
        mal.open(put, size)
        mal.leave()
        mal.enter()
        mal.close()
        mal.leave()
        lost.append(-mal.gained)
    assert 0 < 0.85 * lost[0] < lost[1], lost


@pytest.mark.parametrize("size", [100, -100], ids=["long", "short"])
@pytest.mark.parametrize("made", [after_a_crash, in_calm])
def test_row_33_no_premium_of_others_is_taken_by_who_comes_for_it(made: Callable[[], OptionsWorld], size: int) -> None:
    """Into the pool in front of somebody's opening, and of his close, out behind each: what is left to share is fees,
    the rent of the reserve, and what the range of indices that a commit is priced for costs more than the index."""
    world = made()
    mal = Attacker(world)

    def while_mal_is_in(position: str) -> float:
        """What he gains, as a share of the premium."""
        before, premium = world.balance(mal.account), world.market.call.orderOf(position).premium
        mal.enter()
        world.execute(position, world.tick())
        mal.leave()
        return (world.balance(mal.account) - before) / (premium * abs(size) * STRIKE / 10**12)

    (position,) = world.request(world.position(world.series(False, STRIKE, EXPIRY), size, 480_000, 80_000))
    assert while_mal_is_in(position) < 0.1
    world.market.send.requestClose(position, 2**128, 0, 0, 2**64 - 1, sender=world.trader)
    assert while_mal_is_in(position) < 0.1


@pytest.mark.parametrize("made", [after_a_crash, in_calm])
def test_row_33_a_pair_that_hides_the_open_size_gains_nothing(made: Callable[[], OptionsWorld]) -> None:
    """A long and a short of one series cancel, and nothing is open to pay for; they leave one by one all the same."""
    mal = Attacker(made())
    mal.enter()
    mal.open(True, 50)
    mal.open(True, -50)
    mal.leave()
    for _ in range(2):
        mal.enter()
        mal.close()
        mal.leave()
    assert mal.gained < 0


@pytest.mark.parametrize("seed", range(12))
def test_row_33_no_sequence_of_trades_and_liquidity_gains(seed: int) -> None:
    """POOL-1 for options: random steps of one who trades, enters and leaves at a constant index, with capital of a
    hundred pools."""
    rng = random.Random(seed)
    mal = Attacker(rng.choice([after_a_crash, in_calm])())
    for _ in range(16):
        step = rng.choice(["enter", "leave", "open", "open", "close"])
        if step == "enter" and not mal.world.pool.call.balanceOf(mal.account):
            mal.enter()
        elif step == "leave":
            mal.leave()
        elif step == "open" and len(mal.positions) < 4:
            mal.open(rng.random() < 0.5, rng.choice([-1, 1]) * rng.randrange(5, 60))
        elif step == "close" and mal.positions:
            rng.shuffle(mal.positions)
            mal.close()
    while mal.positions:
        mal.close()
    mal.leave()
    assert mal.gained <= 0


@pytest.mark.parametrize("made", [after_a_crash, in_calm])
def test_row_33_nobody_docks_an_exit_by_what_he_binds(made: Callable[[], OptionsWorld]) -> None:
    """Options of many times the pool against the least reserve, sold to a pool that is nearly all his own, then the
    rest of it bound while somebody leaves, by an order that nothing can fill: he leaves with what came in, less what
    the feed may hide of the size, whatever is bound."""
    size, paid = 10**6, []
    for bound in (0, 40_000):
        world = made()
        mal = Attacker(world)
        mal.enter()
        mal.sell_calls(size)
        world.pool.send.requestRedeem(world.pool.call.balanceOf(world.provider), 0, sender=world.provider)
        if bound:
            series = world.series(False, STRIKE, EXPIRY)
            buys = world.position(series, bound, 3 * STRIKE * bound, STRIKE * bound * 99 // 100)
            world.market.send.requestOpen(mal.account, [buys], 1, 2, sender=mal.account)
        before = world.balance(world.provider)
        world.pool.send.executeExit(world.tick(), sender=mal.account)
        paid.append(world.balance(world.provider) - before)
    hidden = world.contract.call.deviation() * STRIKE * size // 10**12 // (CAPITAL // 10**6 + 1)
    assert paid[1] == paid[0] > 10**12 - hidden, (paid, hidden)


@pytest.mark.parametrize("calm", [48, 96])
def test_row_33_nobody_leaves_with_less_than_all_reserves_lost_would_leave(calm: int) -> None:
    """Sold against the least reserve after a crash; the spread outgrows the whole pool once the fast volatility has
    fallen. Who leaves then is paid, and at the worst what the pool is worth with every reserve won."""
    world, size = after_a_crash(), 10**6
    mal = Attacker(world)
    mal.enter()
    reserve = mal.sell_calls(size)
    pass_hours(world, calm)
    shares, supply = world.pool.call.balanceOf(world.provider), world.pool.call.totalSupply()
    world.pool.send.requestRedeem(shares, 0, sender=world.provider)
    before = world.balance(world.provider)
    world.pool.send.executeExit(world.tick(), sender=world.keeper)
    paid, least = world.balance(world.provider) - before, sum(world.pool.call.liquidity()) - reserve * TOKEN
    assert paid >= least * shares // supply - 2 * TOKEN, (paid, least)


def test_row_33_who_names_a_least_is_not_docked_but_stays() -> None:
    """The same dock, and a request for no less than nine tenths: the shares come back but for the keeper's fee."""
    world, size = after_a_crash(), 10**6
    mal = Attacker(world)
    mal.enter()
    mal.sell_calls(size)
    pass_hours(world, 48)
    shares, pool = world.pool.call.balanceOf(world.provider), world.pool
    pool.send.requestRedeem(shares, 900_000 * TOKEN, sender=world.provider)
    void = pool.send.executeExit(world.tick(), sender=mal.account).event("ExitVoid").args
    assert void.assets < 900_000 * TOKEN
    assert shares - pool.call.balanceOf(world.provider) < shares // 10**5


@pytest.mark.parametrize(
    ("put", "move", "reserve"), [(True, 1.2, 48), (True, 1.35, 85), (False, 0.9, 22), (False, 0.8, 74)]
)
def test_row_33_a_pair_whose_short_ends_without_a_premium_gains_nothing(put: bool, move: float, reserve: int) -> None:
    """Both sides while the pool is his, out while they cancel; the index moves, the short goes by `closeAtReserve`,
    which takes no premium, and the path turns towards what everybody knows."""
    world, size = after_a_crash(), 400
    mal, series = Attacker(world, 10**11), world.series(put, STRIKE, EXPIRY)
    mal.enter()
    positions = []
    for signed, each in ((size, STRIKE * 9 // 10), (-size, reserve)):
        positions += world.open(world.position(series, signed, 3 * STRIKE * size, each * size), trader=mal.account)
    mal.leave()
    world.tick(STRIKE * move)
    world.tick()
    world.market.send.closeAtReserve(positions[1], sender=mal.account)
    pass_hours(world, 4)
    p = world.market.call.positionOf(positions[0])
    mark = world.options.call.mark(series, int(world.price * 10**18), world.now)
    assert p.margin + size * (mark - p.entry) // 10**12 + world.balance(mal.account) < mal.start
