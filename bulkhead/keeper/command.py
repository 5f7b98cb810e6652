"""`bulkhead keeper`: the upkeep of a deployed market, for its fees."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkhead.keeper.settings import Job, Settings

if TYPE_CHECKING:
    from bulkhead.chain import Web3Chain
    from bulkhead.keeper.runner import Keeper
    from bulkhead.protocol import Market

#: Environment variables: the node's URL, and the private key to send with.
RPC, KEY = "BULKHEAD_RPC_URL", "BULKHEAD_KEEPER_KEY"

DESCRIPTION = f"""\
Executes orders, liquidates, closes at the reserve, settles an ended market, pays exits and keeps the clock of an
outage, wherever that pays for its gas. Logs a JSON object a line. What it has sent and spent is remembered in --state,
so that it may be killed at any instant and started again. The node is --rpc or ${RPC}; the private key
is in ${KEY}. Ends with 0 when --once is done, with 1 if the chain cannot be used, with 2 for wrong
arguments.
"""

EXAMPLES = """\
examples:
  bulkhead keeper deployments/sepolia.json --coin-price 2000              all jobs of its only market
  bulkhead keeper deployments/sepolia.json --dry-run --once               what it would do now; no key needed
  bulkhead keeper FILE --market ETH --jobs liquidate execute --coin-price 2000 --min-profit 0.5 --daily-budget 0.02
"""


class KeeperError(Exception):
    """A keeper that cannot start, in a sentence."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("record", type=Path, metavar="FILE", help="what `bulkhead deploy` has written")
    command.add_argument("--market", metavar="NAME", help="which (default: the only one)")
    command.add_argument("--rpc", metavar="URL", help=f"the node (default: ${RPC})")
    jobs = [str(job) for job in Job]
    command.add_argument("--jobs", nargs="+", choices=jobs, metavar="JOB", help="only these: %(choices)s")
    command.add_argument("--coin-price", metavar="N", help="tokens of the market that a native coin is worth")
    command.add_argument("--min-profit", default="0", metavar="N", help="tokens left after gas, at least (default: 0)")
    command.add_argument("--fee-cap", default="100", metavar="N", help="gwei a unit of gas, at most (default: 100)")
    command.add_argument("--daily-budget", default="0.1", metavar="N", help="coins a day, at most (default: 0.1)")
    command.add_argument("--state", type=Path, default=Path("out/keeper"), metavar="DIR", help="default: out/keeper")
    command.add_argument("--once", action="store_true", help="do what there is to do now, then end")
    command.add_argument("--dry-run", action="store_true", help="log what would be sent; send nothing")


def run(options: argparse.Namespace) -> int:
    """Runs the command; gives the exit code."""
    from bulkhead.chain import ChainError

    try:
        keeper = _keeper(options)
    except KeeperError as error:
        print(f"bulkhead: {error}", file=sys.stderr)
        return 2
    except (ChainError, LookupError, sqlite3.Error, OSError) as error:
        print("FAILED:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    try:
        if options.once:
            keeper.once()
        else:
            keeper.run()
    except (ChainError, sqlite3.Error) as error:
        print("FAILED:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    finally:
        keeper.close()
    return 0


def _keeper(options: argparse.Namespace) -> Keeper:
    from bulkhead import Protocol
    from bulkhead.chain import Web3Chain
    from bulkhead.keeper.runner import Keeper

    record = _record(options.record)
    url = options.rpc or os.environ.get(RPC)
    if not url:
        raise KeeperError(f"no node: give --rpc URL, or put it into ${RPC}.")
    key = _key(options.dry_run)
    if options.coin_price is None and not options.dry_run:
        raise KeeperError("--coin-price is missing: without it nobody can tell whether a job pays for its gas.")
    numbers = {name: _number(options, name) for name in ("coin_price", "min_profit", "fee_cap", "daily_budget")}
    chain = Web3Chain(url)
    if "chain_id" in record and chain.chain_id != record["chain_id"]:
        raise KeeperError(f"the node at {url} is of chain {chain.chain_id}, and {options.record} of another.")
    try:
        market = Protocol.at(chain, record).market(options.market)
    except (LookupError, ValueError, KeyError, TypeError) as error:
        raise KeeperError(f"{options.record} cannot be used: {error}") from None
    unit = 10**market.token.decimals
    settings = Settings(
        jobs=frozenset(map(Job, options.jobs or Job)),
        coin=int(numbers["coin_price"] * unit),
        least_profit=int(numbers["min_profit"] * unit),
        fee_cap=int(numbers["fee_cap"] * 10**9),
        daily_budget=int(numbers["daily_budget"] * 10**18),
    )
    if not options.dry_run:
        _require_funds(chain, key)
    start = _created(record, market)
    return Keeper(market, key, settings, folder=options.state, start=start, dry_run=options.dry_run)


def _record(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except OSError as error:
        raise KeeperError(f"{file} cannot be read: {error.strerror}.") from None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise KeeperError(f"{file} is no deployment record: name what `bulkhead deploy` has written.")
    return content


def _key(throwaway: bool) -> Any:
    from eth_account import Account

    key = os.environ.get(KEY)
    if not key and throwaway:
        return Account.create()
    if not key:
        raise KeeperError(f"nobody can sign: put a private key into ${KEY}, or give --dry-run.")
    try:
        return Account.from_key(key.strip())
    except (ValueError, TypeError):  # never with the key in the message
        raise KeeperError(f"${KEY} holds no private key: it takes 64 hexadecimal digits.") from None


def _number(options: argparse.Namespace, name: str) -> Decimal:
    text = getattr(options, name) or "0"
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal(-1)
    if not number.is_finite() or number < 0:
        raise KeeperError(f"--{name.replace('_', '-')} must be a number, 0 or more, not {text}.")
    return number


def _require_funds(chain: Web3Chain, account: Any) -> None:
    if chain.balance(account.address) == 0:
        raise KeeperError(f"{account.address} has nothing to pay gas with: send it some of the network's coin.")


def _created(record: Mapping[str, Any], market: Market) -> int:
    """The block of a market's creation, as far as the record tells."""
    return int(record.get("steps", {}).get(f"{market.name} market", {}).get("block") or 0)
