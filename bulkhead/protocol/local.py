"""A deployment on a chain of one's own, with power over its prices, its clock and its money."""

from __future__ import annotations

from collections.abc import Mapping

from bulkhead.chain import Address, Contract, LocalChain
from bulkhead.protocol.config import MarketTerms, OracleTerms
from bulkhead.protocol.deployment import Deployment
from bulkhead.protocol.market import Market, Origin
from bulkhead.protocol.operators import Operators
from bulkhead.protocol.oracle import Oracle
from bulkhead.protocol.protocol import Protocol
from bulkhead.protocol.units import Number, to_integer

FEED_DECIMALS = 8
#: Seconds between a call and the round after it: more than any market's delay, less than any feed's silence.
PAUSE = 60
#: Of the jump that an oracle with one feed takes from one round to the next, a part, in thousandths.
STEP = 90


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
        for name, feed in self._feeds.items():
            deployed = deployment.oracle(feed.address, OracleTerms(base=name), FEED_DECIMALS)
            made = deployment.perpetual_market(self._token, deployed, terms)
            oracle = Oracle(chain, deployed.address, [feed.address])
            origin = Origin(deployment.factory.address, made.config)
            self.markets[name] = Market(chain, made.market.address, oracle, operators, lens.address, name, origin)
        self.provider = self.account("provider")
        for market in self.markets.values():
            self.fund(self.provider, liquidity)
            market.pool.deposit(liquidity, sender=self.provider)

    def account(self, label: str, tokens: Number = 0) -> Address:
        """Somebody with so many tokens, whom all markets and pools may ask for them; the same for the same label."""
        account = self.chain.new_account(label)
        for market in self.markets.values():
            for spender in (market, market.pool):
                self._token.send.approve(spender, 2**256 - 1, sender=account)
        self.fund(account, tokens)
        return account

    def fund(self, account: str, tokens: Number) -> None:
        """Mints tokens to an account."""
        market = next(iter(self.markets.values()))
        self._token.send.mint(account, market.token.units(tokens, "tokens"))

    def wait(self, seconds: int) -> None:
        """Lets time pass. Feeds are silent meanwhile: beyond their heartbeat of an hour there is no valid price."""
        self.chain.set_time(self.chain.timestamp + seconds)

    def set_price(self, price: Number, market: str | None = None) -> None:
        """Moves a market's feed to a price, a minute a round, in as many rounds as it takes to be believed."""
        name = self.market(market).name
        goal = to_integer(price, FEED_DECIMALS, "price")
        if goal < 1000:
            raise ValueError(f"price is {price}: this feed cannot move in small steps below 0.00001.")
        now = int(self._feeds[name].call.latestRoundData()[1])
        while True:
            step = now * STEP // 1000
            now = min(max(goal, now - step), now + step)
            self.wait(PAUSE)
            self._push(name, now)
            if now == goal:
                return

    def _push(self, name: str, answer: int) -> None:
        feed: Contract = self._feeds[name]
        feed.send.push(answer, self.chain.timestamp, self.chain.timestamp)
