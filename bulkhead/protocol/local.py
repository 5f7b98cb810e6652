"""A deployment on a chain of one's own, with power over its prices, its clock and its money."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta

from bulkhead.chain import Address, Contract, LocalChain
from bulkhead.chain.base import AddressLike
from bulkhead.protocol.config import MarketTerms, OracleTerms
from bulkhead.protocol.deployment import Deployment
from bulkhead.protocol.market import Market, Origin
from bulkhead.protocol.operators import Operators
from bulkhead.protocol.option_market import FRIDAY, WEEK, OptionMarket
from bulkhead.protocol.options import OptionTerms, options_market
from bulkhead.protocol.oracle import Oracle
from bulkhead.protocol.protocol import Protocol
from bulkhead.protocol.units import Number, to_integer

FEED_DECIMALS = 8
#: Seconds between a call and the round after it: more than any market's delay, less than any feed's silence.
PAUSE = 60
#: Of the jump that an oracle with one feed takes from one round to the next, a part, in thousandths.
STEP = 90
#: Distance of the grid of volatility, and that of the samples of a settlement price.
HOUR, SAMPLE = 3_600, 300


class LocalProtocol(Protocol):
    """See `Protocol.local`. Token and feeds are mocks; everything else is what is deployed anywhere."""

    chain: LocalChain

    def __init__(
        self,
        chain: LocalChain,
        prices: Mapping[str, Number],
        liquidity: Number,
        decimals: int,
        terms: MarketTerms | None,
        options: OptionTerms | None = None,
    ) -> None:
        deployment = Deployment(chain)
        self._token = deployment.deploy("TokenMock", decimals)
        operators = Operators(chain, deployment.operators.address)
        lens = deployment.deploy("Lens")
        self._feeds = {name: deployment.deploy("FeedProxyMock", FEED_DECIMALS) for name in prices}
        super().__init__(chain, {})
        for _ in range(2):  # a price without a predecessor is disputed
            self.wait(PAUSE)
            for name, price in prices.items():
                self._push(name, to_integer(price, FEED_DECIMALS, "price"))
        for name, feed in list(self._feeds.items()):
            deployed = deployment.oracle(feed.address, OracleTerms(base=name), FEED_DECIMALS)
            made = deployment.perpetual_market(self._token, deployed, terms)
            oracle = Oracle(chain, deployed.address, [feed.address])
            origin = Origin(deployment.factory.address, made.config)
            self.markets[name] = Market(chain, made.market.address, oracle, operators, lens.address, name, origin)
            if options is not None:
                self._add_options(deployment, name, options, operators, lens.address)
        self.provider = self.account("provider")
        for market in self.markets.values():
            self.fund(self.provider, liquidity)
            market.pool.deposit(liquidity, sender=self.provider)

    def _add_options(
        self, deployment: Deployment, name: str, terms: OptionTerms, operators: Operators, lens: Address
    ) -> None:
        """A market of options on the same feed, through an oracle that takes it to speak every minute."""
        feed = self._feeds[name]
        fast = OracleTerms(base=name, heartbeat=PAUSE, max_age=2 * PAUSE)
        deployed = deployment.oracle(feed.address, fast, FEED_DECIMALS)
        reader = deployment.deploy("OptionsLens")
        made = options_market(deployment, self._token, deployed, terms)
        origin = Origin(deployment.factory.address, made.config)
        oracle, label = Oracle(self.chain, deployed.address, [feed.address]), f"{name} options"
        self._feeds[label] = feed
        market = Market(self.chain, made.market.address, oracle, operators, lens, label, origin)
        self.markets[label] = OptionMarket(market, reader.address)

    def account(self, label: str, tokens: Number = 0) -> Address:
        """Somebody with so many tokens, whom all markets and pools may ask for them; the same for the same label."""
        account = self.chain.new_account(label)
        for market in self.markets.values():
            for spender in (market, market.pool):
                self._token.send.approve(spender, 2**256 - 1, sender=account)
        self.fund(account, tokens)
        return account

    def fund(self, account: str, tokens: Number) -> None:
        """Mints whole tokens to an account."""
        market = next(iter(self.markets.values()))
        self._token.send.mint(account, market.token.units(tokens, "tokens"))

    def wait(self, time: timedelta | int) -> None:
        """Lets so much time pass, or so many seconds. Feeds are silent: beyond an hour there is no valid price."""
        seconds = time // timedelta(seconds=1) if isinstance(time, timedelta) else time
        self.chain.set_time(self.chain.timestamp + seconds)

    def isolated(self) -> AbstractContextManager[None]:
        """For a `with` block whose every change, of time too, vanishes at its end."""
        return self.chain.isolated()

    def run(self, until: int, keeper: AddressLike = None) -> None:
        """Lets time pass up to a moment with all that options need: rounds at an unchanged price, and their upkeep.

        A round a minute after each hour, after each five minutes in the hour before a Friday 08:00 UTC, and at the end.
        """
        while self.chain.timestamp < until:
            now = self.chain.timestamp
            grid = SAMPLE if (FRIDAY - now) % WEEK <= HOUR else HOUR
            self.chain.set_time(min(((now - PAUSE) // grid + 1) * grid + PAUSE, until))
            for feed in {feed.address: feed for feed in self._feeds.values()}.values():
                feed.send.push(feed.call.latestRoundData()[1], self.chain.timestamp, self.chain.timestamp)
            for market in self.markets.values():
                if isinstance(market, OptionMarket):
                    market.keep(sender=keeper)

    def set_price(self, price: Number, market: str | None = None) -> None:
        """Moves a market's feed to a price, a minute a round, in as many rounds as it takes to be believed."""
        name = self._named(market)
        goal = to_integer(price, FEED_DECIMALS, "price")
        if goal < 1000:
            raise ValueError(
                f"price must be at least 0.00001, not {price}: below it this feed cannot move in small steps."
            )
        now = int(self._feeds[name].call.latestRoundData()[1])
        while True:
            step = now * STEP // 1000
            now = min(max(goal, now - step), now + step)
            self.wait(PAUSE)
            self._push(name, now)
            if now == goal:
                return

    def push_price(self, price: Number, market: str | None = None) -> None:
        """A round of a market's feed at this moment, however far from the one before."""
        self._push(self._named(market), to_integer(price, FEED_DECIMALS, "price"))

    def _named(self, market: str | None) -> str:
        """The feed of a market; without one that of the only underlying, whether it has options or not."""
        if market is None and len({feed.address for feed in self._feeds.values()}) == 1:
            return next(iter(self._feeds))
        return self.market(market).name

    def _push(self, name: str, answer: int) -> None:
        feed: Contract = self._feeds[name]
        feed.send.push(answer, self.chain.timestamp, self.chain.timestamp)
