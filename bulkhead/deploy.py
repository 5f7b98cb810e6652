"""`bulkhead deploy`: shows the plan, checks the chain, asks, sends, writes the record, verifies the sources."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkhead.arguments import fail, refuse
from bulkhead.build import BuildError, is_checkout
from bulkhead.chain import AnvilChain, ApeChain, ChainError, Web3Chain

if TYPE_CHECKING:
    from rich.console import Console

    from bulkhead.protocol.checks import Check
    from bulkhead.protocol.deployment import MarketContracts
    from bulkhead.protocol.networks import Network
    from bulkhead.protocol.plan import Planned
    from bulkhead.protocol.record import Record

#: Environment variables: a private key, and the passphrase of a key file.
KEY, PASSPHRASE = "BULKHEAD_DEPLOYER_KEY", "BULKHEAD_KEYFILE_PASSPHRASE"

DESCRIPTION = """\
Deploys the factory, its parts and the markets of a configuration file. First shows what will be deployed where and what
it costs, and checks network, token, feeds and balance on chain; then asks. An interrupted deployment goes on where it
stopped: repeat the command. Ends with 0 if all is well, with 1 if a check or a transaction fails, with 2 for wrong
arguments or configuration.
"""

EXAMPLES = f"""\
examples:
  bulkhead deploy local                                 on an anvil of its own, to see it work
  bulkhead deploy local --port 8545                     the same, and leave the node running until Ctrl-C
  bulkhead deploy sepolia --dry-run                     plan and checks only; nothing is sent
  bulkhead deploy sepolia --config my.toml --verify     your own markets, sources to the explorer
  ape run deploy --network base:sepolia:node --account me

The node is the URL in the environment variable that the configuration names (SEPOLIA_RPC_URL ...), --rpc, or ape's.
The deployer is the private key in ${KEY}, a --keyfile (its passphrase in ${PASSPHRASE},
or asked for), or an --account of ape; on a local chain otherwise the node's first account.
"""


class Door(NamedTuple):
    """A chain, who pays on it (None: nobody was named), and whether its node was started here."""

    chain: Web3Chain
    sender: str | None
    ours: bool = False


class DeployError(Exception):
    """A deployment that cannot start or did not succeed."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments of `bulkhead deploy`."""
    command.add_argument("name", nargs="?", metavar="NETWORK", help="a shipped network, or the one --config is for")
    command.add_argument("--config", type=Path, metavar="FILE", help="configuration (default: what ships)")
    command.add_argument("--rpc", metavar="URL", help="node to deploy through")
    command.add_argument("--port", type=int, help="of a local node started here, which then stays up until Ctrl-C")
    command.add_argument("--network", metavar="CHOICE", help="connect as ape does: ecosystem:network:provider")
    command.add_argument("--account", metavar="ALIAS", help="the deployer: an account of ape's")
    command.add_argument("--keyfile", type=Path, metavar="FILE", help="the deployer: an encrypted JSON key file")
    command.add_argument("--record", type=Path, metavar="FILE", help="default: deployments/NETWORK.json")
    command.add_argument("--dry-run", action="store_true", help="plan and checks; sends nothing, writes nothing")
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.add_argument("--verify", action="store_true", help="hand the sources to the network's explorer")


def run(options: argparse.Namespace) -> int:
    """Runs the command; gives the exit code."""
    from bulkhead.protocol.networks import ConfigError, load

    try:
        network = load(options.name or _from_ape(options.network), options.config)
        _consistent(options, network)
        with _door(options, network) as door:
            _deploy(options, network, door)
            if door.ours and options.port is not None and not options.dry_run:
                _stay(door.chain.url)
    except ConfigError as error:
        return refuse(error)
    except (DeployError, ChainError, BuildError, OSError) as error:
        return fail(error)
    return 0


def _deploy(options: argparse.Namespace, network: Network, door: Door) -> None:
    # rich is slow to import: not for --help
    from rich.console import Console

    from bulkhead.build import artifacts, compiler_version
    from bulkhead.protocol.checks import check_all, check_chain
    from bulkhead.protocol.plan import carry_out, rehearse
    from bulkhead.protocol.record import Record

    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False, soft_wrap=not sys.stdout.isatty())
    chain, sender, _ = door
    artifacts()  # compiles first, so that a missing program is named before anything else
    right = check_chain(chain, network)
    if not right.ok:
        raise DeployError(f"the node at {chain.url} is of chain {right.answer}, but {network.name}'s {right.question}")
    file = options.record or Path("deployments") / f"{network.name}.json"
    record = Record(file, chain, sender, network.name, network.digest, compiler_version())
    sender = record.sender
    plan = rehearse(network, chain.chain_id, sender, 0 if sender is None else chain.nonce(sender), record)
    checks = check_all(chain, network, plan, sender)
    left = [planned for planned in plan if not planned.there]
    _show(console, network, plan, checks, sender)
    failed = [check for check in checks if not check.ok]
    if failed and (left or options.dry_run):
        first = f"check of {failed[0].subject}: {failed[0].question}? The answer is {failed[0].answer}"
        raise DeployError(first + (f" (and {len(failed) - 1} more)" if failed[1:] else ""))
    if options.dry_run:
        console.print(f"Dry run: {len(left)} transactions would be sent; none was.")
        return
    if left:
        if sender is None or sender not in chain.accounts:
            raise DeployError(f"nobody can sign: put a private key into ${KEY}, or give --keyfile or --account")
        if not (options.yes or door.ours):
            _confirm(f"Send {len(left)} transactions to {network.name} as {sender}?")
    with console.status("Deploying") as status:
        record.watch = lambda step: status.update(f"Sending {step.label}")
        try:
            markets = carry_out(network, chain, sender, record)
        except ChainError as error:
            raise DeployError(f"{error} What is done is in {file}: repeat the command to go on.") from None
    record.finish({name: _addresses(market) for name, market in markets.items()})
    _summary(console, network, markets)
    console.print(f"{len(left)} transactions sent, {len(plan) - len(left)} found done. Record: {file}")
    if options.verify:
        _verify(console, network, record)


def _show(
    console: Console, network: Network, plan: Sequence[Planned], checks: Sequence[Check], sender: str | None
) -> None:
    from rich.table import Table

    table = Table(title=f"Plan for {network.name}, deployer {sender or 'not named'}", title_justify="left")
    for column, side in (("step", "left"), ("contract", "left"), ("address", "left"), ("gas", "right"), ("", "left")):
        table.add_column(column, justify=side, no_wrap=True)  # type: ignore[arg-type]
    for planned in plan:
        address = planned.address if sender or planned.there else "follows from the deployer"
        state = "on chain" if planned.there else "to send"
        table.add_row(planned.step.label, planned.step.contract, address, f"{planned.gas:,}", state)
    left = sum(planned.gas for planned in plan if not planned.there)
    table.add_section()
    table.add_row("to send", "", "", f"{left:,}", "")
    console.print(table)
    for market in network.markets:
        console.print(f"{market.name}: the index is the price of {market.oracle.base} in {market.oracle.quote}")
    table = Table(title="Checked on chain", title_justify="left")
    for column in ("who", "what has to hold", "answer", ""):
        table.add_column(column, overflow="fold")
    for check in checks:
        table.add_row(check.subject, check.question, check.answer, "ok" if check.ok else "FAILED")
    console.print(table)


def _addresses(market: MarketContracts) -> dict[str, str]:
    parts = ("market", "pool", "oracle", "instrument", "margin_model", "token")
    return {part: getattr(market, part).address for part in parts}


def _summary(console: Console, network: Network, markets: Mapping[str, MarketContracts]) -> None:
    page = f"{network.network.explorer}/address/" if network.network.explorer else ""
    for name, market in markets.items():
        console.print(f"{name}: market {page}{market.market.address}, pool {page}{market.pool.address}")


def _verify(console: Console, network: Network, record: Record) -> None:
    from bulkhead.protocol.verify import published, verify

    if not network.network.explorer_api:
        raise DeployError(f"{network.name} has no explorer_api in its configuration: there is nobody to verify with")
    for contract in published(record.steps):
        console.print(f"{contract.contract} {contract.address}: {verify(network.network.explorer_api, contract)}")


# --- the node and the deployer


def _from_ape(choice: str | None) -> str:
    """The network that a choice of ape's stands for: base:sepolia:node -> base-sepolia. Raises ConfigError."""
    from bulkhead.protocol.networks import ConfigError, load, shipped

    if choice is None:
        raise ConfigError(f"name a network: {', '.join(shipped())}, or the one that --config is for")
    for name in shipped():
        if choice.split(":")[:2] == load(name).network.ape.split(":"):
            return name
    raise ConfigError(f"no shipped network is {choice!r} in ape: name one of {', '.join(shipped())}")


def _consistent(options: argparse.Namespace, network: Network) -> None:
    """Raises ConfigError for arguments that contradict each other."""
    from bulkhead.protocol.networks import LOCAL_CHAINS, ConfigError

    if options.verify and not is_checkout():
        raise ConfigError("--verify takes a checkout of the project: an installed package has no sources to hand over")
    if options.network and options.rpc:
        raise ConfigError("--network and --rpc both name a node: give one")
    if options.account and options.keyfile:
        raise ConfigError("--account and --keyfile both name a deployer: give one")
    if options.account and not options.network and network.network.chain_id in LOCAL_CHAINS:
        raise ConfigError(f"--account is ape's: on a local chain give --network {network.network.ape}:foundry with it")
    if options.network and options.keyfile:
        raise ConfigError("with --network ape signs: name the deployer by --account")
    if options.port is not None and (options.network or options.rpc or network.network.chain_id not in LOCAL_CHAINS):
        raise ConfigError("--port is for a local node that is started here: leave it out")
    if options.port is not None and not 0 < options.port < 65_536:
        raise ConfigError(f"--port must be 1 to 65535, not {options.port}")
    if options.network and options.network.split(":")[:2] != network.network.ape.split(":"):
        raise ConfigError(f"--network {options.network} is not {network.name}, which ape calls {network.network.ape}")


@contextmanager
def _door(options: argparse.Namespace, network: Network) -> Iterator[Door]:
    from bulkhead.protocol.networks import LOCAL_CHAINS, ConfigError

    place = network.network
    local = place.chain_id in LOCAL_CHAINS
    url = options.rpc or (None if options.network else os.environ.get(place.rpc_env))
    if options.network or (options.account and url):
        with _ape(options.network or f"{place.ape}:{url}", options) as door:
            yield door
    elif url:
        chain = Web3Chain(url)
        key = _key(options)
        yield Door(chain, chain.add_account(key) if key else chain.accounts[0] if local and chain.accounts else None)
    elif local:
        with AnvilChain(port=options.port, chain_id=place.chain_id, timestamp=int(time.time())) as chain:
            yield Door(chain, chain.accounts[0], ours=True)
    else:
        variable = f"put its URL into ${place.rpc_env}, or " if place.rpc_env else ""
        raise ConfigError(f"no node for {network.name}: {variable}give --rpc URL")


@contextmanager
def _ape(choice: str, options: argparse.Namespace) -> Iterator[Door]:
    from bulkhead.protocol.networks import ConfigError

    try:
        import ape
        from ape.exceptions import ApeException
    except ImportError:
        raise DeployError("ape is not installed: run `make setup`") from None
    try:
        named = [ape.accounts.load(options.account)] if options.account else []
    except (ApeException, KeyError):
        raise ConfigError(f"ape has no account {options.account!r}: `ape accounts list` shows those it has") from None
    try:
        for account in named:
            if options.yes and not options.dry_run and hasattr(account, "set_autosign"):
                account.set_autosign(True)  # or ape would ask before each transaction
        with ape.networks.parse_network_choice(choice) as provider:
            tests = ape.accounts.test_accounts if provider.network.is_dev else ()
            chain = ApeChain(provider, [*named, *tests])
            yield Door(chain, chain.accounts[0] if chain.accounts else None)
    except ApeException as error:
        raise DeployError(f"ape: {error}") from None


def _key(options: argparse.Namespace) -> Any:
    """The private key named by the arguments or the environment, or None. Raises ConfigError."""
    from eth_account import Account

    from bulkhead.protocol.networks import ConfigError

    if options.keyfile:
        try:
            content = options.keyfile.read_text()
        except OSError as error:
            raise ConfigError(f"{options.keyfile} cannot be read: {error.strerror}") from None
        passphrase = os.environ.get(PASSPHRASE)
        try:
            return Account.decrypt(content, passphrase or getpass(f"Passphrase of {options.keyfile}: "))
        except (ValueError, TypeError, KeyError, NotImplementedError):
            raise ConfigError(f"{options.keyfile} is no key file, or the passphrase is wrong") from None
    key = os.environ.get(KEY)
    if not key:
        return None
    try:
        return Account.from_key(key.strip()).key
    except (ValueError, TypeError):  # never with the key in the message
        raise ConfigError(f"${KEY} holds no private key: it takes 64 hexadecimal digits") from None


def _confirm(question: str) -> None:
    from rich.prompt import Confirm

    try:
        agreed = Confirm.ask(question, default=False)
    except EOFError:
        raise DeployError("nobody is there to agree: say --yes") from None
    if not agreed:
        raise DeployError("not agreed; nothing was sent")


def _stay(url: str) -> None:
    with suppress(KeyboardInterrupt):
        print(f"The node stays up at {url}; Ctrl-C ends it.", flush=True)
        while True:
            time.sleep(3_600)
