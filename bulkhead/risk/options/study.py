"""What informed traders earn from a pool that quotes options by formula: how large the spread must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bulkhead.risk.latency.measure import per_order
from bulkhead.risk.options.histories import DAY, Drawn, Histories, draw
from bulkhead.risk.options.informed import KINDS, STRATEGIES, Harvest, Positions, Strategy, harvest
from bulkhead.risk.options.pricing import Floats
from bulkhead.risk.options.quotes import Rule, quotes
from bulkhead.risk.volatility import HOUR, YEAR

BP = 1e-4
TENORS = (1, 3, 7, 14, 30)
"""Days."""
SPREADS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
#: Kinds that a market lists whose band of delta ends at so many per cent.
BANDS = {
    "5 %": tuple(KINDS),
    "10 %": tuple(kind for kind in KINDS if not kind.endswith(" 5")),
    "25 %": ("put 25", "straddle", "strangle 25", "call 25"),
}
BAND = "10 %"
"""The one that ships."""
LATE = (1, 2)
"""Hours: fills follow the last point of the feed, which may be two of its intervals old."""
WARMUP = 30 * DAY
YEARS = 7


@dataclass(frozen=True, slots=True)
class Earned:
    """By one strategy, basis points of the spot an order; `_error` is a standard error over histories.

    orders   all of them; share: of the days on which it might have traded
    """

    strategy: Strategy
    tenor: int
    spread: float
    orders: int
    share: float
    hedged: float
    hedged_error: float
    unhedged: float
    unhedged_error: float

    @property
    def positive(self) -> bool:
        """Above zero by two standard errors, hedged."""
        return self.hedged > 2 * self.hedged_error

    def as_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in Earned.__slots__ if name != "strategy"}
        return asdict(self.strategy) | {
            name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in plain.items()
        }


@dataclass(frozen=True)
class Study:
    """What was found.

    facts   of what was drawn
    table   at each of SPREADS
    late    at the rule's spread, from volatilities that are so many hours old
    naive   of a pool that quotes fast volatility both ways, without a spread
    """

    rule: Rule
    histories: int
    facts: dict[str, float]
    table: list[Earned]
    late: dict[int, list[Earned]]
    naive: list[Earned]

    def needed(self, tenor: int, side: str, band: str) -> float | None:
        """The least spread from which on no strategy that follows a calendar or a spike earns in the mean."""
        rows = [
            row
            for row in self.table
            if (row.tenor, row.strategy.side, row.strategy.knows) == (tenor, side, False)
            and row.strategy.kind in BANDS[band]
        ]
        paying = {row.spread for row in rows if row.hedged > 0}
        return next((spread for spread in SPREADS if not any(other >= spread for other in paying)), None)

    def best(self, tenor: int, side: str, spread: float, knows: bool = False, band: str = BAND) -> Earned | None:
        """The strategy that earns most an order, hedged; None where nobody trades."""
        return max(
            (
                row
                for row in self.table
                if (row.tenor, row.strategy.side, row.strategy.knows, row.spread) == (tenor, side, knows, spread)
                and row.strategy.kind in BANDS[band]
            ),
            key=lambda row: row.hedged,
            default=None,
        )


def study(histories: int, seed: int, rule: Rule, spreads: Sequence[float] = SPREADS, years: int = YEARS) -> Study:
    """Draws the histories and lets everybody trade; the same for the same arguments."""
    drawn = draw(histories, years * 365 * DAY, seed)
    pool = quotes(drawn, rule, WARMUP)
    fair = quotes(drawn, replace(rule, naive=True, spread=0.0), WARMUP)
    table, naive = [], []
    late: dict[int, list[Earned]] = {hours: [] for hours in LATE}
    for tenor in TENORS:
        positions = Positions(drawn, pool.slow, tenor * DAY, WARMUP)
        for spread in spreads:
            found = harvest(positions, replace(pool, rule=replace(rule, spread=spread)))
            table += earned(found, tenor, spread, len(positions.at))
        for hours, rows in late.items():
            found = harvest(positions, replace(pool, rule=replace(rule, late=hours)))
            rows += earned(found, tenor, rule.spread, len(positions.at))
        naive += earned(harvest(positions, fair), tenor, 0.0, len(positions.at))
    return Study(rule, histories, facts(drawn), table, late, naive)


def earned(found: Harvest, tenor: int, spread: float, days: int) -> list[Earned]:
    """Of each strategy that traded in at least half of the histories."""
    traded = (found.orders > 0).sum(axis=0) >= max(2, len(found.orders) / 2)
    hedged, hedged_error = per_order(found.hedged / BP, found.orders)
    plain, plain_error = per_order(found.unhedged / BP, found.orders)
    orders = found.orders.sum(axis=0)
    return [
        Earned(
            strategy,
            tenor,
            spread,
            int(orders[place]),
            float(orders[place] / days),
            *(float(values[place]) for values in (hedged, hedged_error, plain, plain_error)),
        )
        for place, strategy in enumerate(STRATEGIES)
        if traded[place]
    ]


def events(parts: Sequence[tuple[int, Histories]], rule: Rule, spreads: Sequence[float] = SPREADS) -> list[Earned]:
    """The same over what happened: (first hour, history) of each file. Files that begin together are one event.

    Positions begin every six hours, after the first day, which gives the volatility to start from.
    """
    table = []
    begins = sorted({begin for begin, _ in parts})
    for tenor in TENORS[:3]:
        prepared = []
        for begin, history in parts:
            pool = quotes(history, rule, DAY)
            if len(history.prices) > (tenor + 1) * DAY:
                prepared.append((begin, pool, Positions(history, pool.slow, tenor * DAY, DAY, every=6)))
        for spread in spreads:
            rows: list[Floats] = [np.zeros((3, len(STRATEGIES))) for _ in begins]
            for begin, pool, positions in prepared:
                found = harvest(positions, replace(pool, rule=replace(rule, spread=spread)))
                rows[begins.index(begin)] += np.stack((found.orders[0], found.hedged[0], found.unhedged[0]))
            sums = np.stack(rows)
            days = sum(len(positions.at) for _, _, positions in prepared)
            table += earned(Harvest(sums[:, 0], sums[:, 1], sums[:, 2]), tenor, spread, days)
    return table


def facts(drawn: Drawn) -> dict[str, float]:
    """What can be held against the figures of a market: volatilities a year, moves as fractions."""
    moves = np.diff(np.log(drawn.prices), axis=0)
    days = len(moves) // DAY * DAY
    daily = np.sqrt((moves[:days] ** 2).reshape(-1, DAY, drawn.count).sum(axis=1) * (YEAR / HOUR / DAY))
    logs = np.log(daily)
    again = [np.corrcoef(logs[:-7, column], logs[7:, column])[0, 1] for column in range(drawn.count)]
    long = np.log(drawn.prices[DAY:] / drawn.prices[:-DAY])
    return {
        "volatility_day_median": float(np.median(daily)),
        "volatility_day_p99": float(np.quantile(daily, 0.99)),
        "volatility_day_largest": float(np.median(daily.max(axis=0))),
        "volatility_all": float(np.sqrt((moves**2).mean() * (YEAR / HOUR))),
        "hour_fall_p999": float(-np.expm1(np.quantile(moves, 0.001))),
        "hour_rise_p999": float(np.expm1(np.quantile(moves, 0.999))),
        "hour_worst_fall": float(-np.expm1(np.median(moves.min(axis=0)))),
        "day_fall_p999": float(-np.expm1(np.quantile(long, 0.001))),
        "day_rise_p999": float(np.expm1(np.quantile(long, 0.999))),
        "day_worst_fall": float(-np.expm1(np.median(long.min(axis=0)))),
        "day_volatility_after_a_week": float(np.mean(again)),
    }
