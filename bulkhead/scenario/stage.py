"""The stage of a drive: a token, feeds, oracles, one perpetual market per underlying, and everybody who acts in it.

Everything is a mock only where the real thing is outside the protocol: the token and the feeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from bulkhead.chain import Address, Contract, LocalChain, Receipt
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.protocol import Deployment, MarketContracts
from bulkhead.protocol.config import MarketTerms, OracleTerms, PerpetualTerms

DECIMALS = 6
UNIT = 10**DECIMALS
FEED_UNIT = 10**10  # a feed answers with 8 decimals, prices here have 18

# An order has to live longer than the feed may be silent, so the factory asks time to live > heartbeat + delay; the
# oracle ends only after a day without a price, which no drive comes near to: feeds speak at least every heartbeat.
HEARTBEAT = 3_600
TIME_TO_LIVE = 3_900
DELAY = 12
OUTAGE_LIMIT = 86_400
JUMP_LIMIT = ONE // 10

LEAD = 900  # seconds between the first block and the first price of the path
POOL = 500_000 * UNIT
# Depth of a market in USD: the first million on one side pays 0.05 % of premium. The shipped default, in units of the
# underlying, suits ETH at 2,000 only.
DEPTH = 1_000_000_000

_ANY_PREMIUM = 2**64 - 1
_BAND = 1_000  # the index may be off by one in so many when an order is carried out


class DriveError(Exception):
    """The system did not do what the drive relies on."""


class Ticket(NamedTuple):
    """A position to open: `margin` in USD, `reserve` the most it can win, in percent of its notional."""

    side: int
    leverage: int
    margin: int
    reserve: int


class Holding(NamedTuple):
    """All that a vault holds and that is written about it."""

    balance: int
    margin: int
    reserve: int
    size: int
    status: int


@dataclass(eq=False)
class Position:
    """One position, its trader, and what became of it."""

    id: int
    market: Market
    ticket: Ticket
    trader: Address
    margin_in: int
    vault: str = ""
    margin: int = 0
    reserve: int = 0
    equity: int = 0
    maintenance: int = 0
    status: str = "open"
    paid: int = 0
    cuts: int = 0
    end: tuple[int, str] | None = None
    equities: list[tuple[int, int]] = field(default_factory=list)

    @property
    def side(self) -> str:
        """long or short."""
        return "long" if self.ticket.side > 0 else "short"

    @property
    def label(self) -> str:
        """For panels and notes."""
        return f"#{self.id} {self.market.name} {self.side} {self.ticket.leverage}x"


@dataclass(eq=False)
class Market:
    """A market, its feed, and its history."""

    name: str
    feed: Contract
    parts: MarketContracts
    price: int
    start_price: int
    prices: list[tuple[int, int]] = field(default_factory=list)
    liquidations: list[tuple[int, int, str]] = field(default_factory=list)
    worth: list[tuple[int, int]] = field(default_factory=list)
    idle: list[tuple[int, int]] = field(default_factory=list)
    reserved: list[tuple[int, int]] = field(default_factory=list)


class Stage:
    """Deploys and funds the markets at LEAD seconds before the path, at its first prices; then moves them.

    `first` gives each underlying's price, 18 decimals. The chain has to stand at LEAD seconds before the path.
    """

    def __init__(self, chain: LocalChain, first: Mapping[str, int]) -> None:
        self.chain = chain
        self.deployment = Deployment(chain)
        self.token = self.deployment.deploy("TokenMock", DECIMALS)
        self.lens = self.deployment.deploy("Lens")
        self.keeper = chain.new_account("keeper")
        self.provider = chain.new_account("provider")
        self.minted = 0
        self.positions: list[Position] = []
        feeds = {name: self.deployment.deploy("FeedProxyMock", 8) for name in first}
        for pause in (0, 60):  # a price without a predecessor is disputed
            chain.set_time(chain.timestamp + pause)
            for name, feed in feeds.items():
                self._push(feed, first[name])
        self.markets = {name: self._market(name, feeds[name], price) for name, price in first.items()}

    def _market(self, name: str, feed: Contract, price: int) -> Market:
        settings = OracleTerms(base=name, heartbeat=HEARTBEAT).encoded(feed.address, 8)
        changes = {"jumpLimit": JUMP_LIMIT, "outageLimit": OUTAGE_LIMIT}
        oracle = self.deployment.deploy("Oracle", settings | changes)
        depth = PerpetualTerms(skew_scale=Decimal(max(1, DEPTH * ONE // price)))
        terms = MarketTerms(delay=DELAY, time_to_live=TIME_TO_LIVE)
        parts = self.deployment.perpetual_market(self.token, oracle, terms, depth)
        self._fund(self.provider, POOL, parts.pool.address)
        parts.pool.send.deposit(POOL, self.provider, sender=self.provider)
        return Market(name, feed, parts, price, price)

    def _fund(self, account: Address, amount: int, spender: str) -> None:
        self.token.send.mint(account, amount)
        self.minted += amount
        self.token.send.approve(spender, amount, sender=account)

    # --- time and prices

    def _push(self, feed: Contract, price: int) -> None:
        now = self.chain.timestamp
        feed.send.push(price // FEED_UNIT, now, now)

    def move(self, time: int, prices: Mapping[str, int]) -> None:
        """A round of each of these feeds at `time`."""
        self.chain.set_time(time)
        for name, price in prices.items():
            market = self.markets[name]
            self._push(market.feed, price)
            market.price = price
            market.prices.append((time, price))

    def proof(self, market: Market) -> bytes:
        """That the feed's latest round is the first after an order."""
        return encode_proof(int(market.feed.call.latestRoundData()[0]))

    # --- orders

    def open(self, tickets: Iterable[tuple[str, Ticket]]) -> list[Position]:
        """Commits orders a minute from now, carries them out at the next rounds a minute later."""
        self.chain.set_time(self.chain.timestamp + 60)
        opened = [self._request(self.markets[name], ticket) for name, ticket in tickets]
        self._next_round()
        for position in opened:
            receipt = self._execute(position)
            if not receipt.events_of("Opened"):
                reasons = [event.args.reason for event in receipt.events_of("OrderVoided")]
                raise DriveError(f"{position.label} was not opened (void reason {reasons})")
            self.refresh(position)
            position.equity = position.margin
        return opened

    def close(self, positions: Sequence[Position]) -> list[tuple[Position, Receipt]]:
        """Their traders close them, a minute from now, at the next rounds a minute later."""
        self.chain.set_time(self.chain.timestamp + 60)
        for position in positions:
            send = position.market.parts.market.send
            send.requestClose(position.vault, 2**127 - 1, 0, 0, _ANY_PREMIUM, sender=position.trader)
        self._next_round()
        return [(position, self._execute(position)) for position in positions]

    def _next_round(self) -> None:
        self.move(self.chain.timestamp + 60, {name: market.price for name, market in self.markets.items()})

    def _execute(self, position: Position) -> Receipt:
        market = position.market
        return market.parts.market.send.execute([position.vault], self.proof(market), sender=self.keeper)

    def _request(self, market: Market, ticket: Ticket) -> Position:
        price = market.price
        step = ONE // 10**4
        size = ticket.margin * ticket.leverage * ONE * ONE // price // step * step
        notional = size * price * UNIT // ONE**2
        # The margin asked for is meant net: opening fee, keeper and premium come on top, or 25x would miss the 4 %.
        fees = notional * 15 // 10_000 + 20 * UNIT
        margin = (notional // ticket.leverage + notional // ticket.leverage // _BAND + fees) // UNIT * UNIT + UNIT
        number = len(self.positions) + 1
        trader = self.chain.new_account(f"trader {number}")
        self._fund(trader, margin, market.parts.market.address)
        leg = {
            "series": 0,
            "size": ticket.side * size,
            "margin": margin,
            "reserve": notional * ticket.reserve // 100,
            "maxPremium": _ANY_PREMIUM,
        }
        low, high = price - price // _BAND, price + price // _BAND
        receipt = market.parts.market.send.requestOpen(trader, [leg], low, high, sender=trader)
        position = Position(number, market, ticket, trader, margin)
        position.vault = receipt.event("OpenRequested").args.position
        self.positions.append(position)
        return position

    # --- looking

    def alive(self, market: Market) -> list[Position]:
        """Its open positions."""
        return [p for p in self.positions if p.market is market and p.status == "open"]

    def scan(self, market: Market) -> list[Position]:
        """Its open positions, their health brought up to date: one call for all of them, by the market's own view."""
        alive = self.alive(market)
        if not alive:
            return []
        now = self.chain.timestamp
        vaults = [position.vault for position in alive]
        found = self.lens.call.healthOf(market.parts.market.address, vaults, market.price, now)
        if [health.position for health in found] != vaults:
            raise DriveError(f"{market.name}: {len(vaults)} positions should be open, the lens finds {len(found)}")
        for position, health in zip(alive, found, strict=True):
            position.equity, position.maintenance = health.equity, health.maintenance
            position.equities.append((now, health.equity))
        return alive

    def holding(self, position: Position) -> Holding:
        """What its vault holds, and what the market has written about it."""
        written = position.market.parts.market.call.positionOf(position.vault)
        return Holding(self.balance(position.vault), written.margin, written.reserve, written.size, int(written.status))

    def refresh(self, position: Position) -> None:
        """Margin and reserve from the market."""
        written = position.market.parts.market.call.positionOf(position.vault)
        position.margin, position.reserve = written.margin, written.reserve

    def record_pool(self, market: Market) -> None:
        """A point of the pool's history."""
        now, pool = self.chain.timestamp, market.parts.pool
        committed, idle = pool.call.liquidity()
        market.worth.append((now, pool.call.worth(market.price, now)))
        market.reserved.append((now, committed))
        market.idle.append((now, idle))

    def balance(self, account: str) -> int:
        """Tokens of an account."""
        return int(self.token.call.balanceOf(account))

    def accounted(self) -> int:
        """Tokens of everybody there is: traders, vaults, pools, keeper, provider."""
        holders: list[str] = [
            self.keeper,
            self.provider,
            *(market.parts.pool.address for market in self.markets.values()),
        ]
        for position in self.positions:
            holders += [position.trader, position.vault]
        return sum(self.balance(holder) for holder in holders)
