"""A keeper between whom and its node, its disk or its prices things go wrong, at random instants: `make faults-keeper`.

    python -m tests.integration.keeper_faults --instants 200         every kind; writes benchmarks/keeper_faults.json
    python -m tests.integration.keeper_faults --kinds Behind --seed 17 --instants 1    one instant again

The node is a real one. What stands before it is a `Line`, and each kind of fault is a line that breaks in its own way,
at the request, sending, signature or receipt that is drawn. Where a keeper is killed it is a process of its own, and
SIGKILL ends it. After each instant: every liquidation and every order has happened once, on the side where it was due,
no transaction is too many, and what the keeper knows and has spent is what a fresh scan and its balance say.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

from eth_account import Account

from bulkhead import Protocol
from bulkhead.chain import AnvilChain, ChainError, Contract, Web3Chain
from bulkhead.keeper import Keeper, Settings
from bulkhead.keeper.follower import Follower
from bulkhead.model.interfaces.market import ExitKind
from bulkhead.model.libraries.position_math import ONE
from bulkhead.protocol import Deployment, Market, OracleTerms
from bulkhead.protocol.config import source
from tests.integration.wire import Wire

FILE = Path(__file__).parents[2] / "benchmarks" / "keeper_faults.json"
KEYS = ("0x" + "11" * 32, "0x" + "22" * 32)
ACCOUNTS = tuple(Account.from_key(key).address for key in KEYS)
SETTINGS = Settings(coin=2_000 * 10**6, least_profit=1, fleet=frozenset(ACCOUNTS))
FUNDS = 10**18
#: Requests that a keeper without trouble makes in the scene, roughly: instants are drawn among so many.
REQUESTS = 340
#: Requests that a fault goes on for, one of these.
LASTS = (30, 100)
#: Steps of keepers within which everything must be done.
STEPS = 150
#: Seconds of a block, unless the fault says otherwise.
BLOCK = 45
#: Code of a contract that answers nothing any more.
DEAD = bytes.fromhex("5f5ffd")


# ---------------------------------------------------------------- the scene


@dataclass
class Scene:
    """Two longs that can be liquidated, two shorts that cannot, and two orders that have their price.

    Prices come of three feeds: one is the primary, one of the two others must agree with it.
    """

    chain: AnvilChain
    market: Market
    addresses: dict[str, Any]
    feeds: list[Contract]
    longs: list[str]
    orders: list[str]

    def events(self, name: str, begun: int) -> list[Any]:
        return self.market.contract.events(name, from_block=begun + 1)

    def is_done(self, begun: int) -> bool:
        return len(self.events("Exited", begun)) == len(self.longs) and len(self.events("Opened", begun)) == 2


@contextmanager
def staged() -> Iterator[Scene]:
    """The scene on an anvil of its own."""
    with AnvilChain() as chain:
        deployment = Deployment(chain)
        token = deployment.deploy("TokenMock", 6)
        feeds = [deployment.deploy("FeedProxyMock", 8) for _ in range(3)]

        def speak(price: int) -> None:
            for pause, speaking in ((60, feeds[1:]), (1, feeds[:1]), (1, [])):  # what is proven lies a second back
                chain.set_time(chain.timestamp + pause)
                for feed in speaking:
                    feed.send.push(price * 10**8, chain.timestamp, chain.timestamp)

        for _ in range(2):  # a price without a predecessor is disputed
            speak(2_000)
        settings = OracleTerms().encoded(feeds[0].address, 8)
        settings |= {"validators": [source(feed.address) for feed in feeds[1:]], "spread": ONE // 100, "quorum": 1}
        oracle = deployment.deploy("Oracle", settings)
        made = deployment.perpetual_market(token, oracle)
        parts = {
            "market": made.market.address,
            "oracle": oracle.address,
            "feeds": [feed.address for feed in feeds],
            "factory": deployment.factory.address,
            "config": made.config,
        }
        addresses = {"markets": {"ETH": parts}}
        market = Protocol.connect(chain, addresses).market()
        provider, trader = chain.new_account("provider"), chain.new_account("trader")
        for account, spender in ((provider, market.pool.address), (trader, market.address)):
            token.send.mint(account, 1_000_000 * 10**6)
            token.send.approve(spender, 2**256 - 1, sender=account)
        market.pool.deposit(1_000_000, sender=provider)
        positions = [market.open(size, 110, 500, sender=trader) for size in (1, -1, 1, -1)]
        speak(2_000)
        for position in positions:
            market.execute(position)
        speak(1_850)
        orders = [market.open(size, 1_000, 500, sender=trader) for size in (1, -1)]
        speak(1_850)
        longs = [positions[0].address, positions[2].address]
        yield Scene(chain, market, addresses, feeds, longs, [order.address for order in orders])


# ---------------------------------------------------------------- lines that break


class Line:
    """A provider in front of a real node, without a fault. A kind of fault changes what it answers, or what it mines.

    instant     the number of the request at which something goes wrong, `lasts` for how many more it does
    is_exact    no transaction is sent for nothing, and the books show to the unit what was spent
    is_mortal   the first keeper is a process of its own, that ends by it
    pair        of the keys of two keepers at work
    """

    is_exact: ClassVar[bool] = True
    is_mortal: ClassVar[bool] = False
    pair: ClassVar[tuple[int, ...]] = (0,)

    def __init__(self, scene: Scene, draw: random.Random, folder: Path) -> None:
        self.scene, self.chain, self.draw, self.folder = scene, scene.chain, draw, folder
        self.instant, self.lasts = draw.randrange(REQUESTS), draw.choice(LASTS)
        self.count = 0
        #: Was there something under way or to be sent when it went wrong, or after?
        self.struck = False
        self._wire = Wire(scene.chain.url)

    @property
    def since(self) -> int:
        """Requests since the instant."""
        return self.count - self.instant

    @property
    def is_over(self) -> bool:
        """Nothing will go wrong any more."""
        return self.since > self.lasts or type(self) is Line

    def make_request(self, method: str, params: list[Any]) -> Any:
        self.count += 1
        if self.since < 0:
            return self.ask(method, params)
        self.struck |= method in ("eth_sendRawTransaction", "eth_getTransactionReceipt")
        return self.fault(method, params)

    def fault(self, method: str, params: list[Any]) -> Any:
        """The answer from the instant on."""
        return self.ask(method, params)

    def ask(self, method: str, params: list[Any]) -> Any:
        """The node's own answer."""
        return self._wire.make_request(method, params)

    def signer(self, key: str) -> Any:
        """What a keeper signs with."""
        return key

    def mine(self) -> None:
        """A block, as time goes by."""
        self.chain.mine(seconds=BLOCK)

    def restart(self) -> None:
        """Between the end of a process and the next one."""

    def hangs_up(self) -> None:
        """Everything is over."""
        self._wire.close()


def die() -> None:
    """kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


class GoneAndBack(Line):
    def fault(self, method: str, params: list[Any]) -> Any:
        if self.since < 12:
            raise ConnectionError
        return self.ask(method, params)


class Behind(Line):
    """Answers everything as of some blocks ago. It may send again what it cannot see; the contract does it once."""

    is_exact = False

    def fault(self, method: str, params: list[Any]) -> Any:
        if self.is_over:
            return self.ask(method, params)
        old = hex(max(0, self.chain.block_number - 3))
        if (
            method == "eth_getBlockByNumber"
            and params[0] not in ("latest", "0x0")
            and int(params[0], 16) > int(old, 16)
        ):
            return {"result": None}
        if method == "eth_getTransactionReceipt":
            return {"result": None}
        return self.ask(method, [old if param in ("latest", "pending") else param for param in params])


class SilentAfterAccepting(Line):
    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        self.sent = 0

    def fault(self, method: str, params: list[Any]) -> Any:
        answer = self.ask(method, params)
        if method == "eth_sendRawTransaction" and self.sent < 2:
            self.sent += 1
            raise TimeoutError
        return answer


class Limited(Line):
    def fault(self, method: str, params: list[Any]) -> Any:
        if not self.is_over and self.draw.random() < 0.5:
            return {"error": {"code": -32_005, "message": "rate limit exceeded"}}
        return self.ask(method, params)


class Reorganised(Line):
    """Some requests after a liquidation was mined, so many blocks with it are others. Some transactions come back."""

    is_exact = False
    depth: ClassVar[int]

    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        self.wait = self.draw.randrange(60)
        self.raws: list[str] = []
        self.before: int | None = None
        self.crossed = self.done = False
        self.begun = self.chain.block_number

    @property
    def is_over(self) -> bool:
        return self.done

    def make_request(self, method: str, params: list[Any]) -> Any:
        if self.crossed and not self.done:
            self.wait -= 1
            if self.wait < 0:
                self.reorganise()
        if method == "eth_sendRawTransaction":
            self.raws.append(params[0])
        return self.ask(method, params)

    def mine(self) -> None:
        if self.done:
            super().mine()
        elif not self.crossed:
            self.before = self.chain.snapshot()
            super().mine()
            self.crossed = bool(self.scene.events("Exited", self.begun))
            if self.crossed and self.depth > 1:
                self.chain.mine(self.depth - 1, seconds=self.depth)

    def reorganise(self) -> None:
        assert self.before is not None
        self.done = self.struck = True
        head = self.chain.block_number
        self.chain.revert(self.before)
        for raw in self.raws:
            if self.draw.random() < 0.5:
                self.ask("eth_sendRawTransaction", [raw])  # those behind a gap wait, or are refused
        self.chain.mine(seconds=self.draw.randrange(1, BLOCK))
        self.chain.mine(max(1, head - self.chain.block_number + 1), seconds=self.depth + 1)


class Reorganised1(Reorganised):
    depth = 1


class Reorganised12(Reorganised):
    depth = 12


class Reorganised64(Reorganised):
    depth = 64


class DearGas(Line):
    """The base fee is above the cap, for a while."""

    @property
    def is_dear(self) -> bool:
        return 0 <= self.since <= self.lasts

    def fault(self, method: str, params: list[Any]) -> Any:
        if self.since in (0, self.lasts + 1):
            self._set_base_fee()
            self.chain.mine(seconds=1)
        return self.ask(method, params)

    def mine(self) -> None:
        self._set_base_fee()  # or it would go its own way
        super().mine()

    def _set_base_fee(self) -> None:
        self.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(2 * SETTINGS.fee_cap if self.is_dear else 0))


class Dropped(Line):
    """The node forgets what waits, and half of what comes."""

    def fault(self, method: str, params: list[Any]) -> Any:
        if self.since == 0:
            self.chain.rpc("anvil_dropAllTransactions")
        answer = self.ask(method, params)
        if method == "eth_sendRawTransaction" and "result" in answer and not self.is_over and self.draw.random() < 0.5:
            self.chain.rpc("anvil_dropTransaction", answer["result"])
        return answer


class NonceGap(Line):
    """A nonce beyond the next one is taken by somebody else with the key, or the first that waits is forgotten."""

    is_exact = False

    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        self.is_foreign, self.ahead, self.opened = self.draw.random() < 0.5, self.draw.randrange(1, 4), False

    @property
    def is_over(self) -> bool:
        return self.since > self.lasts and (self.opened or not self.is_foreign)

    def fault(self, method: str, params: list[Any]) -> Any:
        if not self.opened:
            self.opened = self._take() if self.is_foreign else self._drop()
        return self.ask(method, params)

    def _take(self) -> bool:
        nonce = self.chain.nonce(ACCOUNTS[0]) + self.ahead
        fields = {"to": ACCOUNTS[0], "value": 0, "gas": 21_000, "gasPrice": 10**10, "nonce": nonce}
        signed = Account.sign_transaction({**fields, "chainId": self.chain.chain_id}, KEYS[0])
        self.ask("eth_sendRawTransaction", ["0x" + bytes(signed.raw_transaction).hex()])
        return True

    def _drop(self) -> bool:
        waiting = self.chain.rpc("txpool_content")["pending"].get(ACCOUNTS[0], {})
        if len(waiting) > 1:
            self.chain.rpc("anvil_dropTransaction", waiting[min(waiting, key=int)]["hash"])
        return len(waiting) > 1


class DeadSources(Line):
    """Feeds answer nothing, for a while."""

    def dying(self) -> list[Contract]:
        raise NotImplementedError

    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        self.dead, self.instant = self.dying(), self.draw.randrange(200)
        self.codes = {feed.address: self.chain.code(feed) for feed in self.dead}

    def fault(self, method: str, params: list[Any]) -> Any:
        if self.since in (0, self.lasts + 1):
            self.chain.mine(2, seconds=2)  # what a block was is fixed when there is a next one
            for address, code in self.codes.items():
                self.chain.set_code(address, code if self.since else DEAD)
        return self.ask(method, params)


class OneSourceDead(DeadSources):
    """One that is not needed: everything is done all the same, before it is back."""

    def dying(self) -> list[Contract]:
        return [self.draw.choice(self.scene.feeds[1:])]


class PrimaryDead(DeadSources):
    """The one that all others confirm. What is under way then costs gas for nothing, and is done when it is back."""

    is_exact = False

    def dying(self) -> list[Contract]:
        return self.scene.feeds[:1]


class AllSourcesDead(PrimaryDead):
    """As before."""

    def dying(self) -> list[Contract]:
        return self.scene.feeds


class KilledBeforeRequest(Line):
    is_mortal = True

    def fault(self, method: str, params: list[Any]) -> Any:
        die()


class KilledAfterRequest(Line):
    is_mortal = True

    def fault(self, method: str, params: list[Any]) -> Any:
        self.ask(method, params)
        die()


class KilledAtSignature(Line):
    """At the first, second or third: before it, or between it and the ledger."""

    is_mortal = True
    is_signed: ClassVar[bool]

    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        self.instant = 0
        self.left = self.draw.randrange(3)

    def signer(self, key: str) -> Any:
        account, line = Account.from_key(key), self

        class Signer:
            address = account.address

            def sign_transaction(self, fields: dict[str, Any]) -> Any:
                line.left -= 1
                if line.left < 0 and not line.is_signed:
                    die()
                signed = account.sign_transaction(fields)
                if line.left < 0:
                    die()
                return signed

        return Signer()


class KilledBeforeSigning(KilledAtSignature):
    is_signed = False


class KilledAfterSigning(KilledAtSignature):
    is_signed = True


class KilledAtAnswer(Line):
    """At the first, second or third answer of a kind that is not empty, or some requests later."""

    is_mortal = True
    method: ClassVar[str]
    #: Before it is asked for, or with the answer there and nothing noted?
    is_answered: ClassVar[bool] = True

    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        self.instant = 0
        self.left, self.later = self.draw.randrange(3), self.draw.choice((0, 0, self.draw.randrange(12)))

    def fault(self, method: str, params: list[Any]) -> Any:
        if self.left < 0:
            self.later -= 1
            if self.later < 0:
                die()
        if method == self.method and not self.is_answered:
            self.left -= 1
            if self.left < 0:
                die()
        answer = self.ask(method, params)
        if method == self.method and answer.get("result") is not None:
            self.left -= 1
            if self.left < 0 and self.later == 0:
                die()
        return answer


class KilledBeforeSending(KilledAtAnswer):
    method, is_answered = "eth_sendRawTransaction", False


class KilledAfterSending(KilledAtAnswer):
    method = "eth_sendRawTransaction"


class KilledAfterMining(KilledAtAnswer):
    method = "eth_getTransactionReceipt"


class TornCheckpoint(KilledAfterRequest):
    """Killed, and a piece of its checkpoint is lost, or is something else."""

    def restart(self) -> None:
        for file in self.folder.rglob("*.checkpoint"):
            content = bytearray(file.read_bytes())
            if not content:
                continue
            start = self.draw.randrange(len(content))
            if self.draw.random() < 0.5:
                del content[start:]
            else:
                end = min(len(content), start + self.draw.randrange(1, 4_096))
                content[start:end] = self.draw.randbytes(end - start)
            file.write_bytes(bytes(content))


class FullDisk(Line):
    """No file may grow beyond a size, drawn between nothing and what there is already. The keeper ends by the first
    error, as the command does, and is started again with room."""

    is_mortal = True

    def fault(self, method: str, params: list[Any]) -> Any:
        if self.since == 0:
            largest = max((file.stat().st_size for file in self.folder.rglob("*") if file.is_file()), default=0)
            room = self.draw.randrange(largest + 1)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return self.ask(method, params)


class OneKey(Line):
    """Two keepers with one key, which do not know that they are two."""

    pair, is_exact = (0, 0), False

    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        self.instant = 0


class Race(OneKey):
    """Two keepers with keys of their own, each of which names the other as its fleet."""

    pair = (0, 1)


class WrongClock(Line):
    """The machine's clock is off by ten minutes, or the chain's leaps so far ahead."""

    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        self.is_chain, self.way, self.leapt = self.draw.random() < 0.5, self.draw.choice((-600, 600)), False
        self._clock = time.time

    def fault(self, method: str, params: list[Any]) -> Any:
        if self.is_chain:
            return self.ask(method, params)
        with patch("time.time", lambda: self._clock() + self.way):
            return self.ask(method, params)

    def mine(self) -> None:
        leaps = self.is_chain and not self.leapt and self.since >= 0
        self.chain.mine(seconds=BLOCK + 600 * leaps)
        self.leapt |= leaps


KINDS: tuple[type[Line], ...] = (
    GoneAndBack, Behind, SilentAfterAccepting, Limited, Reorganised1, Reorganised12, Reorganised64, DearGas, Dropped,
    OneSourceDead, PrimaryDead, AllSourcesDead, KilledBeforeRequest, KilledAfterRequest, KilledBeforeSigning,
    KilledAfterSigning, KilledBeforeSending, KilledAfterSending, KilledAfterMining, NonceGap, OneKey, Race,
    TornCheckpoint, FullDisk, WrongClock,
)  # fmt: skip


# ---------------------------------------------------------------- an instant


def survive(scene: Scene, kind: type[Line], seed: int, folder: Path) -> bool:
    """One instant of a fault: was something under way? Raises AssertionError if a keeper did not come through it."""
    with scene.chain.isolated():
        instant = _Instant(scene, kind, seed, folder)
        instant.survive()
    return instant.line.struck


class _Instant:
    def __init__(self, scene: Scene, kind: type[Line], seed: int, folder: Path) -> None:
        self.scene, self.kind, self.folder = scene, kind, folder
        self.what = f"{kind.__name__}, seed {seed}"
        self.draw = random.Random(f"{kind.__name__} {seed}")
        self.begun = scene.chain.block_number
        self.line = kind(scene, self.draw, folder)
        self.settings = replace(SETTINGS, batch=self.draw.choice((1, 2, 40)))
        #: Steps from block to block, on average.
        self.pace = self.draw.choice((1, 2, 3, 4))

    def survive(self) -> None:
        chain = self.scene.chain
        chain.rpc("anvil_dropAllTransactions")  # a snapshot does not hold what waited
        for account in ACCOUNTS:
            chain.set_balance(account, FUNDS)
        chain.automine(False)  # what is accepted waits for the block after
        line = self.line
        if self.kind.is_mortal:
            self._until_death(line)
            line.restart()
            line = Line(self.scene, self.draw, self.folder)
        keepers = self._work(line, STEPS)
        chain.automine(True)
        for keeper in keepers:
            keeper.once()
        self._check(keepers, line)
        for keeper in keepers:
            keeper.close()
        line.hangs_up()

    def _start(self, line: Line, number: int) -> Keeper:
        market = Protocol.connect(Web3Chain(line), self.scene.addresses).market()
        folder, key = self.folder / str(number), line.signer(KEYS[self.kind.pair[number]])
        return Keeper(market, key, self.settings, folder=folder, log=lambda event, facts: None)

    def _work(self, line: Line, steps: int) -> list[Keeper]:
        """Until everything is done, and nothing is to go wrong any more."""
        keepers: list[Keeper | None] = [None] * len(self.kind.pair)
        for _ in range(steps):
            number = self.draw.randrange(len(keepers))
            try:
                keeper = keepers[number] = keepers[number] or self._start(line, number)
                keeper.step()
            except ChainError:
                pass  # as `run` does
            if self.draw.randrange(self.pace) == 0:
                line.mine()
            working = [keeper for keeper in keepers if keeper is not None]
            idle = len(working) == len(keepers) and not any(keeper.ledger.flights() for keeper in working)
            if line.is_over and idle and self.scene.is_done(self.begun):
                return working
        raise AssertionError(f"{self.what}: not done after {steps} steps")

    def _until_death(self, line: Line) -> None:
        """In a process of its own."""
        child = os.fork()
        if child == 0:
            try:
                with suppress(AssertionError):
                    self._work(line, STEPS // 3)
            except (sqlite3.Error, OSError):
                os._exit(1)  # it ends itself, as the command does
            except BaseException:
                traceback.print_exc()
                os._exit(3)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (-signal.SIGKILL, 0, 1), f"{self.what}: ended with {code}"
        line.struck = code != 0

    def _check(self, keepers: list[Keeper], line: Line) -> None:
        scene, chain, what = self.scene, self.scene.chain, self.what
        exits = scene.events("Exited", self.begun)
        assert sorted(event.args.position for event in exits) == sorted(scene.longs), what
        assert {event.args.kind for event in exits} == {ExitKind.LIQUIDATION}, what
        assert sorted(e.args.position for e in scene.events("Opened", self.begun)) == sorted(scene.orders), what
        fresh = Follower(Protocol.connect(Web3Chain(line), scene.addresses).market(), 10**30)
        fresh.sync()
        assert len(fresh.known()) == 4, what
        assert all(keeper.follower.known() == fresh.known() for keeper in keepers), what
        now, spent = chain.timestamp, sum(FUNDS - chain.balance(account) for account in ACCOUNTS)
        committed = sum(keeper.ledger.committed(now) for keeper in keepers)
        assert 0 < spent <= self.settings.daily_budget * len(keepers), what
        if self.kind.is_exact:
            assert chain.nonce(ACCOUNTS[0]) == 2 + (2 if self.settings.batch == 1 else 1), what
            assert keepers[0].ledger.busy(now) == set(), what
            assert committed == spent, f"{what}: {committed} are in the books, {spent} were spent"
        elif self.kind is not NonceGap:  # somebody else has spent, too
            assert committed >= spent, f"{what}: {committed} are in the books, {spent} were spent"


def main() -> int:
    """Runs instants, says which failed, and writes the counts of a full run."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--instants", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=0, help="of the first instant; the next has the next")
    arguments.add_argument("--kinds", nargs="+", choices=[kind.__name__ for kind in KINDS], metavar="KIND")
    options = arguments.parse_args()
    figures: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    failures = 0
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # no fault here is one of power
    with staged() as scene, tempfile.TemporaryDirectory(dir=memory) as folder:
        for kind in KINDS:
            if options.kinds and kind.__name__ not in options.kinds:
                continue
            failed, struck, begun = 0, 0, time.perf_counter()
            for seed in range(options.seed, options.seed + options.instants):
                try:
                    struck += survive(scene, kind, seed, Path(folder) / kind.__name__ / str(seed))
                except Exception as error:
                    failed += 1
                    print(f"FAILED {kind.__name__}, seed {seed}: {type(error).__name__}: {error}", flush=True)
            took = time.perf_counter() - begun
            counts = {"instants": options.instants, "failures": failed, "seed": options.seed, "at_work": struck}
            print(f"{kind.__name__:24}{counts}, {took:.0f} s", flush=True)
            figures[kind.__name__] = counts
            failures += failed
            if options.instants > 1:
                FILE.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
