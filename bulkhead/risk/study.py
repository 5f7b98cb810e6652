"""The whole study of margins over some price histories, as plain data that a report shows and a file keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bulkhead.risk.calibration import Answer, Rule, Sample, excursions, fixed_rates
from bulkhead.risk.liquidations import History, Tally, edge, replay, tally
from bulkhead.risk.volatility import Floats

LEVERAGES = (2.0, 5.0, 10.0, 20.0, 25.0)
FLOORS = (0.01, 0.02, 0.03)
HORIZONS = (1, 2, 4, 8, 24)
QUANTILES = (0.9, 0.95, 0.99, 0.995)

ALL = "all"
"""The name of the row that adds up the histories."""


@dataclass(frozen=True, slots=True)
class LeverageRow:
    """Positions of one leverage in one history, or in ALL: under fixed and under volatility-adjusted margin.

    A `leverage` of None is the largest that each hour allows; that alone opens as many positions under both.
    """

    history: str
    leverage: float | None
    openings: int
    fixed: Tally
    adjusted: Tally


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """What a history is, what the rule asks in it, and how often an hour outruns a position that is just healthy.

    volatility   close to close, annual
    fall, rise   worst move within an hour from its open
    margin, calm   average initial rate of the rule, over all hours and over the calm ones (None if there is none)
    edge, edge_fixed   sides and hours in which the price passes through the whole maintenance margin within the hour
    """

    name: str
    event: int
    crash: bool
    hours: int
    volatility: float
    fall: float
    rise: float
    margin: float
    calm: float | None
    edge: int
    edge_fixed: int


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that was found, for one `rule`; holding times in hours, rates and volatilities as fractions."""

    rule: Rule
    hold: int
    histories: list[HistoryRow]
    leverages: list[LeverageRow]
    answers: list[Answer]
    fixed_lines: dict[int, list[tuple[float, float]]]
    excursions: dict[int, list[float]]

    def as_json(self) -> dict[str, Any]:
        """For a file: numbers to six digits, without the lines that are only drawn."""
        plain = {key: value for key, value in asdict(self).items() if key != "fixed_lines"}
        for answer in plain["answers"]:
            del answer["tried"]
        rounded: dict[str, Any] = _rounded(plain)
        return rounded


def study(sample: Sample, rule: Rule, hold: int, step: Callable[[], None] = lambda: None) -> Study:
    """Replays everything; calls `step` len(GRID) times for each of FLOORS and of `holds(hold)`."""
    answers = [sample.answer(held, floor, step) for held in holds(hold) for floor in FLOORS]
    return Study(
        rule,
        hold,
        [_history_row(sample, index, rule) for index in range(len(sample.histories))],
        _leverage_rows(sample, rule, hold),
        answers,
        {held: sample.fixed_line(held) for held in holds(hold)},
        {hours: _quantiles(sample.histories, hours) for hours in HORIZONS},
    )


def holds(longest: int) -> list[int]:
    """Hours for which positions are held: one look, a day, and `longest`."""
    return sorted({1, min(24, longest), longest})


def _history_row(sample: Sample, index: int, rule: Rule) -> HistoryRow:
    history, calm = sample.histories[index], sample.is_calm[index]
    rates = rule.rates(history)
    initial = rates.initial[history.first :]
    return HistoryRow(
        history.name,
        int(sample.events[index]),
        bool(sample.is_crash[index]),
        history.hours,
        sample.volatility[index],
        float((1 - history.low / history.open).max()),
        float((history.high / history.open - 1).max()),
        float(initial.mean()),
        float(initial[calm].mean()) if calm.any() else None,
        int(edge(history, rates).sum()),
        int(edge(history, fixed_rates(history)).sum()),
    )


def _leverage_rows(sample: Sample, rule: Rule, hold: int) -> list[LeverageRow]:
    rows = []
    for leverage in (*LEVERAGES, None):
        fixed = [replay(history, fixed_rates(history), hold, leverage) for history in sample.histories]
        adjusted = [replay(history, rule.rates(history), hold, leverage) for history in sample.histories]
        for history, one, other in zip(sample.histories, fixed, adjusted, strict=True):
            rows.append(LeverageRow(history.name, leverage, 2 * history.hours, tally([one]), tally([other])))
        rows.append(LeverageRow(ALL, leverage, int(sample.openings.sum()), tally(fixed), tally(adjusted)))
    return rows


def _quantiles(histories: Sequence[History], hours: int) -> list[float]:
    moves: Floats = np.concatenate([excursions(history, hours).ravel() for history in histories])
    return [float(value) for value in np.quantile(moves, QUANTILES)] if len(moves) else []


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    if isinstance(value, float):
        return None if value != value else float(f"{value:.6g}")
    return value
