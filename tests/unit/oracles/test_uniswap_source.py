"""UniswapSource on real pools: what it says, what it no longer knows, what it refuses at creation."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from bulkhead.build import artifacts
from bulkhead.chain import Contract, Revert, RevmChain
from tests.differential.answers import answer_of
from tests.uniswap import CORE, Pool, Source, Uniswap, config, pinned, published
from tests.unit.market.instrument import code_of

E18 = 10**18
START = 1_800_000_000
WINDOW, REMEMBER = 1_800, 5_700
#: Slots of a ring that remembers so long at 12 seconds a block.
SLOTS = REMEMBER // 12 + 1
LIQUIDITY = 10**18
TICK = Fraction(10_001, 10_000)


class Stage:
    """A pool of a token of 18 decimals and one of 6, with a history."""

    def __init__(self, start: int = START) -> None:
        self.chain = RevmChain(timestamp=start)
        self.uniswap = Uniswap(self.chain)
        self.harness = self.chain.deploy(artifacts()["UniswapHarness"])
        self.chain.register(artifacts()["IOracle"])
        self.pool = self.made(18, 6, 2_000).age(SLOTS, 2 * REMEMBER)

    def made(self, decimals0: int, decimals1: int, price: Fraction | int) -> Pool:
        """A new pool with liquidity everywhere."""
        pool = self.uniswap.pool(*self.uniswap.tokens(decimals0, decimals1), price)
        pool.provide(LIQUIDITY)
        return pool

    def source(self, pool: Pool | None = None, inverted: bool = False) -> Source:
        return Source(self.harness, pool or self.pool, WINDOW, inverted=inverted, remember=REMEMBER)

    def pinned(self, **changes: Any) -> Any:
        """What `pin` says of the pool with these settings."""
        return pinned(self.harness, self.pool, config(self.pool, **{"window": WINDOW, "remember": REMEMBER, **changes}))


@pytest.fixture(scope="module")
def deployed() -> Stage:
    return Stage()


@pytest.fixture
def stage(deployed: Stage) -> Any:
    pool = deployed.pool
    with pool.isolated():
        yield deployed
    deployed.pool = pool


def setting(name: str, value: int) -> tuple[str, str, Any]:
    return "error", "SettingInvalid", (name.encode().ljust(32, b"\0"), value)


def within_a_tick(index: int, price: Fraction | int) -> bool:
    """Rounded down to a tick, after the price at creation was."""
    return price / TICK**2 < Fraction(index, E18) <= price


# ---------------------------------------------------------------- the price


@pytest.mark.parametrize("decimals", [(6, 18), (18, 6), (8, 18), (18, 8), (6, 8), (8, 6), (18, 18), (6, 6), (0, 18)])
@pytest.mark.parametrize("price", [Fraction(2_000), Fraction(1, 2_000)])
def test_row_22_whole_units_of_both_tokens_with_18_decimals(
    stage: Stage, decimals: tuple[int, int], price: Fraction
) -> None:
    pool = stage.made(*decimals, price).age(SLOTS, REMEMBER)
    for inverted, expected in ((False, price), (True, 1 / price)):
        source = stage.source(pool, inverted)
        shown, index = source.as_of(stage.chain.timestamp)
        assert shown and source.current() == index
        assert within_a_tick(index, expected * TICK if inverted else expected)


def test_what_is_pinned_stands_in_the_word(stage: Stage) -> None:
    word, bounds = stage.source(inverted=True).words
    assert word & (1 << 160) - 1 == int(stage.pool.address, 16)
    assert (word >> 160) & 0xFFFFFFFF == WINDOW
    assert [(word >> bit) & 0xFF for bit in (192, 200, 208, 216, 224, 232)] == [0, 2, 1, 6, 18, 0]
    assert bounds == (2**128 - 1) << 128


def test_the_mean_counts_every_tick_by_its_seconds(stage: Stage) -> None:
    pool, source, inverse = stage.pool, stage.source(), stage.source(inverted=True)
    tick, began = pool.tick, stage.chain.timestamp
    before = source.current()
    pool.swap_to(tick + 600)
    assert source.current() == before, "no second has passed"
    pool.wait(450)
    pool.swap_to(tick - 300)
    pool.wait(600)
    mean = tick + (450 * 600 - 600 * 300) // WINDOW
    assert source.current() == stage.harness.call.priceAt(mean, 10**30)
    assert inverse.current() == stage.harness.call.priceAt(-mean, 10**6)
    assert source.as_of(began) == (True, before)
    pool.wait(WINDOW)
    assert source.current() == stage.harness.call.priceAt(tick - 300, 10**30)


@pytest.mark.parametrize("step", [1, -1])
def test_the_mean_is_rounded_down_for_either_token(stage: Stage, step: int) -> None:
    pool = stage.pool
    tick = pool.tick
    pool.swap_to(tick + step)
    pool.wait(1)
    for inverted in (False, True):
        _, mean, _ = stage.harness.call.means(stage.source(inverted=inverted).words[0], 0)
        exact = Fraction(-1 if inverted else 1) * (tick + Fraction(step, WINDOW))
        assert mean == exact.numerator // exact.denominator and mean < exact


def test_prices_that_do_not_fit_are_none(stage: Stage) -> None:
    """Shown, and near nothing: 4e38 units of the one token for the other, and the reciprocal."""
    pool = stage.uniswap.pool(*stage.uniswap.tokens(18, 0), 4 * 10**20).age(SLOTS, REMEMBER)
    assert stage.source(pool).as_of(stage.chain.timestamp) == (True, 0)
    assert stage.source(pool, inverted=True).as_of(stage.chain.timestamp) == (True, 0)


def test_prices_at_or_beyond_a_bound_are_none(stage: Stage) -> None:
    index = stage.source().current()

    def told(**bounds: int) -> int:
        source = Source(stage.harness, stage.pool, WINDOW, **bounds)
        assert source.as_of(stage.chain.timestamp)[0], "the pool answers"
        return source.current()

    assert told(smallest=index - 1, largest=index + 1) == index
    assert told(smallest=index) == told(largest=index) == 0


# ---------------------------------------------------------------- what it does not know


def test_of_the_future_nothing_is_shown(stage: Stage) -> None:
    source = stage.source()
    assert source.as_of(stage.chain.timestamp)[0]
    assert source.as_of(stage.chain.timestamp + 1) == (False, 0)
    assert source.as_of(2**256 - 1) == (False, 0)


def test_before_its_first_observation_nothing_is_shown(stage: Stage) -> None:
    source = stage.source()
    assert source.as_of(START + WINDOW)[0]
    assert source.as_of(START + WINDOW - 1) == (False, 0)
    assert source.as_of(0) == (False, 0)


def test_a_ring_that_was_overwritten_remembers_what_it_was_pinned_for(stage: Stage) -> None:
    """Somebody trades in every block: what lies `remember` back is just still there, a second further it is not."""
    pool, source = stage.pool, stage.source()
    tick = pool.tick
    for block in range(SLOTS + 3):
        pool.wait(12)
        pool.swap_to(tick + block % 2)
    now = stage.chain.timestamp
    assert source.as_of(now - (REMEMBER - WINDOW))[0]
    assert source.as_of(now - (REMEMBER - WINDOW) - 1) == (False, 0)
    assert source.as_of(now)[0] and stage.pinned()[0] != "error"


def test_times_beyond_32_bits(stage: Stage) -> None:
    """The pool's clock of 32 bits turns over; what is asked for does not."""
    late = Stage(2**32 - 2 * REMEMBER - 1_000)
    source, tick = late.source(), late.pool.tick
    late.pool.wait(500)
    late.pool.swap_to(tick + 100)
    late.pool.wait(900)
    assert late.chain.timestamp > 2**32
    for ago in (0, 399, 400, 401, 900, 1_400, 3_000):
        assert source.as_of(late.chain.timestamp - ago)[0]
    assert source.current() == late.harness.call.priceAt(tick + 50, 10**30)
    assert source.as_of(late.chain.timestamp - 2**32) == (False, 0)
    assert source.as_of(0) == (False, 0)


# ---------------------------------------------------------------- whatever the pool does


def returning(data: bytes) -> bytes:
    """Code that answers every call with the same."""
    size = len(data).to_bytes(2, "big")
    return b"\x61" + size + b"\x60\x0c\x5f\x39\x61" + size + b"\x5f\xf3" + data


def observed(*changes: tuple[int, int]) -> bytes:
    """What `observe` answers for two times, some of its words changed."""
    words = [0x40, 0xA0, 2, 0, 0, 2, 0, 2**128]
    for place, word in changes:
        words[place] = word % 2**256
    return b"".join(word.to_bytes(32, "big") for word in words)


@pytest.mark.parametrize(
    "code",
    [
        b"",
        bytes.fromhex("5f5ffd"),  # reverts
        bytes.fromhex("fe"),  # burns all its gas
        bytes.fromhex("5b5f56"),  # never ends
        bytes.fromhex("620fffff5ffd"),  # reverts with a megabyte
        returning(b""),
        returning(observed()[:-1]),
        *(returning(observed((place, 3))) for place in (0, 1, 2, 5)),
        returning(observed((4, 887_273 * WINDOW))),
        returning(observed((4, -887_272 * WINDOW - 1))),
        returning(observed((4, 2**55 - 1))),
    ],
)
def test_a_pool_that_misbehaves_shows_nothing(stage: Stage, code: bytes) -> None:
    words = stage.source().words
    stage.chain.set_code(stage.pool.address, code)
    assert tuple(stage.harness.call.asOf(*words, stage.chain.timestamp)) == (False, 0)
    assert stage.harness.call.current(*words) == 0


@pytest.mark.parametrize(
    ("then", "since", "mean"),
    [
        (0, 887_272 * WINDOW, 887_272),
        (0, -887_272 * WINDOW, -887_272),
        (2**55 - 10 * WINDOW, 2**55 + 10 * WINDOW, 20),  # wraps around
        (-(2**55), 2**55 - WINDOW, -1),
        (2**256 - 5, 5 * WINDOW - 5, 5),
    ],
)
def test_sums_that_wrap_around(stage: Stage, then: int, since: int, mean: int) -> None:
    words = stage.source().words
    near = observed((3, then), (4, since), (6, 2**160 - 1), (7, 6))
    stage.chain.set_code(stage.pool.address, returning(near + b"and more than was asked for"))
    assert tuple(stage.harness.call.means(words[0], 0)) == (True, mean, 7)


def test_too_little_gas_is_told_with_what_there_must_be(stage: Stage) -> None:
    words, told = stage.source().words, set()
    for gas in range(290_000, 310_000, 1_000):
        try:
            data = stage.harness.encode.asOf(*words, stage.chain.timestamp)
            stage.chain.send(stage.harness.address, data, gas=gas)
        except Revert as revert:
            told.add((revert.name, revert.values[1]))
            assert revert.values[0] < 280_000
    assert told == {("GasTooLow", 280_000)}


# ---------------------------------------------------------------- refused at creation


def test_settings_out_of_range(stage: Stage) -> None:
    assert stage.pinned(window=0) == setting("window", 0)
    assert stage.pinned(remember=WINDOW - 1) == setting("remember", WINDOW - 1)
    assert stage.pinned(remember=0) == setting("remember", 0)
    assert stage.pinned(blockTime=0) == setting("blockTime", 0)
    assert stage.pinned(smallest=7, largest=7) == setting("largest", 7)
    assert stage.pinned(remember=WINDOW)[0] != "error"


def test_the_ring_must_hold_an_observation_for_every_block(stage: Stage) -> None:
    assert stage.pinned()[0] != "error"
    assert stage.pinned(remember=REMEMBER + 1) == setting("cardinality", SLOTS)
    assert stage.pinned(blockTime=11) == setting("cardinality", SLOTS)
    assert stage.pinned(window=300, remember=SLOTS - 1, blockTime=1)[0] != "error"
    assert stage.pinned(window=300, remember=SLOTS, blockTime=1) == setting("cardinality", SLOTS)


def test_slots_that_are_paid_for_but_not_in_use_count_for_nothing(stage: Stage) -> None:
    stage.pool = stage.made(18, 6, 2_000)
    stage.pool.grow(SLOTS)
    stage.pool.wait(2 * REMEMBER)
    assert stage.pool.contract.call.slot0().observationCardinalityNext == SLOTS
    assert stage.pinned() == setting("cardinality", 1)
    stage.pool.provide(1_000)
    assert stage.pinned()[0] != "error"


def test_the_oldest_observation_must_be_old_enough(stage: Stage) -> None:
    stage.pool = stage.made(18, 6, 2_000).age(SLOTS, REMEMBER - 13)
    assert stage.pinned() == setting("remember", REMEMBER)
    stage.pool.wait(1)
    assert stage.pinned()[0] != "error"


def test_what_is_no_pool(stage: Stage) -> None:
    def told(address: str) -> Any:
        return answer_of(stage.harness.call.pin, config(stage.pool, WINDOW, remember=REMEMBER) | {"at": address})

    for address in (stage.chain.new_account("nobody"), stage.pool.token0.address, stage.uniswap.factory.address):
        assert told(address) == setting("pool", int(address, 16))
    # A pool without a price has no observation either.
    token0, token1 = stage.uniswap.tokens(18, 6)
    stage.uniswap.factory.send.createPool(token0.address, token1.address, 3_000)
    address = stage.uniswap.factory.call.getPool(token0.address, token1.address, 3_000)
    assert told(address) == setting("cardinality", 0)
    # Something that answers every question with zeros: as many bytes as a pool, or one less.
    address = stage.chain.new_account("no pool")
    stage.chain.set_code(address, bytes.fromhex("60e05ff3"))
    assert told(address) == setting("cardinality", 0)
    stage.chain.set_code(address, bytes.fromhex("60df5ff3"))
    assert told(address) == setting("pool", int(address, 16))
    # Something that has slots and tokens, and does not observe; or has no tokens; or tokens that are none.
    words = {"slot0()": (0, 0, 0, 60_000, 0, 0, 1), "token0()": (int(token0.address, 16),)}
    stage.chain.set_code(address, code_of({**words, "token1()": (int(token1.address, 16),)}))
    assert told(address) == setting("remember", REMEMBER)
    stage.chain.set_code(address, code_of(words))
    assert told(address) == setting("pool", int(address, 16))
    stage.chain.set_code(address, code_of({**words, "token1()": bytes.fromhex("601f5ff3")}))  # 31 bytes
    assert told(address) == setting("pool", int(address, 16))
    stage.chain.set_code(address, code_of({**words, "token1()": (5,)}))
    assert told(address) == setting("token", 5)
    stage.chain.set_code("0x" + "5" * 40, code_of({"decimals()": bytes.fromhex("601f5ff3")}))
    stage.chain.set_code(address, code_of({**words, "token1()": (0x5555555555555555555555555555555555555555,)}))
    assert told(address) == setting("token", 0x5555555555555555555555555555555555555555)


def test_the_model_refuses_a_pool_that_does_not_answer(stage: Stage) -> None:
    stage.pool.model.failing = True
    stage.chain.set_code(stage.pool.address, b"")
    assert stage.pinned() == setting("pool", int(stage.pool.address, 16))


@pytest.mark.parametrize("decimals", [(19, 6), (6, 24)])
def test_row_22_more_than_18_decimals_are_refused(stage: Stage, decimals: tuple[int, int]) -> None:
    stage.pool = stage.uniswap.pool(*stage.uniswap.tokens(*decimals), 1).age(SLOTS, REMEMBER)
    for inverted in (False, True):
        assert stage.pinned(inverted=inverted) == setting("decimals", max(decimals))


def test_the_pools_are_the_ones_that_uniswap_published(stage: Stage) -> None:
    """The position manager finds pools by the hash of their code: with another one, nothing above would have worked."""
    deployed: Contract = stage.pool.contract
    assert stage.uniswap.factory.call.getPool(stage.pool.token0.address, stage.pool.token1.address, 3_000) == (
        deployed.address
    )
    assert len(stage.chain.code(deployed.address)) > 20_000
    assert published(CORE, "UniswapV3Pool").bytecode.startswith("0x")
