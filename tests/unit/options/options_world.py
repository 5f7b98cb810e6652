"""A market of options on a fast feed, and the twins of its parts, moved and compared together."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bulkhead.chain import Receipt
from bulkhead.model.instruments.european_options import EuropeanOptions
from bulkhead.model.instruments.expiry_fixing import STEP, WINDOW, ExpiryFixing
from bulkhead.model.interfaces.european_options import OptionTerms as Terms
from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.interfaces.volatility_feed import VolatilitySettings
from bulkhead.model.interfaces.volatility_path import PathSettings
from bulkhead.model.libraries import option_series
from bulkhead.model.margin.option_margin import OptionMargin, OptionMarginTerms
from bulkhead.model.margin.volatility_feed import VolatilityFeed
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.protocol import Deployment, MarketTerms, VolatilityTerms
from bulkhead.protocol.options import OPTION_MARKET, OptionMarginRates, OptionTerms, options_market
from tests.unit.oracles.oracle_world import E18, World, answer_of

MINUTE, HOUR, DAY = 60, 3_600, 86_400
WEEK = 7 * DAY
#: An expiry: Friday, 15 January 2027, 08:00 UTC.
START = 1_800_000_000
MAX = 2**256 - 1
PRICE = 2_000


#: Wider than what ships in what may be traded, at the least spread that there may be.
WIDE = OptionTerms(
    longest_tenor=100 * DAY, smallest_delta=Decimal("0.05"), spread=Decimal("0.1"), feed=VolatilityTerms()
)


class OptionsWorld(World):
    """One push feed that speaks every minute, its oracle, a market of options, from half an hour after an expiry on."""

    def __init__(
        self,
        terms: OptionTerms | None = None,
        margin: OptionMarginRates | None = None,
        market: MarketTerms | None = None,
        heartbeat: int = MINUTE,
        outage: int = 2 * HOUR,
        decimals: int = 8,
    ) -> None:
        super().__init__(start=START + HOUR // 2, decimals=decimals)
        self.price = Decimal(PRICE)
        for _ in range(2):
            self.wait(MINUTE)
            self.primary.push(PRICE)
        primary = self.config(self.primary, heartbeat=heartbeat)
        self.build(primary=primary, maxAge=2 * MINUTE, jumpLimit=E18 // 2, outageLimit=outage)
        self.deployment = Deployment(self.chain)
        self.token = self.deployment.deploy("TokenMock", 6)
        self.terms, self.rates = terms or WIDE, margin or OptionMarginRates()
        self.contracts = c = options_market(
            self.deployment, self.token, self.contract, self.terms, self.rates, market or OPTION_MARKET
        )
        self.market, self.pool, self.options, self.margin = c.market, c.pool, c.instrument, c.margin_model
        self.fixing = self.deployment.at("ExpiryFixing", self.options.call.terms().fixing)
        self.volatility = self.deployment.at("VolatilityFeed", self.options.call.path().feed)
        self._twins()
        names = ("trader", "other", "provider", "keeper")
        self.trader, self.other, self.provider, self.keeper = map(self.chain.new_account, names)
        for account in (self.trader, self.other, self.provider):
            self.token.send.mint(account, 10**15)
            for spender in (self.market.address, self.pool.address):
                self.token.send.approve(spender, MAX, sender=account)
        self.pool.send.deposit(10**12, self.provider, sender=self.provider)

    def _twins(self) -> None:
        settings = self.terms.feed.encoded(self.contract.address)
        settings.pop("oracle")
        self.volatility_twin = VolatilityFeed(self.model, VolatilitySettings(*settings.values()), self.block)
        settings = self.terms.path.encoded("")
        settings.pop("feed")
        path = PathSettings(*settings.values())
        self.fixing_twin = ExpiryFixing(self.model, self.terms.life, self.block)
        encoded = self.terms.encoded("", 6)
        order = ("strikeStep", "callCap", "longestTenor", "smallestDelta", "spread", "slope", "reach", "holding")
        terms = Terms(*(encoded[name] for name in (*order, "seriesShare", "decimals")))
        self.twin = EuropeanOptions(self.volatility_twin, path, self.fixing_twin, self.model, terms, self.block)
        rates = self.rates.encoded("")
        rates.pop("options")
        self.margin_twin = OptionMargin(self.twin, self.volatility_twin, OptionMarginTerms(*rates.values()), self.block)

    # --- time and prices

    def tick(self, price: Decimal | float | None = None, after: int = MINUTE) -> bytes:
        """A round after a pause; gives its proof."""
        self.wait(after)
        self.price = self.price if price is None else Decimal(price)
        return encode_proof(self.primary.push(float(self.price)))

    def walk(self, price: float) -> None:
        """There in steps that no oracle disputes."""
        while self.price != Decimal(price):
            highest, lowest = self.price * 7 / 5, self.price * 3 / 5
            self.tick(max(min(Decimal(price), highest), lowest))

    def keep(self) -> None:
        """What keepers do: the volatility feed is brought up to date, then the path turns."""
        for name in ("update", "skip"):
            due, expired, _, _ = self.volatility_twin.due()
            if due and name == "update":
                self.same(
                    self.volatility, self.volatility_twin, name, self.proof_after(*self.volatility_twin.due()[2:])
                )
            elif expired and name == "skip":
                self.same(self.volatility, self.volatility_twin, name)
        if self.twin.turn_due():
            assert self.same(self.options, self.twin, "follow") == ()

    def go(self, time: int, price: Decimal | float | None = None) -> None:
        """To a time, with a round and the keepers' work a minute after each hour, and a round at the end."""
        while (hour := (self.now // HOUR + 1) * HOUR + MINUTE) < time:
            self.tick(after=hour - self.now)
            self.keep()
        self.tick(price, after=time - self.now)

    # --- both at once

    def same(self, contract: Any, twin: Any, name: str, *args: Any) -> Any:
        """A transaction of both: () or its error, the same."""
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
        told = answer_of(lambda: getattr(contract.send, name)(*args) and ())
        foreseen = answer_of(lambda: getattr(twin, snake)(*args) or ())
        assert told == foreseen, (name, args, told, foreseen)
        return told

    def told(self, name: str, *args: Any) -> Any:
        """What the instrument answers, the same as its twin: a value, or its error as (name, values)."""
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
        twin_args = [Snapshot(*one) if isinstance(one, tuple) else one for one in args]
        told = answer_of(getattr(self.options.call, name), *args)
        foreseen = answer_of(getattr(self.twin, snake), *twin_args)
        assert told == foreseen, (name, args, told, foreseen)
        return told[0] if len(told) == 1 else told

    # --- settlement

    def settle_prices(self, expiry: int, prices: list[float], bind: bool = True) -> None:
        """The window of an expiry: bound ahead, a round a minute after each sample's time, then proven by one call."""
        if self.now < expiry - WINDOW - MINUTE:
            self.go(expiry - WINDOW - MINUTE)
        if bind:
            assert self.same(self.fixing, self.fixing_twin, "bind", expiry) == ()
        for i, price in enumerate(prices):
            self.tick(price, after=expiry - WINDOW + i * STEP + MINUTE - self.now)
        self.tick(after=expiry + MINUTE - self.now)

    def proofs(self, expiry: int) -> list[bytes]:
        """Of all samples."""
        samples, _ = self.fixing_twin.samples_of(expiry)
        return [self.proof_after(one.time, one.phase) for one in samples]

    def fix(self, expiry: int) -> Any:
        """By one call."""
        return self.same(self.fixing, self.fixing_twin, "prove", expiry, self.proofs(expiry))

    # --- orders

    def series(self, put: bool, strike: int, expiry: int) -> int:
        """Its number; the strike in whole units."""
        return option_series.encode(put, expiry, strike * E18 // self.twin.terms.strike_step)

    def position(self, series: int, size: float, margin: int, reserve: int) -> dict[str, int]:
        """Size in units of the underlying, margin and reserve in whole tokens."""
        return {
            "series": series,
            "size": int(Decimal(str(size)) * E18),
            "margin": margin * 10**6,
            "reserve": reserve * 10**6,
            "maxPremium": 2**64 - 1,
        }

    def request(self, *legs: dict[str, int], trader: str = "") -> list[str]:
        """An opening order within ten percent of the price; gives its positions."""
        low, high = int(self.price * 9 * E18) // 10, int(self.price * 11 * E18) // 10
        receipt = self.market.send.requestOpen(
            trader or self.trader, list(legs), low, high, sender=trader or self.trader
        )
        return [event.args.position for event in receipt.events_of("OpenRequested")]

    def execute(self, position: str, proof: bytes) -> Receipt:
        """By the keeper."""
        return self.market.send.execute([position], proof, sender=self.keeper)

    def open(self, *legs: dict[str, int], price: float | None = None, trader: str = "") -> list[str]:
        """Open positions at the next price."""
        positions = self.request(*legs, trader=trader)
        proof = self.tick(price)
        for position in positions:
            assert self.execute(position, proof).events_of("Opened")
        return positions

    def close(self, position: str, price: float | None = None, trader: str = "") -> Receipt:
        """All of it at the next price."""
        size = abs(self.market.call.positionOf(position).size)
        self.market.send.requestClose(position, size, 0, 0, 2**64 - 1, sender=trader or self.trader)
        return self.execute(position, self.tick(price))

    def settle(self, *positions: str) -> Receipt:
        """A batch, by the keeper."""
        return self.market.send.settle(list(positions), sender=self.keeper)

    def balance(self, account: str) -> int:
        """Tokens."""
        return int(self.token.call.balanceOf(account))


def ready(**parts: Any) -> OptionsWorld:
    """A world two hours old, its volatility known: what expires in two weeks may be traded."""
    world = OptionsWorld(**parts)
    world.go(START + 2 * HOUR)
    world.keep()
    return world


EXPIRY = START + 2 * WEEK
