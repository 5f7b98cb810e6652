"""Straddles and strangles sold into a crash: one leg is liquidated, the other lives on to its expiry and pays.

Everything is spoken to through `bulkhead.protocol`. After every round of the feed a keeper brings the volatilities up
to date and liquidates what is unhealthy; around each liquidation every other vault must be the same to the last unit.
After the crash time goes on to the expiry, the settlement price is proven from six rounds, everything is settled, the
provider leaves, and no token may be left anywhere but with the people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from bulkhead.chain import Address, LocalChain
from bulkhead.model.libraries.position_math import ONE
from bulkhead.protocol import ExitKind, OptionTerms, Protocol
from bulkhead.protocol.events import ENDS, Exited, Opened
from bulkhead.protocol.option_market import OptionLeg, OptionMarket, Series
from bulkhead.protocol.position import Position
from bulkhead.protocol.units import to_decimal
from bulkhead.scenario.candles import DECIMALS as PRICE_DECIMALS
from bulkhead.scenario.candles import Candle, Order
from bulkhead.scenario.drive import Outcome
from bulkhead.scenario.report import (
    NeighbourRow,
    ResultRow,
    equity_chart,
    neighbours_table,
    pool_chart,
    price_chart,
    summary_table,
)
from bulkhead.scenario.rounds import Moment, schedule
from bulkhead.scenario.stage import DriveError

NAME = "ETH"
DECIMALS = 6
UNIT = 10**DECIMALS
LIQUIDITY = 1_000_000
#: Before the first candle: the volatility feed needs a point of its grid before anybody can trade.
LEAD = 2 * 3_600
MINUTE = 60


class Ticket(NamedTuple):
    """An order of two legs of so much notional each, in USD, negative: sold.

    `put` and `call` are strikes as parts of the price, `margin` a multiple of the smallest.
    A margin of 0 puts in the largest loss of each leg: such a leg is covered, and never liquidated.
    """

    notional: int
    put: Decimal
    call: Decimal
    margin: Decimal


TICKETS = (
    Ticket(-20_000, Decimal(1), Decimal(1), Decimal(1)),
    Ticket(-12_000, Decimal(1), Decimal(1), Decimal(2)),
    Ticket(-16_000, Decimal("0.92"), Decimal("1.08"), Decimal(1)),
    Ticket(-4_000, Decimal(1), Decimal(1), Decimal(0)),
    Ticket(8_000, Decimal(1), Decimal(1), Decimal(1)),
)


@dataclass(eq=False)
class Held:
    """One leg, and what became of it."""

    id: int
    order: int
    series: Series
    size: Decimal
    trader: Address
    margin_in: Decimal
    position: Position
    fill: Decimal = Decimal(0)
    got: Decimal = Decimal(0)
    cuts: int = 0
    status: str = "open"
    end: tuple[int, str] | None = None
    equities: list[tuple[int, int]] = field(default_factory=list)

    @property
    def side(self) -> str:
        """short put 195"""
        return f"{'long' if self.size > 0 else 'short'} {self.series}"

    @property
    def label(self) -> str:
        """For panels: the order and the leg."""
        return f"#{self.id} {self.side}"


def straddle(
    chain: LocalChain,
    path: Sequence[Candle],
    *,
    order: Order = "olhc",
    title: str = "straddle",
    out: Path | None = None,
    console: Console | None = None,
) -> Outcome:
    """Runs it all on a chain that stands LEAD seconds before the first candle.

    Prints tables, and writes pictures to `out` (None: no pictures). Raises DriveError where an order is not carried
    out, ValueError for a path that no feed can follow; failed checks are in the outcome.
    """
    console = console or Console()
    # A minute late, so that the first round after each hour tells the price of that hour.
    late = [Candle(c.time + MINUTE, c.open, c.high, c.low, c.close) for c in path]
    run = _Run(chain, schedule({NAME: late}, order), console)
    run.open()
    run.crash()
    run.expire()
    run.leave()
    console.print(summary_table(run.outcome.rows, decimals=DECIMALS))
    console.print(neighbours_table(run.outcome.neighbours, decimals=DECIMALS))
    if out is not None:
        run.draw(out, title)
    return run.outcome


class _Run:
    """The traders, the keeper, and what is checked."""

    def __init__(self, chain: LocalChain, moments: Sequence[Moment], console: Console) -> None:
        self.moments, self.console, self.outcome = moments, console, Outcome()
        first = _price(moments[0])
        self.protocol = Protocol.local(
            chain,
            prices={NAME: first},
            liquidity=LIQUIDITY,
            decimals=DECIMALS,
            options=OptionTerms(strike_step=Decimal(5)),
        )
        self.market: OptionMarket = self.protocol.options()
        self.keeper = self.protocol.account("keeper")
        self.price, self.legs, self.liquidations = first, list[Held](), list[tuple[int, int, str]]()
        self.prices, self.worth = list[tuple[int, int]](), list[tuple[int, int]]()
        self.idle, self.reserved = list[tuple[int, int]](), list[tuple[int, int]]()
        self.protocol.run(moments[0].time - 3 * MINUTE, self.keeper)
        # The second Friday from here: the crash is over by then.
        self.expiry = self.market.expiries()[1]

    # --- before the crash

    def open(self) -> None:
        """Every trader's order of two legs, all or none, at the first price after it."""
        for number, ticket in enumerate(TICKETS, start=1):
            trader = self.protocol.account(f"trader {number}")
            strikes = (self._strike(ticket.put), self._strike(ticket.call))
            size = (ticket.notional / self.price).quantize(Decimal("0.01"))
            legs = self.market.strangle(size, *strikes, self.expiry)
            quote = self.market.quote_legs(legs, trader=trader)
            asked = [_with_margin(one.leg, ticket.margin) for one in quote.legs]
            paid = sum((Decimal(leg.margin or 0) for leg in asked), Decimal(0))
            self.protocol.fund(trader, paid)
            positions = self.market.trade(asked, sender=trader)
            for leg, position in zip(asked, positions, strict=True):
                held = Held(len(self.legs) + 1, number, leg.series, Decimal(leg.size), trader, Decimal(0), position)
                held.margin_in = Decimal(leg.margin or 0)
                self.legs.append(held)
        self._round(self.protocol.chain.timestamp + MINUTE, self.price)
        told = self.market.execute_all([held.position for held in self.legs], sender=self.keeper)
        for held, event in zip(self.legs, told, strict=True):
            if not isinstance(event, Opened):
                raise DriveError(f"{held.label} was not opened: {event}")
            held.fill = event.entry
            self.console.print(f"  {held.label}: {event}", markup=False, highlight=False)
        self.sigma = to_decimal(self.market.instrument.call.volatilityAt(self.protocol.chain.timestamp), PRICE_DECIMALS)

    def _strike(self, part: Decimal) -> Decimal:
        """The next one on the grid of five."""
        return round(self.price * part / 5) * Decimal(5)

    # --- the crash and the time after it

    def crash(self) -> None:
        """Round by round, with the keeper's work."""
        for moment in self.moments:
            if moment.time <= self.protocol.chain.timestamp:
                continue
            self._round(moment.time, _price(moment))
            self._keep()

    def expire(self) -> None:
        """At the last price up to the expiry; then the settlement price, and everybody is paid."""
        hour = 3_600
        while (now := self.protocol.chain.timestamp) < self.expiry - 2 * hour:
            self.protocol.run(min(now + 6 * hour, self.expiry - 2 * hour), self.keeper)
            self._note()
            self._keep()
        self.protocol.run(self.expiry + 2 * MINUTE, self.keeper)
        fixed = self.market.fix(self.expiry, sender=self.keeper)
        if fixed != self.price:
            self._fail(f"the settlement price is {fixed}, six rounds said {self.price}")
        self.console.print(f"  settlement price {fixed}: six rounds of the last half hour", highlight=False)
        alive = [held for held in self.legs if held.status == "open"]
        payoffs = {held.id: held.series.payoff(self.price) for held in alive}
        for event in self.market.settle([held.position for held in alive], sender=self.keeper):
            if isinstance(event, Exited):
                self._book(event)
        for held in alive:
            if held.status != "settled":
                self._fail(f"{held.label} was not settled")
            elif held.size < 0 and not payoffs[held.id] and held.got <= held.margin_in:
                self._fail(f"{held.label} expired worthless and paid only {held.got} of {held.margin_in}")
        self._note()

    def leave(self) -> None:
        """The provider takes all of it; then nothing is left in any vault, and in the pool less than a unit a share."""
        pool, token = self.market.pool, self.market.token
        for held in self.legs:
            if left := token.balance(held.position):
                self._fail(f"{held.label} is over and its vault still holds {left}")
        for market in self.protocol.markets.values():
            market.pool.redeem(market.pool.shares(self.protocol.provider), sender=self.protocol.provider)
        if pool.liquidity.committed or token.balance(pool) > Decimal(1).scaleb(-DECIMALS):
            self._fail(f"the pool still holds {token.balance(pool)}")
        people = {held.trader for held in self.legs} | {self.keeper, self.protocol.provider}
        places = {held.position.address for held in self.legs}
        places |= {market.pool.address for market in self.protocol.markets.values()}
        sums = [int(token.balance(account) * UNIT) for account in (*people, *places)]
        supply = int(token.contract.call.totalSupply())
        self.outcome.minted, self.outcome.accounted = supply, sum(sums)
        if supply != sum(sums):
            self._fail(f"tokens are not conserved: {supply} were minted, {sum(sums)} are there")
        for number in range(1, len(TICKETS) + 1):
            own = [held for held in self.legs if held.order == number]
            got = token.balance(own[0].trader)
            if got != sum(held.got for held in own):
                self._fail(f"trader {number} got {got}, the market says {sum(held.got for held in own)}")
        for held in self.legs:
            notional = abs(held.size) * _price(self.moments[0])
            result = held.status
            if held.cuts:
                whole = result == ENDS[ExitKind.LIQUIDATION].lower()
                result += f" in {held.cuts + 1} steps" if whole else f", liquidated in part before ({held.cuts})"
            row = (held.id, f"order {held.order}", held.side, round(float(notional / held.margin_in), 1))
            money = (int(held.margin_in * UNIT), int(held.got * UNIT))
            self.outcome.rows.append(ResultRow(*row, *money, result))

    def _round(self, time: int, price: Decimal) -> None:
        self.protocol.chain.set_time(time)
        self.protocol.push_price(price)
        self.price = price
        self.market.keep(sender=self.keeper)
        self._note()

    def _note(self) -> None:
        """A point of every curve."""
        now, pool = self.protocol.chain.timestamp, self.market.pool
        self.outcome.rounds += 1
        self.prices.append((now, int(self.price * ONE)))
        committed, idle = pool.liquidity
        self.reserved.append((now, int(committed * UNIT)))
        self.idle.append((now, int(idle * UNIT)))
        worth = pool.contract.call.worth(int(self.price * ONE), now)
        self.worth.append((now, worth))

    def _keep(self) -> None:
        """Liquidates until nobody is unhealthy."""
        for _ in range(4):
            sick, now = [], self.protocol.chain.timestamp
            alive = {held.position.address: held for held in self.legs if held.status == "open"}
            scan = self.market.need_lens().call.healthOf
            for health in scan(self.market.address, list(alive), int(self.price * ONE), now):
                held = alive[health.position]
                held.equities.append((now, health.equity))
                if health.equity < health.maintenance:
                    sick.append(held)
            if not sick:
                return
            others = [held for held in self.legs if held not in sick]
            before = [self._holding(held) for held in others]
            for event in self.market.liquidate([held.position for held in sick], sender=self.keeper):
                self._book(event)
            self._compare(sick, others, before)
        self._fail(f"still unhealthy after liquidation: {', '.join(held.label for held in sick)}")

    def _compare(self, sick: Sequence[Held], others: Sequence[Held], before: Sequence[tuple[int, ...]]) -> None:
        """Every vault that was not acted on; of each liquidated leg its own order's other leg stands in the table."""
        now = [self._holding(held) for held in others]
        self.outcome.compared += len(others)
        for held, was, is_ in zip(others, before, now, strict=True):
            if was != is_:
                self._fail(f"{held.label} was touched when {sick[0].label} was liquidated")
            for victim in sick:
                if victim.order == held.order:
                    row = NeighbourRow(victim.id, held.id, f"order {held.order}", held.side, was[0], is_[0])
                    self.outcome.neighbours.append(row)

    def _holding(self, held: Held) -> tuple[int, ...]:
        written = self.market.contract.call.positionOf(held.position)
        balance = int(self.market.token.balance(held.position) * UNIT)
        return balance, written.margin, written.reserve, written.size, int(written.status)

    def _book(self, event: Exited) -> None:
        """Writes down what ended, wholly or in part."""
        held = next(held for held in self.legs if held.position.address == event.position)
        held.got += event.to_trader
        name, now = ENDS[event.kind].lower(), self.protocol.chain.timestamp
        whole = held.position.is_over
        if event.kind == ExitKind.LIQUIDATION:
            self.outcome.liquidations += 1
            self.outcome.partial += not whole
            held.cuts += not whole
            mark = f"{held.label}{'' if whole else ', in part'}"
            self.liquidations.append((now, int(self.price * ONE), mark))
        if whole:
            held.status, held.end = name, (now, name)
        self.console.print(f"  {held.label}: {event}", markup=False, highlight=False)

    def _fail(self, what: str) -> None:
        self.outcome.failures.append(what)

    # --- pictures

    def draw(self, out: Path, title: str) -> None:
        """Price, pool, the equity of every vault; payoff and Greeks of the first straddle as it was sold."""
        from bulkhead.risk.options.legs import Leg
        from bulkhead.risk.options.report import draw_greeks, draw_payoff

        out.mkdir(parents=True, exist_ok=True)
        price_chart(out / "price.png", self.prices, self.liquidations, f"{NAME}, {title}", decimals=PRICE_DECIMALS)
        pool_title = f"Liquidity pool of options, {title}"
        pool_chart(out / "pool.png", self.worth, self.idle, self.reserved, title=pool_title, decimals=DECIMALS)
        begin = self.prices[0][0]
        equities = {held.label: held.equities or [(begin, int(held.margin_in * UNIT))] for held in self.legs}
        closed = {held.label: held.end for held in self.legs if held.end is not None}
        equity_chart(out / "equity.png", equities, closed, title="Every leg in its own vault", decimals=DECIMALS)
        sold = [held for held in self.legs if held.order == 1]
        spot, seconds = float(_price(self.moments[0])), float(self.expiry - begin)
        legs = [
            Leg(held.series.kind, float(held.series.strike), float(held.size), seconds, float(held.series.cap))
            for held in sold
        ]
        sigma = float(self.sigma)
        paid = sum(float(held.size * held.fill) for held in sold)
        head = f"What order 1 sold: {', '.join(held.side for held in sold)}"
        draw_payoff(legs, spot, sigma, paid, out / "payoff.png", head)
        draw_greeks(legs, spot, sigma, out / "greeks.png", head)


def _price(moment: Moment) -> Decimal:
    return to_decimal(moment.prices[NAME], PRICE_DECIMALS)


def _with_margin(leg: OptionLeg, multiple: Decimal) -> OptionLeg:
    """So many times the smallest margin; 0: all that a leg can lose, with room for its fees."""
    smallest = Decimal(leg.margin or 0)
    if multiple:
        return OptionLeg(leg.series, leg.size, (smallest * multiple).quantize(Decimal("0.01")), leg.reserve)
    return OptionLeg(leg.series, leg.size, abs(Decimal(leg.size)) * leg.series.cap, leg.reserve)
