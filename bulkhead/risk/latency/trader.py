"""A trader who knows more than the feed, and what the venue gives away to him.

An order is executed at its primary's first price observed strictly after commit + delay. The trader knows the true
price `lead` seconds ahead of the time stamped on the block of his order: a block is stamped before it is filled, nodes
see exchanges late, averages lag; only the sum counts. He knows every price of the feed up to that second, the rule by
which the feed speaks, and how far it is off. Keeper fees, premium, carry and gas are left out: he pays all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bulkhead.risk.latency.seconds import BP, Floats
from bulkhead.risk.latency.sources import Heard, Ints, Source

#: An order is committed at every so many seconds, if its strategy wants one. Orders of the first half of a day count.
SLOT = 12

#: Signals, each with the strengths from which on they are followed, and in which directions.
SIGNALS: tuple[tuple[str, float, int], ...] = (
    *(("move", strength, side) for strength in (0.25, 0.5, 0.9) for side in (1, -1)),
    *(("ahead", strength, 1) for strength in (2.0, 5.0, 10.0, 20.0)),
    *(("error", strength, 1) for strength in (1.0, 2.0, 3.0)),
)
BANDS = ("any price", "better", "worse", "near")
CLOSES = ("at once", "an hour later", "when it turns")
HOUR = 3_600


@dataclass(frozen=True)
class Strategy:
    """When to commit an opening order, which way, within which band, and when to commit the order that closes it.

    signal    move: true price against the feed's last (a pull feed's of a minute ago), in units of the deviation;
              ahead: true price against the price of the order, where that is known already, in basis points;
              error: how far the feed is off now, against it, in standard deviations of its error
    strength  of the signal, from which on an order is committed
    side      1 follows the signal, -1 opposes it
    band      relative to the true price known at the commit: no worse or no better than it, or within half the unit
    """

    signal: str
    strength: float
    side: int
    band: str
    close: str

    def __str__(self) -> str:
        way = "with" if self.side > 0 else "against"
        return f"{way} {self.signal} over {self.strength:g}, {self.band}, closed {self.close}"


STRATEGIES = tuple(
    Strategy(*signal, band, close) for signal, close, band in product(SIGNALS, CLOSES, BANDS)
)  # as in `harvest`


def waits(heard: Heard, source: Source, delay: int) -> Ints:
    """Seconds from commit to a price on chain, for orders at any slot; where the day ends before, to its end."""
    commits = np.arange(0, len(heard.true) // 2, SLOT)
    times = np.append(heard.observed, len(heard.true))
    waited: Ints = times[heard.counts()[commits + delay]] + source.transmission - commits
    return waited


def harvest(heard: Heard, source: Source, delay: int, lead: int) -> Floats:
    """A row for each of STRATEGIES: orders committed, executed, basis points earned before fees, basis points paid out.

    What is paid out is exit less entry. What is earned leaves out the move of the true price between two seconds: for
    each of both orders that in which nothing known at its commit is left, the price's own or `lead` after the commit.
    These are stopping times and the true price is a fair game: the move left out is zero in the mean, and only noise.
    """
    true, seconds = heard.true, len(heard.true)
    counts = heard.counts()
    # Whoever finds no more price on that day is marked to the true one at its end: a fair one.
    prices = np.append(heard.seen[heard.observed], true[-1])
    times = np.append(heard.observed, seconds)

    def trade(commit: Ints) -> tuple[Ints, Floats, Floats]:
        """The observation and the price an order of that second gets; the true price when nothing known is left."""
        got = counts[np.minimum(commit + delay, seconds - 1)]
        spent = np.minimum(np.maximum(times[got], commit + lead), seconds - 1)
        return got, prices[got], true[spent]

    commits = np.arange(10 * 60, seconds - delay - SLOT, SLOT)
    sure = np.minimum(commits + lead, seconds - 1)
    known = true[sure]
    first, entry, begun = trade(commits)
    opened = times[first]
    before = heard.seen[commits - 60] if source.pull else prices[np.maximum(counts[commits] - 1, 0)]
    strengths = {
        "move": (known - before) / source.unit,
        "ahead": np.where(opened <= commits + lead, (known - entry) / BP, 0.0),
        "error": -heard.off[sure] if source.error else np.zeros(len(commits)),
    }

    half = len(commits) // 2
    entry, begun, opened, known = entry[:half], begun[:half], opened[:half], known[:half]
    filled = first[:half] < len(heard.observed)
    better = entry - known
    near = np.abs(better) <= source.unit / 2
    fixed = {"at once": trade(opened), "an hour later": trade(opened + HOUR)}
    later = np.searchsorted(commits, opened)
    closing = np.append(commits, seconds)
    rows = []
    for name, strength, way in SIGNALS:
        strong = strengths[name]
        sides = way * np.sign(strong) * (np.abs(strong) >= strength)
        side = sides[:half]
        wanted = side != 0
        done = filled & wanted
        turn = np.where(side > 0, _next(sides < 0)[later], _next(sides > 0)[later])
        exits = {**fixed, "when it turns": trade(closing[turn])}
        inside = {"any price": done, "better": done & (side * better <= 0), "worse": done & (side * better >= 0)}
        inside["near"] = done & near
        for close in CLOSES:
            _, exit_, ended = exits[close]
            paid = side * (exit_ - entry) / BP
            earned = paid - side * (ended - begun) / BP
            for band in BANDS:
                own = inside[band]
                rows.append((np.count_nonzero(wanted), np.count_nonzero(own), earned[own].sum(), paid[own].sum()))
    return np.array(rows, dtype=np.float64)


def _next(true: NDArray[np.bool_]) -> Ints:
    """For each index, and for the one after the last, the first at or after it that is true; else the length."""
    length = len(true)
    at = np.append(np.where(true, np.arange(length), length), length)
    return np.minimum.accumulate(at[::-1])[::-1]
