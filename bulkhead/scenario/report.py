"""What a scenario shows: pictures (PNG), tables, and a live view of the run.

All of it takes plain data. Amounts and prices are integers with `decimals` decimals (18 unless told
otherwise), times unix seconds; they become floats only to be drawn. Pictures are drawn with matplotlib's
objects, without pyplot, so that nothing global is touched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

Series = Sequence[tuple[int, int]]

# Okabe and Ito's colours, told apart by every kind of colour vision.
_BLUE, _SKY, _GREEN, _ORANGE, _RED = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00"
_INK, _SOFT, _GRID = "#222222", "#666666", "#E4E4E4"
_DPI = 100


# --- pictures


def price_chart(
    path: str | Path,
    series: Series,
    liquidations: Sequence[tuple[int, int, str]] = (),
    title: str = "Price",
    *,
    unit: str = "USD",
    decimals: int = 18,
) -> None:
    """Price over time, with every liquidation (time, price, label) marked and, below, named."""
    _need(series, "series")
    columns = _clusters(liquidations, series[-1][0] - series[0][0])
    lines = max((len(lines) for _, lines in columns), default=0)
    figure = _figure(title)
    if lines:
        below = 17 * lines + 6  # pixels, of about 690 beside title and axis
        axes, names = figure.subplots(2, 1, sharex=True, height_ratios=[690 - below, below])
    else:
        axes, names = figure.subplots(), None
    times, prices = _times(series), _values(series, decimals)
    axes.plot(times, prices, color=_BLUE, linewidth=1.6, zorder=3)
    axes.fill_between(times, prices, min(prices), color=_BLUE, alpha=0.06, linewidth=0)
    _frame(axes, f"price, {unit}")
    _span(axes, times[0], times[-1])
    axes.margins(y=0.09)
    lowest = min(range(len(prices)), key=prices.__getitem__)
    change = 100 * (prices[lowest] / prices[0] - 1)
    right = lowest < 0.8 * len(prices)
    axes.annotate(
        _minus(f"low {_number(prices[lowest])} ({change:+.1f} %)"),
        (times[lowest], prices[lowest]),
        xytext=(14 if right else -14, -4),
        textcoords="offset points",
        ha="left" if right else "right",
        va="center",
        color=_INK,
        fontsize=11,
    )
    axes.plot(times[lowest], prices[lowest], "o", color=_INK, markersize=5, zorder=4)
    if names is None:
        axes.set_xlabel("time, UTC", fontsize=11, color=_SOFT)
    else:
        axes.plot(
            [_time(at) for at, _, _ in liquidations],
            [price / 10**decimals for _, price, _ in liquidations],
            "v",
            color=_RED,
            markeredgecolor="white",
            markersize=10,
            zorder=5,
            label=f"liquidation ({len(liquidations)})",
        )
        axes.legend(loc="upper right", frameon=False, fontsize=11)
        _name_columns(names, columns, axes)
    _save(figure, path)


def equity_chart(
    path: str | Path,
    equities: Mapping[str, Series],
    closed: Mapping[str, tuple[int, str]],
    *,
    title: str = "Every position in its own vault",
    unit: str = "USD",
    decimals: int = 18,
) -> None:
    """Equity of every position, a panel each, in the order given; its end marked with the reason in `closed`.

    A reason with "liquidat" in it is drawn as a liquidation, any other as an ordinary close. Panels share
    their times; each has its own scale of money, with zero and the equity at the start marked.
    """
    _need(equities, "equities")
    for label, series in equities.items():
        _need(series, f"equity of {label}")
    count = len(equities)
    columns = min(6, math.ceil(math.sqrt(count * 1.5)))
    rows = math.ceil(count / columns)
    figure = _figure(title, height=max(8.0, 1.85 * rows + 0.6))
    grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
    begin = min(series[0][0] for series in equities.values())
    end = max(series[-1][0] for series in equities.values())
    tally = {"liquidated": 0, "closed": 0, "open": 0}
    for index, (label, series) in enumerate(equities.items()):
        axes: Axes = grid[index // columns][index % columns]
        fate = _fate(label, closed)
        tally[fate] += 1
        _equity_panel(axes, label, series, closed.get(label), decimals)
        _span(axes, _time(begin), _time(end))
        _dates(axes, fewest=2, most=4, size=8)
        axes.tick_params(labelbottom=index + columns >= count, labelsize=8)
    for index in range(count, rows * columns):
        grid[index // columns][index % columns].set_axis_off()
    figure.supylabel(f"equity, {unit} (scale of each panel its own)", fontsize=11, color=_SOFT)
    figure.supxlabel("time, UTC", fontsize=11, color=_SOFT)
    handles = [
        Line2D([], [], color=_FATES[fate][0], marker=_FATES[fate][1], label=f"{fate} ({number})")
        for fate, number in tally.items()
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, frameon=False, fontsize=11)
    _save(figure, path)


def pool_chart(
    path: str | Path,
    worth: Series,
    idle: Series | None = None,
    reserved: Series | None = None,
    *,
    title: str = "Liquidity pool",
    unit: str = "USD",
    decimals: int = 18,
) -> None:
    """Worth of the pool over what it holds, idle and reserved stacked; below, its change since the start.

    `idle` and `reserved` hold their last value between their own times.
    """
    _need(worth, "worth")
    figure = _figure(title)
    axes, change = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.2])
    times, values = _times(worth), _values(worth, decimals)
    layers = [
        (name, colour, _held(series, worth, decimals))
        for name, colour, series in (("reserved", _ORANGE, reserved), ("idle", _SKY, idle))
        if series
    ]
    if layers:
        axes.stackplot(
            times,
            [layer for _, _, layer in layers],
            labels=[name for name, _, _ in layers],
            colors=[colour for _, colour, _ in layers],
            alpha=0.45,
            linewidth=0,
            step="post",
        )
    axes.plot(times, values, color=_INK, linewidth=1.9, label="worth", zorder=4)
    _frame(axes, f"amount, {unit}")
    _span(axes, times[0], times[-1])
    held = [sum(parts) for parts in zip(*(layer for _, _, layer in layers), strict=True)]
    axes.set_ylim(min(0.0, *values), max(0.0, *values, *held) * 1.12 or 1.0)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=11)
    moves = [100 * (value / values[0] - 1) if values[0] else 0.0 for value in values]
    change.axhline(0, color=_SOFT, linewidth=0.8)
    change.plot(times, moves, color=_INK, linewidth=1.4)
    for colour, part in ((_GREEN, [move >= 0 for move in moves]), (_RED, [move <= 0 for move in moves])):
        change.fill_between(times, moves, where=part, interpolate=True, color=colour, alpha=0.35, linewidth=0)
    _frame(change, "worth since start, %")
    change.yaxis.set_major_formatter(FuncFormatter(lambda y, _: _minus(f"{y:+.4g}") if y else "0"))
    change.set_xlabel("time, UTC", fontsize=11, color=_SOFT)
    change.annotate(
        _minus(f"{moves[-1]:+.2f} %"),
        (times[-1], moves[-1]),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        fontsize=11,
        color=_INK,
        annotation_clip=False,
    )
    _save(figure, path)


_FATES = {"liquidated": (_RED, "X"), "closed": (_GREEN, "o"), "open": (_BLUE, ">")}


def _fate(label: str, closed: Mapping[str, tuple[int, str]]) -> str:
    if label not in closed:
        return "open"
    return "liquidated" if "liquidat" in closed[label][1].lower() else "closed"


def _equity_panel(axes: Axes, label: str, series: Series, end: tuple[int, str] | None, decimals: int) -> None:
    fate = _fate(label, {label: end} if end else {})
    colour, marker = _FATES[fate]
    lived = [point for point in series if end is None or point[0] <= end[0]] or [series[0]]
    times, values = _times(lived), _values(lived, decimals)
    axes.axhline(0, color=_SOFT, linewidth=0.8)
    axes.axhline(values[0], color=_SOFT, linewidth=0.8, linestyle=(0, (2, 3)))
    axes.fill_between(times, values, 0, color=colour, alpha=0.10, linewidth=0)
    axes.plot(times, values, color=colour, linewidth=1.5)
    axes.plot(
        times[-1],
        values[-1],
        marker,
        color=colour,
        markeredgecolor="white",
        markersize=8,
        zorder=5,
        clip_on=False,
    )
    _frame(axes, "")
    axes.set_ylim(min(0.0, *values) * 1.15, max(0.0, *values) * 1.15 or 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.set_title(label, loc="left", fontsize=10, fontweight="bold", color=_INK, pad=17)
    state = f"open at {_number(values[-1])}"
    if end:
        state = f"{end[1]} {datetime.fromtimestamp(end[0], UTC):%d %b %H:%M}"
    axes.annotate(
        state,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 5),
        textcoords="offset points",
        fontsize=8.5,
        color=colour,
    )


def _clusters(liquidations: Sequence[tuple[int, int, str]], span: int) -> list[tuple[int, list[str]]]:
    """Liquidations near in time together: the time of the first, and a heading with up to eight names."""
    groups: list[list[tuple[int, str]]] = []
    for at, _, label in sorted(liquidations):
        if groups and at - groups[-1][0][0] <= span * 0.13:
            groups[-1].append((at, label))
        else:
            groups.append([(at, label)])
    columns = []
    for group in groups:
        first, last = (datetime.fromtimestamp(at, UTC) for at in (group[0][0], group[-1][0]))
        heading = f"{first:%d %b %H:%M}" if first == last else f"{first:%d %b %H:%M}\N{EN DASH}{last:%H:%M}"
        names = [label for _, label in group]
        rest = [f"and {len(names) - 7} more"] if len(names) > 8 else []
        columns.append((group[0][0], [heading, *(names[:7] if rest else names), *rest]))
    return columns


def _name_columns(axes: Axes, columns: Sequence[tuple[int, list[str]]], above: Axes) -> None:
    """Names of liquidations in columns under a chart, each tied to its time by a line through both."""
    for at, lines in columns:
        for panel in (axes, above):
            panel.axvline(_time(at), color=_RED, linewidth=0.8, alpha=0.45, linestyle=(0, (3, 3)), zorder=1)
        left, right = above.get_xlim()
        flip = (_time(at) - left) > 0.88 * (right - left)
        for text, weight in (
            ("\n".join([lines[0]] + [""] * (len(lines) - 1)), "bold"),
            ("\n".join(["", *lines[1:]]), "normal"),
        ):
            axes.annotate(
                text,
                (_time(at), 1),
                xycoords=("data", "axes fraction"),
                xytext=(-5 if flip else 5, -4),
                textcoords="offset points",
                ha="right" if flip else "left",
                va="top",
                fontsize=9,
                linespacing=1.3,
                color=_INK,
                weight=weight,
            )
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_SOFT)
    axes.set_ylabel("liquidated", fontsize=11, color=_SOFT)
    axes.tick_params(colors=_SOFT, labelsize=10)
    _dates(axes)
    axes.set_xlabel("time, UTC", fontsize=11, color=_SOFT)


def _figure(title: str, height: float = 8.0) -> Figure:
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    figure = Figure(figsize=(14, height), dpi=_DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.012, ha="left", fontsize=16, fontweight="bold", color=_INK)
    return figure


def _frame(axes: Axes, label: str) -> None:
    """The look that all panels share."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_SOFT)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_SOFT, labelsize=10)
    axes.set_ylabel(label, fontsize=11, color=_SOFT)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: _number(y, max(map(abs, axes.get_ylim())))))
    _dates(axes)


def _span(axes: Axes, begin: float, end: float) -> None:
    """From edge to edge; an hour for a single moment."""
    axes.set_xlim(begin, end if end > begin else begin + 1 / 24)


def _dates(axes: Axes, fewest: int = 5, most: int = 9, size: int = 10) -> None:
    locator = AutoDateLocator(tz=UTC, minticks=fewest, maxticks=most)  # type: ignore[no-untyped-call]
    dates = ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator,
        tz=UTC,
        formats=["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%S.%f"],
        zero_formats=["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
        show_offset=False,
    )
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates)
    axes.tick_params(axis="x", labelsize=size)


def _save(figure: Figure, path: str | Path) -> None:
    figure.savefig(path, format="png", metadata={"Software": None})


def _need(data: Sequence[object] | Mapping[str, object], what: str) -> None:
    if not data:
        raise ValueError(f"{what} is empty: nothing to draw")


def _time(at: int) -> float:
    return at / 86_400  # days since 1970, the unit of matplotlib's date axis


def _times(series: Series) -> list[float]:
    return [_time(at) for at, _ in series]


def _values(series: Series, decimals: int) -> list[float]:
    return [value / 10**decimals for _, value in series]


def _held(series: Series, at: Series, decimals: int) -> list[float]:
    """The series at other times: its last value so far, its first before it begins."""
    values, index = [], 0
    for moment, _ in at:
        while index + 1 < len(series) and series[index + 1][0] <= moment:
            index += 1
        values.append(series[index][1] / 10**decimals)
    return values


# --- tables


@dataclass(frozen=True, slots=True)
class ResultRow:
    """How a position ended: collateral put in and got out, and a `result` like "closed" or "liquidated"."""

    id: int
    market: str
    side: str
    leverage: float
    margin_in: int
    got_out: int
    result: str

    @property
    def pnl(self) -> int:
        """What the trader got out beyond what went in."""
        return self.got_out - self.margin_in


@dataclass(frozen=True, slots=True)
class NeighbourRow:
    """What a position's vault held just before and just after another position was liquidated."""

    liquidated: int
    id: int
    market: str
    side: str
    before: int
    after: int

    @property
    def change(self) -> int:
        """Zero, if margin is isolated."""
        return self.after - self.before


def summary_table(rows: Iterable[ResultRow], *, unit: str = "USD", decimals: int = 18) -> Table:
    """How every position ended, and the sums."""
    table = _table("Positions", footer=True)
    rows = list(rows)
    paid, got = sum(row.margin_in for row in rows), sum(row.got_out for row in rows)
    table.add_column("id", footer=str(len(rows)), justify="right")
    table.add_column("market")
    table.add_column("side")
    table.add_column("leverage", justify="right")
    table.add_column(f"margin in, {unit}", footer=_money(paid, decimals), justify="right")
    table.add_column(f"got out, {unit}", footer=_money(got, decimals), justify="right")
    table.add_column("result")
    table.add_column(f"pnl, {unit}", footer=_signed(got - paid, decimals), justify="right")
    table.add_column("pnl, %", justify="right")
    for row in rows:
        share = f"{100 * row.pnl / row.margin_in:+.1f}" if row.margin_in else "-"
        table.add_row(
            str(row.id),
            row.market,
            row.side,
            f"{row.leverage:g}x",
            _money(row.margin_in, decimals),
            _money(row.got_out, decimals),
            Text(row.result, style=_status_style(row.result)),
            _signed(row.pnl, decimals),
            share,
        )
    return table


def neighbours_table(rows: Iterable[NeighbourRow], *, unit: str = "USD", decimals: int = 18) -> Table:
    """What liquidations did to the vaults of other positions: nothing to the last unit, or it shows."""
    table = _table("Neighbours of the liquidated", footer=True)
    rows = list(rows)
    touched = sum(row.change != 0 for row in rows)
    table.add_column("liquidated", justify="right")
    table.add_column("neighbour", footer=str(len(rows)), justify="right")
    table.add_column("market")
    table.add_column("side")
    table.add_column(f"vault before, {unit}", justify="right")
    table.add_column(f"vault after, {unit}", justify="right")
    verdict = f"{touched} touched" if touched else "all untouched"
    table.add_column("change, smallest unit", footer=verdict, justify="right")
    for row in rows:
        change = Text(f"{row.change:+,}" if row.change else "0", style="bold red" if row.change else "green")
        before, after = _money(row.before, decimals), _money(row.after, decimals)
        table.add_row(f"#{row.liquidated}", f"#{row.id}", row.market, row.side, before, after, change)
    return table


# --- live view


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
            raise ValueError(f"every is at least 1, not {every}")
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
        prices = "  ".join(f"{row.market} {_money(row.price, 18)} ({row.change:+.1%})" for row in markets)
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
                f" {_money(row.price, 18)} ",
                (f"{row.change:+.1%}", _sign_style(row.change)),
            )
            for row in markets
        )
        table = _table(None)
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
                _money(row.margin, self._decimals),
                _money(row.equity, self._decimals),
                f"{row.health:.2f}" if alive and row.health < math.inf else "",
                _health_bar(row.health) if alive else "",
                Text(row.status, style=_status_style(row.status)),
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
    counts: dict[str, int] = {}
    for row in positions:
        counts[row.status] = counts.get(row.status, 0) + 1
    return "  ".join(
        f"{count} {status}" for status, count in sorted(counts.items(), key=lambda item: item[0] != "open")
    )


def _table(title: str | None, footer: bool = False) -> Table:
    return Table(
        title=title,
        title_justify="left",
        show_footer=footer,
        header_style="bold",
        border_style="dim",
    )


def _status_style(status: str) -> str:
    return "red" if "liquidat" in status.lower() else "green" if status.lower().startswith("closed") else ""


def _sign_style(number: float) -> str:
    return "red" if number < 0 else "green"


def _clock(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def _money(amount: int, decimals: int) -> str:
    """To two decimals, cut off towards zero, in integers."""
    cents = abs(amount) * 100 // 10**decimals
    return f"{'-' if amount < 0 and cents else ''}{cents // 100:,}.{cents % 100:02}"


def _signed(amount: int, decimals: int) -> Text:
    text = _money(amount, decimals)
    return Text(text if amount <= 0 else f"+{text}", style="" if amount == 0 else _sign_style(amount))


def _number(value: float, scale: float | None = None) -> str:
    """A number for an axis that reaches to `scale`: 1,960, 86.6, 0.25, 12.5 M."""
    scale = abs(value) if scale is None else scale
    if scale >= 1e6:
        text = f"{value / 1e6:,.6g} M" if value else "0"
    elif scale >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.4g}"
    return _minus(text)


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
