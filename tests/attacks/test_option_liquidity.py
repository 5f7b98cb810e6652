"""Row 33 on options: capital that comes for minutes must not bring the pool's spread back to who paid it."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from bulkhead.protocol.options import OptionTerms
from tests.unit.options.options_world import HOUR, MAX, MINUTE, START, WEEK, OptionsWorld

TOKEN = 10**6
EXPIRY = START + 4 * WEEK
STRIKE = 1_600
#: A hundred times the honest pool.
CAPITAL = 10**8


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
        pool.send.requestRedeem(shares, sender=self.account)
        pool.send.executeExit(self.world.tick(), sender=self.account)
        assert pool.call.balanceOf(self.account) == pool.call.balanceOf(pool.address) == 0

    def open(self, put: bool, size: int) -> None:
        leg = self.world.position(
            self.world.series(put, STRIKE, EXPIRY), size, 3 * STRIKE * abs(size), STRIKE * abs(size) // 2
        )
        receipt = self.world.market.send.requestOpen(
            self.account, [leg], STRIKE * 99 * 10**16, STRIKE * 101 * 10**16, sender=self.account
        )
        (position,) = [event.args.position for event in receipt.events_of("OpenRequested")]
        assert self.world.market.send.execute(position, self.world.tick(), sender=self.account).events_of("Opened")
        self.positions.append(position)

    def close(self) -> None:
        position = self.positions.pop(0)
        size = abs(self.world.market.call.positionOf(position).size)
        self.world.market.send.requestClose(position, size, 0, 0, 2**64 - 1, sender=self.account)
        assert self.world.market.send.execute(position, self.world.tick(), sender=self.account).events_of("Exited")

    @property
    def gained(self) -> float:
        """Tokens, with nothing left in positions or shares."""
        assert not self.positions and not self.world.pool.call.balanceOf(self.account)
        return (self.world.balance(self.account) - self.start) / TOKEN


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
        mal, series = Attacker(world), world.series(False, STRIKE, EXPIRY)
        mal.enter()
        world.token.send.mint(mal.account, 10**16)
        shorts = world.position(series, -size, STRIKE * size * 7 // 10, STRIKE * size * 131 // 10_000)
        (position,) = world.request(shorts, trader=mal.account)
        assert world.execute(position, world.tick()).events_of("Opened")
        world.pool.send.requestRedeem(world.pool.call.balanceOf(world.provider), sender=world.provider)
        if bound:
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
    world.token.send.mint(mal.account, 10**16)
    reserve = STRIKE * size * 131 // 10_000
    shorts = world.position(world.series(False, STRIKE, EXPIRY), -size, STRIKE * size * 12 // 10, reserve)
    (position,) = world.request(shorts, trader=mal.account)
    assert world.execute(position, world.tick()).events_of("Opened")
    for _ in range(calm):
        world.go((world.now // HOUR + 1) * HOUR + 2 * MINUTE)
        world.keep()
    shares, supply = world.pool.call.balanceOf(world.provider), world.pool.call.totalSupply()
    world.pool.send.requestRedeem(shares, sender=world.provider)
    before = world.balance(world.provider)
    world.pool.send.executeExit(world.tick(), sender=world.keeper)
    paid, least = world.balance(world.provider) - before, sum(world.pool.call.liquidity()) - reserve * TOKEN
    assert paid >= least * shares // supply - 2 * TOKEN, (paid, least)


@pytest.mark.parametrize(
    ("put", "move", "reserve"), [(True, 1.2, 48), (True, 1.35, 85), (False, 0.9, 22), (False, 0.8, 74)]
)
def test_row_33_a_pair_whose_short_ends_without_a_premium_gains_nothing(put: bool, move: float, reserve: int) -> None:
    """Both sides while the pool is his, out while they cancel; the index moves, the short goes by `closeAtReserve`,
    which takes no premium, and the path turns towards what everybody knows."""
    world, size = after_a_crash(), 400
    mal, series = Attacker(world, 10**11), world.series(put, STRIKE, EXPIRY)
    world.token.send.mint(mal.account, 10**18)
    mal.start = world.balance(mal.account)
    mal.enter()
    positions = []
    for signed, each in ((size, STRIKE * 9 // 10), (-size, reserve)):
        positions += world.request(world.position(series, signed, 3 * STRIKE * size, each * size), trader=mal.account)
        assert world.execute(positions[-1], world.tick()).events_of("Opened")
    mal.leave()
    world.tick(STRIKE * move)
    world.tick()
    world.market.send.closeAtReserve(positions[1], sender=mal.account)
    for _ in range(4):
        world.go((world.now // HOUR + 1) * HOUR + 2 * MINUTE)
        world.keep()
    p = world.market.call.positionOf(positions[0])
    mark = world.options.call.mark(series, int(world.price * 10**18), world.now)
    assert p.margin + size * (mark - p.entry) // 10**12 + world.balance(mal.account) < mal.start
