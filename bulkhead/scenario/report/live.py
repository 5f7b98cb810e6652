"""The live view: progress, prices and the health of every position while a scenario runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bulkhead.scenario.report.tables import money, new_table, sign_style, status_style


@dataclass(frozen=True, slots=True)
class MarketRow:
    """A market now: `price` and the price the scenario began with, 18 decimals."""

    market: str
    price: int
    start_price: int

    @property
    def change(self) -> float:
        """Move since the start, as a fraction."""
        return self.price / self.start_price - 1 if self.start_price else 0.0


@dataclass(frozen=True, slots=True)
class PositionRow:
    """A position now: amounts of collateral, and a `status`, "open" while it lives."""

    id: int
    market: str
    side: str
    leverage: float
    margin: int
    equity: int
    maintenance: int
    status: str = "open"

    @property
    def health(self) -> float:
        """Equity over maintenance margin: liquidatable below 1; infinite where nothing must be maintained."""
        return self.equity / self.maintenance if self.maintenance else math.inf


class LiveView:
    """A run as it goes: progress, prices, positions with bars of health.

        with LiveView(len(candles), "march_2020") as view:
            view.update(step, time, markets, positions)
            view.note("#7 liquidated")

    On a terminal the screen is redrawn in place. Elsewhere (CI) there is a line every `every` steps and at
    the last one, and a line per note. `decimals` are those of the collateral.
    """

    def __init__(
        self, total: int, title: str, *, decimals: int = 18, every: int = 12, console: Console | None = None
    ) -> None:
        if every < 1:
            raise ValueError(f"every must be at least 1, not {every}")
        self.total = total
        self.title = title
        self._decimals = decimals
        self._every = every
        self._console = console or Console()
        self._notes: list[str] = []
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
            self._live.start()
        else:
            self._line(f"{self.title}: {self.total} candles")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(
        self,
        step: int,
        time: int,
        markets: Sequence[MarketRow],
        positions: Sequence[PositionRow],
    ) -> None:
        """Show candle `step` of `total`, counted from 1, at `time` (unix seconds)."""
        if self._live is not None:
            self._live.update(self._screen(step, time, markets, positions), refresh=True)
        elif step % self._every == 0 or step == self.total:
            self._line(self._plain(step, time, markets, positions))

    def note(self, text: str) -> None:
        """Tell of something that happened; the last three stay on the screen."""
        self._notes = [*self._notes, text][-3:]
        if self._live is None:
            self._line(f"  {text}")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _plain(
        self,
        step: int,
        time: int,
        markets: Sequence[MarketRow],
        positions: Sequence[PositionRow],
    ) -> str:
        width = len(str(self.total))
        prices = "  ".join(f"{row.market} {money(row.price, 18)} ({row.change:+.1%})" for row in markets)
        parts = [f"[{step:{width}}/{self.total}] {_clock(time)}", prices, _counts(positions)]
        alive = [row for row in positions if row.status == "open"]
        weakest = min(alive, key=lambda row: row.health, default=None)
        if weakest is not None and weakest.health < math.inf:
            parts.append(f"weakest #{weakest.id} at {weakest.health:.2f}")
        return "  ".join(part for part in parts if part)

    def _screen(
        self,
        step: int,
        time: int,
        markets: Sequence[MarketRow],
        positions: Sequence[PositionRow],
    ) -> RenderableType:
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=self.total, completed=step, width=30)
        head.add_row(Text(self.title, style="bold"), bar, f"candle {step} of {self.total}", _clock(time))
        prices = Text("  ").join(
            Text.assemble(
                (row.market, "bold"),
                f" {money(row.price, 18)} ",
                (f"{row.change:+.1%}", sign_style(row.change)),
            )
            for row in markets
        )
        table = new_table(None)
        for name in ("id", "market", "side", "lev", "margin", "equity", "health", "", "status"):
            table.add_column(name, justify="left" if name in ("market", "side", "", "status") else "right")
        # Nine rows go to the head, the table's frame and the notes; when not all fit, the weakest do.
        room = max(3, self._console.height - 9)
        shown = list(positions)
        if len(shown) > room:
            shown = sorted(shown, key=lambda row: (row.status != "open", row.health))[: room - 1]
        for row in shown:
            alive = row.status == "open"
            table.add_row(
                str(row.id),
                row.market,
                row.side,
                f"{row.leverage:g}x",
                money(row.margin, self._decimals),
                money(row.equity, self._decimals),
                f"{row.health:.2f}" if alive and row.health < math.inf else "",
                _health_bar(row.health) if alive else "",
                Text(row.status, style=status_style(row.status)),
                style="" if alive else "dim",
            )
        hidden = len(positions) - len(shown)
        more = [Text(f"and {hidden} more", style="dim")] if hidden else []
        tally = Text(_counts(positions))
        return Group(head, prices, table, *more, tally, *(Text(note, style="dim") for note in self._notes))


def _health_bar(health: float, width: int = 12) -> Text:
    """Full at three times the maintenance margin; red under 1.1, yellow under 1.5."""
    filled = round(width * min(max(health, 0.0), 3.0) / 3)
    style = "red" if health < 1.1 else "yellow" if health < 1.5 else "green"
    return Text.assemble(("\N{FULL BLOCK}" * filled, style), ("\N{LIGHT SHADE}" * (width - filled), "dim"))


def _counts(positions: Sequence[PositionRow]) -> str:
    counts = Counter(row.status for row in positions)
    return "  ".join(f"{counts[status]} {status}" for status in sorted(counts, key=lambda status: status != "open"))


def _clock(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
