"""One world twice: contracts on an in-process EVM and their Python twins, moved and compared together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import floor, log
from typing import Any

from bulkhead.build import artifacts
from bulkhead.chain import ZERO, Revert, RevmChain
from bulkhead.model.errors import ModelError
from bulkhead.model.oracles.feed import FeedProxy
from bulkhead.model.oracles.oracle import Oracle, encode_proof
from bulkhead.model.oracles.oracle_settings import Composition, OracleSettings
from bulkhead.model.oracles.pyth import Pyth, Update
from bulkhead.model.oracles.source import Kind, SourceConfig
from bulkhead.protocol.config import source, text32
from tests.uniswap import Uniswap

DAY = 86_400
HEARTBEAT = 3600
#: What a pool's price is the mean of, seconds.
WINDOW = 600
#: How often Pyth is taken to publish a price, seconds.
CADENCE = 10
E8 = 10**8
E18 = 10**18
#: Round n of the first phase of a feed is ID | n.
ID = 1 << 64
#: The uint128 that bounds nothing with 8 decimals.
NO_MAX = (2**128 - 1) // 10**10
NAMES = {"first_after": "firstAfter", "check_outage": "checkOutage", "final_price": "finalPrice"}
FAULTS = {"none": 0, "reverts": 1, "burns": 2, "nothing": 3, "too much": 4}


def answer_of(call: Any, *args: Any) -> Any:
    """A call's values as a tuple, or its error as (name, values): the same form for the chain and for the model."""
    try:
        value = call(*args)
    except Revert as revert:
        return revert.name, tuple(revert.values)
    except ModelError as error:
        return error.name, error.args
    return tuple(value) if isinstance(value, tuple | list) else (value,)


@dataclass
class Block:
    timestamp: int


class Feed:
    """A mock proxy and its twin."""

    def __init__(self, world: World, decimals: int) -> None:
        self.world, self.decimals = world, decimals
        self.model = FeedProxy(decimals)
        self.mock = world.chain.deploy(world.artifacts["FeedProxyMock"], decimals)

    def push(
        self, price: float | Fraction, observed: int | None = None, transmitted: int | None = None, phase: int = 0
    ) -> int:
        """A round, by default seen and sent now; returns its id."""
        now = self.world.now
        transmitted = now if transmitted is None else transmitted
        observed = transmitted if observed is None else observed
        phase = phase or max(self.model.phases)
        answer = round(price * 10**self.decimals)
        self.model.push_to(phase, answer, observed, transmitted)
        self.mock.send.pushTo(phase, answer, observed, transmitted)
        return phase << 64 | len(self.model.phases[phase])

    def new_phase(self) -> None:
        self.model.new_phase()
        self.mock.send.newPhase()

    def fail(self, fault: str = "reverts") -> None:
        self.model.failing = fault != "none" and fault != "too much"
        if fault == "too much":
            raise ValueError("answers words of zeros: no twin; ask the contract alone")
        self.mock.send.fail(FAULTS[fault])


def _rounds(shown: tuple[Any, ...]) -> tuple[int, tuple[int, ...]]:
    """The words of a proof; 0 for what is no round."""
    first, *rest = (one if isinstance(one, int) else 0 for one in shown)
    return first, tuple(rest)


class PythPrice:
    """A price of Pyth on the MockPyth that Pyth publishes, and its twin. Every price has a Pyth of its own here."""

    decimals = 8

    def __init__(self, world: World, number: int, fee: int = 3) -> None:
        self.world = world
        self.model = Pyth(fee)
        self.mock = world.chain.deploy(world.artifacts["MockPyth"], 60, fee)
        self.id = bytes([number + 1]).rjust(32, b"\xfe")
        #: What was published, in its order; on chain is what somebody brought.
        self.updates: list[Update] = []

    def publish(
        self, price: float | Fraction, at: int | None = None, confidence: int = 0, exponent: int = -8, id: bytes = b""
    ) -> Update:
        """An update, by default of now, that nobody has brought on chain yet."""
        published = self.world.now if at is None else at
        previous = self.updates[-1].published if self.updates else 0
        answer = round(price * 10**self.decimals)
        update = Update(id or self.id, answer, confidence, exponent, published, previous)
        self.updates.append(update)
        return update

    def store(self, *updates: Update) -> None:
        """Somebody brings updates on chain."""
        self.model.update(updates)
        value = self.model.get_update_fee(updates)
        self.mock.send.updatePriceFeeds([self.encoded(update) for update in updates], value=value)

    def push(self, price: float | Fraction, **facts: Any) -> Update:
        """An update that is published and brought at once."""
        update = self.publish(price, **facts)
        self.store(update)
        return update

    def encoded(self, update: Update) -> bytes:
        """As Pyth signs it; the mock wants no signature."""
        price = (update.price, update.confidence, update.exponent)
        return bytes(
            self.mock.call.createPriceFeedUpdateData(update.id, *price, 0, 0, update.published, update.previous)
        )

    def first(self, time: int) -> Update | None:
        """The one update that proves a price at or after a time."""
        return next((one for one in self.updates if one.previous < time <= one.published), None)

    def fail(self, fault: str = "reverts") -> None:
        """Its contract answers nothing from now on."""
        self.model.failing = True
        self.world.chain.set_code(self.mock.address, bytes.fromhex("5f5ffd"))


class PoolPrice:
    """A Uniswap v3 pool of the underlying and what it is priced in, and its twin: a mean over WINDOW seconds."""

    decimals = 18

    def __init__(self, world: World) -> None:
        exchange = Uniswap(world.chain)
        token0, token1 = exchange.tokens(18, 18)
        self.pool = exchange.pool(token0, token1, 2000)
        self.pool.provide(10**24)
        self.pool.age(cardinality=400, seconds=2 * WINDOW)
        world.block.timestamp = world.chain.timestamp
        self.model, self.mock, self.world = self.pool.model, self.pool.contract, world

    def push(self, price: float | Fraction) -> None:
        """Somebody trades until the pool is at a price."""
        self.pool.swap_to(floor(log(price, 1.0001)))

    def fail(self, fault: str = "reverts") -> None:
        """It answers nothing from now on."""
        self.model.failing = True
        self.world.chain.set_code(self.mock.address, bytes.fromhex("5f5ffd"))


class World:
    """Feeds first, then `build`: the oracle wants a price at its birth.

    composition: what the second leg does to the primary's price, a feed of 8 decimals that is at 1 when it speaks.
    pyth: which sources are prices of Pyth, 0 for the primary, validators from 1 on; pools: which are pools of Uniswap;
    all others are Chainlink's.
    """

    def __init__(
        self,
        validators: int = 0,
        start: int = 1_800_000_000,
        decimals: int = 8,
        sequencer: bool = False,
        composition: Composition = Composition.NONE,
        pyth: Collection[int] = (),
        pools: Collection[int] = (),
    ) -> None:
        self.chain = RevmChain()
        self.artifacts = artifacts()
        self.chain.register(self.artifacts["IOracle"])
        self.upkeep = self.chain.deploy(self.artifacts["Upkeep"])
        self.block = Block(0)
        self.at(start)
        self.primary: Any = PythPrice(self, 0) if 0 in pyth else Feed(self, decimals)
        self.validators: list[Any] = [
            PythPrice(self, i) if i in pyth else PoolPrice(self) if i in pools else Feed(self, 8 if i % 2 else 18)
            for i in range(1, validators + 1)
        ]
        self.composition = composition
        self.leg = Feed(self, 8) if composition else None
        self.sequencer = Feed(self, 8) if sequencer else None
        if self.sequencer:
            self.sequencer.push(0, start - 10_000)

    @property
    def now(self) -> int:
        return self.block.timestamp

    @property
    def feeds(self) -> list[Any]:
        """Those of one price: the primary and its validators."""
        return [self.primary, *self.validators]

    @property
    def sources(self) -> list[Any]:
        """In the order of a proof."""
        return [*self.feeds, *([self.leg] if self.leg else [])]

    def at(self, time: int) -> None:
        self.block.timestamp = time
        self.chain.set_time(time)

    def wait(self, seconds: int) -> None:
        self.at(self.now + seconds)

    def all(self, price: float | Fraction) -> list[Any]:
        """Every source says the same now, and the second leg 1."""
        return [feed.push(1 if feed is self.leg else price) for feed in self.sources]

    def settings(self, **changes: Any) -> dict[str, Any]:
        """As the contract takes them, with feeds in the place of addresses."""
        n = len(self.validators)
        return {
            "base": text32("ETH"),
            "quote": text32("USDC" if self.leg else "USD"),
            "primary": self.config(self.primary),
            "validators": [self.config(feed) for feed in self.validators],
            "leg": self.config(self.leg) if self.leg else source(ZERO),
            "composition": self.composition,
            "deviation": E18 // 200,
            "spread": E18 // 100,
            "quorum": n // 2,
            "maxAge": HEARTBEAT + 60,
            "jumpLimit": E18 // 10,
            "sequencer": self.sequencer,
            "grace": 600,
            "outageLimit": 86_400,
        } | changes

    @staticmethod
    def config(feed: Any, **changes: Any) -> dict[str, Any]:
        """A feed without bounds, or a price of Pyth that is published every ten seconds and certain to 1 %."""
        if isinstance(feed, PythPrice):
            facts = {"kind": Kind.PYTH, "id": feed.id, "confidence": 10**7}
            return source(feed, CADENCE, decimals=feed.decimals, largest=0, **facts) | changes
        if isinstance(feed, PoolPrice):
            facts = {"kind": Kind.UNISWAP, "remember": 3 * WINDOW, "blockTime": 12}
            return source(feed, WINDOW, largest=2**128 - 1, **facts) | changes
        largest = 2**128 - 1 if feed.decimals == 18 else NO_MAX
        return source(feed, HEARTBEAT, decimals=feed.decimals, largest=largest) | changes

    def _deploy(self, s: dict[str, Any]) -> Any:
        def on_chain(config: dict[str, Any]) -> dict[str, Any]:
            return config | {"at": config["at"] if isinstance(config["at"], str) else config["at"].mock.address}

        chained = s | {key: on_chain(s[key]) for key in ("primary", "leg")}
        chained |= {"validators": [on_chain(config) for config in s["validators"]]}
        chained |= {"sequencer": self.sequencer.mock.address if self.sequencer else ZERO}
        return self.chain.deploy(self.artifacts["Oracle"], chained)

    def _model(self, s: dict[str, Any]) -> Oracle:
        def modelled(config: dict[str, Any]) -> SourceConfig:
            return SourceConfig(*(config | {"at": config["at"].model}).values())

        twins: dict[str, Any] = {"primary": modelled(s["primary"]), "leg": modelled(s["leg"]) if self.leg else None}
        twins |= {"validators": [modelled(config) for config in s["validators"]]}
        twins |= {"sequencer": self.sequencer.model if self.sequencer else None}
        return Oracle(OracleSettings(*(s | twins).values()), self.block)

    def build(self, **changes: Any) -> World:
        s = self.settings(**changes)
        self.contract, self.model = self._deploy(s), self._model(s)
        return self

    def build_error(self, **changes: Any) -> Any:
        """The constructor's error, the same in both; a source's address in it as the source."""
        s = self.settings(**changes)
        told = answer_of(self._deploy, s)
        name, values = answer_of(self._model, s)
        addresses = {id(feed.model): feed.mock.address for feed in self.sources}
        assert told == (name, tuple(addresses.get(id(value), value) for value in values))
        return told

    def ask(self, name: str, *args: Any) -> Any:
        """A view's values or error, after comparing both worlds."""
        told = answer_of(getattr(self.contract.call, NAMES.get(name, name)), *args)
        foreseen = answer_of(getattr(self.model, name), *args)
        assert told == foreseen, (name, args, told, foreseen)
        return told

    def first(self, after: int, *rounds: int, phase: int = 1) -> Any:
        """`first_after` with the rounds as proof."""
        several = len(self.sources) > 1
        proof = encode_proof(rounds[0], rounds[1:] if several else None) if rounds else b""
        return self.ask("first_after", phase, after, proof)

    def proof_after(self, time: int, phase: int) -> bytes:
        """What proves the first price of the primary after a time; what proves nothing where there is none."""
        for number in range(2, len(self.primary.model.phases[phase]) + 1):
            proof = encode_proof(phase << 64 | number)
            try:
                self.model.first_after(phase, time, proof)
            except ModelError:
                continue
            return proof
        return encode_proof(phase << 64 | 1)

    def prove(self, source: int, from_: int, *updates: Update, value: int | None = None) -> Any:
        """`prove` in a transaction of its own, in both worlds."""
        pull = self.feeds[source]
        sent = pull.model.get_update_fee(updates) if value is None else value
        self.model.kept.clear()
        encoded = [pull.encoded(update) for update in updates]
        told = answer_of(lambda: self.contract.call.prove(source, from_, encoded, value=sent))
        with self._undone():
            foreseen = answer_of(lambda: self.model.prove(source, from_, updates, value=sent))
        assert told == foreseen, (told, foreseen)
        return told

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """What a simulated transaction leaves in the twins of Pyth is forgotten."""
        pulls = [feed for feed in self.feeds if isinstance(feed, PythPrice)]
        stored = [dict(pull.model.stored) for pull in pulls]
        yield
        for pull, before in zip(pulls, stored, strict=True):
            pull.model.stored = before

    def show(self, after: int, *shown: Any, phase: int = 1) -> Any:
        """`first_after` in one transaction with the proofs of Pyth before it; both worlds are compared.

        shown: of each source a round, an update, or None for what is not shown; validators as of the primary's time.
        """
        pulls = [i for i, one in enumerate(shown) if isinstance(one, Update)]
        time = self._time_of(shown[0])
        self.model.kept.clear()
        steps, foreseen = [], []
        proof = encode_proof(*_rounds(shown))
        with self._undone():
            for i in pulls:
                from_, pull = time if i else after + 1, self.feeds[i]
                foreseen.append(answer_of(partial(self.model.prove, value=pull.model.fee), i, from_, [shown[i]]))
                data = self.contract.encode.prove(i, from_, [pull.encoded(shown[i])])
                steps.append((data, pull.model.fee, "prove"))
            foreseen.append(answer_of(self.model.first_after, phase, after, proof))
        steps.append((self.contract.encode.firstAfter(phase, after, proof), 0, "firstAfter"))
        calls = [(self.contract.address, value, data) for data, value, _ in steps]
        results = self.upkeep.call.run(calls, [], value=sum(value for _, value, _ in calls))
        for (_, _, name), result, wanted in zip(steps, results, foreseen, strict=True):
            if result.done:
                told: Any = tuple(self.contract.abi.function(name).decode(result.answer))
            else:
                revert = Revert(result.answer, self.chain.registry)
                told = revert.name, tuple(revert.values)
            assert told == wanted, (name, told, wanted)
        return foreseen[-1]

    def modelled(self, after: int, *shown: Any, phase: int) -> Any:
        """The same in the model only."""
        self.model.kept.clear()
        time = self._time_of(shown[0])
        with self._undone():
            for i, one in enumerate(shown):
                if isinstance(one, Update):
                    answer_of(
                        partial(self.model.prove, value=self.feeds[i].model.fee), i, time if i else after + 1, [one]
                    )
            proof = encode_proof(*_rounds(shown))
            return answer_of(self.model.first_after, phase, after, proof)

    def _time_of(self, first: Any) -> int:
        """When the primary's price was seen that is shown."""
        if isinstance(first, Update):
            return first.published
        if first is None or isinstance(self.primary, PythPrice):
            return self.now
        data = self.primary.model.get_round_data(first)
        return min(data[2], data[3]) if data else self.now

    def check_outage(self) -> tuple[bool, list[str]]:
        """The call's answer and the names of its events; clock and price are compared."""
        told = self.contract.call.checkOutage()
        receipt = self.contract.send.checkOutage()
        assert told == self.model.check_outage()
        self.compare()
        return told, [event.name for event in receipt.events]

    def compare(self) -> None:
        c = self.model.clock
        slots = [*range(len(self.validators)), 3]
        pack: Callable[..., int] = lambda phases: sum(p << 16 * i for i, p in zip(slots, phases, strict=False))  # noqa: E731
        assert tuple(self.contract.call.clock()) == (c.started, c.seen, c.ended, c.since, pack(c.phases))
        for time in {1, c.since, c.since + 1, *(since for since, _ in self.model.past)} - {0}:
            assert self.contract.call.phasesAt(time) == pack(self.model.phases_at(time))
        assert tuple(self.contract.call.last()) == (self.model.last.index, self.model.last.time)
        self.ask("final_price")


def world(validators: int = 0, **build: Any) -> World:
    """Two rounds of every feed at 2000, a minute apart, then the oracle."""
    w = World(validators, **{key: build.pop(key) for key in ("sequencer", "decimals", "composition") if key in build})
    w.all(2000)
    w.wait(60)
    w.all(2000)
    if "primary" in build:
        build["primary"] = w.config(w.primary, **build["primary"])
    return w.build(**build)
