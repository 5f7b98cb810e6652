"""`bulkhead keeper`: the upkeep of a deployed market, for its fees."""

from __future__ import annotations

import argparse
import os
import sqlite3
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bulkhead.arguments import fail, refuse
from bulkhead.keeper import observability
from bulkhead.keeper.settings import Job, Settings

if TYPE_CHECKING:
    from bulkhead.chain import Web3Chain
    from bulkhead.keeper.adapter import Adapter
    from bulkhead.keeper.pulled import Pulled
    from bulkhead.keeper.runner import Keeper
    from bulkhead.protocol import Market

#: Environment variables: the nodes' URLs, and the private keys to send with; several with commas between.
RPC, KEY = "BULKHEAD_RPC_URL", "BULKHEAD_KEEPER_KEY"
#: What a price service lets its customers in by.
PRICES_KEY = "BULKHEAD_PRICES_KEY"

#: Options that are numbers.
_NUMBERS = ("coin_price", "min_profit", "fee_cap", "daily_budget", "upkeep_budget", "cool_down")

DESCRIPTION = f"""\
Executes orders, liquidates, closes at the reserve, settles an ended market and pays exits, wherever that pays for its
gas; keeps the clock of an outage and updates the volatility feed, which nobody pays for. Logs a JSON object a line.
What it has sent and spent is remembered in --state, so that it may be killed at any instant and started again. The
node is --rpc or ${RPC}, the private key is in ${KEY}; of both there may be several, with
commas between. Ends with 0 when --once is done, with 1 if the chain cannot be used or a rehearsal finds what would
fail, with 2 for wrong arguments.
"""

EXAMPLES = """\
examples:
  bulkhead keeper deployments/sepolia.json --market ETH --coin-price 2000      all jobs of one market
  bulkhead keeper deployments/sepolia.json --market ETH --dry-run --once       what it would do now; no key needed
  bulkhead keeper FILE --jobs liquidate execute --coin-price 2000 --min-profit 0.5 --daily-budget 0.02
  bulkhead keeper FILE --coin-price 2000 --place 1/2 --fleet 0x...              one of two, who know each other
  bulkhead keeper FILE --coin-price 2000 --listen 9464 --alert https://...      figures, health and alerts
  bulkhead keeper FILE --coin-price 2000 --prices https://hermes.pyth.network    of a market on prices of Pyth
  bulkhead keeper FILE --rehearse --coin-price 2000      every liquidation on a local copy: what fails?
  bulkhead keeper FILE --replay 21000000 21000600        what it would have sent at these blocks
"""


class KeeperError(Exception):
    """A keeper that cannot start, in a sentence."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("record", type=Path, metavar="FILE", help="what `bulkhead deploy` has written")
    command.add_argument("--market", metavar="NAME", help="which (default: the only one)")
    command.add_argument("--rpc", action="append", metavar="URL", help=f"the node; again for another (default: ${RPC})")
    jobs = [str(job) for job in Job]
    command.add_argument("--jobs", nargs="+", choices=jobs, metavar="JOB", help="only these: %(choices)s")
    command.add_argument("--coin-price", metavar="N", help="tokens of the market that a native coin is worth")
    command.add_argument("--min-profit", default="0", metavar="N", help="tokens left after gas, at least (default: 0)")
    command.add_argument("--fee-cap", default="100", metavar="N", help="gwei a unit of gas, at most (default: 100)")
    command.add_argument("--daily-budget", default="0.1", metavar="N", help="coins a day, at most (default: 0.1)")
    command.add_argument(
        "--upkeep-budget", default="0.01", metavar="N", help="of these for jobs that nobody pays for (default: 0.01)"
    )
    command.add_argument(
        "--cool-down",
        default="24",
        metavar="N",
        help="hours for which what cost gas for nothing is left alone, twice as long each time (default: 24)",
    )
    command.add_argument("--place", metavar="K/N", help="this is keeper K of N side by side, from 1 on")
    command.add_argument(
        "--fleet",
        nargs="+",
        default=[],
        metavar="ADDRESS",
        help="where your other keepers are paid: a race lost to them costs a turn, one lost to others the cool-down",
    )
    command.add_argument("--private", metavar="URL", help="send to this relay, not to the node")
    command.add_argument(
        "--bundles", action="store_true", help="to the relay by eth_sendBundle: what would fail costs nothing there"
    )
    command.add_argument(
        "--prices", metavar="URL", help=f"price service (as Hermes) for prices of Pyth; its key is in ${PRICES_KEY}"
    )
    command.add_argument("--state", type=Path, default=Path("out/keeper"), metavar="DIR", help="default: out/keeper")
    command.add_argument("--once", action="store_true", help="do what there is to do now, then end")
    command.add_argument("--dry-run", action="store_true", help="log what would be sent; send nothing")
    trial = command.add_mutually_exclusive_group()
    trial.add_argument(
        "--replay",
        nargs=2,
        type=int,
        metavar=("FROM", "TO"),
        help="log what would have been sent at each of these blocks; sends nothing, asks for an archive node",
    )
    trial.add_argument(
        "--rehearse",
        action="store_true",
        help="liquidate every position in turn on a local copy of the chain; 1 if any would fail",
    )
    observability.add_arguments(command)


def run(options: argparse.Namespace) -> int:
    """Runs the command; gives the exit code."""
    from bulkhead.chain import ChainError
    from bulkhead.keeper.rehearsal import rehearse
    from bulkhead.keeper.replay import replay
    from bulkhead.keeper.runner import json_log

    if options.rehearse or options.replay:
        options.dry_run, options.state = True, None  # nothing is sent, and everything is looked at anew
    try:
        if options.replay and not 0 <= options.replay[0] <= options.replay[1]:
            raise KeeperError("--replay takes two blocks, the earlier one first.")
        keeper = keeper_of(options)
    except KeeperError as error:
        return refuse(error)
    except (ChainError, LookupError, sqlite3.Error, OSError) as error:
        return fail(error)
    try:
        if options.rehearse:
            return 1 if rehearse(keeper, json_log) else 0
        if options.replay:
            first, last = options.replay
            replay(keeper, first, last, json_log)
            return 0
        with observability.observed(options, keeper):
            if options.once:
                keeper.once()
            else:
                keeper.run()
    except observability.NotObservable as error:
        return refuse(error)
    except (ChainError, LookupError, sqlite3.Error) as error:
        return fail(error)
    finally:
        keeper.close()
    return 0


def keeper_of(options: argparse.Namespace) -> Keeper:
    """A keeper as the options and the environment say. Raises KeeperError, ChainError, LookupError, OSError."""
    from bulkhead.keeper.runner import Keeper
    from bulkhead.keeper.submit import PrivateSubmitter

    record, _ = record_of(options.record), _urls(options)  # what is wrong with these is said first
    keys = _keys(options.dry_run)
    if options.coin_price is None and not options.dry_run:
        raise KeeperError("--coin-price is missing: without it nobody can tell whether a job pays for its gas.")
    numbers = {name: number(options, name) for name in _NUMBERS}
    (place, keepers), fleet = _place(options.place), frozenset(map(_address, options.fleet))
    if options.bundles and not options.private:
        raise KeeperError("--bundles go to a relay: name it with --private URL.")
    market, start = market_of(options, record)
    pulled = _pulled(options, record, market)
    unit = 10**market.token.decimals
    settings = Settings(
        jobs=frozenset(map(Job, options.jobs or Job)),
        coin=int(numbers["coin_price"] * unit),
        least_profit=int(numbers["min_profit"] * unit),
        fee_cap=int(numbers["fee_cap"] * 10**9),
        daily_budget=int(numbers["daily_budget"] * 10**18),
        upkeep_budget=int(numbers["upkeep_budget"] * 10**18),
        cool_down=int(numbers["cool_down"] * 3_600),
        keepers=keepers,
        place=place,
        fleet=fleet,
    )
    if not options.dry_run:
        _require_funds(market.chain, keys)
    bundles = cast("Web3Chain", market.chain) if options.bundles else None
    submitter = PrivateSubmitter(options.private, bundles) if options.private else None
    return Keeper(
        market,
        keys,
        settings,
        folder=options.state,
        start=start,
        dry_run=options.dry_run,
        submitter=submitter,
        pulled=pulled,
        adapter=_adapter(record, market, keys) if options.bundles else None,
    )


def record_of(file: Path) -> dict[str, Any]:
    """What stands in FILE. Raises KeeperError."""
    from bulkhead.protocol.protocol import WrongDeployment, read_record

    try:
        return read_record(file)
    except WrongDeployment as error:
        raise KeeperError(str(error)) from None


def market_of(options: argparse.Namespace, record: Mapping[str, Any]) -> tuple[Market, int]:
    """The market of FILE, --market and --rpc, and a block not after its creation. Raises KeeperError, ChainError."""
    from bulkhead import Protocol
    from bulkhead.chain import Web3Chain
    from bulkhead.keeper.endpoints import Endpoints
    from bulkhead.protocol import WrongDeployment

    urls = _urls(options)
    chain = Endpoints(urls) if len(urls) > 1 else Web3Chain(urls[0])
    try:
        protocol = Protocol.connect(chain, options.record)
    except WrongDeployment as error:
        raise KeeperError(str(error)) from None
    except (LookupError, ValueError, KeyError, TypeError) as error:
        raise KeeperError(f"{options.record} cannot be used: {error}") from None
    try:
        market = protocol.market(options.market)
    except LookupError as error:
        raise KeeperError(f"--market: {error.args[0]}") from None
    return market, _created(record, market)


def _adapter(record: Mapping[str, Any], market: Market, keys: Sequence[Any]) -> Adapter | None:
    """The adapter that FILE names for the market, if its fees are this keeper's."""
    from bulkhead.chain import to_address
    from bulkhead.keeper.adapter import Adapter

    address = record["markets"][market.name].get("adapter")
    if address is None:
        return None
    adapter = Adapter(market.chain, address)
    if adapter.market != market.address or adapter.receiver not in [to_address(key.address) for key in keys]:
        return None
    return adapter


def _pulled(options: argparse.Namespace, record: Mapping[str, Any], market: Market) -> Pulled | None:
    """What brings the prices of a market whose primary is Pyth's. A rehearsal has none, and says so itself."""
    from bulkhead.keeper.prices import PriceService
    from bulkhead.keeper.pulled import Pulled

    service = PriceService(options.prices or "", os.environ.get(PRICES_KEY, ""))
    try:
        pulled = Pulled.recorded(record, market.name or "", service)
    except LookupError as error:
        raise KeeperError(str(error.args[0])) from None
    if pulled is not None and not options.prices and not options.rehearse:
        raise KeeperError("prices of this market are Pyth's and have to be brought: name a service with --prices URL.")
    return pulled


def _urls(options: argparse.Namespace) -> list[str]:
    urls = options.rpc or _listed(os.environ.get(RPC, ""))
    if not urls:
        raise KeeperError(f"no node: give --rpc URL, or put it into ${RPC}.")
    return list(urls)


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _place(text: str | None) -> tuple[int, int]:
    """From "2/3": place 1 of 3 keepers."""
    own, _, keepers = (text or "1/1").partition("/")
    if own.isdecimal() and keepers.isdecimal() and 0 < int(own) <= int(keepers):
        return int(own) - 1, int(keepers)
    raise KeeperError(f"--place must be as 2/3, the second of three, not {text}.")


def _address(text: str) -> str:
    from bulkhead.chain import EncodingError, to_address

    try:
        return to_address(text)
    except EncodingError:
        raise KeeperError(f"--fleet takes addresses, 0x and 40 hexadecimal digits, not {text}.") from None


def _keys(throwaway: bool) -> list[Any]:
    from eth_account import Account

    keys = _listed(os.environ.get(KEY, ""))
    if not keys and throwaway:
        return [Account.create()]
    if not keys:
        raise KeeperError(f"nobody can sign: put a private key into ${KEY}, or give --dry-run.")
    try:
        return [Account.from_key(key) for key in keys]
    except (ValueError, TypeError):  # never with the key in the message
        raise KeeperError(f"${KEY} holds no private key: it takes 64 hexadecimal digits.") from None


def number(options: argparse.Namespace, name: str) -> Decimal:
    """An option's number, 0 where it is not given. Raises KeeperError for a negative one, or none."""
    text = getattr(options, name) or "0"
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value < 0:
        raise KeeperError(f"--{name.replace('_', '-')} must be a number, 0 or more, not {text}.")
    return value


def _require_funds(chain: Any, accounts: Sequence[Any]) -> None:
    if not any(chain.balance(account.address) for account in accounts):
        raise KeeperError(f"{accounts[0].address} has nothing to pay gas with: send it some of the network's coin.")


def _created(record: Mapping[str, Any], market: Market) -> int:
    """The block of a market's creation, as far as the record tells."""
    return int(record.get("steps", {}).get(f"{market.name} market", {}).get("block") or 0)
