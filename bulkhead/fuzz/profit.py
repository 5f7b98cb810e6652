"""The search for money machines: histories of an adversary, changed again and again for more profit.

In a setting a history is played on each of some paths of the index, and what counts is the mean profit. Up and down
are equally likely and equally large, so that the expected index never changes. Where the paths are all there are, the
mean is exact; where they are drawn, the best history is measured on fresh ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property, lru_cache
from itertools import product
from statistics import fmean, stdev

from bulkhead.fuzz.adversary import KIND_BITS, Adversary, Outcome, Path, Unwatched
from bulkhead.fuzz.pair import Pair
from bulkhead.fuzz.world import Terms, World
from bulkhead.protocol import MarketTerms
from bulkhead.protocol.config import PerpetualTerms

#: Token units that roundings may leave in the adversary's favour: of prices at eight decimals, times sizes.
ROUNDINGS = 1_000
#: Moves of the index, basis points: of a known one, and of a random one; within what the feed may hide, and beyond it.
KNOWN, RANDOM = (100, 50), (30, 100)
#: Paths that a random index is searched on, those that the best is measured on, and moves of each.
TRAINING, FRESH, MOVES = 16, 400, 60
#: Longest history that a climb begins with, and longest that it makes of it; changes that it tries.
LENGTH, LONGEST, CHANGES = 20, 40, 120
#: Paths on which the best history is played on the contracts, too.
CONFIRMED = 8

Words = tuple[int, ...]


class FreeTrade(World):
    """No fees, no premium, no carry: what a known price is worth cannot hide behind the cost of a trade."""

    @cached_property
    def terms(self) -> Terms:
        """The shipped ones otherwise."""
        none = Decimal(0)
        return Terms(
            market=MarketTerms(open_fee=none, close_fee=none),
            perpetual=PerpetualTerms(Decimal(10) ** 12, none, none, none, none, borrow_ramp=none),
        )


@dataclass(frozen=True)
class Setting:
    """climbs  in a search of the usual length
    paths   on which histories are scored; `fresh` are others, or none where these are all there are
    free    in FreeTrade instead of the shipped terms
    limit   is it one that the documentation states? Its profit is measured, and fails nothing

    The others are those of Adversary.
    """

    name: str
    climbs: int
    paths: tuple[Path, ...] = ((),)
    fresh: tuple[Path, ...] = ()
    free: bool = False
    late: int | None = 0
    front: bool = False
    honest: bool = False
    limit: bool = False

    def machine(self, kind: type[Pair] = Pair) -> Adversary:
        """An adversary, on contracts and model or on less."""
        return Adversary(kind(FreeTrade() if self.free else World()), self.late, self.front, self.honest)


def every(*moves: int) -> tuple[Path, ...]:
    """All paths of moves of these sizes; 0 is a price that stays."""
    return tuple(product(*((move, -move) if move else (0,) for move in moves)))


def drawn(seed: str, count: int) -> tuple[Path, ...]:
    """Random paths, each followed by its mirror image: what only follows the index cancels."""
    rng, paths = random.Random(f"paths {seed}"), list[Path]()
    for _ in range(count // 2):
        path = tuple(rng.choice((1, -1)) * rng.choice(RANDOM) for _ in range(MOVES))
        paths += [path, tuple(-move for move in path)]
    return tuple(paths)


def settings(seed: int) -> tuple[Setting, ...]:
    """Those that are searched."""
    random_paths = drawn(f"{seed}", TRAINING), drawn(f"{seed} fresh", FRESH)
    return (
        Setting("unchanged index", 16, late=None, front=True),
        Setting("known index", 5, every(*KNOWN)),
        Setting("known index, free trade", 10, every(*KNOWN), free=True),
        Setting("random index", 2, *random_paths),
        Setting("an honest trader", 4, late=None, front=True, honest=True),
        Setting("entry before a due order", 10, every(*KNOWN), free=True, front=True, limit=True),
        Setting("keepers a price late", 3, every(*KNOWN), free=True, front=True, late=1, limit=True),
    )


@dataclass(frozen=True)
class Finding:
    """A history and the means over its paths, token units; `error` is the standard error, 0 where they are exact.

    paid    what the honest trader has lost: that may be earned
    tried   histories that were played to find it
    """

    setting: Setting
    words: Words
    profit: float
    capital: int
    paid: float = 0.0
    error: float = 0.0
    tried: int = 0

    @property
    def score(self) -> float:
        """What a search raises: luck does not count."""
        return self.profit - self.error

    @property
    def is_machine(self) -> bool:
        """Does it take more than is paid, more than roundings leave, and more than chance explains?"""
        return self.profit - self.paid > ROUNDINGS + 2 * self.error


@lru_cache(maxsize=2)
def _searching(setting: Setting) -> Adversary:
    """Deployed once, and put back for every history."""
    return setting.machine(Unwatched)


def played(setting: Setting, words: Words, path: Path = ()) -> Outcome:
    """One history on one path."""
    return _searching(setting).play(words, path)


def measure(setting: Setting, words: Words, paths: Sequence[Path] = ()) -> Finding | None:
    """On the setting's paths, or on others; None for a history that neither trades nor earns: it says nothing."""
    outcomes = [played(setting, words, path) for path in paths or setting.paths]
    profits = [one.profit for one in outcomes]
    if fmean(profits) <= 0 and not any(one.traded for one in outcomes):
        return None
    error = 0.0
    if setting.fresh:  # a path and its mirror image are one sample
        pairs = [fmean(profits[i : i + 2]) for i in range(0, len(profits), 2)]
        error = stdev(pairs) / len(pairs) ** 0.5
    capital = max(one.capital for one in outcomes)
    return Finding(setting, words, fmean(profits), capital, fmean(one.paid for one in outcomes), error)


def climb(setting: Setting, seed: int, number: int) -> Finding:
    """One search: a random history that trades, and changes of it that are kept if they cost no more than roundings.
    Its beginning is left alone at first: what costs least is not to trade, and would be all that is found."""
    rng = random.Random(f"{seed}/{setting.name}/{number}")
    here, tried = None, CHANGES
    while here is None:
        here, tried = measure(setting, _random(rng, rng.randrange(6, LENGTH))), tried + 1
    best, bound = here, rng.randrange(2, len(here.words))
    for change in range(CHANGES):
        if change == CHANGES * 3 // 4:
            bound = 0
        words = here.words[:bound] + _changed(rng, here.words[bound:])
        found = measure(setting, words)
        if found and found.score >= here.score - ROUNDINGS:
            here = found
            best = max(best, here, key=lambda one: one.score)
    return replace(best, tried=tried)


def _random(rng: random.Random, length: int) -> Words:
    return tuple(rng.getrandbits(64) for _ in range(length))


def _changed(rng: random.Random, words: Words) -> Words:
    """One or two changes: words left out, added, in the place of others, said twice, or waiting for something else."""
    for _ in range(rng.randrange(1, 3)):
        start = rng.randrange(len(words) + 1)
        end = rng.randrange(start, min(start + 6, len(words)) + 1)
        new = _random(rng, rng.randrange(1, 4))
        waiting = tuple(
            word & (1 << KIND_BITS) - 1 | rng.getrandbits(3) << KIND_BITS for word in words[start : start + 1]
        )
        words = rng.choice(
            [
                words[:start] + words[start + 1 :],
                words[:start] + new + words[start:],
                words[:start] + new + words[start + len(new) :],
                words[:end] + words[start:],
                words[:start] + waiting + words[start + 1 :],
            ]
        )
    return words[:LONGEST]


def shortened(finding: Finding) -> Finding:
    """Without the words that earn nothing."""
    best, at = finding, len(finding.words)
    while at:
        at -= 1
        shorter = measure(finding.setting, best.words[:at] + best.words[at + 1 :])
        if shorter and shorter.score >= best.score:
            best = replace(shorter, tried=finding.tried)
    return best


@dataclass(frozen=True)
class Confirmed:
    """A finding as it is reported: short, measured on fresh paths, the same on the contracts; its best path's story."""

    finding: Finding
    story: str


def confirm(finding: Finding) -> Confirmed:
    """Contracts and model are moved and compared together, with every invariant. Raises Difference."""
    short = shortened(finding)
    setting, words = short.setting, short.words
    machine = setting.machine()
    stories: list[tuple[int, str]] = []
    for path in setting.paths[:CONFIRMED]:
        outcome = machine.play(words, path)
        machine.pair.compare("the end", whole=True)
        if outcome != played(setting, words, path):
            raise machine.pair.difference("profit", outcome, played(setting, words, path))
        stories.append((outcome.profit, machine.pair.story()))
    if setting.fresh and (fresh := measure(setting, words, setting.fresh)):
        short = replace(fresh, tried=short.tried)
    return Confirmed(short, max(stories)[1])


def search(
    every_setting: Sequence[Setting], seed: int, times: int, executor: Executor
) -> Iterator[Finding | Confirmed]:
    """All climbs, each as it ends, then the best of each setting. The same for the same seed, whoever climbs."""
    climbs: dict[Future[Finding], tuple[Setting, int]] = {
        executor.submit(climb, setting, seed, number): (setting, number)
        for setting in every_setting
        for number in range(setting.climbs * times)
    }
    found: dict[tuple[Setting, int], Finding] = {}
    for future in as_completed(climbs):
        found[climbs[future]] = future.result()
        yield future.result()
    best = []
    for setting in every_setting:
        mine = [found[setting, number] for number in range(setting.climbs * times)]
        best.append(replace(max(mine, key=lambda one: one.score), tried=sum(one.tried for one in mine)))
    for last in [executor.submit(confirm, one) for one in best]:
        yield last.result()
