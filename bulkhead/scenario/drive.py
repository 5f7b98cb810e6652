"""A whole system driven through a market event: positions opened, a path replayed, a keeper at work, all of it checked.

After every round of a feed the keeper reads the health of every open position of that market (one call), liquidates the
unhealthy in batches, and closes the winners whose gain has reached their reserve. Around each of its actions every
vault is read: those that were not acted on must be the same to the last unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from bulkhead.chain import LocalChain, Receipt
from bulkhead.model.libraries.position_math import ONE
from bulkhead.scenario.candles import Candle, Order
from bulkhead.scenario.report import (
    LiveView,
    MarketRow,
    NeighbourRow,
    PositionRow,
    ResultRow,
    equity_chart,
    neighbours_table,
    pool_chart,
    price_chart,
    summary_table,
)
from bulkhead.scenario.rounds import Moment, schedule
from bulkhead.scenario.stage import (
    DECIMALS,
    LEAD,
    DriveError,
    Holding,
    Market,
    Position,
    Stage,
    Ticket,
)

__all__ = ["LEAD", "DriveError", "Moment", "Outcome", "drive", "schedule"]

BATCH = 16
"""Positions in one liquidation: far below a block's gas."""

LATE = 0.55
"""When the second wave opens, as a share of the path: after the low of most crashes."""

ROOM = 300
"""Seconds without a round that the second wave needs."""

OPENED_FIRST = (
    Ticket(1, 25, 4_000, 25), Ticket(1, 20, 4_000, 20), Ticket(1, 15, 5_000, 25), Ticket(1, 10, 6_000, 30),
    Ticket(1, 7, 6_000, 40), Ticket(1, 5, 8_000, 50), Ticket(1, 3, 10_000, 50), Ticket(1, 2, 12_000, 60),
    Ticket(-1, 25, 4_000, 8), Ticket(-1, 10, 5_000, 20), Ticket(-1, 5, 8_000, 35), Ticket(-1, 2, 10_000, 100),
)  # fmt: skip
OPENED_LATE = (Ticket(-1, 25, 4_000, 20), Ticket(-1, 8, 5_000, 30), Ticket(1, 12, 5_000, 30), Ticket(1, 3, 8_000, 40))

_KINDS = ("closed", "liquidated", "closed at reserve", "settled")
_LIQUIDATION, _AT_RESERVE = 1, 2
_OVER = 0  # the status that is told of a position that is over


class Watched(NamedTuple):
    """A position that the keeper did not act on, and its vault before and after."""

    position: Position
    was: Holding
    now: Holding


@dataclass
class Outcome:
    """What a drive came to. `failures` is empty, or the system is broken."""

    rows: list[ResultRow] = field(default_factory=list)
    neighbours: list[NeighbourRow] = field(default_factory=list)
    liquidations: int = 0
    partial: int = 0
    at_reserve: int = 0
    compared: int = 0
    rounds: int = 0
    minted: int = 0
    accounted: int = 0
    failures: list[str] = field(default_factory=list)


def drive(
    chain: LocalChain,
    paths: Mapping[str, Sequence[Candle]],
    *,
    order: Order = "olhc",
    title: str = "drive",
    out: Path | None = None,
    console: Console | None = None,
) -> Outcome:
    """Runs it all on a chain that stands LEAD seconds before the first candle; a market per path.

    Prints progress and tables, and writes pictures to `out` (None: no pictures). Raises DriveError where an order is
    not carried out, ValueError for a path that no feed can follow; failed checks are in the outcome.
    """
    console = console or Console()
    run = _Run(chain, paths, order)
    run.replay(title, console)
    run.finish()
    outcome = run.outcome
    console.print(summary_table(outcome.rows, decimals=DECIMALS))
    console.print(neighbours_table(outcome.neighbours, decimals=DECIMALS))
    if out is not None:
        run.draw(out, title)
    return outcome


class _Run:
    """The keeper's work and its protocol."""

    def __init__(self, chain: LocalChain, paths: Mapping[str, Sequence[Candle]], order: Order) -> None:
        self.moments = schedule(paths, order)
        self.candles = max(moment.candle for moment in self.moments)
        first = {name: next(m.prices[name] for m in self.moments if name in m.prices) for name in paths}
        self.stage = Stage(chain, first)
        self.outcome = Outcome()
        self._by_vault: dict[str, Position] = {}
        self.view: LiveView | None = None
        # Candles too short to leave room for orders between two rounds: everything opens at the start.
        self.late = next(
            (
                index
                for index, (moment, after) in enumerate(pairwise(self.moments))
                if moment.candle >= LATE * self.candles and after.time - moment.time >= ROOM
            ),
            None,
        )

    # --- the path

    def replay(self, title: str, console: Console) -> None:
        """Opens the first wave, then candle by candle."""
        self._open(OPENED_FIRST if self.late is not None else OPENED_FIRST + OPENED_LATE)
        with LiveView(self.candles, title, decimals=DECIMALS, console=console) as self.view:
            for index, moment in enumerate(self.moments):
                self.outcome.rounds += len(moment.prices)
                self.stage.move(moment.time, moment.prices)
                for name in moment.prices:
                    self._keep(self.stage.markets[name])
                if index == self.late:
                    self._open(OPENED_LATE)
                if index + 1 == len(self.moments) or self.moments[index + 1].candle > moment.candle:
                    self._show(moment)

    def _open(self, tickets: Sequence[Ticket]) -> None:
        names = list(self.stage.markets)
        if len(names) == 1:  # as many positions in one market as in two
            tickets = [*tickets, *(ticket._replace(margin=ticket.margin // 2) for ticket in tickets)]
        opened = self.stage.open((name, ticket) for name in names for ticket in tickets)
        self._by_vault.update((position.vault, position) for position in opened)
        for market in self.stage.markets.values():
            self._keep(market)

    def _show(self, moment: Moment) -> None:
        assert self.view is not None
        markets = [MarketRow(m.name, m.price, m.start_price) for m in self.stage.markets.values()]
        rows = [
            PositionRow(p.id, p.market.name, p.side, p.ticket.leverage, p.margin, p.equity, p.maintenance, p.status)
            for p in self.stage.positions
        ]
        self.view.update(moment.candle, moment.time, markets, rows)

    # --- the keeper

    def _keep(self, market: Market) -> None:
        """Liquidates until nobody is unhealthy, closes at the reserve, and notes the pool's worth."""
        for _ in range(4):  # twice is usual: the second look finds nothing
            alive = self.stage.scan(market)
            sick = [position for position in alive if position.equity < position.maintenance]
            if not sick:
                break
            for start in range(0, len(sick), BATCH):
                self._act(market, sick[start : start + BATCH], liquidate=True)
        else:
            self._fail(f"{market.name}: still unhealthy after liquidation: {', '.join(p.label for p in sick)}")
        for position in alive:
            if position.equity - position.margin >= position.reserve:
                self._act(market, [position], liquidate=False)
        self.stage.record_pool(market)

    def _act(self, market: Market, chosen: Sequence[Position], *, liquidate: bool) -> None:
        """One transaction of the keeper, and every vault and pool that it must not touch compared."""
        others = [position for position in self.stage.positions if position not in chosen]
        pools = [m.parts.pool.address for m in self.stage.markets.values() if m is not market]
        before = [self.stage.holding(position) for position in others]
        own = {position.vault: self.stage.balance(position.vault) for position in chosen}
        pools_before = [self.stage.balance(pool) for pool in pools]
        send = market.parts.market.send
        if liquidate:
            receipt = send.liquidate([position.vault for position in chosen], sender=self.stage.keeper)
        else:
            receipt = send.closeAtReserve(chosen[0].vault, sender=self.stage.keeper)
        watched = [Watched(p, was, self.stage.holding(p)) for p, was in zip(others, before, strict=True)]
        acted = self._book(receipt)
        if {position.id for position in acted} != {position.id for position in chosen}:
            self._fail(f"{market.name}: the keeper acted on {len(chosen)} positions, {len(acted)} ended")
        for event in receipt.events_of("Exited"):  # within a batch: what left a vault is what its own exit paid
            paid = event.args.toTrader + event.args.toPool + event.args.toKeeper
            left = own[event.args.position] - self.stage.balance(event.args.position)
            if left != paid:
                self._fail(f"{self._by_vault[event.args.position].label} paid {paid}, its vault lost {left}")
        if pools_before != [self.stage.balance(pool) for pool in pools]:
            self._fail(f"{market.name}: the pool of another market was touched")
        self._compare(chosen, watched)
        if liquidate:
            self._list_neighbours(chosen, watched)

    def _compare(self, chosen: Sequence[Position], watched: Sequence[Watched]) -> None:
        self.outcome.compared += len(watched)
        for position, was, now in watched:
            if was != now:
                self._fail(f"{position.label} was touched when {chosen[0].label} ended: {was} became {now}")
            if position.status == "open" and now.balance != now.margin + now.reserve:
                self._fail(f"{position.label} holds {now.balance}, not margin and reserve {now.margin + now.reserve}")

    def _list_neighbours(self, chosen: Sequence[Position], watched: Sequence[Watched]) -> None:
        """Of many neighbours the touched, else the nearest living relative of each that was liquidated."""
        touched = [other for other in watched if other.was.balance != other.now.balance]
        for victim in chosen:
            nearest = sorted(watched, key=lambda other: _distance(victim, other.position))[:1]
            self.outcome.neighbours += [
                NeighbourRow(victim.id, p.id, p.market.name, p.side, was.balance, now.balance)
                for p, was, now in touched or nearest
            ]

    def _book(self, receipt: Receipt) -> list[Position]:
        """Writes down what a transaction ended, wholly or in part."""
        ended = []
        for event in receipt.events_of("Exited"):
            position, now = self._by_vault[event.args.position], self.stage.chain.timestamp
            ended.append(position)
            held = self.stage.holding(position)
            position.margin, position.reserve = held.margin, held.reserve
            position.paid += event.args.toTrader
            kind, whole = int(event.args.kind), held.status == _OVER
            said = f"{position.label} {_KINDS[kind]}"
            if kind == _LIQUIDATION:
                self.outcome.liquidations += 1
                mark = f"#{position.id} {position.side} {position.ticket.leverage}x"
                if not whole:
                    self.outcome.partial += 1
                    position.cuts += 1
                    share = 100 * event.args.size // (event.args.size + abs(held.size))
                    mark, said = f"{mark}, {share} %", f"{said} to {share} %"
                position.market.liquidations.append((now, position.market.price, mark))
            elif kind == _AT_RESERVE:
                self.outcome.at_reserve += 1
            if whole:
                position.status = _KINDS[kind]
                position.end = (now, position.status)
                if held.balance:
                    self._fail(f"{position.label} is over and its vault still holds {held.balance}")
            if self.view is not None:
                self.view.note(f"{said} at {event.args.index / ONE:,.2f}")
        return ended

    def _fail(self, what: str) -> None:
        self.outcome.failures.append(what)

    # --- the end

    def finish(self) -> None:
        """Traders close what is left; then the books must balance."""
        stage, outcome = self.stage, self.outcome
        self.view = None
        for market in stage.markets.values():
            stage.scan(market)
        left = [position for position in stage.positions if position.status == "open"]
        for position, receipt in stage.close(left):
            if [closed.id for closed in self._book(receipt)] != [position.id] or position.status == "open":
                self._fail(f"{position.label} was not closed by its trader")
        for market in stage.markets.values():
            stage.record_pool(market)
        for position in stage.positions:
            got = stage.balance(position.trader)
            if got != position.paid:
                self._fail(f"{position.label}: the trader got {got}, the market says {position.paid}")
            result = position.status
            if position.cuts and result == _KINDS[_LIQUIDATION]:
                result += f" in {position.cuts + 1} steps"
            elif position.cuts:
                result += f", liquidated in part before ({position.cuts})"
            row = (position.id, position.market.name, position.side, position.ticket.leverage, position.margin_in, got)
            outcome.rows.append(ResultRow(*row, result))
        outcome.minted, outcome.accounted = stage.minted, stage.accounted()
        if not stage.minted == outcome.accounted == stage.token.call.totalSupply():
            self._fail(f"tokens are not conserved: {outcome.minted} were minted, {outcome.accounted} are there")

    def draw(self, out: Path, title: str) -> None:
        """Pictures: price and pool of each market, and the equity of every vault."""
        out.mkdir(parents=True, exist_ok=True)
        for old in (*out.glob("price_*.png"), *out.glob("pool_*.png")):
            old.unlink()  # of markets that are not in this run
        for market in self.stage.markets.values():
            name = market.name.lower()
            price_chart(out / f"price_{name}.png", market.prices, market.liquidations, f"{market.name}, {title}")
            pool_chart(
                out / f"pool_{name}.png",
                market.worth,
                market.idle,
                market.reserved,
                title=f"Liquidity pool of {market.name}, {title}",
                decimals=DECIMALS,
            )
        equities = {p.label: p.equities or [(self.stage.chain.timestamp, p.equity)] for p in self.stage.positions}
        closed = {p.label: p.end for p in self.stage.positions if p.end is not None}
        equity_chart(out / "equity.png", equities, closed, decimals=DECIMALS)


def _distance(victim: Position, other: Position) -> tuple[bool, bool, bool, int]:
    """Nearest: alive, in the same market, on the same side, of like leverage."""
    return (
        other.status != "open",
        other.market is not victim.market,
        other.side != victim.side,
        abs(other.ticket.leverage - victim.ticket.leverage),
    )
