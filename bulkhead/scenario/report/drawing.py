"""What all pictures share: the sheet, the look of an axis, dates, numbers and colours.

matplotlib's objects are used without pyplot, so that nothing global is touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter

Series = Sequence[tuple[int, int]]
"""Unix seconds, and a whole number of smallest units."""

# Okabe and Ito's colours, told apart by every kind of colour vision.
BLUE, SKY, GREEN, ORANGE, RED = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00"
INK, SOFT, GRID = "#222222", "#666666", "#E4E4E4"


def sheet(title: str, height: float = 8.0) -> Figure:
    """An empty picture, 1,400 pixels wide and `height` hundreds of pixels high."""
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    figure = Figure(figsize=(14, height), dpi=100, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.012, ha="left", fontsize=16, fontweight="bold", color=INK)
    return figure


def panel(axes: Axes, label: str) -> None:
    """The look that all panels share."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(SOFT)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT, labelsize=10)
    axes.set_ylabel(label, fontsize=11, color=SOFT)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: number(y, max(map(abs, axes.get_ylim())))))
    date_axis(axes)


def date_axis(axes: Axes, fewest: int = 5, size: int = 10) -> None:
    """Days, or hours where `fewest` ticks are not to be had of days; labels of `size` points."""
    # matplotlib's steps end at 12 hours and 30 minutes: below `fewest` days, and below `fewest` hours, so many ticks.
    most = 2 * fewest + 1
    locator = AutoDateLocator(tz=UTC, minticks=fewest, maxticks=most)  # type: ignore[no-untyped-call]
    words = ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator,
        tz=UTC,
        formats=["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%S.%f"],
        zero_formats=["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
        show_offset=False,
    )
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(words)
    axes.tick_params(axis="x", labelsize=size)


def span(axes: Axes, begin: float, end: float) -> None:
    """From edge to edge; an hour for a single moment."""
    axes.set_xlim(begin, end if end > begin else begin + 1 / 24)


def save(figure: Figure, path: str | Path) -> None:
    """Writes a PNG file that is the same for the same data."""
    figure.savefig(path, format="png", metadata={"Software": None})


def need(data: Sequence[object] | Mapping[str, object], what: str) -> None:
    """Raises ValueError where there is nothing to draw."""
    if not data:
        raise ValueError(f"{what} is empty: nothing to draw")


def day(at: int) -> float:
    """Days since 1970, the unit of matplotlib's date axis."""
    return at / 86_400


def days(series: Series) -> list[float]:
    """Its times, in days."""
    return [day(at) for at, _ in series]


def amounts(series: Series, decimals: int) -> list[float]:
    """Its values, in whole units."""
    return [value / 10**decimals for _, value in series]


def number(value: float, scale: float | None = None) -> str:
    """A number for an axis that reaches to `scale`: 1,960, 86.6, 0.25, 12.5 M."""
    scale = abs(value) if scale is None else scale
    if scale >= 1e6:
        text = f"{value / 1e6:,.6g} M" if value else "0"
    elif scale >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.4g}"
    return minus(text)


def minus(text: str) -> str:
    """With the minus sign of print."""
    return text.replace("-", "\N{MINUS SIGN}")
