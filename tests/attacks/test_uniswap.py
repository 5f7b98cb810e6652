"""Real Uniswap v3 pools under attack: capital borrowed in a transaction, own capital for a while, parked liquidity."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, log

import pytest

from bulkhead.build import artifacts
from bulkhead.chain import Contract, Receipt, RevmChain
from tests.uniswap import (
    FULL,
    MAX,
    Pool,
    Source,
    Uniswap,
    capital_to_move,
    loss_if_undone,
    root_at,
    ticks_to_hold,
)

E18 = 10**18
WINDOW, REMEMBER = 1_800, 5_700
SPREAD_TICKS = ceil(log(1.01) / log(1.0001))
#: About 22 million USDC of depth a percent.
LIQUIDITY = 10**20
#: Of each token: four million times what moves the pool by a percent.
LOAN = 10**11 * E18, 10**14 * 10**6
Call = tuple[str, bytes]


class Stage:
    """The pool that an oracle reads, one of the same tokens that lends, and an attacker with a contract."""

    def __init__(self) -> None:
        self.chain = RevmChain(timestamp=1_800_000_000)
        self.uniswap = Uniswap(self.chain)
        self.witness = self.chain.deploy(artifacts()["UniswapHarness"])
        tokens = self.uniswap.tokens(18, 6)
        self.pool: Pool = self.uniswap.pool(*tokens, 2_000)
        self.pool.provide(LIQUIDITY)
        self.lender: Pool = self.uniswap.pool(*tokens, 2_000, fee=500)
        self.lender.provide(100_000 * LIQUIDITY)
        self.pool.age(REMEMBER // 12 + 1, REMEMBER)
        self.sources = [
            Source(self.witness, self.pool, WINDOW, inverted=side, remember=REMEMBER) for side in (False, True)
        ]
        self.depths = [
            self.chain.deploy(artifacts()["DepthFeed"], self.pool.address, WINDOW, inverted, 12, E18 // 100)
            for inverted in (False, True)
        ]
        self.attacker = self.chain.deploy(artifacts()["FlashTraderMock"])
        manager, router = self.uniswap.manager, self.uniswap.router
        self.attacker.send.run(
            [(token.address, token.encode.approve(who.address, MAX)) for token in tokens for who in (manager, router)]
        )

    def fund(self) -> None:
        """Own money enough for fees and losses."""
        for token, amount in zip((self.pool.token0, self.pool.token1), LOAN, strict=True):
            token.send.mint(self.attacker.address, amount // 100)

    def borrow(self, *calls: Call) -> Receipt:
        """The calls, in one transaction, with a loan of both tokens."""
        return self.attacker.send.borrow(self.lender.address, *LOAN, list(calls))

    def swap_to(self, tick: int, now: int) -> Call:
        """A trade of the attacker's, through the router, from where the price is by then to a tick."""
        router, args = self.uniswap.router, list(self.pool.swap_to_call(tick, self.attacker.address))
        up = tick > now
        tokens = self.pool.token1.address, self.pool.token0.address
        args[:2] = tokens if up else tokens[::-1]
        return router.address, router.encode.exactInputSingle(tuple(args))

    def tell(self, source: Source, ago: int = 0) -> Call:
        """Has the witness say what an oracle would read here."""
        words = source.words
        return self.witness.address, self.witness.encode.tell(*words, self.chain.timestamp - ago)

    def tell_depth(self, feed: Contract) -> Call:
        return self.witness.address, self.witness.encode.tellDepth(feed.address)


@pytest.fixture(scope="module")
def deployed() -> Stage:
    return Stage()


@pytest.fixture
def stage(deployed: Stage) -> Iterator[Stage]:
    with deployed.pool.isolated():
        deployed.fund()
        yield deployed


@pytest.mark.parametrize("ticks", [-40_000, -100, 100, 40_000])
def test_row_2_a_flash_loan_moves_the_pool_and_not_the_price(stage: Stage, ticks: int) -> None:
    """In the same transaction the spot price is off by up to 55 times; of no time is the price off by a unit."""
    tick = stage.pool.tick
    before = {
        (source.twin[0].inverted, ago): source.as_of(stage.chain.timestamp - ago)
        for source in stage.sources
        for ago in (0, 1, 600)
    }
    tells = [stage.tell(source, ago) for source in stage.sources for ago in (0, 1, 600)]
    receipt = stage.borrow(stage.swap_to(tick + ticks, tick), *tells, stage.swap_to(tick, tick + ticks))
    moved, back = (event.args.tick for event in receipt.events_of("Swap"))
    assert (moved, back) == (tick + ticks, tick)
    told = [(event.args.shown, event.args.index) for event in receipt.events_of("Told")]
    assert told == list(before.values())
    assert all(
        event.args.current == before[inverted, 0][1]
        for event, inverted in zip(receipt.events_of("Told"), [False] * 3 + [True] * 3, strict=True)
    )
    stage.pool.wait(12)
    for source in stage.sources:
        assert source.current() == before[source.twin[0].inverted, 0][1], "nor after it"


def test_row_2_in_the_midst_of_a_trade_the_price_is_what_it_was(stage: Stage) -> None:
    """The pool calls back when its price has moved and it has not been paid."""
    tick = stage.pool.tick
    before = [source.as_of(stage.chain.timestamp) for source in stage.sources]
    tells = [stage.tell(source) for source in stage.sources]
    stage.pool.token1.send.mint(stage.attacker.address, 2**120)
    receipt = stage.attacker.send.trade(stage.pool.address, False, 2**119, root_at(tick + 30_000), tells)
    stage.pool.seen()
    assert receipt.event("Swap").args.tick >= tick + 29_999
    assert [(event.args.shown, event.args.index) for event in receipt.events_of("Told")] == before


def test_row_2_attacked_in_every_block_of_a_window_it_never_moves(stage: Stage) -> None:
    tick = stage.pool.tick
    before = [source.current() for source in stage.sources]
    for _ in range(WINDOW // 12):
        stage.fund()
        stage.borrow(stage.swap_to(tick + 5_000, tick), stage.swap_to(tick, tick + 5_000))
        stage.pool.wait(12)
    assert [source.current() for source in stage.sources] == before


@pytest.mark.parametrize("held", [1, 12, 300])
@pytest.mark.parametrize("ticks", [-30_000, -777, 777, 30_000])
def test_row_2_held_for_a_while_it_moves_by_that_share_of_the_ticks(stage: Stage, held: int, ticks: int) -> None:
    """At most held / window of the move and the tick that rounding takes; nothing for the time before; gone later."""
    pool, tick, began = stage.pool, stage.pool.tick, stage.chain.timestamp
    before = [source.as_of(began)[1] for source in stage.sources]
    pool.swap_to(tick + ticks)
    pool.wait(held)
    pool.swap_to(tick)
    bound = float(Fraction(held, WINDOW)) * abs(ticks) + 1
    moved = []
    for source, old in zip(stage.sources, before, strict=True):
        assert source.as_of(began) == (True, old), "the past"
        moved.append(log(source.current() / old) / log(1.0001))
        assert abs(moved[-1]) <= bound + 1e-3
    assert max(map(abs, moved)) >= bound - 2, "and it takes that much to say so"
    if abs(ticks) * held > WINDOW:
        assert moved[0] * moved[1] < 0, "the two prices are reciprocal"
    pool.wait(WINDOW)
    assert [source.current() for source in stage.sources] == before


def test_row_2_what_it_costs_to_move_the_price_by_the_spread(stage: Stage) -> None:
    """Measured on the pool, against the formulas (-s prints it): the shorter it is held, the more it takes."""
    pool, start, root, trader = stage.pool, stage.pool.tick, stage.pool.root, stage.uniswap.trader
    depth, costs = stage.depths[0].call.depth() // 10**12, []
    print(f"\nto move the mean of {WINDOW} s by 1 %; a trade of {depth / 1e6:,.0f} USDC moves the pool by 1 %")
    print("  held      price moved      capital, USDC         loss, USDC")
    for held in (WINDOW, 600, 300, 60, 12):
        ticks = ticks_to_hold(SPREAD_TICKS, WINDOW, held)
        with pool.isolated():
            before, ether = stage.sources[0].current(), pool.token0.call.balanceOf(trader)
            capital = pool.swap_to(start + ticks)
            bought = pool.token0.call.balanceOf(trader) - ether
            pool.wait(held)
            assert stage.sources[0].current() / before >= 1.01, "the price is off by the spread"
        loss = capital - bought * root // 2**96 * root // 2**96
        print(f"{held:6} s  x {1.0001**ticks:12,.2f}  {capital / 1e6:17,.0f}  {loss / 1e6:17,.0f}")
        without_fee = capital * 997 // 1_000
        assert abs(without_fee / capital_to_move(pool.liquidity, root, ticks) - 1) < 0.01
        assert abs((loss - capital + without_fee) / loss_if_undone(pool.liquidity, root, ticks) - 1) < 0.02
        costs.append((capital, loss))
    assert costs == sorted(costs) and costs[0][0] > depth


# ---------------------------------------------------------------- depth


@pytest.mark.parametrize("feed", [0, 1])
def test_row_13_borrowed_liquidity_does_not_deepen_the_pool(stage: Stage, feed: int) -> None:
    """In and out in one transaction, and the same left for one block."""
    pool, manager, before = stage.pool, stage.uniswap.manager, stage.depths[feed].call.depth()
    amounts = 10**10 * E18, 2_000 * 10**10 * 10**6
    terms = (pool.token0.address, pool.token1.address, pool.fee, *FULL, *amounts, 0, 0, stage.attacker.address, MAX)
    mint = (manager.address, manager.encode.mint(terms))
    with pool.isolated():
        for token, amount in zip((pool.token0, pool.token1), amounts, strict=True):
            token.send.mint(stage.attacker.address, amount)
        receipt = stage.attacker.send.run([mint])
        number, liquidity = receipt.event("IncreaseLiquidity").args[:2]
    out = (
        (manager.address, manager.encode.decreaseLiquidity((number, liquidity, 0, 0, MAX))),
        (manager.address, manager.encode.collect((number, stage.attacker.address, 2**128 - 1, 2**128 - 1))),
    )
    tell = stage.tell_depth(stage.depths[feed])
    receipt = stage.borrow(mint, tell, *out, tell)
    assert liquidity > 1_000 * LIQUIDITY
    assert [event.args.depth for event in receipt.events_of("ToldDepth")] == [before, before]
    pool.wait(12)
    assert before <= stage.depths[feed].call.depth() <= before + 1
    # With capital of one's own it stays for a block: 12 of 1,800 seconds.
    parked = pool.provide(10_000 * LIQUIDITY)
    pool.wait(12)
    pool.withdraw(parked)
    assert before < stage.depths[feed].call.depth() <= before * WINDOW // (WINDOW - 12) + 1


def test_row_17_pumping_a_coin_makes_its_depth_smaller_against_its_price(stage: Stage) -> None:
    """Ten times the price for the whole window: a position costs ten times as much, the pool is sqrt(10) as deep."""
    pool, feed, source = stage.pool, stage.depths[0], stage.sources[0]
    depth, index = feed.call.depth(), source.current()
    stage.borrow(stage.swap_to(pool.tick + 23_028, pool.tick), stage.tell_depth(feed), stage.swap_to(pool.tick, MAX))
    assert feed.call.depth() == depth
    pool.swap_to(pool.tick + 23_028)
    previous = depth * E18 // index
    for _ in range(3):
        pool.wait(WINDOW // 3)
        now = feed.call.depth() * E18 // source.current()
        assert now < previous, "depth in units of the coin falls all the way"
        previous = now
    assert abs(source.current() / index - 10) < 0.01 and abs(feed.call.depth() / depth - 10**0.5) < 0.001


def test_row_17_a_thin_pool_is_pumped_out_of_its_range(stage: Stage) -> None:
    """Where liquidity ends near the price, a pump leaves no depth to trade against: the rate goes to its cap."""
    pool = stage.uniswap.pool(*stage.uniswap.tokens(18, 6), 2_000)
    near = pool.tick // 60 * 60
    pool.provide(LIQUIDITY // 1_000, near - 600, near + 600)
    pool.age(REMEMBER // 12 + 1, REMEMBER)
    feed = stage.chain.deploy(artifacts()["DepthFeed"], pool.address, WINDOW, False, 12, E18 // 100)
    before = feed.call.depth()
    pool.swap_to(near + 20_000)
    assert feed.call.depth() == before
    pool.wait(12)
    assert feed.call.depth() < before // 10**6
