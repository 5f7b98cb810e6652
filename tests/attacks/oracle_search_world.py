"""A market on real sources, block by block, with everybody in it who is honest: feeds, an arbitrageur, keepers.

Its index has a primary and two validators, one of them a Uniswap v3 pool; its margins follow a volatility feed and the
depth of that pool. The true price is the search's. A round of Chainlink comes on chain a block after it was observed,
so that there is always a price that everybody knows and no contract does.
"""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from math import floor, log
from typing import Any

from bulkhead.chain import ZERO, Contract, Receipt, Revert, RevmChain
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.model.oracles.oracle_settings import Composition
from bulkhead.model.oracles.source import Kind
from bulkhead.protocol import Deployment, MarketTerms, PerpetualTerms, VolatilityTerms
from bulkhead.protocol.config import source, text32
from tests.uniswap import MAX, Uniswap
from tests.unit.margin.volatility_world import STEEP

BLOCK, START = 12, 1_800_000_000
UNIT = 10**6
#: The true price at the beginning, and that of USDC in dollars where the index is composed.
PRICE, DOLLAR = 2_000.0, 0.995
#: Of the mean over the pool: short against the time in which a price moves by the spread; and one that is not.
WINDOW, LONG_WINDOW, REMEMBER = 60, 600, 4_800
#: About 220 thousand USDC of depth a percent, in a pool of 0.05 %; the market's own pool holds ten million.
LIQUIDITY, FEE, CAPITAL = 10**18, 500, 10_000_000
#: Ticks that the fee lets the pool lie off the true price: nobody who trades for a profit brings it nearer.
IDLE_TICKS = 5
HEARTBEAT, CADENCE = 3_600, 12
#: A primary speaks after so many seconds, or when the price has moved so far; keepers execute orders so much later.
SILENCE, DEVIATION, LATE = 60, 0.005, 60
DELAY = MarketTerms().delay
#: No single move of a setting outruns a margin of these: what is looked for is profit from prices, not from gaps.
FEED = VolatilityTerms(interval=300, fast_time=86_400, slow_time=2_592_000)
RATES = replace(STEEP, impact=Decimal("0.01"), open_interest=Decimal("0.0001"))


class Variant(Enum):
    """What the index is made of: push feeds, and one of two or four validators the attacker's; Pyth; two legs."""

    PUSH = "push"
    LIAR = "one of two is his"
    LAG = "one of two is his, the other a mean of ten minutes"
    LIAR_OF_FOUR = "one of four is his"
    PULL = "pull"
    COMPOSED = "composed"


@dataclass
class Told:
    """What sources have said: of each a list, the oldest first.

    rounds    of push feeds: observed, transmitted; by feed: primary 0, leg 1, validators
    updates   of Pyth: when published, as signed
    observed  seen by the primary and not on chain yet: time, price
    spoken    the last time that the primary had to speak, and its price then
    fresh     is there a price on chain that keepers have not worked with?
    """

    rounds: list[list[tuple[int, int]]] = field(default_factory=lambda: [[] for _ in range(5)])
    updates: list[list[tuple[int, bytes]]] = field(default_factory=lambda: [[], []])
    observed: list[tuple[int, float]] = field(default_factory=list)
    spoken: tuple[int, float] = (0, 0.0)
    fresh: bool = False


class SearchWorld:
    """Deployed once for a variant; `told`, `price`, `lie` and `orders` are put back for every history."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.pull = variant is Variant.PULL
        self.composed = variant is Variant.COMPOSED
        #: Push feeds among the validators, by number; the first is the one that may lie.
        self.window = LONG_WINDOW if variant is Variant.LAG else WINDOW
        self.checking = (2, 3, 4) if variant is Variant.LIAR_OF_FOUR else (2,)
        self.chain = RevmChain(timestamp=START, keep_logs=False)
        self.exchange = Uniswap(self.chain)
        self.ether, self.token = self.exchange.tokens(18, 6)
        self.swaps = self.exchange.pool(self.ether, self.token, int(PRICE), FEE)
        self.swaps.provide(LIQUIDITY, -500_000, 500_000)
        self.swaps.age(REMEMBER // BLOCK + 2, REMEMBER)
        self.told, self.price, self.lie = Told(), PRICE, 1.0
        #: The true price that the exchange was brought to, if nobody has traded since.
        self.balanced = 0.0
        #: When the last order of a position was committed, 0 without one; when those who leave have asked.
        self.orders: dict[str, int] = {}
        self.exits: list[int] = []
        self.deployment = Deployment(self.chain)
        self.upkeep = self.deployment.deploy("Upkeep")
        self.keeper, self.provider = (self.chain.new_account(name) for name in ("keeper", "provider"))
        self.feeds: list[Contract] = []
        if self.pull:
            self.feeds = [self.deployment.deploy("MockPyth", 60, 1) for _ in range(2)]
        else:
            self.feeds = [self.deployment.deploy("FeedProxyMock", 8) for _ in range(5)]
            for _ in range(2):
                self._push(1, DOLLAR)
                self.tick()
        for _ in range(2):
            self.news()
            self.tick(SILENCE)
        self.news()
        self._build()
        self.kept = deepcopy(self.told)

    def _build(self) -> None:
        deployment = self.deployment
        self.oracle = deployment.deploy("Oracle", self._settings())
        self.depth = deployment.deploy("DepthFeed", self.swaps.address, LONG_WINDOW, False, BLOCK, ONE // 100)
        self.volatility = deployment.volatility_feed(self.oracle, FEED)
        margin = deployment.deploy("VolatilityMargin", RATES.encoded(self.volatility.address, self.depth.address, 6))
        instrument = deployment.deploy("Perpetual", PerpetualTerms(Decimal(50_000)).encoded())
        parts = deployment.market(self.token, self.oracle, instrument, margin)
        self.market, self.pool = parts.market, parts.pool
        self.welcome(self.provider)
        self.pool.send.deposit(CAPITAL * UNIT, self.provider, sender=self.provider)

    def welcome(self, account: str) -> None:
        """Money without end, and allowances for everything that takes some."""
        for token, amount in ((self.ether, 10**9 * ONE), (self.token, 10**12 * UNIT)):
            token.send.mint(account, amount)
            for spender in (self.exchange.router, self.exchange.manager, self.market, self.pool):
                token.send.approve(spender.address, MAX, sender=account)

    def _settings(self) -> dict[str, Any]:
        def fed(number: int) -> dict[str, Any]:
            at = self.feeds[number].address
            if self.pull:
                return source(at, CADENCE, kind=Kind.PYTH, id=self._id(number), confidence=10**7, largest=0)
            return source(at, HEARTBEAT)

        pool = {"kind": Kind.UNISWAP, "remember": REMEMBER - 300, "blockTime": BLOCK, "composed": self.composed}
        return {
            "base": text32("ETH"),
            "quote": text32("USDC"),
            "primary": fed(0),
            "validators": [
                *map(fed, (1,) if self.pull else self.checking),
                source(self.swaps.address, self.window, largest=2**128 - 1, **pool),
            ],
            "leg": source(self.feeds[1].address, HEARTBEAT) if self.composed else source(ZERO),
            "composition": Composition.DIVIDE if self.composed else Composition.NONE,
            "deviation": ONE // 200,
            "spread": ONE // 100,
            "quorum": (len(self.checking) + 1) // 2,
            "maxAge": 60 if self.pull else HEARTBEAT,
            "jumpLimit": ONE // 10,
            "sequencer": ZERO,
            "grace": 600,
            "outageLimit": 86_400,
        }

    # ---------------------------------------------------------------- time, and what the honest say and do

    @property
    def now(self) -> int:
        return self.chain.timestamp

    def tick(self, seconds: int = BLOCK, price: float | None = None) -> None:
        """The next block, at another true price. Nobody has done anything in it."""
        self.chain.set_time(self.now + seconds)
        self.price = self.price if price is None else price

    def news(self) -> None:
        """Feeds speak as they have to, and who trades for a profit brings the exchange to the true price."""
        self.arbitrage()
        told = self.told
        if self.pull:
            for number in range(2):
                self._publish(number)
            last, price = told.spoken
            if self.now - last >= SILENCE - BLOCK or abs(self.price / price - 1) >= DEVIATION:
                self.store(len(told.updates[0]) - 1)
                told.spoken = self.now, self.price
            return
        for observed, seen in told.observed:
            self._push(0, seen, observed)
        told.observed = []
        last, price = told.spoken
        if not told.rounds[0] or self.now - last >= SILENCE or abs(self.price / price - 1) >= DEVIATION:
            if told.rounds[0]:
                told.observed = [(self.now, self.price)]
            else:
                self._push(0, self.price)
            told.spoken = self.now, self.price
            for number in self.checking:
                self._push(number, self.price * (self.lie if number == self.checking[0] else 1))

    def arbitrage(self) -> None:
        """To where the last unit traded earns nothing after the fee."""
        if self.balanced == self.price:
            return
        right = floor(log(self.price * 1e-12) / log(1.0001))
        tick = self.swaps.tick
        nearest = min(max(tick, right - IDLE_TICKS), right + IDLE_TICKS)
        if nearest != tick:
            self.trade(nearest, self.exchange.trader)
        self.balanced = self.price

    def trade(self, tick: int, trader: str) -> None:
        """Somebody moves the exchange to a tick."""
        if tick != self.swaps.tick:
            self.balanced = 0.0
            self.exchange.router.send.exactInputSingle(self.swaps.swap_to_call(tick, trader), sender=trader)

    def say(self, lie: float) -> None:
        """The validator that is the attacker's answers so many times the true price from now on."""
        self.lie = lie
        self._push(self.checking[0], self.price * lie)

    def _push(self, number: int, price: float, observed: int | None = None) -> None:
        seen = self.now if observed is None else observed
        factor = DOLLAR if self.composed and number != 1 else 1
        self.feeds[number].send.push(round(price * factor * 10**8), seen, self.now)
        self.told.rounds[number].append((seen, self.now))
        self.told.fresh = True

    @staticmethod
    def _id(number: int) -> bytes:
        return bytes([number + 1]).rjust(32, b"\xfe")

    def _publish(self, number: int) -> None:
        updates = self.told.updates[number]
        before = updates[-1][0] if updates else 0
        if before == self.now:
            return
        price = round(self.price * 10**8)
        data = self.feeds[number].call.createPriceFeedUpdateData(self._id(number), price, 0, -8, 0, 0, self.now, before)
        updates.append((self.now, data))
        if not before:
            self.store(0)
            self.told.spoken = self.now, self.price

    def store(self, at: int) -> None:
        """Brings an update of each price of Pyth on chain, by its place in the list."""
        self.told.fresh = True
        for feed, updates in zip(self.feeds, self.told.updates, strict=True):
            if at < len(updates):
                feed.send.updatePriceFeeds([updates[at][1]], value=1)

    # ---------------------------------------------------------------- proofs

    def first(self, after: int) -> int | None:
        """Place of the primary's first price after a time, if it is on chain, or published."""
        if self.pull:
            return next((i for i, (time, _) in enumerate(self.told.updates[0]) if time > after), None)
        return next((i for i, (observed, _) in enumerate(self.told.rounds[0]) if observed > after), None)

    def prices(self) -> int:
        """How many prices of the primary there are."""
        return len(self.told.updates[0] if self.pull else self.told.rounds[0])

    def prove(
        self, call: str, target: Contract, args: tuple[Any, ...], at: int, after: int, shown: bool, who: str
    ) -> Receipt:
        """Makes a call that ends with a proof: of the price at this place, with or without what validators say."""
        if self.pull:
            time, data = self.told.updates[0][at]
            steps = [(self.oracle.address, 1, self.oracle.encode.prove(0, after + 1, [data]))]
            second = next((update for update in self.told.updates[1] if update[0] >= time), None)
            if shown and second:
                steps.append((self.oracle.address, 1, self.oracle.encode.prove(1, time, [second[1]])))
            encoded = getattr(target.encode, call)(*args, encode_proof(0))
            steps.append((target.address, 0, encoded))
            tokens = [self.token.address]
            receipt = self.upkeep.send.run(steps, tokens, sender=who, value=len(steps) - 1)
            if any(event.name == "StepFailed" and event.args.step == len(steps) - 1 for event in receipt.events):
                raise Revert(b"", self.chain.registry, reason="the last step failed")
            return receipt
        rounds = [self._as_of(number, at) if shown else 0 for number in self.checking]
        legs = [self._as_of(1, at)] if self.composed else []
        proof = encode_proof(1 << 64 | at + 1, (*rounds, 0, *legs))
        sent: Receipt = getattr(target.send, call)(*args, proof, sender=who)
        return sent

    def _as_of(self, number: int, at: int) -> int:
        time = self.told.rounds[0][at][0]
        on_chain = [i for i, (_, transmitted) in enumerate(self.told.rounds[number]) if transmitted <= time]
        return 1 << 64 | on_chain[-1] + 1 if on_chain else 0

    # ---------------------------------------------------------------- keepers

    def work(self, late: int = 0) -> None:
        """Keepers: liquidations at once, orders and exits so many seconds after their price came."""
        if self.told.fresh:
            self.told.fresh = False
            self._watch()
        for position, requested in list(self.orders.items()):
            at = self.first(requested + DELAY) if requested else None
            if at is not None and self.now >= self._known(at) + late:
                with suppress(Revert):
                    self.execute(position, at, True, self.keeper)
        while self.exits:
            at = self.first(self.exits[0] + DELAY)
            if at is None or self.now < self._known(at) + late:
                break
            try:
                self.prove("executeExit", self.pool, (), at, self.exits[0] + DELAY, True, self.keeper)
            except Revert:
                break
            first = self.pool.call.exitOf(0).first
            exit = self.pool.call.exitOf(first).exit
            self.exits = [int(exit.requestedAt)] if exit.shares else []

    def _watch(self) -> None:
        with suppress(Revert):
            self.market.send.liquidate(list(self.orders), sender=self.keeper)
        is_due, _, time, _ = self.volatility.call.due()
        at = self.first(time) if is_due else None
        if at is not None:
            with suppress(Revert):
                self.prove("update", self.volatility, (), at, time, True, self.keeper)

    def _known(self, at: int) -> int:
        return self.told.updates[0][at][0] if self.pull else self.told.rounds[0][at][1]

    def execute(self, position: str, at: int, shown: bool, who: str) -> None:
        """An order, at a price of the primary by its place."""
        self.prove("execute", self.market, ([position],), at, self.orders[position] + DELAY, shown, who)
        self.orders[position] = 0
