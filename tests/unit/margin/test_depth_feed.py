"""DepthFeed against what a real pool's trades cost, and what liquidity that comes and goes does to it."""

from __future__ import annotations

from fractions import Fraction
from math import log
from typing import Any

import pytest

from bulkhead.build import artifacts
from bulkhead.chain import Contract, RevmChain
from bulkhead.model.margin.depth_feed import DepthFeed
from bulkhead.model.oracles.uniswap_pool import UniswapPool
from tests.differential.answers import answer_of
from tests.uniswap import Pool, Uniswap

E18 = 10**18
WINDOW, SLOTS = 1_800, 151
BAND = E18 // 100
#: Ticks of 1 %.
BAND_TICKS = round(log(1.01) / log(1.0001))
LIQUIDITY = 10**20


class Stage:
    """A pool at a price, and its depth in units of either token."""

    def __init__(self, decimals0: int, decimals1: int, price: Fraction) -> None:
        self.chain = RevmChain(timestamp=1_800_000_000)
        self.chain.register(artifacts()["IOracle"])
        self.uniswap = Uniswap(self.chain)
        self.pool: Pool = self.uniswap.pool(*self.uniswap.tokens(decimals0, decimals1), price)
        self.pool.provide(LIQUIDITY)
        self.pool.age(SLOTS, 2 * WINDOW)

    def feed(self, inverted: bool = False, band: int = BAND) -> tuple[Contract, DepthFeed]:
        terms = WINDOW, inverted, 12, band
        contract = self.chain.deploy(artifacts()["DepthFeed"], self.pool.address, *terms)
        return contract, DepthFeed(self.pool.model, *terms, self.chain)

    def depth(self, feed: tuple[Contract, DepthFeed]) -> int:
        told = int(feed[0].call.depth())
        assert told == feed[1].depth()
        return told


@pytest.fixture(scope="module")
def deployed() -> Stage:
    return Stage(18, 6, Fraction(2_000))


@pytest.fixture
def stage(deployed: Stage) -> Any:
    pool = deployed.pool
    with pool.isolated():
        yield deployed
    deployed.pool = pool


@pytest.mark.parametrize("decimals", [(18, 6), (6, 18), (8, 8), (18, 18)])
@pytest.mark.parametrize("price", [Fraction(2_000), Fraction(1, 30)])
def test_depth_is_what_a_trade_by_the_band_costs(decimals: tuple[int, int], price: Fraction) -> None:
    """Paid in the collateral, without the fee; a tick of the mean and one of the trade's end are what it is off by."""
    stage = Stage(*decimals, price)
    pool = stage.pool
    for inverted in (False, True):
        depth = stage.depth(stage.feed(inverted))
        with pool.isolated():
            # The underlying becomes dearer when token1 per token0 rises, or falls where the price is that of token1.
            start, collateral = pool.tick, decimals[0 if inverted else 1]
            pool.swap_to(start)
            paid = pool.swap_to(start - BAND_TICKS if inverted else start + BAND_TICKS)
        exact = Fraction(paid * 997_000, 1_000_000) * 10 ** (18 - collateral)
        assert abs(depth / exact - 1) < Fraction(2, BAND_TICKS), (inverted, float(depth / exact))


def test_depth_is_for_the_direction_that_takes_less(stage: Stage) -> None:
    """Down by the band the pool pays more collateral out than it takes in for up."""
    pool, depth = stage.pool, stage.depth(stage.feed())
    before = pool.token1.call.balanceOf(stage.uniswap.trader)
    pool.swap_to(pool.tick - BAND_TICKS)
    assert depth < (pool.token1.call.balanceOf(stage.uniswap.trader) - before) * 10**12


def test_the_formula_in_floats(stage: Stage) -> None:
    """L x sqrt(P) x (sqrt(1 + band) - 1) in USDC: 223,041 for 1 % and every 1e18 of liquidity."""
    assert abs(stage.pool.liquidity / LIQUIDITY - 1) < 1e-9
    depth = stage.depth(stage.feed())
    exact = LIQUIDITY * (2_000 * 10**-12) ** 0.5 * (1.01**0.5 - 1) * 10**12
    assert 1 - 2e-4 < depth / exact <= 1


def test_a_wider_band_is_deeper(stage: Stage) -> None:
    depths = [stage.depth(stage.feed(band=band)) for band in (1, E18 // 1_000, BAND, E18 // 10, E18)]
    assert depths == sorted(depths) and depths[0] == 0 and abs(depths[3] / depths[2] - 9.786) < 0.01
    assert stage.feed()[0].call.BAND() == BAND


def test_within_one_block_nothing_changes_it(stage: Stage) -> None:
    feed = stage.feed()
    before = stage.depth(feed)
    stage.pool.provide(1_000 * LIQUIDITY)
    assert stage.depth(feed) == before
    stage.pool.swap_to(stage.pool.tick - 5_000)
    assert stage.depth(feed) == before


@pytest.mark.parametrize("held", [1, 12, 60])
def test_row_13_liquidity_parked_for_a_share_of_the_window_raises_it_by_no_more(stage: Stage, held: int) -> None:
    """By held / (window - held) at most: 0.67 % for one block of 12 seconds."""
    feed, pool = stage.feed(), stage.pool
    before = stage.depth(feed)
    parked = pool.provide(10**6 * LIQUIDITY)
    pool.wait(held)
    pool.withdraw(parked)
    most = before
    for _ in range(5):
        most = max(most, stage.depth(feed))
        pool.wait(WINDOW // 4)
    assert before < most <= before * WINDOW // (WINDOW - held) + 1
    assert abs(stage.depth(feed) - before) <= 1, "and it is forgotten after the window"


def test_liquidity_that_stays_counts_in_full_after_the_window(stage: Stage) -> None:
    feed, pool = stage.feed(), stage.pool
    before = stage.depth(feed)
    pool.provide(LIQUIDITY)
    pool.wait(WINDOW // 2)
    assert stage.depth(feed) < before * 3 // 2, "half the window counts for less than half: 4/3"
    pool.wait(WINDOW // 2)
    assert abs(stage.depth(feed) / (2 * before) - 1) < 1e-9


def test_a_price_where_next_to_nothing_can_be_traded_leaves_no_depth(stage: Stage) -> None:
    """One block there is enough: 12 seconds at L weigh as much as 1,788 at 149 L. It costs traders margin only."""
    stage.pool = stage.uniswap.pool(*stage.uniswap.tokens(18, 6), 2_000)
    at = stage.pool.tick // 60 * 60
    stage.pool.provide(LIQUIDITY, at - 600, at + 600)
    stage.pool.age(SLOTS, WINDOW)
    feed = stage.feed()
    before = stage.depth(feed)
    stage.pool.swap_to(at + 5_000)
    assert stage.depth(feed) == before and stage.pool.liquidity < 10**4
    stage.pool.wait(12)
    assert stage.depth(feed) < before // 10**12


# ---------------------------------------------------------------- bad input


def setting(name: str, value: int) -> Any:
    return "error", "SettingInvalid", (name.encode().ljust(32, b"\0"), value)


def test_settings_out_of_range(stage: Stage) -> None:
    def made(window: int, block_time: int, band: int) -> Any:
        terms = window, False, block_time, band
        told = answer_of(stage.chain.deploy, artifacts()["DepthFeed"], stage.pool.address, *terms)
        assert told == answer_of(DepthFeed, stage.pool.model, *terms, stage.chain)
        return told

    assert made(WINDOW, 12, 0) == setting("band", 0)
    assert made(WINDOW, 12, E18 + 1) == setting("band", E18 + 1)
    assert made(0, 12, BAND) == setting("window", 0)
    assert made(WINDOW, 11, BAND) == setting("cardinality", SLOTS)


def observed(tick: int, seconds_per_liquidity: int) -> bytes:
    """Code that answers every call as `observe` would."""
    words = [0x40, 0xA0, 2, 0, tick * WINDOW, 2, 0, seconds_per_liquidity]
    data = b"".join((word % 2**256).to_bytes(32, "big") for word in words)
    return bytes.fromhex("610100600c5f396101005ff3") + data


def test_a_pool_that_misbehaves_has_no_depth(stage: Stage) -> None:
    contract, _ = stage.feed()
    for code in (b"", b"\xfe", bytes.fromhex("5f5ffd"), observed(0, 0), observed(887_273, 1)):
        stage.chain.set_code(stage.pool.address, code)
        assert contract.call.depth() == 0


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("tick", [-887_272, -1, 0, 1, 887_272])
def test_at_the_ends_of_what_a_pool_can_say(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, inverted: bool, tick: int
) -> None:
    """Nothing overflows, and liquidity counts as a pool can hold it: 128 bits."""
    feed = stage.feed(inverted, E18)
    depths = []
    for seconds_per_liquidity in (1, WINDOW, WINDOW + 1, 2**128, 2**160 - 1):
        stage.chain.set_code(stage.pool.address, observed(tick, seconds_per_liquidity))
        sums = (tick * WINDOW, seconds_per_liquidity)
        monkeypatch.setattr(UniswapPool, "observe", lambda _, now, ago, sums=sums: (0, 0) if ago else sums)
        depths.append(stage.depth(feed))
    assert depths == sorted(depths, reverse=True) and depths[0] == depths[1] > depths[2] > 2**60
