"""Pictures (PNG) of a scenario: a price with its liquidations, the equity of every vault, the worth of a pool.

Amounts and prices are integers with `decimals` decimals; they become floats only here, to be drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bulkhead.scenario.report.drawing import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    RED,
    SKY,
    SOFT,
    Series,
    amounts,
    date_axis,
    day,
    days,
    minus,
    need,
    number,
    panel,
    save,
    sheet,
    span,
)

_COLUMNS = 5
"""Panels side by side in the chart of equities: "closed at reserve 12 Mar 10:03" fits over one."""


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
    need(series, "series")
    columns = _clusters(liquidations, series[-1][0] - series[0][0])
    lines = max((len(lines) for _, lines in columns), default=0)
    figure = sheet(title)
    if lines:
        below = 17 * lines + 6  # pixels, of about 690 beside title and axis
        axes, names = figure.subplots(2, 1, sharex=True, height_ratios=[690 - below, below])
    else:
        axes, names = figure.subplots(), None
    times, prices = days(series), amounts(series, decimals)
    axes.plot(times, prices, color=BLUE, linewidth=1.6, zorder=3)
    axes.fill_between(times, prices, min(prices), color=BLUE, alpha=0.06, linewidth=0)
    panel(axes, f"price, {unit}")
    span(axes, times[0], times[-1])
    axes.margins(y=0.09)
    lowest = min(range(len(prices)), key=prices.__getitem__)
    change = 100 * (prices[lowest] / prices[0] - 1)
    right = lowest < 0.8 * len(prices)
    axes.annotate(
        minus(f"low {number(prices[lowest])} ({change:+.1f} %)"),
        (times[lowest], prices[lowest]),
        xytext=(14 if right else -14, -4),
        textcoords="offset points",
        ha="left" if right else "right",
        va="center",
        color=INK,
        fontsize=11,
    )
    axes.plot(times[lowest], prices[lowest], "o", color=INK, markersize=5, zorder=4)
    if names is None:
        axes.set_xlabel("time, UTC", fontsize=11, color=SOFT)
    else:
        axes.plot(
            [day(at) for at, _, _ in liquidations],
            [price / 10**decimals for _, price, _ in liquidations],
            "v",
            color=RED,
            markeredgecolor="white",
            markersize=10,
            zorder=5,
            label=f"liquidation ({len(liquidations)})",
        )
        axes.legend(loc="upper right", frameon=False, fontsize=11)
        _name_columns(names, columns, axes)
    save(figure, path)


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
    need(equities, "equities")
    for label, series in equities.items():
        need(series, f"equity of {label}")
    count = len(equities)
    columns = min(_COLUMNS, count)
    rows = math.ceil(count / columns)
    figure = sheet(title, height=max(8.0, 1.65 * rows + 0.8))
    grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
    begin = min(series[0][0] for series in equities.values())
    end = max(series[-1][0] for series in equities.values())
    tally = {"liquidated": 0, "closed": 0, "open": 0}
    for index, (label, series) in enumerate(equities.items()):
        axes: Axes = grid[index // columns][index % columns]
        fate = _fate(label, closed)
        tally[fate] += 1
        _equity_panel(axes, label, series, closed.get(label), decimals)
        span(axes, day(begin), day(end))
        date_axis(axes, fewest=1, size=8)
        axes.tick_params(labelbottom=index + columns >= count, labelsize=8)
    for index in range(count, rows * columns):
        grid[index // columns][index % columns].set_axis_off()
    figure.supylabel(f"equity, {unit} (scale of each panel its own)", fontsize=11, color=SOFT)
    figure.supxlabel("time, UTC", fontsize=11, color=SOFT)
    handles = [
        Line2D([], [], color=_FATES[fate][0], marker=_FATES[fate][1], label=f"{fate} ({number})")
        for fate, number in tally.items()
        if number
    ]
    handles.append(Line2D([], [], color=SOFT, linewidth=0.8, linestyle=_DOTS, label="at the start"))
    figure.legend(handles=handles, loc="outside upper right", ncols=4, frameon=False, fontsize=11)
    save(figure, path)


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
    need(worth, "worth")
    figure = sheet(title)
    axes, change = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.2])
    times, values = days(worth), amounts(worth, decimals)
    layers = [
        (name, colour, _held(series, worth, decimals))
        for name, colour, series in (("reserved", ORANGE, reserved), ("idle", SKY, idle))
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
    axes.plot(times, values, color=INK, linewidth=1.9, label="worth", zorder=4)
    panel(axes, f"amount, {unit}")
    span(axes, times[0], times[-1])
    held = [sum(parts) for parts in zip(*(layer for _, _, layer in layers), strict=True)]
    axes.set_ylim(min(0.0, *values), max(0.0, *values, *held) * 1.12 or 1.0)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=11)
    moves = [100 * (value / values[0] - 1) if values[0] else 0.0 for value in values]
    change.axhline(0, color=SOFT, linewidth=0.8)
    change.plot(times, moves, color=INK, linewidth=1.4)
    for colour, part in ((GREEN, [move >= 0 for move in moves]), (RED, [move <= 0 for move in moves])):
        change.fill_between(times, moves, where=part, interpolate=True, color=colour, alpha=0.35, linewidth=0)
    panel(change, "worth since start, %")
    change.yaxis.set_major_formatter(FuncFormatter(lambda y, _: minus(f"{y:+.4g}") if y else "0"))
    change.set_xlabel("time, UTC", fontsize=11, color=SOFT)
    change.annotate(
        minus(f"{moves[-1]:+.2f} %"),
        (times[-1], moves[-1]),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        fontsize=11,
        color=INK,
        annotation_clip=False,
    )
    save(figure, path)


_FATES = {"liquidated": (RED, "X"), "closed": (GREEN, "o"), "open": (BLUE, ">")}
_DOTS = (0, (2, 3))


def _fate(label: str, closed: Mapping[str, tuple[int, str]]) -> str:
    if label not in closed:
        return "open"
    return "liquidated" if "liquidat" in closed[label][1].lower() else "closed"


def _equity_panel(axes: Axes, label: str, series: Series, end: tuple[int, str] | None, decimals: int) -> None:
    fate = _fate(label, {label: end} if end else {})
    colour, marker = _FATES[fate]
    lived = [point for point in series if end is None or point[0] <= end[0]] or [series[0]]
    times, values = days(lived), amounts(lived, decimals)
    axes.axhline(0, color=SOFT, linewidth=0.8)
    axes.axhline(values[0], color=SOFT, linewidth=0.8, linestyle=_DOTS)
    axes.fill_between(times, values, 0, color=colour, alpha=0.10, linewidth=0)
    axes.plot(times, values, color=colour, linewidth=1.1)
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
    panel(axes, "")
    axes.set_ylim(min(0.0, *values) * 1.15, max(0.0, *values) * 1.15 or 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.set_title(label, loc="left", fontsize=10, fontweight="bold", color=INK, pad=17)
    state = f"open at {number(values[-1])}"
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
        in_layout=False,  # or wide words would make some columns wider than others
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
        heading = f"{first:%d %b %H:%M}"
        if first.date() != last.date():
            heading = f"{first:%d %b} \N{EN DASH} {last:%d %b}"
        elif first != last:
            heading += f"\N{EN DASH}{last:%H:%M}"
        names = [label for _, label in group]
        rest = [f"and {len(names) - 7} more"] if len(names) > 8 else []
        columns.append((group[0][0], [heading, *(names[:7] if rest else names), *rest]))
    return columns


def _name_columns(axes: Axes, columns: Sequence[tuple[int, list[str]]], above: Axes) -> None:
    """Names of liquidations in columns under a chart, each tied to its time by a line through both."""
    for at, lines in columns:
        for part in (axes, above):
            part.axvline(day(at), color=RED, linewidth=0.8, alpha=0.45, linestyle=(0, (3, 3)), zorder=1)
        left, right = above.get_xlim()
        flip = (day(at) - left) > 0.88 * (right - left)
        for text, weight in (
            ("\n".join([lines[0]] + [""] * (len(lines) - 1)), "bold"),
            ("\n".join(["", *lines[1:]]), "normal"),
        ):
            axes.annotate(
                text,
                (day(at), 1),
                xycoords=("data", "axes fraction"),
                xytext=(-5 if flip else 5, -4),
                textcoords="offset points",
                ha="right" if flip else "left",
                va="top",
                fontsize=9,
                linespacing=1.3,
                color=INK,
                weight=weight,
            )
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(SOFT)
    axes.set_ylabel("liquidated", fontsize=11, color=SOFT)
    axes.tick_params(colors=SOFT, labelsize=10)
    date_axis(axes)
    axes.set_xlabel("time, UTC", fontsize=11, color=SOFT)


def _held(series: Series, at: Series, decimals: int) -> list[float]:
    """The series at other times: its last value so far, its first before it begins."""
    values, index = [], 0
    for moment, _ in at:
        while index + 1 < len(series) and series[index + 1][0] <= moment:
            index += 1
        values.append(series[index][1] / 10**decimals)
    return values
