"""Many days of it: the best strategy is chosen on the even days and measured on the odd ones."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bulkhead.risk.latency.seconds import Floats, World, error
from bulkhead.risk.latency.sources import Heard, Ints, Source, Venue, hear
from bulkhead.risk.latency.trader import STRATEGIES, harvest, waits


def per_order(sums: Floats, orders: Floats) -> tuple[Floats, Floats]:
    """Sums of days (the first axis) divided by their orders, and the standard error of this ratio.

    Cochran, Sampling Techniques, 6.4: a ratio estimate, with days as the units drawn.
    """
    total = np.maximum(orders.sum(axis=0), 1)
    value = sums.sum(axis=0) / total
    days = len(orders)
    return value, np.sqrt(((sums - value * orders) ** 2).sum(axis=0) * days / max(days - 1, 1)) / total


@dataclass
class Result:
    """What the days showed of one venue and one lead: `rows` holds a `harvest` a day."""

    venue: Venue
    lead: int
    rows: list[Floats] = field(default_factory=list)
    waits: list[Ints] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """The best strategy of the even days, as it did on the odd ones, in basis points an order; waits in seconds.

        `pays` is the open fee for a void order, both fees for one that was executed and closed. `positive` counts the
        strategies whose net lies above zero by two standard errors, on even and on odd days. Strategies with orders on
        fewer than five days of either kind are left out.
        """
        rows = np.stack(self.rows)
        orders, filled, earned, paid_out = (rows[:, :, column] for column in range(4))
        net = earned - orders * self.venue.open_fee - filled * self.venue.close_fee
        known = np.all([(orders[half::2] > 0).sum(axis=0) >= 5 for half in (0, 1)], axis=0)
        value, error_ = per_order(earned[0::2], orders[0::2])
        best = int(np.argmax(np.where(known, value - error_, -np.inf)))
        positive = known
        for half in (0, 1):
            value, error_ = per_order(net[half::2], orders[half::2])
            positive = positive & (value > 2 * error_)
        odd = {"earns": earned, "net": net, "paid_out": paid_out}
        means = {name: per_order(sums[1::2, best], orders[1::2, best]) for name, sums in odd.items()}
        waited = np.concatenate(self.waits)
        return {
            "best": str(STRATEGIES[best]),
            "orders": int(orders[1::2, best].sum()),
            "pays": round(float(means["earns"][0] - means["net"][0]), 2),
            **{name: round(float(mean), 2) for name, (mean, _) in means.items()},
            **{f"{name}_error": round(float(off), 2) for name, (_, off) in means.items()},
            "positive": int(np.count_nonzero(positive)),
            "wait": {"mean": round(float(waited.mean()))}
            | {f"p{share}": round(float(np.percentile(waited, share))) for share in (50, 95, 99)},
        }


def measure(
    world: World, cases: Sequence[tuple[Venue, int]], days: int, seed: int, told: Callable[[int], None] = lambda _: None
) -> list[Result]:
    """Each venue with each lead over the same days; `told` hears how many are done."""
    results = [Result(*case) for case in cases]
    for day in range(days):
        rng = np.random.default_rng([seed, zlib.crc32(world.name.encode()), day])
        true = world.day(rng)
        off = error(len(true), rng)
        heard: dict[Source, Heard] = {}
        for result in results:
            source = result.venue.source
            if source not in heard:
                heard[source] = hear(source, true, off, np.random.default_rng([seed, day]))
            result.rows.append(harvest(heard[source], source, result.venue.delay, result.lead))
            result.waits.append(waits(heard[source], source, result.venue.delay))
        told(day + 1)
    return results
