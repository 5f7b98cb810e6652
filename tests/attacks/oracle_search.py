"""The search for profit from prices: sizes and timings of one attacker against a market on real sources.

    python -m tests.attacks.oracle_search --minutes 10 --seed 1

prints the best history of each setting, and ends with 1 if one earns more than nothing where docs/attacks.md states no
limit.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from tests.attacks.oracle_search_attacker import (
    BLOCKS,
    PUSHES,
    SETTINGS,
    Action,
    Attacker,
    History,
    Setting,
)
from tests.attacks.oracle_search_world import Variant

KINDS: tuple[str, ...] = (
    ("open",) * 6 + ("close",) * 3 + ("execute",) * 4 + ("hold", "provide", "liquidate", "reserve", "remove", "add")
)
KINDS += ("deposit", "leave", "outage", "update", "lie", "lie", "bring")
#: Most actions of a history, and changes of one that a climb tries.
LONGEST, CHANGES = 10, 15
#: The gain of a history that says nothing.
NOTHING = float("-inf")


class Found(NamedTuple):
    """A history, what it earns in the mean, USDC, and how many were tried to find it."""

    gain: float
    history: History
    tried: int

    def story(self) -> str:
        """One line for each action."""
        return "\n".join(f"    {act}" for act in self.history)


#: Both sides in a narrow band, so that margin is small, and a validator of his that disagrees while prices run ahead of
#: the pool's mean: nobody can liquidate, and the winner gains what the loser cannot lose.
STRADDLE = (
    Action(1, True, "lie", size=0),
    Action(2, True, "open", 0, 2, 11),
    Action(27, True, "close"),
)


def playbook() -> tuple[History, ...]:
    """What somebody who reads the code tries first; sizes and times are the search's."""

    def trade(block: int, side: int, *between: Action, size: int = 3, close: int = 18) -> History:
        return (Action(block, True, "open", side, size, 10), *between, Action(close, True, "close"))

    def executed(block: int, push: int = 0) -> Action:
        return Action(block, True, "execute", push=push)

    silent = Action(6, True, "lie", size=0)
    return (
        # A price that he knows and no contract does: an order for it, and whatever passes as its proof.
        trade(10, 2, executed(10)),
        trade(9, -2, executed(9)),
        # An order that he keeps if its price turned out well: of two prices one, the exchange moved, nothing shown.
        trade(7, 1, executed(12, 1_000)),
        trade(12, -1, executed(16, -1_000)),
        (silent, *trade(7, 1, executed(11, 1_000)._replace(late=False))),
        # A price of his own within the spread.
        (silent._replace(size=2), *trade(7, 1, Action(13, True, "lie", size=4))),
        STRADDLE,
        # The exchange held, and margin taken out; liquidity parked while margin is asked for.
        trade(2, 0, Action(7, True, "hold", push=1_000, way=10), Action(10, True, "remove"), close=27),
        (Action(2, True, "provide", size=2, way=1), *trade(2, 0, size=5, close=27)),
        # Others made unhealthy; liquidity in and out around a move.
        (
            *trade(2, 1, size=0),
            Action(22, True, "update"),
            Action(24, True, "liquidate"),
        ),
        (*trade(3, 1, close=26), Action(10, True, "deposit", size=2), Action(12, True, "leave")),
    )


def random_history(rng: random.Random) -> History:
    return _sorted([_random_action(rng) for _ in range(rng.randrange(2, 7))])


def _random_action(rng: random.Random) -> Action:
    side, size, way = rng.choice((1, -1, 0, 2, -2)), rng.randrange(8), rng.randrange(30)
    return Action(rng.randrange(BLOCKS), rng.random() < 0.7, rng.choice(KINDS), side, size, way, rng.choice(PUSHES))


def _sorted(acts: Sequence[Action]) -> History:
    """In the order in which they happen; among those of one moment their order is kept."""
    return tuple(sorted(acts, key=lambda act: (act.block, act.late)))[:LONGEST]


def changed(rng: random.Random, history: History) -> History:
    """One or two changes: an action more or less, at another time, or of another size."""
    acts = list(history)
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(len(acts)) if acts else 0
        kind = rng.randrange(6)
        if kind == 0 or not acts:
            acts.append(_random_action(rng))
        elif kind == 1 and len(acts) > 1:
            del acts[at]
        elif kind == 2:
            block = min(max(acts[at].block + rng.choice((-2, -1, 1, 2)), 0), BLOCKS - 1)
            acts[at] = acts[at]._replace(block=block, late=rng.random() < 0.7)
        else:
            new = _random_action(rng)
            name = rng.choice(("side", "size", "way", "push"))
            acts[at] = acts[at]._replace(**{name: getattr(new, name)})
    return _sorted(acts)


def measure(attacker: Attacker, setting: Setting, history: History) -> float:
    """The mean gain over all paths; NOTHING for a history without an order that takes nothing."""
    played = [attacker.play(history, moves) for moves in setting.paths()]
    gain = fmean(gain for gain, _ in played)
    return gain if gain > 0 or any(traded for _, traded in played) else NOTHING


def climb(
    attacker: Attacker, setting: Setting, rng: random.Random, start: History, changes: int, until: float
) -> Found:
    """The best on the way: changes of a history are kept if they cost a hundredth at most."""
    here, history = measure(attacker, setting, start), start
    best, tried = Found(here, start, 1), 1
    while tried <= changes and time.monotonic() < until:
        other = changed(rng, history)
        gain = measure(attacker, setting, other)
        tried += 1
        if gain < here - 0.01 * abs(here) and here > NOTHING:
            continue
        here, history = gain, other
        best = max(best, Found(gain, other, 1), key=lambda one: one.gain)
    return best._replace(tried=tried)


def search(attacker: Attacker, setting: Setting, seed: int, climbs: int, until: float = float("inf")) -> Found:
    """The playbook as it is; then climbs, from a page of it, from the best so far, or from anything. The same for the
    same seed, unless time ends it."""
    rng = random.Random(f"{seed}/{attacker.world.variant.value}/{setting.name}")
    pages = playbook()
    best, tried = Found(NOTHING, (), 0), 0
    for number in range(len(pages) + climbs):
        if number < len(pages):
            start, changes = pages[number], 0
        else:
            start, changes = rng.choice([rng.choice(pages), best.history, random_history(rng)]), CHANGES
        found = climb(attacker, setting, rng, start, changes, until)
        tried += found.tried
        best = max(best, found, key=lambda one: one.gain)
        if time.monotonic() > until:
            break
    return best._replace(tried=tried)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the search (default: 1)")
    parser.add_argument("--minutes", type=float, default=5, help="of all settings together (default: 5)")
    options = parser.parse_args()
    each = options.minutes * 60 / len(Variant) / len(SETTINGS)
    profits = 0
    print(f"seed {options.seed}; the best history of each setting, gains in USDC", flush=True)
    for variant in Variant:
        attacker = Attacker(variant)
        for setting in SETTINGS:
            found = search(attacker, setting, options.seed, sys.maxsize, until=time.monotonic() + each)
            profits += found.gain > 0
            print(f"{variant.value}, {setting.name}: {found.gain:,.6f} of {found.tried:,} histories", flush=True)
            print(found.story(), flush=True)
    print("FAILED: prices can be gamed" if profits else "no history has a gain")
    return 1 if profits else 0


if __name__ == "__main__":
    sys.exit(main())
