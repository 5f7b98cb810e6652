"""The instrument: every refusal, what marks and fills are, equal to the twin (REQ-30, REQ-32, REQ-33)."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bulkhead.chain import Revert
from bulkhead.model.errors import ModelError
from bulkhead.model.instruments.european_options import EuropeanOptions
from bulkhead.model.interfaces.european_options import OptionGreeks
from bulkhead.model.interfaces.european_options import OptionTerms as Terms
from bulkhead.model.interfaces.volatility_path import PathSettings
from bulkhead.model.libraries.position_math import mul_up
from bulkhead.protocol.config import VolatilityTerms, camel
from bulkhead.protocol.options import OPTION_MARKET, OptionTerms
from tests.unit.options.options_world import (
    DAY,
    E18,
    EXPIRY,
    HOUR,
    MINUTE,
    PRICE,
    START,
    WEEK,
    WIDE,
    WINDOW,
    OptionsWorld,
    ready,
)  # fmt: skip

ONE = E18
WRONG = [
    ("strikeStep", 0), ("strikeStep", 10**27 + 1), ("callCap", 0), ("callCap", 10 * ONE + 1),
    ("longestTenor", DAY - 1), ("longestTenor", 365 * DAY), ("smallestDelta", 0), ("smallestDelta", ONE // 2),
    ("spread", ONE // 10 - 1), ("spread", ONE + 1), ("slope", ONE * 9 // 10 + 1), ("reach", ONE - 1),
    ("reach", 10 * ONE + 1), ("holding", ONE + 1), ("seriesShare", 0), ("seriesShare", ONE + 1), ("decimals", 19),
]  # fmt: skip
#: The least and the most of each term, all of which go together.
ENDS = [
    {
        "strikeStep": 1, "callCap": 1, "longestTenor": DAY, "smallestDelta": 1, "spread": ONE // 10,
        "slope": ONE * 9 // 10, "reach": ONE, "holding": 0, "seriesShare": 1, "decimals": 0,
    },
    {
        "strikeStep": 10**27, "callCap": 10 * ONE, "longestTenor": 365 * DAY - 1, "smallestDelta": ONE // 2 - 1,
        "spread": ONE, "slope": 0, "reach": 10 * ONE, "holding": ONE, "seriesShare": ONE, "decimals": 18,
    },
]  # fmt: skip


@pytest.fixture(scope="module")
def built() -> OptionsWorld:
    return ready()


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_terms_out_of_their_range_are_refused(built: OptionsWorld, name: str, value: int) -> None:
    path, terms = built.terms.path.encoded(built.volatility.address), built.terms.encoded(built.fixing.address, 6)
    with pytest.raises(Revert) as caught:
        built.deployment.deploy("EuropeanOptions", path, terms | {name: value})
    assert (caught.value.name, tuple(caught.value.values)) == ("ParameterInvalid", (name, value))
    path.pop("feed")
    twin = {camel(field): one for field, one in vars(built.twin.terms).items()} | {name: value}
    with pytest.raises(ModelError) as foreseen:
        EuropeanOptions(
            built.volatility_twin, PathSettings(*path.values()), built.fixing_twin, built.model,
            Terms(*twin.values()), built.block,
        )  # fmt: skip
    assert (foreseen.value.name, foreseen.value.args) == ("ParameterInvalid", (name, value))


@pytest.mark.parametrize("ends", ENDS)
def test_terms_at_the_ends_of_their_ranges_are_taken_and_told(built: OptionsWorld, ends: dict[str, int]) -> None:
    path, terms = built.terms.path.encoded(built.volatility.address), built.terms.encoded(built.fixing.address, 6)
    told = built.deployment.deploy("EuropeanOptions", path, terms | ends).call.terms()
    assert told._asdict() == terms | ends and told.fixing == built.fixing.address


@pytest.mark.parametrize("interval", [HOUR, 755, 900])
def test_the_reach_is_rounded_up(interval: int) -> None:
    """Of the root of two intervals in years and of what it is multiplied with; two are near a whole unit of 1e-18."""
    built = OptionsWorld()
    terms = replace(built.terms.feed, interval=interval)
    feed = built.deployment.volatility_feed(built.contract, terms, label=f"every {interval} seconds")
    contract = built.deployment.deploy(
        "EuropeanOptions",
        built.terms.path.encoded(feed.address),
        built.terms.encoded(built.fixing.address, 6) | {"reach": 2 * ONE + 1},
    )
    square = 2 * interval * ONE * ONE // (365 * DAY)
    root = math.isqrt(square - 1) + 1
    assert (root - 1) ** 2 < square <= root**2
    _, _, time, phase = feed.call.due()
    built.tick(after=time + MINUTE - built.now)
    feed.send.update(built.proof_after(time, phase))
    fast, slow, price, _ = feed.call.observed()
    wide = ONE + mul_up(max(fast, slow), 2 * root + 1, ONE)
    assert contract.call.range() == (price * ONE // wide, mul_up(price, wide, ONE))


def test_a_slow_feed_and_two_oracles_are_refused() -> None:
    with pytest.raises(Revert) as caught:
        OptionsWorld(heartbeat=61)
    assert (caught.value.name, tuple(caught.value.values)) == ("FeedTooSlow", (61, 60))
    world = OptionsWorld()
    primary = world.config(world.primary, heartbeat=MINUTE)
    other = world._deploy(world.settings(primary=primary, maxAge=2 * MINUTE))
    fixing = world.deployment.deploy("ExpiryFixing", other.address, 2 * HOUR)
    path = world.terms.path.encoded(world.volatility.address)
    with pytest.raises(Revert) as caught:
        world.deployment.deploy("EuropeanOptions", path, world.terms.encoded(fixing.address, 6))
    assert (caught.value.name, tuple(caught.value.values)) == ("OraclesDiffer", (world.contract.address, other.address))


def test_what_a_series_says(built: OptionsWorld) -> None:
    for put in (False, True):
        for strike in (25, 2_000, 4_095 * 25):
            for expiry in (EXPIRY, START + 52 * WEEK, 1_578_038_400, 1_578_038_400 + 2_047 * WEEK):
                series = built.told("seriesFor", put, expiry, strike * ONE)
                assert series == built.series(put, strike, expiry)
                assert tuple(built.told("optionOf", series)) == (put, expiry, strike * ONE, strike * ONE)
                assert built.told("cap", series) == strike * ONE
    for expiry, strike in (
        (EXPIRY, 0),
        (EXPIRY, 4_096 * 25),
        (EXPIRY + 1, 25),
        (1_578_038_400 + 2_048 * WEEK, 25),
        (1_578_038_400 - WEEK, 25),
    ):
        with pytest.raises(Revert) as caught:
            built.options.call.seriesFor(True, expiry, strike * ONE)
        assert (caught.value.name, tuple(caught.value.values)) == ("SeriesInvalid", (expiry, strike // 25))
    assert built.options.call.hasCarry() is False and built.options.call.isLinear() is False
    assert tuple(built.told("carry", (0, 0, 0, 0, 0, 0, 0), 7, 7)) == (0, 0)


def test_when_a_series_is_open(built: OptionsWorld) -> None:
    series, tenor = built.series(True, PRICE, EXPIRY), built.terms.longest_tenor
    edges = {EXPIRY - WINDOW - 1: True, EXPIRY - WINDOW: False, EXPIRY: False, EXPIRY + 1: False}
    edges |= {EXPIRY - tenor: True, EXPIRY - tenor - 1: False}
    for time, open_ in edges.items():
        assert built.told("isOpen", series, time) is open_
    assert built.told("isOpen", series & ~0xFFF, START) is False  # no strike


def test_a_mark_waits_for_the_settlement_price_from_the_windows_first_second_on(built: OptionsWorld) -> None:
    series = built.series(True, PRICE, EXPIRY)
    for question in ("mark", "greeks"):
        told = built.told(question, series, PRICE * ONE, EXPIRY - WINDOW - 1)
        assert (told if question == "mark" else OptionGreeks(*told).mark) > 0
        for time in (EXPIRY - WINDOW, EXPIRY, EXPIRY + 1):
            assert built.told(question, series, PRICE * ONE, time) == ("InSettlement", (series, EXPIRY))


def test_a_market_refuses_what_expires_too_late_or_has_no_strike(built: OptionsWorld) -> None:
    for series in (
        built.series(True, PRICE, EXPIRY + 20 * WEEK),
        built.series(True, PRICE, START - WEEK),
        built.series(True, PRICE, EXPIRY) & ~0xFFF,
    ):
        with pytest.raises(Revert) as caught:
            built.request(built.position(series, 10, 4_000, 2_000))
        assert (caught.value.name, tuple(caught.value.values)) == ("SeriesNotOpen", (series, built.now))


@pytest.mark.parametrize("put", [False, True])
def test_a_series_is_taken_up_near_the_money_and_stays_tradable(put: bool) -> None:
    world = ready()
    taken, refused = [], []
    for strike in range(1_000, 4_000, 100):
        series = world.series(put, strike, EXPIRY)
        state = (series, 0, world.now, 0, 0, 0, 10**12)
        told = world.told("premium", state, ONE)
        if isinstance(told, int):
            taken.append(strike)
        else:
            assert told[0] == "StrikeOutOfBand" and told[1][1:] == (ONE // 20, ONE * 19 // 20)
            refused.append(strike)
            with pytest.raises(Revert, match="band"):
                world.request(world.position(series, 10, 40_000, 2_000))
    assert taken == list(range(min(taken), max(taken) + 1, 100)) and refused and min(taken) < PRICE < max(taken)
    assert 1_300 <= min(taken) <= 1_600 and 2_600 <= max(taken) <= 3_100
    far = world.series(put, max(taken), EXPIRY)
    (held,) = world.open(world.position(far, 10, 30_000, 2_000))
    world.go(world.now + 2 * HOUR)
    world.walk(1_000)
    world.go(world.now + 2 * HOUR)
    world.keep()
    world.keep()
    assert world.open(world.position(far, 10, 30_000, 2_000)), "something is open in it"
    world.close(held)


def test_nothing_is_committed_while_the_volatility_feed_is_behind() -> None:
    world = ready()
    series = world.series(True, PRICE, EXPIRY)
    world.open(world.position(series, 10, 4_000, 2_000))
    last = world.volatility_twin.observed()[3]
    world.tick(after=last + 2 * HOUR - world.now)
    assert isinstance(world.told("premium", (series, 0, world.now, ONE, 0, 0, 10**12), ONE), int)
    world.tick(after=1)
    behind = ("VolatilityBehind", (last, world.now))
    for size in (ONE, -ONE):
        assert world.told("premium", (series, 0, world.now, ONE, 0, 0, 10**12), size) == behind
    assert world.told("range") == behind
    with pytest.raises(Revert) as caught:
        world.request(world.position(series, 10, 4_000, 2_000))
    assert (caught.value.name, tuple(caught.value.values)) == behind
    # At a known index, which is a liquidation's, there is a fill all the same.
    assert world.told("premium", (series, PRICE * ONE, world.now, ONE, 0, 0, 10**12), ONE) > 0
    world.keep()
    world.keep()
    world.request(world.position(series, 10, 4_000, 2_000))


def test_before_its_first_price_the_feed_is_behind() -> None:
    world = OptionsWorld()
    assert world.told("range") == ("VolatilityBehind", (0, world.now))


def priced(world: OptionsWorld, put: bool, strike: float, index: float, sigma: float, left: float) -> float:
    """Of a capped call, or a put: in floats."""

    def call(k: float) -> float:
        v = sigma * math.sqrt(left / (365 * DAY))
        d = math.log(index / k) / v + v / 2
        return index * _n(d) - k * _n(d - v)

    return call(strike) + strike - index if put else call(strike) - call(2 * strike)


def _n(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


@pytest.mark.parametrize("put", [False, True])
@pytest.mark.parametrize("strike", [1_600, 2_000, 2_400])
def test_a_fill_is_never_better_than_its_formula_within_the_range(built: OptionsWorld, put: bool, strike: int) -> None:
    """Selling: max(fast, slow) x (1 + x) and the holding; buying: min(fast, slow) x (1 - x)."""
    series = built.series(put, strike, EXPIRY)
    low, high = (one / 1e18 for one in built.told("range"))
    left = EXPIRY - built.now
    used = 0.25
    bid, middle, ask = (one / 1e18 for one in built.told("volatilities", int(used * 1e18)))
    assert bid <= middle <= ask
    state = (series, 0, built.now, 0, 0, 25 * 10**10, 75 * 10**10)
    buy, sell = (built.told("premium", state, size * ONE) / 1e18 for size in (1, -1))
    holding = 0.05 * left / (365 * DAY) * strike / low
    worst = dict.fromkeys(("buy", "sell"), 1.0)
    for i in range(201):
        index = low * (high / low) ** (i / 200)
        mark = priced(built, put, strike, index, middle, left)
        dear, cheap = (priced(built, put, strike, index, sigma, left) for sigma in (ask, bid))
        worst["buy"] = min(worst["buy"], buy - holding - (dear - mark) / index)
        worst["sell"] = min(worst["sell"], sell - (mark - cheap) / index)
    # Never better, and at the worst index no worse than the second leg of a call, which is left out.
    assert all(-1e-9 < one < 1e-3 for one in worst.values()), worst


def test_the_volatilities_of_both_sides_take_the_worse_of_fast_and_slow_and_never_cross_the_middle() -> None:
    """Calm and storms in turn: each of fast, slow and the middle decides each side at some time."""
    memories = VolatilityTerms(slow_time=14_400, fast_time=3_600)
    world = ready(terms=replace(WIDE, feed=memories, reach=Decimal(10)))
    rng, seen = random.Random(9), set()
    for hour in range(48):
        if hour // 8 % 2:
            world.tick(float(world.price * Decimal(str(rng.choice([0.95, 0.98, 1.02, 1.05])))), after=HOUR // 2)
        else:
            world.tick(after=HOUR // 2)
        world.go((world.now // HOUR + 1) * HOUR + 2 * MINUTE)
        world.keep()
        fast, slow, _, _ = world.volatility_twin.observed()
        world.told("range")
        for used in (0, ONE // 3, ONE - 1, ONE, ONE + 1):
            bid, middle, ask = world.told("volatilities", used)
            spread = ONE // 10 + -(-world.twin.terms.slope * min(used, ONE) // ONE)
            assert bid == min(middle, min(fast, slow) * (ONE - spread) // ONE)
            assert ask == max(middle, -(-max(fast, slow) * (ONE + spread) // ONE))
            seen |= {("bid", bid == middle, fast < slow), ("ask", ask == middle, fast < slow)}
    sides = {(side, False, slower) for side in ("bid", "ask") for slower in (False, True)}
    assert seen >= sides | {("bid", True, False), ("ask", True, True)}


def test_a_fill_is_exact_to_the_last_unit_of_what_is_bound() -> None:
    """Almost a year ahead a unit of the spread is worth nearly half a unit of the fill, so that it shows in some."""
    world = ready(terms=replace(WIDE, slope=Decimal("0.9")))
    rng, series = random.Random(4), world.series(True, PRICE, EXPIRY + 48 * WEEK)
    for _ in range(60):
        index, total = rng.randrange(1_500 * ONE, 2_500 * ONE), rng.randrange(10**9, 10**15)
        bound = rng.choice([0, total, rng.randrange(total)])
        for size in (1, -1, ONE, -ONE):
            world.told("premium", (series, index, world.now, ONE, 0, bound, total - bound), size)
            world.told("premium", (series, index, world.now, ONE, 0, 0, 0), size)
    for week in range(48):  # the worst index lies within the range
        left = (EXPIRY + week * WEEK - world.now) / (365 * DAY)
        for away in (-50, 0, 50):
            strike = round(PRICE * math.exp(left / 2) / 25) * 25 + away
            series = world.series(True, strike, EXPIRY + week * WEEK)
            for size in (ONE, -ONE):
                world.told("premium", (series, 0, world.now, ONE, 0, 10**9, 10**11), size)


def test_a_call_may_be_capped_at_any_share_of_its_strike() -> None:
    """Caps are rounded down; beyond a cap of a few units prices differ by less than their error."""
    step = Decimal("25.000000000000000001")
    for share in (Decimal("0.333333333333333333"), Decimal(10), Decimal("1e-18")):
        world = ready(terms=replace(WIDE, strike_step=step, call_cap=share))
        for put in (False, True):
            series = world.series(put, PRICE, EXPIRY)
            strike = PRICE * ONE // int(step * ONE) * int(step * ONE)
            cap = strike if put else strike * int(share * ONE) // ONE
            assert tuple(world.told("optionOf", series)) == (put, EXPIRY, strike, cap)
            for index in range(500, 30_000, 97):
                assert 0 <= world.told("mark", series, index * ONE, world.now) <= cap
            world.told("greeks", series, PRICE * ONE, world.now)
            for size in (1, -1, ONE):
                world.told("premium", (series, 0, world.now, ONE, 0, 1, 10**12), size)


def test_the_spread_grows_with_what_is_bound_and_a_series_beyond_its_share_is_dear(
    built: OptionsWorld,
) -> None:
    series = built.series(True, PRICE, EXPIRY)
    rates = [
        [
            built.told("premium", (series, 0, built.now, 0, 0, used, 10**12 - used), size)
            for used in (0, 10**11, 9 * 10**11)
        ]
        for size in (ONE, -ONE)
    ]
    assert all(one[0] < one[1] < one[2] for one in rates)
    low, _ = built.told("range")
    state = (series, 0, built.now, 99 * ONE, 0, 0, 10**12)  # 99 puts of 2,000 on a pool of a million: a share of 19.8 %
    within, beyond = (built.told("premium", state, size * ONE) for size in (1, 101))
    assert abs((beyond - within) / 1e18 - 0.2 * 2_000 * 1e18 / low) < 1e-9  # 40 %: as much of the cap as is above 20 %
    assert built.told("premium", state, -101 * ONE) == built.told("premium", state, -ONE)
    # No pool at all: nothing divides by zero.
    assert built.told("premium", (series, 0, built.now, 0, 0, 0, 0), ONE) > 99 * ONE
    assert built.told("premium", (series, 0, built.now, 0, 0, 0, 0), -ONE) < ONE
    # Of a pool of nothing, which counts as a unit, a put of 25 for a unit takes 25 times the whole: less than the most.
    few = built.told("premium", (built.series(True, 25, EXPIRY), 0, built.now, 0, 1, 0, 0), 1)
    assert abs(few / 1e18 - 24.8 * 25 * 1e18 / low) < 1e-3


def test_the_range_around_the_smallest_price_begins_there() -> None:
    world = ready(decimals=18)
    world.walk(1e-18)
    world.go(world.now + 2 * HOUR)
    while world.volatility_twin.due()[0]:
        world.keep()
    assert tuple(world.told("range")) == (1, 2)
    assert world.told("premium", (world.series(True, PRICE, EXPIRY), 0, world.now, ONE, 0, 0, 10**12), ONE) > 0


def test_greeks_are_the_slopes_of_the_mark(built: OptionsWorld) -> None:
    time = built.now
    for put in (False, True):
        for strike in (1_500, 2_000, 2_500):
            series = built.series(put, strike, EXPIRY)
            for index in (900, 1_800, 2_300, 4_200):
                g = OptionGreeks(*built.told("greeks", series, index * ONE, time))
                marks = [built.told("mark", series, int((index + d) * ONE), time) / 1e18 for d in (-1, 0, 1)]
                assert g.mark == built.told("mark", series, index * ONE, time)
                assert abs(g.delta / 1e18 - (marks[2] - marks[0]) / 2) < 1e-4
                assert abs(g.gamma / 1e18 - (marks[2] - 2 * marks[1] + marks[0])) < 1e-5
                sooner = built.told("mark", series, index * ONE, time + HOUR) / 1e18
                assert abs(g.theta / 1e18 / 8_760 - (sooner - marks[1])) < 1e-2 * max(abs(sooner - marks[1]), 1e-3)
                assert g.vega <= 400 * ONE


def test_marks_are_within_their_cap_and_rise_with_the_index(built: OptionsWorld) -> None:
    for put in (False, True):
        series = built.series(put, PRICE, EXPIRY)
        marks = [
            built.told("mark", series, index * ONE, built.now)
            for index in (0, 1, 500, 1_500, 2_000, 3_000, 9_000, 10**15)
        ]
        assert marks == sorted(marks, reverse=put) and max(marks) <= PRICE * ONE and min(marks) >= 0
        assert marks[0] == (PRICE * ONE if put else 0)


def test_the_address_follows_from_every_term() -> None:
    """By the rule of CREATE2 with one salt: code and arguments are all that it depends on."""
    from eth_utils import keccak

    world = OptionsWorld()
    artifact = world.artifacts["EuropeanOptions"]
    from bulkhead.chain import as_abi

    def address(path: dict[str, Any], terms: dict[str, Any]) -> bytes:
        code = artifact.bytecode + as_abi(artifact).encode_constructor(path, terms)
        return keccak(b"\xff" + bytes(20) + bytes(32) + keccak(code))[12:]

    path, terms = world.terms.path.encoded(world.volatility.address), world.terms.encoded(world.fixing.address, 6)
    seen = {address(path, terms)}
    for name, value in path.items():
        seen.add(address(path | {name: value + 1 if isinstance(value, int) else world.trader}, terms))
    for name, value in terms.items():
        seen.add(address(path, terms | {name: value + 1 if isinstance(value, int) else world.trader}))
    assert len(seen) == 1 + len(path) + len(terms)
    assert Decimal(25) == OptionTerms().strike_step


def test_a_market_whose_orders_outlive_what_is_known_of_their_mark_is_not_deployed() -> None:
    with pytest.raises(
        ValueError, match="an order must live for at most 900 seconds, for which marks are known, not 901"
    ):
        OptionsWorld(market=replace(OPTION_MARKET, time_to_live=889))


def test_everybody_may_do_what_changes_state() -> None:
    """Three functions of the fixing and one of the path; no other changes anything, and none asks who calls."""
    names = {
        (name, entry["name"])
        for name in ("EuropeanOptions", "ExpiryFixing", "OptionMargin", "OptionsLens")
        for entry in ready().artifacts[name].abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    fixing = {("ExpiryFixing", name) for name in ("bind", "prove", "resolve")}
    assert names == {("EuropeanOptions", "follow"), *fixing}
    seen = set()
    for caller in ("trader", "keeper", "stranger"):
        world = ready()
        sender = world.chain.new_account("stranger") if caller == "stranger" else getattr(world, caller)
        world.tick(after=HOUR)
        for _ in range(2):
            due = world.volatility_twin.due()[2:]
            assert world.same(world.volatility, world.volatility_twin, "update", world.proof_after(*due)) == ()
            world.tick()
        world.options.send.follow(sender=sender)
        world.fixing.send.bind(EXPIRY, sender=sender)
        world.settle_prices(EXPIRY, [2_000.0] * 6)
        world.fixing.send.prove(EXPIRY, world.proofs(EXPIRY), sender=sender)
        other = EXPIRY - WEEK
        world.wait(3 * HOUR)
        world.fixing.send.resolve(other, sender=sender)
        seen.add(
            (
                tuple(world.options.call.turns()),
                world.fixing.call.fixingOf(EXPIRY),
                world.fixing.call.samplesOf(other)[1],
            )
        )
    assert len(seen) == 1
