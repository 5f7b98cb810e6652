"""Attacks on options: rows 4, 5, 22, 36 and 38 of docs/attacks.md, on the real market, pool and oracle."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from bulkhead.chain import Revert
from bulkhead.model.instruments.expiry_fixing import SAMPLES, STEP
from tests.unit.options.options_world import E18, EXPIRY, HOUR, MINUTE, PRICE, WEEK, WINDOW, OptionsWorld, ready

TOKEN = 10**6
ONE = E18


@pytest.fixture
def world() -> Iterator[OptionsWorld]:
    yield ready()


def test_row_4_every_unit_leaves_after_the_expiry_by_anybody_s_call(world: OptionsWorld) -> None:
    """Longs, shorts, winners, losers, a late order: a stranger fixes and settles; vaults and pool come to nothing."""
    call, put = (world.series(kind, PRICE, EXPIRY) for kind in (False, True))
    positions = []
    for series in (call, put):
        positions += world.open(world.position(series, -10, 8_000, 1_400), world.position(series, 10, 4_000, 5_000))
        positions += world.open(world.position(series, 3, 2_000, 1_000), trader=world.other)
    world.go(EXPIRY - WINDOW - 30)
    positions += world.request(world.position(put, 10, 4_000, 2_000))
    world.settle_prices(EXPIRY, [2_200.0] * 6)
    stranger = world.chain.new_account("stranger")
    world.fixing.send.prove(EXPIRY, world.proofs(EXPIRY), sender=stranger)
    world.wait(HOUR)
    world.market.send.execute(positions[-1:], b"", sender=stranger)
    exits = world.market.send.settle(positions, sender=stranger).events_of("Exited")
    assert len(exits) == 6
    assert [world.balance(position) for position in positions] == [0] * 7
    assert world.balance(stranger) == sum(e.args.toKeeper for e in exits) + 20 * TOKEN
    world.pool.send.redeem(
        world.pool.call.balanceOf(world.provider), world.provider, world.provider, sender=world.provider
    )
    assert world.balance(world.pool.address) <= 1 and world.market.call.liveSeries() == 0


def test_row_4_an_expiry_that_nobody_prepared_is_fixed_all_the_same(world: OptionsWorld) -> None:
    """No phase bound, no sample proven, a day too late: the fixing is taken again, and nothing stays locked."""
    series = world.series(True, PRICE, EXPIRY)
    (short,) = world.open(world.position(series, -10, 8_000, 1_400))
    world.go(EXPIRY + 24 * HOUR, 1_900)
    assert world.market.send.settle([short], sender=world.keeper).events_of("Exited") == []
    assert world.same(world.fixing, world.fixing_twin, "resolve", EXPIRY) == ()
    samples, _ = world.fixing_twin.samples_of(EXPIRY)
    for sample in samples:
        world.tick(1_900, after=sample.time + MINUTE - world.now)
    assert world.fix(EXPIRY) == ()
    exit_ = world.settle(short).event("Exited")
    assert exit_.args.mark == 100 * ONE and world.balance(short) == 0


def test_row_5_a_batch_equals_the_sum_of_its_single_calls(world: OptionsWorld) -> None:
    """Duplicates, strangers' vaults and other series among them: each position is paid once."""
    call, put = (world.series(kind, PRICE, EXPIRY) for kind in (False, True))
    positions = world.open(
        world.position(call, -10, 8_000, 1_400),
        world.position(put, -10, 8_000, 1_400),
        world.position(call, 5, 3_000, 900),
    )
    world.settle_prices(EXPIRY, [2_150.0] * 6)
    world.fix(EXPIRY)
    single = {}
    with world.chain.isolated():
        for position in positions:
            exit_ = world.settle(position).event("Exited")
            single[position] = exit_.args.toTrader, exit_.args.toPool, exit_.args.toKeeper
        paid = world.balance(world.trader), world.balance(world.pool.address), world.balance(world.keeper)
    rng = random.Random(3)
    batch = [*positions, *positions, world.keeper, world.pool.address, *positions]
    rng.shuffle(batch)
    exits = world.settle(*batch).events_of("Exited")
    assert {e.args.position: (e.args.toTrader, e.args.toPool, e.args.toKeeper) for e in exits} == single
    assert len(exits) == 3
    assert paid == (world.balance(world.trader), world.balance(world.pool.address), world.balance(world.keeper))


def test_row_5_a_sample_proven_twice_counts_once(world: OptionsWorld) -> None:
    """In one call, in two, and beside a missing one."""
    world.settle_prices(EXPIRY, [2_000.0, 2_100.0, 2_200.0, 2_300.0, 2_400.0, 2_500.0])
    proofs = world.proofs(EXPIRY)
    for part in (proofs[:3], proofs[:4], proofs):
        world.fixing.send.prove(EXPIRY, part)
    assert tuple(world.fixing.call.fixingOf(EXPIRY)) == (True, 2_250 * ONE)


@pytest.mark.parametrize("sample", range(SAMPLES))
@pytest.mark.parametrize("percent", [-30, 5, 40])
def test_row_22_pushing_one_price_of_the_window_moves_the_payoff_by_a_fifth_of_it(sample: int, percent: int) -> None:
    world = ready()
    prices = [2_000.0] * SAMPLES
    prices[sample] *= 1 + percent / 100
    world.settle_prices(EXPIRY, prices)
    world.fix(EXPIRY)
    known, fixing = world.fixing.call.fixingOf(EXPIRY)
    assert known and 0 < abs(fixing - 2_000 * ONE) <= 2_000 * ONE * abs(percent) // 100 // 5
    series = world.series(False, 1_500, EXPIRY)
    assert world.told("finalMark", series)[1] == fixing - 1_500 * ONE


def test_row_22_the_settlement_price_cannot_be_chosen(world: OptionsWorld) -> None:
    """Rounds beside the first one, of a retired aggregator, or of another expiry: every one is refused, by whomever."""
    world.go(EXPIRY - WINDOW - MINUTE)
    world.same(world.fixing, world.fixing_twin, "bind", EXPIRY)
    for i in range(SAMPLES):
        for j, price in enumerate((2_000 + i, 2_400, 1_600)):
            world.tick(price, after=EXPIRY - WINDOW + i * STEP + 30 * (j + 1) - world.now)
            if i > 2:
                world.primary.push(2_400, phase=1)  # the retired aggregator goes on
        if i == 2:
            world.primary.new_phase()
            for price in (2_003.0, 2_003.0):
                world.tick(price, after=20)
            world.same(world.fixing, world.fixing_twin, "bind", EXPIRY)
    world.tick(2_000, after=EXPIRY + MINUTE - world.now)
    honest = world.proofs(EXPIRY)
    rounds = [phase << 64 | n for phase in (1, 2) for n in range(1, len(world.primary.model.phases[phase]) + 1)]
    accepted = {i: set[bytes]() for i in range(SAMPLES)}
    for i in range(SAMPLES):
        for number in rounds[-80:]:
            proof = number.to_bytes(32, "big")
            with world.chain.isolated():
                try:
                    world.fixing.send.prove(
                        EXPIRY, [proof if k == i else b"" for k in range(SAMPLES)], sender=world.other
                    )
                except Revert as refused:
                    assert refused.name in ("ProofInvalid", "PriceNotThereYet")
                else:
                    accepted[i].add(proof[:32])
    assert accepted == {i: {honest[i][:32]} for i in range(SAMPLES)}
    world.fixing.send.prove(EXPIRY, honest)
    assert tuple(world.fixing.call.fixingOf(EXPIRY))[1] == sum(2_000 + i for i in range(SAMPLES)) * ONE // SAMPLES
    with pytest.raises(Revert) as again:
        world.fixing.send.prove(EXPIRY, honest)
    assert again.value.name == "AlreadyFixed"


def test_row_36_no_series_locks_the_pool_for_dust(world: OptionsWorld) -> None:
    """What a buyer pays for each unit of the pool that it binds, whatever the strike: the rate to the expiry at least.

    Strikes far from the money are not taken up at all; a series beyond its share of the pool asks the cap's share of
    what is above: a fifth of the pool is the most that anybody would bind through one.
    """
    pool, left = 10**12, EXPIRY - world.now
    low, _ = world.told("range")
    cheapest = 1.0
    for put in (False, True):
        for strike in range(500, 6_000, 250):
            series = world.series(put, strike, EXPIRY)
            state = (series, 0, world.now, 0, 0, 0, pool)
            with_nothing_open = world.told("premium", state, ONE)
            if not isinstance(with_nothing_open, int):
                assert with_nothing_open[0] == "StrikeOutOfBand"
            rate = world.told("premium", (series, 0, world.now, ONE, 0, 0, pool), ONE)
            reserve = strike / PRICE  # all that a buyer can bind, as a share of the index
            cheapest = min(cheapest, rate / 1e18 / reserve)
    assert cheapest >= 0.05 * left / (365 * 86_400) * PRICE * ONE / low * 0.999
    series = world.series(True, PRICE, EXPIRY)
    world.open(world.position(series, 100, 40_000, 180_000))
    # The next hundred would bind 40 % of the pool: a fifth of their caps is asked on top.
    dear = world.position(series, 100, 90_000, 180_000) | {"maxPremium": ONE // 10}
    with pytest.raises(Revert) as refused:
        world.request(dear)
    assert refused.value.name == "PremiumAboveLimit" and refused.value.values.premium > ONE // 5


@pytest.mark.parametrize("tenor", [1, 2, 12])
def test_row_38_a_rally_liquidates_no_short_put_and_a_crash_no_short_call(tenor: int) -> None:
    """Held by the smallest margin, moved step by step to a twentieth and to twenty times: the gain is never the end."""
    for put, path in (
        (True, (2_200, 3_000, 4_200, 6_000, 8_400, 11_000, 15_000, 21_000, 40_000)),
        (False, (1_500, 1_000, 700, 500, 300, 200, 100)),
    ):
        world = ready()
        expiry = EXPIRY + (tenor - 2) * WEEK if tenor > 2 else EXPIRY
        series = world.series(put, PRICE, expiry)
        (short,) = world.open(world.position(series, -10, 7_500, 1_500))
        before = world.market.call.positionOf(short)
        last = None
        for price in path:
            world.walk(price)
            assert world.market.send.liquidate([short], sender=world.keeper).events_of("Exited") == []
            equity, maintenance, target = world.market.call.health(short, price * ONE, world.now)
            mark = world.told("mark", series, price * ONE, world.now)
            assert maintenance <= target <= (PRICE * ONE - mark) * 10 // 10**12
            assert last is None or equity - maintenance >= last - 1  # a unit is rounded
            last = equity - maintenance
        assert tuple(world.market.call.positionOf(short)) == tuple(before)
