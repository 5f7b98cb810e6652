"""The study as tables and pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import AutoLocator, FuncFormatter, NullLocator
from rich.console import Console
from rich.table import Table

from bulkhead.risk.calibration import FIXED, MAINTENANCE, Answer, Matched, Rule, Sample
from bulkhead.risk.liquidations import Tally
from bulkhead.risk.study import ALL, FLOORS, HORIZONS, QUANTILES, LeverageRow, Study
from bulkhead.scenario.report.drawing import BLUE, GREEN, INK, ORANGE, RED, SKY, SOFT, day, panel, save, sheet, span
from bulkhead.scenario.report.tables import new_table

_PANELS = 12
"""Histories drawn at most."""


def print_study(found: Study, console: Console) -> None:
    """All tables, and the two answers."""
    rule = found.rule
    console.print(
        f"Rule: initial margin = {rule.z:g} deviations of an hour, at least {rule.floor:.2%}, at most {rule.cap:.0%};"
        f" fixed: {FIXED:.0%}. Target and maintenance are 3/4 and 1/2 of it."
    )
    console.print(_histories(found))
    console.print(_leverages(found, [row for row in found.leverages if row.history == ALL], "All histories together"))
    console.print(_leverages(found, [row for row in found.leverages if row.history != ALL], "By history"))
    console.print(_excursions(found))
    console.print(_answers(found.answers))
    console.print(_held_out(found))
    for line in headlines(found):
        console.print(line)


def headlines(found: Study) -> list[str]:
    """The two answers in sentences, for each holding time and floor, whichever way they fall."""
    lines = ["(a) At the same frequency of the price outrunning the margin, in calm hours:"]
    for answer in found.answers:
        head = f"    held {answer.hold} h, floor {answer.floor:.0%}: "
        if answer.frequency is None:
            lines.append(f"{head}no z is outrun as rarely as the fixed margin")
        elif math.isnan(answer.frequency.calm):
            lines.append(f"{head}no hour is calm")
        else:
            one = answer.frequency
            word = "less" if one.calm <= FIXED else "more"
            quiet = f"; outrun in calm histories: {one.outrun - one.crash} instead of {one.fixed - one.fixed_crash}"
            lines.append(f"{head}{one.calm:.2%} instead of {FIXED:.2%}, {abs(1 - one.calm / FIXED):.0%} {word}{quiet}")
    lines.append("(b) At the same average margin, exhausted vaults in the crashes:")
    for answer in found.answers:
        head = f"    held {answer.hold} h, floor {answer.floor:.0%}: "
        if answer.average is None:
            lines.append(f"{head}no z gives that average")
        elif not answer.average.fixed_crash:
            lines.append(f"{head}none under the fixed margin, {answer.average.crash} under the adjusted one")
        else:
            one = answer.average
            change = 1 - one.crash / one.fixed_crash
            word = "fewer" if change >= 0 else "more"
            losses = f"; losses of all vaults: {one.losses:.2f} notionals instead of {one.fixed_losses:.2f}"
            lines.append(f"{head}{one.crash} instead of {one.fixed_crash}, {abs(change):.0%} {word}{losses}")
    return lines


def draw(found: Study, sample: Sample, out: Path) -> None:
    """Three pictures into the folder `out`."""
    _draw_margins(found.rule, sample, out / "margins.png")
    _draw_frontier(found, out / "frontier.png")
    _draw_leverages(found, out / "leverages.png")


def _histories(found: Study) -> Table:
    table = new_table("Histories")
    for name in ("history", "event", "kind"):
        table.add_column(name)
    columns = ("hours", "volatility", "worst fall 1 h", "worst rise 1 h", "margin, mean", "in calm hours")
    for name in (*columns, "edge, fixed", "edge, adjusted"):
        table.add_column(name, justify="right")
    for row in found.histories:
        table.add_row(
            row.name,
            str(row.event + 1),
            "crash" if row.crash else "calm",
            str(row.hours),
            f"{row.volatility:.0%}",
            f"{row.fall:.1%}",
            f"{row.rise:.1%}",
            f"{row.margin:.2%}",
            "-" if row.calm is None else f"{row.calm:.2%}",
            f"{row.edge_fixed / (2 * row.hours):.2%}",
            f"{row.edge / (2 * row.hours):.2%}",
        )
    table.caption = "edge: hours (long and short) in which a position at its maintenance is outrun before the next"
    return table


def _leverages(found: Study, rows: Sequence[LeverageRow], title: str) -> Table:
    table = new_table(f"{title}, held {found.hold} h: fixed | volatility-adjusted")
    table.add_column("history")
    table.add_column("leverage", justify="right")
    for name in ("opened", "liquidated", "by rate", "outrun", "in hours", "worst loss", "all losses"):
        table.add_column(name, justify="right")
    for row in rows:
        pairs = zip(_cells(row.fixed, row.openings), _cells(row.adjusted, row.openings), strict=True)
        leverage = "largest" if row.leverage is None else f"{row.leverage:g}x"
        table.add_row(row.history, leverage, *(f"{fixed} | {adjusted}" for fixed, adjusted in pairs))
    table.caption = (
        "opened: part of openings that the margin allows; liquidated, by a risen rate alone, outrun: parts of these;\n"
        "worst loss: of one notional; all losses: notionals per thousand openings"
    )
    return table


def _cells(tally: Tally, openings: int) -> list[str]:
    if not tally.opened:
        return ["0 %", "-", "-", "-", "-", "-", "-"]
    parts = (tally.liquidated, tally.by_rate, tally.outrun)
    return [
        f"{tally.opened / openings:.0%}",
        *(f"{part / tally.opened:.1%}" for part in parts),
        str(tally.outrun_hours),
        f"{tally.worst:.1%}",
        f"{1000 * tally.total / openings:.2f}",
    ]


def _excursions(found: Study) -> Table:
    table = new_table("Worst move within a horizon, in deviations sigma x sqrt(horizon): the z that covers it")
    table.add_column("hours", justify="right")
    for quantile in QUANTILES:
        table.add_column(f"{quantile:.1%} of openings", justify="right")
    for hours in HORIZONS:
        if found.excursions[hours]:
            table.add_row(str(hours), *(f"{value:.2f}" for value in found.excursions[hours]))
    return table


def _answers(answers: Sequence[Answer]) -> Table:
    table = new_table(f"The adjusted margin that equals a fixed {FIXED:.0%}, fitted on all events")
    for name in ("held, h", "floor", "outrun, fixed"):
        table.add_column(name, justify="right")
    for name in ("same frequency: z", "outrun", "margin, mean", "in calm hours"):
        table.add_column(name, justify="right")
    for name in ("same average: z", "outrun", "in crashes, fixed | adjusted", "losses, fixed | adjusted"):
        table.add_column(name, justify="right")
    for answer in answers:
        one, other = answer.frequency, answer.average
        either = one or other
        table.add_row(
            str(answer.hold),
            f"{answer.floor:.0%}",
            "-" if either is None else f"{either.fixed} of {either.openings}",
            *(
                ("none", "", "", "")
                if one is None
                else (f"{one.z:.2f}", str(one.outrun), f"{one.margin:.2%}", _rate(one))
            ),
            *(("none", "", "", "") if other is None else (f"{other.z:.2f}", str(other.outrun), *_against(other))),
        )
    return table


def _held_out(found: Study) -> Table:
    table = new_table(f"Fitted on the other events, judged on this one, floor {FLOORS[0]:.0%}")
    table.add_column("judged on")
    for name in ("held, h", "openings", "outrun, fixed"):
        table.add_column(name, justify="right")
    for question in ("same frequency", "same average"):
        for name in (f"{question}: z", "outrun", "margin, mean"):
            table.add_column(name, justify="right")
    for answer in (answer for answer in found.answers if answer.floor == FLOORS[0]):
        for event in sorted(answer.frequency_out.keys() | answer.average_out.keys()):
            one, other = answer.frequency_out.get(event), answer.average_out.get(event)
            either = one or other
            assert either is not None
            table.add_row(
                ", ".join(row.name for row in found.histories if row.event == event),
                str(answer.hold),
                str(either.openings),
                str(either.fixed),
                *_judged(one),
                *_judged(other),
            )
    if not table.row_count:
        table.caption = "One event alone: there is nothing to judge on, and all of the above is in-sample."
    return table


def _judged(one: Matched | None) -> tuple[str, str, str]:
    return ("none", "", "") if one is None else (f"{one.z:.2f}", str(one.outrun), f"{one.margin:.2%}")


def _rate(one: Matched) -> str:
    return "-" if math.isnan(one.calm) else f"{one.calm:.2%}"


def _against(one: Matched) -> tuple[str, str]:
    return f"{one.fixed_crash} | {one.crash}", f"{one.fixed_losses:.2f} | {one.losses:.2f}"


def _draw_margins(rule: Rule, sample: Sample, path: Path) -> None:
    """Initial margin and maintenance over time, over the worst move of each hour."""
    shown = sample.histories[:_PANELS]
    columns = min(2, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = sheet("Margin that follows volatility, beside a fixed one", height=max(5.0, 2.6 * rows + 0.8))
    grid = figure.subplots(rows, columns, squeeze=False)
    for index, history in enumerate(shown):
        axes: Axes = grid[index // columns][index % columns]
        rates = rule.rates(history)
        times = [day(int(at)) for at in history.times]
        move = np.maximum(history.high / history.open - 1, 1 - history.low / history.open)
        axes.bar(times, 100 * move, width=1 / 24, align="edge", color=SOFT, alpha=0.45, label="worst move of the hour")
        axes.step(times, 100 * rates.initial, where="post", color=BLUE, linewidth=1.6, label="initial, adjusted")
        axes.step(times, 100 * rates.maintenance, where="post", color=SKY, linewidth=1.6, label="maintenance, adjusted")
        axes.axhline(100 * FIXED, color=RED, linewidth=1.2, label="initial, fixed")
        axes.axhline(100 * FIXED * MAINTENANCE, color=ORANGE, linewidth=1.2, label="maintenance, fixed")
        panel(axes, "of price, %")
        span(axes, times[0], times[-1])
        axes.set_title(history.name, loc="left", fontsize=11, fontweight="bold", color=INK)
    for index in range(len(shown), rows * columns):
        grid[index // columns][index % columns].set_axis_off()
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=10)
    save(figure, path)


def _draw_frontier(found: Study, path: Path) -> None:
    """Average margin against the part of openings that is outrun: lower and further left is better."""
    figure = sheet("What margin buys: openings outrun, by average initial margin", height=6.0)
    grid = figure.subplots(1, len(found.fixed_lines), squeeze=False)
    for axes, (hold, line) in zip(grid[0], found.fixed_lines.items(), strict=True):
        axes.plot(*_percent(line), color=RED, linewidth=2, label="fixed")
        for answer, colour in zip((a for a in found.answers if a.hold == hold), (SKY, BLUE, GREEN), strict=True):
            axes.plot(*_percent(answer.tried), color=colour, linewidth=1.6, label=f"adjusted, floor {answer.floor:.0%}")
        axes.axvline(100 * FIXED, color=SOFT, linewidth=0.8, linestyle=(0, (2, 3)))
        axes.text(95 * FIXED, 0, f"{FIXED:.0%}", ha="right", fontsize=10, color=SOFT)
        axes.set_xscale("log")
        axes.set_xlim(1, 40)
        _plain(axes, "average initial margin, %", "outrun, % of openings")
        axes.set_xticks([1, 2, 4, 10, 20, 40])
        axes.set_title(f"held {hold} h", loc="left", fontsize=11, fontweight="bold", color=INK)
    grid[0][0].legend(loc="upper right", frameon=False, fontsize=10)
    save(figure, path)


def _draw_leverages(found: Study, path: Path) -> None:
    """Liquidated and outrun by leverage, both margins side by side."""
    rows = [row for row in found.leverages if row.history == ALL]
    figure = sheet(f"Positions held {found.hold} h, all histories", height=6.0)
    for axes, what in zip(figure.subplots(1, 3), ("opened", "liquidated", "outrun"), strict=True):
        places = np.arange(len(rows))
        for offset, colour, model in ((-0.2, RED, "fixed"), (0.2, BLUE, "adjusted")):
            heights = [100 * getattr(getattr(row, model), what) / row.openings for row in rows]
            axes.bar(places + offset, heights, width=0.38, color=colour, label=model)
        _plain(axes, "leverage", f"{what}, % of openings")
        axes.set_xticks(places, ["largest" if row.leverage is None else f"{row.leverage:g}x" for row in rows])
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False, fontsize=10)
    save(figure, path)


def _percent(line: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [100 * x for x, _ in line], [100 * y for _, y in line]


def _plain(axes: Axes, across: str, up: str) -> None:
    """The common look, for an axis that is not of dates."""
    panel(axes, up)
    axes.xaxis.set_major_locator(AutoLocator())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.set_xlabel(across, fontsize=11, color=SOFT)
