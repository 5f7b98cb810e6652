"""The keeper as a Silverback bot: every block is a look of the same engine, on whichever worker takes it.

    export BULKHEAD_KEEPER_OPTIONS="deployments/sepolia.json --market ETH --coin-price 2000" BULKHEAD_KEEPER_KEY=...
    silverback run bulkhead.keeper.silverback_bot:bot --network ethereum:sepolia:node

The options are those of `bulkhead keeper`. One process works as that command does. Several need a Redis, named to
Silverback as its broker, and a key each ($BULKHEAD_KEEPER_KEYS, with commas between): docs/keepers.md.
"""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import ExitStack
from typing import Any, NoReturn

from eth_account import Account

from bulkhead.arguments import refuse
from bulkhead.cli import parser
from bulkhead.keeper import command, observability
from bulkhead.keeper.board import Board, Keys, RedisBoard
from bulkhead.keeper.ledger import LedgerTorn
from bulkhead.keeper.runner import Keeper, json_log

#: Environment variables: the options of `bulkhead keeper`, and keys for several workers.
OPTIONS, KEYS = "BULKHEAD_KEEPER_OPTIONS", "BULKHEAD_KEEPER_KEYS"


class Worker:
    """One process: its keeper, with the key that it holds now."""

    def __init__(self, url: str | None, node: str) -> None:
        os.environ.setdefault(command.RPC, node)
        self._options = parser().parse_args(["keeper", *shlex.split(os.environ.get(OPTIONS, ""))])
        keys = [key for key in os.environ.get(KEYS, os.environ.get(command.KEY, "")).split(",") if key.strip()]
        self._keys = {_address(key): key.strip() for key in keys}
        self._redis = None if url is None else _connected(url)
        self._pool = None if self._redis is None else Keys(self._redis, list(self._keys))
        self._address: str | None = None
        self._keeper: Keeper | None = None
        self._open = ExitStack()

    def tick(self) -> int:
        """One look and what follows from it: how many transactions were sent."""
        keeper = self._with_key()
        if keeper is None:
            json_log("no key", {"why": f"all of ${KEYS} are with other workers"})
            return 0
        return keeper.tick()  # Silverback gives a bot up after three exceptions: a node's are none

    def _with_key(self) -> Keeper | None:
        address = next(iter(self._keys), None) if self._pool is None else self._pool.hold()
        if self._pool is not None and address is None:
            return None
        if self._keeper is None or address != self._address:
            self.close()
            self._keeper, self._address = self._made(address), address
        return self._keeper

    def _made(self, address: str | None) -> Keeper:
        """With a folder of its own for each key: ledgers are not shared. All keys are of one fleet."""
        options = self._options
        if address is not None:
            os.environ[command.KEY] = self._keys[address]
            own = {"state": options.state / address, "fleet": [*options.fleet, *self._keys]}
            options = type(options)(**vars(options) | own)
        keeper = command.keeper_of(options)
        keeper.board = Board() if self._redis is None else RedisBoard(self._redis, keeper.market.address)
        self._open.callback(keeper.close)
        self._open.enter_context(observability.observed(options, keeper))
        return keeper

    def close(self) -> None:
        """Lets its keeper go."""
        self._open.close()
        self._keeper = None


def _address(key: str) -> str:
    try:
        return str(Account.from_key(key.strip()).address)
    except (ValueError, TypeError):  # never with the key in the message
        _give_up(f"${KEYS} holds something that is no private key: each takes 64 hexadecimal digits.")


def _connected(url: str) -> Any:
    from redis import Redis, RedisError

    redis = Redis.from_url(url)
    try:
        redis.ping()
    except RedisError as error:
        _give_up(f"no Redis answers where Silverback's broker was told to look ({type(error).__name__}): start one.")
    return redis


def _give_up(why: str) -> NoReturn:
    sys.exit(refuse(why))


def _made_bot() -> Any:
    from silverback import SilverbackBot
    from silverback.main import SharedState
    from silverback.settings import Settings

    settings = Settings()
    url = settings.BROKER_KWARGS.get("url")
    if url is not None:
        _connected(url).close()  # before Silverback waits for it without a word
    made = SilverbackBot(settings)
    made.state = SharedState()  # Silverback tells it to one worker only
    workers: list[Worker] = []

    def keep(block: Any) -> int:
        """One look for each new block. The worker is made where the work is done."""
        if not workers:
            try:
                workers.append(Worker(url, made.provider.http_uri))
            except (command.KeeperError, LedgerTorn) as error:
                _give_up(str(error))
        return workers[0].tick()

    from ape import chain

    made.on_(chain.blocks)(keep)
    return made


def __getattr__(name: str) -> Any:
    """Silverback asks for `bot`; to be imported for anything else needs no network."""
    if name == "bot":
        globals()["bot"] = _made_bot()
        return globals()["bot"]
    raise AttributeError(name)
