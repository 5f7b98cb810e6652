"""One world twice: contracts on an in-process EVM and their Python twins, moved and compared together."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from bulkhead.build import artifacts
from bulkhead.chain import ZERO, Revert, RevmChain
from bulkhead.model.errors import ModelError
from bulkhead.model.oracles.chainlink_source import Config
from bulkhead.model.oracles.feed import FeedProxy
from bulkhead.model.oracles.oracle import Oracle, encode_proof
from bulkhead.model.oracles.oracle_settings import OracleSettings

HEARTBEAT = 3600
E8 = 10**8
E18 = 10**18
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


class World:
    """Feeds first, then `build`: the oracle wants a price at its birth."""

    def __init__(
        self, validators: int = 0, start: int = 1_800_000_000, decimals: int = 8, sequencer: bool = False
    ) -> None:
        self.chain = RevmChain()
        self.artifacts = artifacts()
        self.chain.register(self.artifacts["IOracle"])
        self.block = Block(0)
        self.at(start)
        self.primary = Feed(self, decimals)
        self.validators = [Feed(self, 18 if i % 2 else 8) for i in range(validators)]
        self.sequencer = Feed(self, 8) if sequencer else None
        if self.sequencer:
            self.sequencer.push(0, start - 10_000)

    @property
    def now(self) -> int:
        return self.block.timestamp

    @property
    def feeds(self) -> list[Feed]:
        return [self.primary, *self.validators]

    def at(self, time: int) -> None:
        self.block.timestamp = time
        self.chain.set_time(time)

    def wait(self, seconds: int) -> None:
        self.at(self.now + seconds)

    def all(self, price: float | Fraction) -> list[int]:
        """Every feed says the same now."""
        return [feed.push(price) for feed in self.feeds]

    def settings(self, **changes: Any) -> dict[str, Any]:
        n = len(self.validators)
        return {
            "primary": {"heartbeat": HEARTBEAT, "minAnswer": 0, "maxAnswer": self._max(self.primary)},
            "validators": [
                {"heartbeat": HEARTBEAT, "minAnswer": 0, "maxAnswer": self._max(f)} for f in self.validators
            ],
            "deviation": E18 // 200,
            "spread": E18 // 100,
            "quorum": n // 2,
            "maxAge": HEARTBEAT + 60,
            "jumpLimit": E18 // 10,
            "grace": 600,
            "outageLimit": 86_400,
        } | changes

    @staticmethod
    def _max(feed: Feed) -> int:
        return NO_MAX if feed.decimals != 18 else 2**128 - 1

    def _deploy(self, s: dict[str, Any]) -> Any:
        def config(c: dict[str, Any], feed: Feed) -> dict[str, Any]:
            return {"proxy": feed.mock.address} | c

        chained = s | {
            "primary": config(s["primary"], self.primary),
            "validators": [config(c, f) for c, f in zip(s["validators"], self.validators, strict=True)],
            "sequencer": self.sequencer.mock.address if self.sequencer else ZERO,
        }
        return self.chain.deploy(self.artifacts["Oracle"], chained)

    def _model(self, s: dict[str, Any]) -> Oracle:
        def config(c: dict[str, Any], feed: Feed) -> Config:
            return Config(feed.model, c["heartbeat"], c["minAnswer"], c["maxAnswer"])

        return Oracle(
            OracleSettings(
                config(s["primary"], self.primary),
                [config(c, f) for c, f in zip(s["validators"], self.validators, strict=True)],
                s["deviation"],
                s["spread"],
                s["quorum"],
                s["maxAge"],
                s["jumpLimit"],
                self.sequencer.model if self.sequencer else None,
                s["grace"],
                s["outageLimit"],
            ),
            self.block,
        )

    def build(self, **changes: Any) -> World:
        s = self.settings(**changes)
        self.contract, self.model = self._deploy(s), self._model(s)
        return self

    def build_error(self, **changes: Any) -> Any:
        """The constructor's error, the same in both."""
        s = self.settings(**changes)
        told = answer_of(self._deploy, s)
        assert told == answer_of(self._model, s)
        return told

    def ask(self, name: str, *args: Any) -> Any:
        """A view's values or error, after comparing both worlds."""
        told = answer_of(getattr(self.contract.call, NAMES.get(name, name)), *args)
        foreseen = answer_of(getattr(self.model, name), *args)
        assert told == foreseen, (name, args, told, foreseen)
        return told

    def first(self, after: int, *rounds: int, phase: int = 1) -> Any:
        """`first_after` with the rounds as proof."""
        proof = encode_proof(rounds[0], rounds[1:] if self.validators else None) if rounds else b""
        return self.ask("first_after", phase, after, proof)

    def check_outage(self) -> tuple[bool, list[str]]:
        """The call's answer and the names of its events; clock and price are compared."""
        told = self.contract.call.checkOutage()
        receipt = self.contract.send.checkOutage()
        assert told == self.model.check_outage()
        self.compare()
        return told, [event.name for event in receipt.events]

    def compare(self) -> None:
        c = self.model.clock
        packed = [sum(p << 16 * i for i, p in enumerate(phases)) for phases in (c.phases, c.before)]
        assert tuple(self.contract.call.clock()) == (c.started, c.seen, c.ended, c.since, *packed)
        assert tuple(self.contract.call.last()) == (self.model.last.index, self.model.last.time)
        self.ask("final_price")
