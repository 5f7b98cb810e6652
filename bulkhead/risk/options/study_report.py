"""Tables, a picture and a file of what informed traders earn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bulkhead.risk.options.study import BAND, BANDS, SPREADS, TENORS, Earned, Study
from bulkhead.scenario.report.drawing import BLUE, GREEN, GRID, INK, ORANGE, RED, SKY, SOFT, save, sheet

#: ETH 2019-2025, hourly: worst falls and rises are open to low and high of an hour, of 24 hours.
MARKET = {
    "volatility_day_median": 0.61,
    "volatility_day_p99": 2.34,
    "volatility_day_largest": 8.10,
    "hour_fall_p999": 0.085,
    "hour_rise_p999": 0.068,
    "hour_worst_fall": 0.28,
    "day_fall_p999": 0.316,
    "day_rise_p999": 0.245,
    "day_worst_fall": 0.529,
}
SIDES = ("buy", "sell")
KEPT = (0.1, 0.25)
"""Spreads that stand in the file with every strategy, beside the shipped one and 0."""


def print_study(found: Study, console: Console) -> None:
    """All tables."""
    console.print(_facts(found), "")
    console.print(_needed(found), "")
    spread = found.rule.spread
    shipped = calendar(row for row in found.table if row.spread == spread)
    console.print(_signals(f"At the spread that ships, {spread:.0%}: best kind of each signal", shipped), "")
    for hours, rows in found.late.items():
        title = f"The same, volatilities {hours} h old: the move that they do not know yet"
        moved = [row for row in calendar(rows) if row.strategy.signal in ("in a move", "in a spike")]
        console.print(_signals(title, moved), "")
    console.print(_knowing(found), "")
    console.print(_signals("One volatility both ways, no spread: best kind of each signal", calendar(found.naive)), "")


def print_events(table: Sequence[Earned], spread: float, count: int, console: Console) -> None:
    """What happened, at the spread that ships."""
    rows = [row for row in calendar(table) if row.spread == spread]
    console.print(_signals(f"Candles, {count} events, spread {spread:.0%}: best kind of each signal", rows), "")


def calendar(rows: Iterable[Earned]) -> list[Earned]:
    """Those of who does not know the truth, on kinds that are listed."""
    return [row for row in rows if not row.strategy.knows and row.strategy.kind in BANDS[BAND]]


def _facts(found: Study) -> Table:
    table = _table(f"{found.histories} histories of seven years beside ETH 2019-2025", "", "drawn", "ETH")
    for name, value in found.facts.items():
        market = MARKET.get(name)
        table.add_row(name.replace("_", " "), f"{value:.1%}", "-" if market is None else f"{market:.1%}")
    table.caption = "moves drawn are close to close; ETH's from the open to the worst price"
    return table


def _needed(found: Study) -> Table:
    title = "The least spread from which on no calendar and no spike earns in the mean"
    table = _table(title, "side", "deltas from", *(f"{tenor} d" for tenor in TENORS))
    for side in SIDES:
        for band in BANDS:
            values = (found.needed(tenor, side, band) for tenor in TENORS)
            cells = (f"above {SPREADS[-1]:.0%}" if value is None else f"{value:.0%}" for value in values)
            table.add_row(f"{side}s", band, *cells)
    return table


def _signals(title: str, rows: Sequence[Earned]) -> Table:
    """For each signal and tenor the kind and exit that earn most, hedged: mean, two standard errors; then unhedged."""
    tenors, best = sorted({row.tenor for row in rows}), _best(rows)
    table = _table(title, "side", "signal", "orders", *(f"{tenor} d: hedged; not" for tenor in tenors))
    for side in SIDES:
        for signal in dict.fromkeys(row.strategy.signal for row in rows if row.strategy.side == side):
            own = {row.tenor: row for row in best if (row.strategy.side, row.strategy.signal) == (side, signal)}
            cells = (_cell(own[tenor]) if tenor in own else "-" for tenor in tenors)
            table.add_row(f"{side}s", signal, f"{max(row.orders for row in own.values()):,}", *cells)
    table.caption = "basis points of the spot an order, +- two standard errors over histories"
    return table


def _best(rows: Iterable[Earned]) -> list[Earned]:
    """Of each spread, tenor, side and signal the listed kind and exit that earn most, hedged."""
    found: dict[tuple[object, ...], Earned] = {}
    for row in rows:
        key = (row.spread, row.tenor, row.strategy.side, row.strategy.signal)
        if row.strategy.kind in BANDS[BAND] and (key not in found or row.hedged > found[key].hedged):
            found[key] = row
    return list(found.values())


def _cell(row: Earned) -> str:
    hedged = f"{row.hedged:.0f} +- {2 * row.hedged_error:.0f}"
    return f"{hedged}; {row.unhedged:.0f} +- {2 * row.unhedged_error:.0f}"


def _knowing(found: Study) -> Table:
    """Who knows the model's volatility, and asks for 15 % on top: how often he trades, and what a year brings."""
    title = "Who knows the volatility that the model expects, a straddle when it is 15 % beyond the quote"
    table = _table(title, "side", "spread", *(f"{tenor} d: an order; days; a year" for tenor in TENORS))
    for side in SIDES:
        for spread in (0.1, 0.25, found.rule.spread, SPREADS[-1]):
            table.add_row(f"{side}s", f"{spread:.0%}", *(_year(found, side, spread, tenor) for tenor in TENORS))
    table.caption = (
        "basis points of the spot, hedged, to expiry; on how many days a year he trades, and what they bring"
    )
    return table


def _year(found: Study, side: str, spread: float, tenor: int) -> str:
    for row in found.table:
        one = row.strategy
        if (one.side, one.kind, one.exit, one.signal) == (side, "straddle", "expiry", "truth + 15 %") and (
            row.tenor,
            row.spread,
        ) == (tenor, spread):
            days = 365 * row.share
            return f"{row.hedged:.0f} +- {2 * row.hedged_error:.0f}; {days:.2f}; {days * row.hedged:.0f}"
    return "-"


def as_json(settings: dict[str, Any], found: Study, real: Sequence[Earned]) -> str:
    """Settings and answers; then the best of each signal at KEPT and the shipped spread, late, of the naive pool."""
    rule = found.rule
    needed = {
        f"{side}s, deltas from {band}": {str(tenor): found.needed(tenor, side, band) for tenor in TENORS}
        for side in SIDES
        for band in BANDS
    }
    head = settings | {
        "shipped": {"spread": rule.spread, "fast_h": rule.fast, "slow_h": rule.slow, "deltas_from": BAND},
        "facts": {name: float(f"{value:.4g}") for name, value in found.facts.items()},
        "needed": needed,
    }
    spreads = {*KEPT, rule.spread}
    parts = {
        "table": [row for row in found.table if row.spread in spreads],
        **{f"late_{hours}_h": rows for hours, rows in found.late.items()},
        "naive": found.naive,
        "candles_table": [row for row in real if row.spread in spreads],
    }
    lines = [f'"{name}": {json.dumps(value)}' for name, value in head.items()]
    for name, rows in parts.items():
        lines.append(f'"{name}": [\n ' + ",\n ".join(json.dumps(row.as_json()) for row in _best(rows)) + "\n]")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def picture(found: Study, path: Path) -> None:
    """What the best calendar or spike earns, hedged, against the spread: a line a tenor, a panel a side."""
    figure = sheet("What the best strategy earns an order, hedged, basis points of the spot", height=6.0)
    for axes, side in zip(figure.subplots(1, len(SIDES)), SIDES, strict=True):
        for tenor, colour in zip(TENORS, (SKY, BLUE, GREEN, ORANGE, RED), strict=True):
            best = [found.best(tenor, side, spread) for spread in SPREADS]
            rows = [row for row in best if row is not None]
            across = [100 * row.spread for row in rows]
            axes.plot(across, [row.hedged for row in rows], color=colour, marker="o", label=f"{tenor} d")
            low, high = zip(
                *((row.hedged - 2 * row.hedged_error, row.hedged + 2 * row.hedged_error) for row in rows), strict=True
            )
            axes.fill_between(across, low, high, color=colour, alpha=0.1)
        axes.axhline(0, color=INK, linewidth=1)
        axes.axvline(100 * found.rule.spread, color=SOFT, linewidth=1, linestyle="--", label="ships")
        axes.set_yscale("symlog", linthresh=20)
        axes.set_title(f"who {side}s", loc="left", fontsize=12, color=INK)
        axes.set_xlabel("spread x, %", color=SOFT)
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=10)
    save(figure, path)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="left" if column in ("", "side", "signal") else "right")
    return table
