"""OptionFill, EuropeanOptions and OptionMargin against their twins, over all that may be asked."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.libraries import black_scholes, option_fill, option_series
from tests.differential.answers import answer_of, plain
from tests.differential.test_math import ONE, PRICES, SIGNED_SIZES, SIZES, TOKENS, uint
from tests.unit.options.options_world import EXPIRY, HOUR, ready

every = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
SERIES = uint(24) | st.builds(
    option_series.encode, st.booleans(), st.just(EXPIRY) | st.just(EXPIRY + option_series.WEEK), st.integers(40, 120)
)
#: Around the two expiries, and anything.
TIMES = st.integers(EXPIRY - 14 * 86_400, EXPIRY + 8 * 86_400) | uint(32)
NEAR = st.integers(500 * ONE, 6_000 * ONE) | PRICES


def test_the_instrument_and_its_margins_equal_their_twins() -> None:
    """Any series, index, time, state and size, on a world whose volatilities differ: a value, or the same error."""
    world = ready()
    for price in (1_700, 2_100, 1_900):
        world.tick(price, after=HOUR)
        world.keep()

    def same(name: str, snake: str, *args: Any) -> Any:
        told = answer_of(getattr(world.options.call, name), *map(plain, args))
        assert told == answer_of(getattr(world.twin, snake), *args), (name, args)
        return told

    @every
    @given(SERIES, NEAR, TIMES)
    @example(0, 0, 0)
    @example(2**24 - 1, 2**112 - 1, 2**32 - 1)
    def marks(series: int, index: int, time: int) -> None:
        told = same("mark", "mark", series, index, time)
        cap = same("cap", "cap", series)
        assert told[0] == "error" if isinstance(told, tuple) else 0 <= told <= cap
        same("isOpen", "is_open", series, time)
        same("finalMark", "final_mark", series)
        same("greeks", "greeks", series, index, time)
        same("volatilityAt", "volatility_at", time)

    @every
    @given(SERIES, st.just(0) | NEAR, TIMES, SIZES, SIZES, TOKENS, TOKENS, SIGNED_SIZES.filter(bool))
    def premiums(
        series: int, index: int, time: int, long: int, short: int, reserved: int, idle: int, size: int
    ) -> None:
        same("premium", "premium", Snapshot(series, index, time, long, short, reserved, idle), size)

    @every
    @given(SERIES, NEAR, st.integers(0, ONE), SIGNED_SIZES.filter(bool))
    def margins(series: int, index: int, part: int, size: int) -> None:
        mark = world.twin.cap(series) * part // ONE
        state = Snapshot(series, index, world.now, 0, 0, 0, 0)
        initial = world.margin_twin.initial(state, mark, size)
        assert world.margin.call.initial(plain(state), mark, size) == initial
        maintenance, target = world.margin_twin.maintenance(series, index, mark, size)
        assert plain(world.margin.call.maintenance(series, index, mark, size)) == (maintenance, target)
        assert 0 <= maintenance <= target <= initial
        assert size > 0 or initial <= -(-abs(size) * (world.twin.cap(series) - mark) // ONE)

    @every
    @given(uint(256) | st.integers(0, ONE), st.booleans(), uint(64), NEAR)
    def others(used: int, put: bool, expiry: int, strike: int) -> None:
        same("volatilities", "volatilities", used)
        same("seriesFor", "series_for", put, expiry, strike)

    marks()
    premiums()
    margins()
    others()


def test_the_largest_difference_is_one() -> None:
    """No index of the range makes the difference of two volatilities larger, by more than the error of a price."""

    @every
    @given(
        st.integers(100 * ONE, 10_000 * ONE), st.floats(-2, 2), st.floats(0, 0.5), st.integers(ONE // 100, 10 * ONE),
        st.floats(0, 1), st.integers(60, 364 * 86_400), st.lists(st.floats(0, 1), min_size=20, max_size=20),
    )  # fmt: skip
    def largest(strike: int, away: float, wide: float, above: int, part: float, time: int, places: list[float]) -> None:
        below = int(above * part)
        low = int(strike * math.exp(away))
        high = int(low * math.exp(wide))
        rate = option_fill.largest_difference_up(strike, low, high, below, above, time)
        for place in (*places, 0.0, 1.0):
            spot = min(max(int(low * math.exp(wide * place)), low), high)
            dear, _ = black_scholes.price(spot, strike, above, time)
            cheap, _ = black_scholes.price(spot, strike, below, time)
            assert (dear - cheap) * ONE // spot <= rate + 10_000, (spot, rate)

    largest()
