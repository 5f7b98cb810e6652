"""The volatility feed: textbook examples, the grid, who calls and when, gaps, the ramp, storms."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Callable
from dataclasses import astuple
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bulkhead.build import artifacts
from bulkhead.chain import Revert, RevmChain
from bulkhead.model.interfaces.volatility_feed import VolatilitySettings
from bulkhead.model.margin.volatility_feed import VolatilityFeed
from tests.unit.margin.volatility_world import DAY, E18, HOUR, SETTINGS, START, YEAR, VolatilityWorld
from tests.unit.oracles.oracle_world import answer_of

#: Hull, Options, Futures and Other Derivatives, "Estimating volatility from historical data": 21 closing prices.
HULL = (20.00, 20.10, 19.90, 20.00, 20.50, 20.25, 20.90, 20.90, 20.90, 20.75, 20.75, 21.00, 21.10, 20.90, 20.90)
HULL += (21.25, 21.40, 21.40, 21.25, 21.75, 22.00)
WIDE = E18 - 1
COVID = Path(__file__).parents[4] / "shared" / "data" / "eth_2020-03-covid.csv"


def volatilities(world: VolatilityWorld) -> tuple[float, float, float]:
    """Fast, slow and ramped as fractions a year."""
    return tuple(getattr(world.feed.call, name)() / 1e18 for name in ("fast", "slow", "ramped"))  # type: ignore[return-value]


# ---------------------------------------------------------------- textbook


def test_hulls_historical_volatility_of_twenty_days() -> None:
    """Sums 0.09531 and 0.00326, 1.216 % a day, 19.3 % a year of 252 days, standard error 3.1 %."""
    harness = RevmChain().deploy(artifacts()["VolatilityHarness"])
    returns = [harness.call.ln(round(b * 100), round(a * 100)) / 1e27 for a, b in pairwise(HULL)]
    total, squares, n = sum(returns), sum(u * u for u in returns), len(returns)
    assert (round(total, 5), round(squares, 5)) == (0.09531, 0.00326)
    daily = math.sqrt(squares / (n - 1) - total**2 / (n * (n - 1)))
    yearly = daily * math.sqrt(252)
    assert (round(daily, 5), round(yearly, 3)) == (0.01216, 0.193)
    assert round(yearly / math.sqrt(2 * n), 3) == 0.031


def test_hulls_exponentially_weighted_volatility() -> None:
    """Weight 0.9, 1 % a day before, a return of 2 %: variance 0.00013, 1.14 % a day. The feed counts logarithms."""
    memory = round(-DAY / math.log(0.9))
    start = round(0.01 * math.sqrt(365) * 10**6) * 10**12
    daily = {"interval": DAY, "fast_time": memory, "slow_time": 10 * memory, "start": start}
    world = VolatilityWorld(heartbeat=DAY, life=2 * DAY, **daily)
    world.point(2_000, after=DAY)
    assert world.feed.call.fast() / 1e18 == pytest.approx(start / 1e18, rel=1e-12)
    world.point(2_000 * math.exp(0.02), after=DAY)
    variance = world.feed.call.state().fast / 2**47 / 365
    assert variance == pytest.approx(0.00013, rel=2e-6)
    assert round(math.sqrt(variance), 4) == 0.0114
    assert world.feed.call.fast() / 1e18 == pytest.approx(math.sqrt(variance * 365), rel=1e-12)


# ---------------------------------------------------------------- the grid


@pytest.fixture
def world() -> VolatilityWorld:
    return VolatilityWorld()


def test_it_begins_with_what_it_is_told_and_a_first_price_is_no_return(world: VolatilityWorld) -> None:
    assert volatilities(world) == pytest.approx((0.5, 0.5, 0.5), rel=1e-12)
    assert world.feed.call.due() == (False, False, START, 1)
    before = world.twin.state()
    world.point(3 * 2_000 / 2.8)
    after = world.twin.state()
    assert (after.fast, after.slow, after.gap) == (before.fast, before.slow, 1)
    assert world.feed.call.due() == (False, False, START + HOUR, 1)


def test_a_point_is_the_first_price_after_its_time_and_nothing_else(world: VolatilityWorld) -> None:
    """EXE-1: neither the round before nor the one after, however late the call."""
    world.point(2_000)
    world.wait(HOUR)
    first, second = world.primary.push(2_050), 0
    for price in (1_900, 2_150):
        world.wait(600)
        second = world.primary.push(price)
    for round_ in (first - 1, first + 1, second):
        assert world.told("update", round_.to_bytes(32, "big")) == ("ProofInvalid", (round_, START + HOUR))
    receipt = world.feed.send.update(first.to_bytes(32, "big"))
    assert receipt.event("Updated").args.index == 2_050 * E18
    world.twin.update(first.to_bytes(32, "big"))
    world.same()


def test_nothing_before_the_grid_time(world: VolatilityWorld) -> None:
    world.wait(HOUR // 2)  # on it, to the second
    round_ = world.primary.push(2_100)
    assert world.told("update", round_.to_bytes(32, "big")) == ("PriceNotThereYet", (START,))


def test_a_disputed_or_invalid_point_is_passed_over_and_its_return_spread(world: VolatilityWorld) -> None:
    world.point(2_000)
    world.point(2_300)  # a jump: disputed until confirmed
    assert (world.twin.state().gap, world.twin.state().next) == (2, START // HOUR + 2)
    world.point(0)
    assert world.twin.state().gap == 3
    world.primary.push(2_290)
    world.wait(60)
    before = world.twin.state().fast / 2**47
    world.point(2_300, after=HOUR - 60)
    decay = math.exp(-3 * HOUR / DAY)
    sample = math.log(2_300 / 2_000) ** 2 * YEAR / (3 * HOUR)
    assert world.twin.state().fast / 2**47 == pytest.approx(decay * before + (1 - decay) * sample, rel=1e-10)
    assert world.twin.state().gap == 1


def test_a_point_that_nobody_proved_is_skipped_to_a_time_ahead(world: VolatilityWorld) -> None:
    life = SETTINGS["life"]
    world.point(2_000)
    world.wait(HOUR)
    round_ = world.primary.push(2_100)
    expiry = START + HOUR + life
    world.at(expiry)
    assert world.told("skip") == ("PointNotExpired", (START + HOUR, expiry))
    with world.chain.isolated():
        world.feed.send.update(round_.to_bytes(32, "big"))  # to the last second
    world.at(expiry + 1)
    assert world.told("update", round_.to_bytes(32, "big")) == ("PointExpired", (START + HOUR, expiry))
    assert world.feed.call.due()[:2] == (False, True)
    world.primary.new_phase()
    assert world.told("skip") == ()
    due, expired, time, phase = world.feed.call.due()
    assert (due, expired, phase) == (False, False, 2)
    assert world.now < time <= world.now + HOUR and time % HOUR == 0
    assert world.twin.state().gap == (time - START) // HOUR
    assert world.told("skip") == ("PointNotExpired", (time, time + life))


def test_a_phase_is_bound_only_while_its_prices_are_unknown(world: VolatilityWorld) -> None:
    """Row 30: who comes late binds no new phase, the retired aggregator's rounds stay the proof."""
    for _ in range(3):
        world.wait(HOUR)
        world.primary.push(2_000)
    world.primary.new_phase()
    for wait in (60, 60):
        world.wait(wait)
        world.primary.push(2_100)
    for _ in range(2):
        assert world.update() == ()
        assert world.twin.state().phase == 1  # the next point lies behind
    assert world.update() == ()
    assert world.twin.state().phase == 2  # ahead


def test_what_is_announced(world: VolatilityWorld) -> None:
    world.point(2_000)
    world.wait(HOUR)
    world.primary.push(2_300)  # a jump
    with world.chain.isolated():
        assert tuple(world.feed.send.update(world.proof()).event("Updated").args) == (START + HOUR, 0)
    world.wait(8 * HOUR)
    assert tuple(world.feed.send.skip().event("Skipped").args) == (START + HOUR, START + 10 * HOUR)


def test_at_a_grid_time_its_phase_is_bound_already(world: VolatilityWorld) -> None:
    """To the second: the next point, whose time is now, keeps the phase that was bound before."""
    world.point(2_000)
    world.wait(HOUR // 2)
    world.wait(60)
    world.primary.push(2_010)
    world.primary.new_phase()
    world.at(START + 2 * HOUR)
    assert world.update() == ()
    assert (world.twin.state().next * HOUR, world.twin.state().phase) == (world.now, 1)


def test_years_of_silence(world: VolatilityWorld) -> None:
    """A gap of four years counts as the longest one, and stops nothing."""
    world.point(2_000)
    world.wait(4 * YEAR)
    world.primary.push(2_000)
    world.primary.push(2_500)
    world.wait(60)
    world.primary.push(2_500)
    assert world.told("skip") == ()
    assert world.twin.state().gap == 2**14 - 1
    world.point(2_500)
    assert world.twin.state().gap == 1
    assert world.feed.call.fast() / 1e18 == pytest.approx(
        math.log(1.25) * math.sqrt(YEAR / HOUR / (2**14 - 1)), rel=1e-6
    )


def test_the_longest_gap_grows_no_longer(world: VolatilityWorld) -> None:
    world.point(2_000)
    world.wait(4 * YEAR)
    world.primary.push(2_000)
    world.wait(60)
    world.primary.push(2_000)
    assert world.told("skip") == ()
    world.point(3_000)  # a jump: passed over
    assert world.twin.state().gap == 2**14 - 1


def test_memories_of_one_interval_equal_the_twin_to_the_unit() -> None:
    """Where a return weighs most, so that its every digit is seen: a hundred of them, and the weights themselves."""
    world, rng = VolatilityWorld(fast_time=HOUR, slow_time=HOUR + 1, jump_limit=WIDE), random.Random(5)
    for name in ("FAST_DECAY", "SLOW_DECAY", "RAMP_DECAY"):
        assert getattr(world.feed.call, name)() == getattr(world.twin, name.lower())
    for _ in range(100):
        world.point(round(2_000 * math.exp(rng.gauss(0, 0.04)), 8))
    assert world.feed.call.fast() > E18


def test_decays_are_those_of_an_exponent_to_the_last_digit() -> None:
    """Memories at which an exponent that is off by one has another decay."""
    world = VolatilityWorld(fast_time=4_431, slow_time=5_196)
    for name in ("FAST_DECAY", "SLOW_DECAY"):
        assert getattr(world.feed.call, name)() == getattr(world.twin, name.lower())


# ---------------------------------------------------------------- who, when, how often

Schedule = Callable[[random.Random, VolatilityWorld], bool]
SCHEDULES: dict[str, Schedule] = {
    "at every round": lambda rng, world: True,
    "now and then": lambda rng, world: rng.random() < 0.3,
    "at the last moment": lambda rng, world: world.now > world.twin.due()[2] + SETTINGS["life"] - HOUR,
}


@pytest.mark.parametrize("seed", range(6))
def test_one_outcome_whoever_calls_whenever_how_often(seed: int) -> None:
    """EXE-1, rows 10 and 32: any schedule that keeps within the life of points ends in the same estimate."""
    ends = []
    for name, calls in SCHEDULES.items():
        world, rng = VolatilityWorld(jump_limit=E18 // 20), random.Random(seed)
        chance = random.Random(name)
        price = 2_000.0
        for _ in range(300):
            world.wait(rng.randint(1, 2_500))
            price *= math.exp(rng.gauss(0, 0.03))  # some are disputed
            world.primary.push(price, observed=world.now - rng.randint(0, 200))
            if calls(chance, world):
                for _ in range(chance.randint(1, 3)):
                    world.update()
                    world.told("skip")
        while world.update() == ():
            pass
        end = world.twin.state()
        assert end.next > START // HOUR + 50
        ends.append((end.fast, end.slow, end.price, end.gap, end.next, end.phase))
    assert ends[0] == ends[1] == ends[2]


def test_who_calls_makes_no_difference_and_calls_in_vain_change_nothing(world: VolatilityWorld) -> None:
    world.wait(HOUR)
    world.primary.push(2_020)
    words = []
    for name in ("keeper", "trader"):
        with world.chain.isolated():
            world.feed.send.update(world.proof(), sender=world.chain.new_account(name))
            words.append(tuple(world.feed.call.state()))
    assert words[0] == words[1]
    world.update()
    before = astuple(world.twin.state())
    for call in (lambda: world.update(), lambda: world.told("skip")):
        assert call() != () and astuple(world.twin.state()) == before


# ---------------------------------------------------------------- the ramp


def test_the_ramp_rises_by_a_fifth_an_hour_and_an_update_is_no_jump(world: VolatilityWorld) -> None:
    """RAMP-1: a storm of 8 % an hour against 50 %; between updates it moves all the time, at them not at all."""
    price, before = 2_000.0, 0.5
    world.point(price)
    for hour in range(12):
        price *= 1.08 if hour % 2 else 1 / 1.08
        world.wait(HOUR - 1)
        just_before = world.feed.call.ramped()
        world.wait(1)
        world.primary.push(price)
        at = world.feed.call.ramped()
        assert world.update() == ()
        after = world.feed.call.ramped()
        assert 0 <= at - after < 10**12  # the unit that it is stored in
        assert at - just_before <= at // 15_000
        assert after / 1e18 <= before * 1.2
        before = after / 1e18
    assert before == pytest.approx(0.5 * 1.2**11, rel=1e-4)  # the first hour had no reason yet
    assert world.feed.call.ramped() < world.feed.call.highest()


def test_the_ramp_reaches_its_target_and_stops_there(world: VolatilityWorld) -> None:
    world.point(2_000)
    world.point(2_190)
    target = max(world.feed.call.fast(), world.feed.call.slow())
    world.wait(5 * HOUR)
    assert world.feed.call.ramped() / 1e18 == pytest.approx(0.5 * 1.2**5, rel=1e-4)
    world.wait(20 * HOUR)
    world.same()
    assert world.feed.call.ramped() == target
    world.told("skip")
    for _ in range(3 * 24):
        world.point(2_190)
    assert world.feed.call.ramped() < target
    world.wait(400 * DAY)
    world.told("skip")
    world.wait(1)  # until then in the unit that it is stored in
    world.same()
    assert world.feed.call.ramped() == max(world.feed.call.fast(), world.feed.call.slow(), SETTINGS["floor"])


def test_a_ramp_that_had_years_has_arrived(world: VolatilityWorld) -> None:
    """Where nothing is left of the weight that it divides by."""
    world.point(2_000)
    world.point(2_190)
    world.wait(400 * DAY)
    assert world.feed.call.ramped() == world.feed.call.highest() == world.feed.call.fast()
    world.same()


def test_the_ramp_falls_as_slowly_as_it_rises() -> None:
    """With memories of an hour, over in an hour; the ramp takes its time."""
    world = VolatilityWorld(fast_time=HOUR, slow_time=HOUR + 1, start=4 * E18)
    for _ in range(6):
        before = world.feed.call.ramped()
        world.point(2_000)
        if world.feed.call.highest() == before:
            continue
        assert before * 1_000 // 1_201 < world.feed.call.ramped() < before
    assert world.feed.call.fast() < E18 < 15 * E18 // 10 < world.feed.call.ramped()


def test_skips_do_not_move_the_ramp(world: VolatilityWorld) -> None:
    """However often somebody may skip: the same volatility to the unit that it is stored in."""
    world.point(2_000)
    world.point(2_190)
    told = []
    for skips in (0, 1, 3):
        with world.chain.isolated():
            start = world.now
            for _ in range(skips):
                world.chain.set_time(world.chain.timestamp + 7 * HOUR + 60)
                world.feed.send.skip()
            world.chain.set_time(start + 30 * HOUR)
            told.append(world.feed.call.ramped())
        world.chain.set_time(world.now)
    assert max(told) - min(told) <= 4 * 10**12


def test_it_never_sticks_at_zero() -> None:
    """A dead calm for half a year: the floor, from which it rises as ever."""
    world = VolatilityWorld(slow_time=2 * DAY)
    world.point(2_000)
    for _ in range(24 * 20):
        world.point(2_000)
    assert world.feed.call.slow() < SETTINGS["floor"] == world.feed.call.ramped()
    world.point(2_100)
    world.wait(HOUR)
    assert world.feed.call.ramped() / 1e18 == pytest.approx(0.05 * 1.2, rel=1e-4)


def test_a_ramp_too_slow_for_the_unit_it_is_stored_in_is_refused() -> None:
    """It would stand still: by every update all that it rose since the last one would be lost."""
    fits = {"interval": 300, "ramp": E18 // 100, "floor": 12_100 * 10**12}
    VolatilityWorld(**fits)
    for changed in ({"ramp": E18 // 125}, {"floor": 12_000 * 10**12}):
        with pytest.raises(Revert) as refused:
            VolatilityWorld(**{**fits, **changed})
        assert (refused.value.name, refused.value.values.name) == ("ParameterInvalid", "ramp")


@pytest.mark.parametrize("wait", [1, 299, 301])
def test_updates_slow_the_ramp_down_by_a_unit_each_at_most(wait: int) -> None:
    """REQ-21: the slowest ramp that there may be, from its floor on, sixty updates; late ones come together."""
    slowest = {"interval": 300, "ramp": E18 // 100, "floor": 12_100 * 10**12, "start": 12_100 * 10**12}
    world = VolatilityWorld(**slowest, max_return=E18, jump_limit=WIDE)
    world.wait(30)
    world.point(2_000, after=300)
    world.point(2_800, after=300)
    for _ in range(61):
        world.wait(300)
        world.primary.push(2_800)
    start, begun = world.feed.call.ramped(), world.now
    assert start < world.feed.call.fast() // 10
    for n in range(1, 61):
        world.wait(wait)
        if wait > 1:
            world.primary.push(2_800)
        assert world.update() == ()
        promised = start * (1 + 0.01) ** ((world.now - begun) / HOUR)
        assert promised - (n + 1) * 10**12 <= world.feed.call.ramped() <= promised + 1_000
    rise, promised = world.feed.call.ramped() - start, start * (1.01 ** ((world.now - begun) / HOUR) - 1)
    assert wait == 1 or rise >= promised * 9 / 10


# ---------------------------------------------------------------- storms


def test_eight_hundred_percent_a_year() -> None:
    """March 2020: hours whose returns have a deviation of 8.55 %, for a fortnight; at the end prices jump tenfold."""
    world, rng = VolatilityWorld(jump_limit=WIDE), random.Random(13)
    price = 2_000.0
    world.point(price)
    for _ in range(14 * 24):
        price = min(max(price * math.exp(rng.gauss(0, 8 * math.sqrt(HOUR / YEAR))), 500), 8_000)
        world.point(price)
    fast, slow, ramped = volatilities(world)
    assert 5 < fast < 11 and 4 < slow < 8 and 5 < ramped < 11
    for factor in (10, 0.1, 10, 10, 0.01, 1e6):
        world.primary.push(price * factor)
        world.point(price * factor)
        world.same()
    assert world.feed.call.highest() <= 11_313_708_498_984_760_391  # sqrt(128)


@pytest.mark.skipif(not COVID.exists(), reason="the measured prices are not in this checkout's neighbourhood")
def test_march_2020() -> None:
    """Hourly closes of ETH, 9 to 17 March 2020: 673 % at the height by the fast estimate, 187 % by the slow one."""
    world, heights = VolatilityWorld(jump_limit=WIDE, start=E18), [0.0, 0.0, 0.0]
    with COVID.open() as file:
        for row in csv.DictReader(file):
            world.point(float(row["close"]))
            heights = [max(pair) for pair in zip(heights, volatilities(world), strict=True)]
    assert heights == pytest.approx((6.734, 1.870, 6.734), abs=1e-3)


def test_where_variance_saturates() -> None:
    world = VolatilityWorld(jump_limit=WIDE, max_return=10 * E18, fast_time=HOUR, slow_time=HOUR + 1)
    world.point(1)
    world.primary.push(10**9)
    world.point(10**9)
    assert world.twin.state().fast == world.twin.state().slow == 2**54 - 1
    assert world.feed.call.fast() == pytest.approx(math.sqrt(128) * 1e18)
    world.wait(5 * HOUR)
    assert world.feed.call.ramped() / 1e18 == pytest.approx(0.5 * 1.2**5, rel=1e-6)


def test_a_return_counts_up_to_the_largest_one() -> None:
    told = []
    for price in (2_000 * math.exp(0.2500001), 4_000):
        world = VolatilityWorld(jump_limit=WIDE)
        world.point(2_000)
        world.wait(HOUR // 4)
        world.primary.push(price)  # believed once it is confirmed
        world.point(price, after=HOUR * 3 // 4)
        told.append(world.twin.state().fast)
    assert told[0] == told[1]


# ---------------------------------------------------------------- creation


@pytest.mark.parametrize(
    ("field", "beyond", "last"),
    [
        ("interval", 299, 300),
        ("interval", DAY + 1, DAY),
        ("life", HOUR, HOUR + 1),
        ("life", 2 * DAY + 1, 2 * DAY),
        ("fastTime", HOUR - 1, HOUR),
        ("slowTime", DAY, DAY + 1),
        ("slowTime", 10 * YEAR + 1, 10 * YEAR),
        ("maxReturn", 0, 1),
        ("maxReturn", 10 * E18 + 1, 10 * E18),
        ("ramp", 0, 2 * 10**14),
        ("ramp", 2 * 10**14 - 1, 2 * 10**14),  # ten units of a floor of 5 %
        ("ramp", 10 * E18 + 1, 10 * E18),
        ("floor", 0, 51 * 10**12),
        ("floor", 51 * 10**12 + 1, 51 * 10**12),
        ("start", E18 // 20 - 1, E18 // 20),
        ("start", 10 * E18 + 1, 10 * E18),
    ],
)
def test_settings_out_of_range(world: VolatilityWorld, field: str, beyond: int, last: int) -> None:
    name = {"fastTime": "fast_time", "slowTime": "slow_time", "maxReturn": "max_return"}.get(field, field)

    def made(value: int) -> Any:
        s = VolatilitySettings(**{**SETTINGS, **({"fast_time": DAY} if field == "interval" else {}), name: value})
        chain = answer_of(lambda: world.chain.deploy(world.artifacts["VolatilityFeed"], world.encoded(s)) and ())
        twin = answer_of(lambda: VolatilityFeed(world.model, s, world.block) and ())
        assert chain == twin
        return chain

    assert made(beyond) == ("ParameterInvalid", (field, beyond))
    assert made(last) == ()
