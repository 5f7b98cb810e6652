"""A small world for tests: tokens, feeds, a perpetual and a dated market, named by role."""

from __future__ import annotations

from dataclasses import dataclass

from bulkhead.chain import Contract, LocalChain, Receipt
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.protocol import Deployment, MarketContracts, MarketTerms, OracleTerms

ONE = 10**18
MAX = 2**64 - 1
PRICE = 2_000 * ONE
HEARTBEAT = 3_600
NOW = 1_800_000_000


@dataclass
class Feed:
    """A Chainlink feed behind its proxy; prices have 18 decimals here, 8 in the feed."""

    chain: LocalChain
    proxy: Contract

    def push(self, price: int) -> None:
        """A round observed and transmitted now."""
        now = self.chain.timestamp
        self.proxy.send.push(price // 10**10, now, now)

    def round(self) -> int:
        """Id of the latest round."""
        return int(self.proxy.call.latestRoundData()[0])


class World:
    """One token, one feed, one oracle, a perpetual market and a dated one, with funded traders and a pool."""

    def __init__(
        self, chain: LocalChain, decimals: int = 6, terms: MarketTerms | None = None, token: str = "TokenMock"
    ) -> None:
        self.chain = chain
        self.unit = 10**decimals
        chain.set_time(NOW)
        self.deployment = Deployment(chain)
        self.token = self.deployment.deploy(token, decimals)
        self.feed = Feed(chain, self.deployment.deploy("FeedProxyMock", 8))
        self.feed.push(PRICE)
        self.wait(60)
        self.feed.push(PRICE)
        self.oracle = self.deployment.oracle(self.feed.proxy.address, self.oracle_terms())
        self.perpetual = self.deployment.perpetual_market(self.token, self.oracle, terms)
        self.expiry = NOW + 30 * 86_400
        dated = self.deployment.deploy("DatedCall", self.oracle.address, self.expiry)
        self.dated = self.deployment.market(self.token, self.oracle, dated, self.perpetual.margin_model, terms)
        self.trader, self.other, self.provider, self.keeper, self.stranger = (
            chain.new_account(name) for name in ("trader", "other", "provider", "keeper", "stranger")
        )
        for account in (self.trader, self.other, self.provider, self.stranger):
            self.token.send.mint(account, 10**9 * self.unit)
            for market in (self.perpetual, self.dated):
                self.token.send.approve(market.market.address, 2**256 - 1, sender=account)
                self.token.send.approve(market.pool.address, 2**256 - 1, sender=account)
        for market in (self.perpetual, self.dated):
            market.pool.send.deposit(1_000_000 * self.unit, self.provider, sender=self.provider)

    def oracle_terms(self) -> OracleTerms:
        """One feed, alone."""
        return OracleTerms()

    def wait(self, seconds: int) -> None:
        """Lets time pass."""
        self.chain.set_time(self.chain.timestamp + seconds)

    def price(self, price: int, after: int = 60) -> bytes:
        """A new round after a pause; gives its proof."""
        self.wait(after)
        self.feed.push(price)
        return self.proof()

    def walk_to(self, price: int, after: int = 60) -> bytes:
        """Moves the feed in steps under the jump limit."""
        current = int(self.oracle.call.latest()[0])
        while current != price:
            step = current * 9 // 100
            current = min(price, current + step) if price > current else max(price, current - step)
            proof = self.price(current, after)
        return proof

    def proof(self) -> bytes:
        """That the latest round is the first."""
        return encode_proof(self.feed.round())

    def leg(self, size: int, margin: int, reserve: int, series: int = 0, max_premium: int = MAX) -> dict[str, int]:
        """A leg; size with 18 decimals, margin and reserve in whole tokens."""
        sums = {"margin": margin * self.unit, "reserve": reserve * self.unit}
        return {"series": series, "size": size, **sums, "maxPremium": max_premium}

    def request(
        self,
        *legs: dict[str, int],
        market: MarketContracts | None = None,
        low: int = 1,
        high: int = PRICE * 2,
        trader: str | None = None,
        sender: str | None = None,
    ) -> list[str]:
        """Commits an opening order; gives its positions."""
        market = market or self.perpetual
        trader = trader or self.trader
        receipt = market.market.send.requestOpen(trader, list(legs), low, high, sender=sender or trader)
        return [event.args.position for event in receipt.events_of("OpenRequested")]

    def execute(self, position: str, proof: bytes, market: MarketContracts | None = None) -> Receipt:
        """Carries an order out as the keeper."""
        return (market or self.perpetual).market.send.execute([position], proof, sender=self.keeper)

    def open(
        self,
        size: int = 10 * ONE,
        margin: int = 2_000,
        reserve: int = 5_000,
        price: int = PRICE,
        market: MarketContracts | None = None,
        series: int = 0,
        trader: str | None = None,
    ) -> str:
        """An open position at a price."""
        leg = self.leg(size, margin, reserve, series)
        (position,) = self.request(leg, market=market, high=price * 11 // 10, low=price * 9 // 10, trader=trader)
        receipt = self.execute(position, self.price(price), market)
        assert receipt.events_of("Opened"), receipt.events
        return position

    def balance(self, account: str) -> int:
        """Tokens of an account."""
        return int(self.token.call.balanceOf(account))

    def total(self, market: MarketContracts, positions: list[str]) -> int:
        """Tokens in a pool and in vaults."""
        return self.balance(market.pool.address) + sum(self.balance(position) for position in positions)
