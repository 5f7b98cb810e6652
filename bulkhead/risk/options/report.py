"""Legs as a table and as pictures: payoff today and at expiry, and the Greeks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import AutoLocator, FuncFormatter, NullLocator
from rich.table import Table

from bulkhead.risk.options.legs import Leg, Quote, extremes, quote, whole
from bulkhead.risk.options.pricing import Floats
from bulkhead.scenario.report.drawing import BLUE, GREEN, INK, ORANGE, RED, SKY, SOFT, number, panel, save, sheet
from bulkhead.scenario.report.tables import new_table

_POINTS = 401
DAY = 86_400


def quote_table(legs: Sequence[Leg], spot: float, fast: float, slow: float, spread: float) -> Table:
    """Each leg with mark, both fills and Greeks, and the sums; per unit, the last row for the whole."""
    table = new_table(f"At {spot:,.6g}, volatility {fast:.1%} fast, {slow:.1%} slow, spread {spread:.0%}", footer=True)
    total, paid, quotes = whole(legs, spot, slow), 0.0, [quote(leg, spot, fast, slow, spread) for leg in legs]
    for leg, one in zip(legs, quotes, strict=True):
        paid += leg.size * one.fill(leg.size)
    loss, gain = extremes(legs, paid)
    numbers = [float(getattr(total, name)) for name in ("value", "delta", "gamma", "vega", "theta")]
    together = [_number(numbers[0]), "", "", _number(paid)]
    together += [f"{numbers[1]:.4f}", f"{numbers[2]:.3g}", _number(numbers[3] / 100), _number(numbers[4] / 365)]
    columns = ("mark", "pool sells at", "pool buys at", "paid", "delta", "gamma", "vega of 1 %", "theta a day")
    table.add_column("leg", footer="the whole")
    for name, foot in zip(columns, together, strict=True):
        table.add_column(name, footer=foot, justify="right")
    for leg, one in zip(legs, quotes, strict=True):
        table.add_row(*_row(leg, one, spot, slow))
    table.caption = f"largest loss {_number(loss)}, largest gain {_number(gain)}, if all expire together"
    return table


def _row(leg: Leg, one: Quote, spot: float, sigma: float) -> list[str]:
    greeks = leg.greeks(spot, sigma)
    return [
        str(leg),
        *(_number(value) for value in (one.mark, one.ask, one.bid, leg.size * one.fill(leg.size))),
        f"{float(greeks.delta):.4f}",
        f"{float(greeks.gamma):.3g}",
        _number(float(greeks.vega) / 100),
        _number(float(greeks.theta) / 365),
    ]


def draw_payoff(legs: Sequence[Leg], spot: float, sigma: float, paid: float, path: Path, title: str) -> None:
    """Gain over the index: now, half-way to the first expiry, and there; each leg alone as a thin line."""
    figure = sheet(title, height=7.0)
    axes = figure.subplots()
    spots = _spots(legs, spot)
    first = min(leg.seconds for leg in legs)
    for leg in legs:
        axes.plot(spots, leg.payoff(spots), color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
    for elapsed, colour, name in ((0.0, SKY, "now"), (first / 2, BLUE, f"in {first / 2 / DAY:.3g} days")):
        axes.plot(spots, whole(legs, spots, sigma, elapsed).value - paid, color=colour, linewidth=1.6, label=name)
    last = whole(legs, spots, sigma, first).value - paid
    axes.plot(spots, last, color=INK, linewidth=2.2, label=f"at the first expiry, in {first / DAY:.3g} days")
    axes.fill_between(spots, last, 0, where=last > 0, color=GREEN, alpha=0.12)
    axes.fill_between(spots, last, 0, where=last < 0, color=RED, alpha=0.12)
    for even in _zeros(spots, last):
        axes.annotate(f"{even:,.6g}", (even, 0), (0, 6), textcoords="offset points", fontsize=10, color=INK)
    _look(axes, spots, spot, "gain of the whole; dashed: payoffs of the legs")
    axes.legend(loc="best", frameon=False, fontsize=10)
    save(figure, path)


def draw_greeks(legs: Sequence[Leg], spot: float, sigma: float, path: Path, title: str) -> None:
    """Delta, gamma, vega and theta of the whole over the index, now and half-way to the first expiry."""
    figure = sheet(title, height=8.0)
    spots = _spots(legs, spot)
    half = min(leg.seconds for leg in legs) / 2
    now, later = whole(legs, spots, sigma), whole(legs, spots, sigma, half)
    shown = (("delta", 1, "delta"), ("gamma", 1, "gamma"), ("vega", 100, "vega of 1 %"), ("theta", 365, "theta a day"))
    for axes, (name, part, label) in zip(figure.subplots(2, 2).flat, shown, strict=True):
        axes.plot(spots, getattr(now, name) / part, color=BLUE, linewidth=1.8, label="now")
        axes.plot(spots, getattr(later, name) / part, color=ORANGE, linewidth=1.4, label=f"in {half / DAY:.3g} days")
        _look(axes, spots, spot, label)
    axes.legend(loc="best", frameon=False, fontsize=10)
    save(figure, path)


def _spots(legs: Sequence[Leg], spot: float) -> Floats:
    """A range of the index that shows every strike, and the caps where they are near."""
    marks = [spot, *(leg.strike for leg in legs)]
    marks += [leg.strike + leg.cap for leg in legs if leg.kind == "call" and leg.cap <= leg.strike / 2]
    low, high = min(marks), max(marks)
    room = max(0.35 * spot, 0.25 * (high - low))
    return np.linspace(max(low - room, 0.01 * spot), high + room, _POINTS)


def _zeros(spots: Floats, values: Floats) -> list[float]:
    """Where the line crosses zero."""
    at = np.flatnonzero(np.diff(np.sign(values)) != 0)
    rises = values[at + 1] - values[at]
    found: list[float] = (spots[at] - values[at] * (spots[at + 1] - spots[at]) / rises).tolist()
    return found


def _look(axes: Axes, spots: Floats, spot: float, label: str) -> None:
    panel(axes, label)
    axes.xaxis.set_major_locator(AutoLocator())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: number(x, float(spots[-1]))))
    axes.set_xlim(float(spots[0]), float(spots[-1]))
    axes.axhline(0, color=SOFT, linewidth=0.8)
    axes.axvline(spot, color=SOFT, linewidth=0.8, linestyle=(0, (2, 3)))


def _number(value: float) -> str:
    return "without bound" if np.isinf(value) else f"{value:,.2f}" if abs(value) >= 100 else f"{value:,.4g}"
