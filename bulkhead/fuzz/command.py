"""`bulkhead fuzz`: a campaign for a stated time, or a saved history once more."""

from __future__ import annotations

import argparse
import importlib
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkhead.arguments import fail, positive, refuse, whole

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from bulkhead.fuzz.campaign import Campaign, Failure, Report
    from bulkhead.fuzz.world import World

DESCRIPTION = """\
Plays random histories on the contracts and on their exact Python model at once, in this machine's memory: traders,
providers of liquidity, an operator and a keeper call every function, prices jump, lie, go stale and stop, tokens block
payees, donations fall, markets end. After every call answers, errors, all storage and every invariant are compared. A
history that goes wrong is made short, and written down as a test. Ends with 0 if nothing was found, with 1 if something
was, or if a long campaign never reached a state that it has to, with 2 for wrong arguments.
"""

EXAMPLES = """\
examples:
  bulkhead fuzz                                   a minute on all cores, from a seed that is printed
  bulkhead fuzz --calls 1000000                   a million calls, however long they take
  bulkhead fuzz --calls 100000000 --resume FILE   go on where an interrupted campaign has got to
  bulkhead fuzz --margin-model 'Mine(1,2)'        your contract below contracts/ instead of the shipped one
  bulkhead fuzz --world mine:MyWorld              your subclass of bulkhead.fuzz.World
  bulkhead fuzz --world options                   options beside perpetuals, on one fast feed
  bulkhead fuzz --replay FILE                     a saved history, step by step
"""

#: Below so many calls a campaign is not blamed for what it has not reached.
ENOUGH = 300_000
#: Worlds by a short name.
SHIPPED = {"options": "bulkhead.fuzz.options:OptionsWorld"}
#: Seconds between two writings of a campaign that is to be resumed.
SAVING = 5.0


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--seconds", type=positive, metavar="N", help="for how long (default: 60, or until --calls)")
    command.add_argument("--calls", type=whole(1), metavar="N", help="until at least so many calls have been made")
    command.add_argument("--seed", type=int, metavar="N", help="of all histories (default: a new one, printed)")
    command.add_argument("--length", type=whole(1), default=300, metavar="N", help="steps, at most (default: 300)")
    command.add_argument("--shipped", action="store_true", help="only the shipped terms, instead of drawn ones")
    command.add_argument("--margin-model", default="", metavar="NAME(ARGS)", help="a margin model to fuzz")
    command.add_argument("--instrument", default="", metavar="NAME(ARGS)", help="an instrument to fuzz")
    command.add_argument(
        "--oracle", default="", metavar="NAME(ARGS)", help="an oracle to fuzz; `feed` among ARGS is a Chainlink proxy"
    )
    command.add_argument(
        "--world",
        default="bulkhead.fuzz:World",
        metavar="MODULE:CLASS",
        help="a subclass of bulkhead.fuzz.World; `options`: perpetuals and options on one oracle",
    )
    command.add_argument("--workers", type=whole(1), metavar="N", help="processes (default: one a core)")
    command.add_argument("--cluster", metavar="ADDRESS", help="of a Dask scheduler, whose workers play instead")
    command.add_argument("--resume", type=Path, metavar="FILE", help="keep the campaign in FILE, and go on from there")
    command.add_argument("--out", type=Path, default=Path("out/fuzz"), metavar="DIR", help="for what is found")
    command.add_argument("--replay", type=Path, metavar="FILE", help="play a saved history and tell how it goes")


def run(options: argparse.Namespace) -> int:
    """Runs the command; gives the exit code."""
    from bulkhead.chain import ChainError
    from bulkhead.fuzz.pair import Pair

    try:
        kind = _world_class(options.world)
        if options.replay:
            return _replay(options.replay, kind)
        world = kind(margin_model=options.margin_model, instrument=options.instrument, oracle=options.oracle)
        world.check()
        campaign = _campaign(options, world)
        if options.resume:
            campaign.save(options.resume)  # what cannot be written is found out before anything is played
        Pair(campaign.plan.world_of(0))  # a part that cannot be deployed is told here, in one line
    except (ValueError, ChainError, OSError) as error:
        return refuse(error)
    return _play(options, campaign)


def _world_class(path: str) -> type[World]:
    """Raises ValueError with a sentence."""
    from bulkhead.fuzz.world import World

    module, _, name = SHIPPED.get(path, path).partition(":")
    sys.path.insert(0, "")  # a module of the user's, in the folder where the command is given
    try:
        kind: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"There is no {path}: name a class as module:Class ({error}).") from None
    finally:
        sys.path.remove("")
    if not (isinstance(kind, type) and issubclass(kind, World)):
        raise ValueError(f"{path} is no subclass of bulkhead.fuzz.World.")
    return kind


def _campaign(options: argparse.Namespace, world: World) -> Campaign:
    """A new one, or that of `--resume`. Raises ValueError with a sentence."""
    from bulkhead.fuzz.campaign import Campaign, Plan

    if options.resume and options.resume.exists():
        campaign = Campaign.load(options.resume, type(world))
        plan = campaign.plan
        if options.seed not in (None, plan.seed) or (plan.length, plan.shipped, plan.world) != (
            options.length,
            options.shipped,
            world,
        ):
            raise ValueError(f"{options.resume} is another campaign (seed {plan.seed}): name another file.")
        return campaign
    seed = secrets.randbelow(10**9) if options.seed is None else options.seed
    return Campaign(Plan(seed, options.length, world, options.shipped))


def _play(options: argparse.Namespace, campaign: Campaign) -> int:
    from bulkhead.fuzz.campaign import WorkerLost, cluster_workers, local_workers, workers_here

    count = options.workers or workers_here()
    lost: BaseException | None = None
    begun, before = time.monotonic(), campaign.total.calls
    try:
        if options.cluster:
            with cluster_workers(options.cluster) as (executor, count):
                _follow(options, campaign, executor, count)
        else:
            with local_workers(count) as executor:
                _follow(options, campaign, executor, count)
    except (WorkerLost, KeyboardInterrupt) as error:
        lost = error  # what has been found is told and kept first
    except ValueError as error:
        return refuse(error)
    if options.resume:
        campaign.save(options.resume)
    total = campaign.total
    if total.calls > before:
        passed = time.monotonic() - begun
        print(("\r" if sys.stdout.isatty() else "") + _line(total, total.calls - before, passed, count))
        _table(total)
    if total.failures:
        _tell_failure(total.failures[0], options.out)
    if isinstance(lost, KeyboardInterrupt):
        raise lost
    if lost is not None:
        return fail(lost)
    if total.failures:
        return 1
    if total.calls >= ENOUGH and campaign.missed and not _own_parts(options):
        return fail(f"never reached: {', '.join(campaign.missed)}")
    return 0


def _follow(options: argparse.Namespace, campaign: Campaign, executor: Executor, workers: int) -> None:
    """Plays, and shows how it goes: on a terminal all the time, else once a minute."""
    plan, where = campaign.plan, options.cluster or "this machine"
    print(f"seed {plan.seed}, {workers} workers on {where}, histories of up to {plan.length} steps", flush=True)
    begun, before = time.monotonic(), campaign.total.calls
    told = kept = begun
    seconds = options.seconds or (60.0 if options.calls is None else float("inf"))
    for total in campaign.run(executor, workers, seconds, options.calls or 2**63):
        now = time.monotonic()
        line = _line(total, total.calls - before, now - begun, workers)
        if sys.stdout.isatty():
            print(f"\r{line}", end="", flush=True)
        elif now - told > 60:
            told = now
            print(line, flush=True)
        if options.resume and now - kept > SAVING:
            kept = now
            campaign.save(options.resume)


def _tell_failure(failure: Failure, out: Path) -> None:
    """Kept at once, then made short: an interruption loses nothing."""
    from bulkhead.fuzz.campaign import save, shortened

    whole = save(failure, out)
    print(f"Something is wrong after {len(failure.words)} steps ({whole[0]}); making it short ...", flush=True)
    short = shortened(failure)
    data, test = save(short, out)
    for path in {*whole} - {data, test}:
        path.unlink()
    print(f"\n{failure.world}\n{short.story}\n")
    print(f"FOUND, {len(short.words)} steps. Again: bulkhead fuzz --replay {data}\nAs a test: {test}")


def _own_parts(options: argparse.Namespace) -> bool:
    """Not every state is in the reach of everybody's parts."""
    return bool(options.shipped or options.margin_model or options.instrument or options.oracle)


def _line(total: Report, calls: int, passed: float, workers: int) -> str:
    good = sum(total.succeeded.values()) / max(total.calls, 1)
    return (
        f"{total.calls:,} calls in {passed:.0f} s: {calls / max(passed, 1e-9) / workers:,.0f} calls/s a core,"
        f" {total.histories:,} histories, {good:.0%} of calls went through,"
        f" {total.alive / max(total.steps, 1):.1f} positions alive"
    )


def _table(total: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table("function", "calls", "went through", box=None, padding=(0, 2))
    for name, times in total.names.most_common():
        table.add_row(name, f"{times:,}", f"{total.succeeded[name] / times:.0%}")
    console.print(table)
    table = Table("reached", "times", box=None, padding=(0, 2))
    for name, times in total.reached.most_common():
        table.add_row(name, f"{times:,}")
    console.print(table)


def _replay(path: Path, kind: type[World]) -> int:
    from bulkhead.fuzz.campaign import load, play
    from bulkhead.fuzz.pair import Pair

    failure = load(path, kind)
    story = play(failure.world.machine(Pair(failure.world)), failure.words)
    print(story if story is not None else f"{len(failure.words)} steps, and nothing goes wrong any more.")
    return 1 if story is not None else 0
