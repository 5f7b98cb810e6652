"""A world twice: its contracts on the EVM of this process, and their exact model, moved and compared together."""

from __future__ import annotations

from typing import Any, NamedTuple

from bulkhead.chain import Contract, Revert, RevmChain
from bulkhead.fuzz.twin import Twin
from bulkhead.fuzz.world import HEARTBEAT, NOW, World
from bulkhead.invariants import ELSEWHERE, SENTENCES, TRANSITIONS, Action, State, broken, broken_by
from bulkhead.model.errors import ModelError
from bulkhead.model.operators import Operators
from bulkhead.model.token import Token
from bulkhead.protocol import Deployment
from bulkhead.protocol.config import camel

#: Whole tokens that each pool begins with, and each account.
POOLED = 5_000_000
FUNDED = 10**9
#: Calls whose first argument is a list of the vaults that they may change.
_OF_MANY = frozenset({"execute", "liquidate", "settle"})
#: Bytes of a proof by 0, 2 and 4 validators, and its round within a phase.
PROOFS, MAX_ROUND = (32, 160, 224), (1 << 64) - 1
#: What a model that has no contracts beside it is told.
AS_FORESEEN: Any = object()


class Difference(AssertionError):
    """Contracts and model differ, or an invariant is broken: what, and after which steps."""


class Actors(NamedTuple):
    """Who acts: two traders, two providers of liquidity, a keeper; each but the keeper holds tokens."""

    trader: str
    other: str
    provider: str
    guest: str
    keeper: str


class Pair:
    """Deployed once; `begin` puts both back to their first state."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        terms = self.world.terms
        self.chain = chain = RevmChain(timestamp=NOW, keep_logs=False)
        self.unit = 10**terms.decimals
        self.deployment = deployment = Deployment(chain)
        self.operators = deployment.operators
        self.token = deployment.deploy("TokenMock", terms.decimals)
        self.actors = Actors(*(chain.new_account(name) for name in Actors._fields))
        chain.set_time(NOW + 60)
        self.twins = self.world.twins(self)
        for account in self.actors[:4]:
            self.token.send.mint(account, FUNDED * self.unit)
            for spender in self._spenders():
                self.token.send.approve(spender, 2**256 - 1, sender=account)
        for twin in self.twins:
            pool = twin.contracts.pool
            pool.send.deposit(POOLED * self.unit, self.actors.provider, sender=self.actors.provider)
        self._first = chain.snapshot()
        self.begin()

    def _spenders(self) -> list[str]:
        return [address for twin in self.twins for address in (twin.address, twin.pool_address)]

    def begin(self) -> None:
        """A new history: both as they were deployed."""
        self.chain.revert(self._first)
        self._first = self.chain.snapshot()
        #: Of what happened: time, market, event; of a call: time, market, function, arguments, sender, answer.
        self.steps: list[tuple[Any, ...]] = []
        self.model_token = token = Token(self.world.terms.decimals, self.token.address)
        self.model_operators = Operators(self.chain)
        for twin in self.twins:
            twin.begin()
        provider = self.actors.provider
        for account in self.actors[:4]:
            token.mint(account, FUNDED * self.unit)
            for spender in self._spenders():
                token.approve(spender, 2**256 - 1, sender=account)
        for twin in self.twins:
            twin.model.pool.deposit(POOLED * self.unit, provider, sender=provider)
        self._parts = [twin.parts() for twin in self.twins]

    # --- both at once

    def do(
        self, twin: Twin, part: str, name: str, *args: Any, sender: str, on_chain: tuple[Any, ...] | None = None
    ) -> tuple[bool, Any]:
        """The same call to both; answers, state and invariants are compared: done, and the answer or the error.

        on_chain  its arguments there, where they are others

        Raises Difference.
        """
        contract, model = self._parts[twin.number][part]
        foreseen: Any
        befores = [one.state for one in self.twins]
        try:
            foreseen, done = getattr(model, name)(*args, sender=sender), True
        except ModelError as error:
            foreseen, done = (error.name, error.args), False
        self.steps.append((self.chain.timestamp, twin.number, name, args, sender, foreseen))
        told = self._told(contract, camel(name), args if on_chain is None else on_chain, sender)
        if part == "shares" and done:
            foreseen = True  # what an ERC-20 answers
        if told is not AS_FORESEEN and told != plain(foreseen):
            raise self.difference(name, told, foreseen)
        if name == "request_open" and done:
            twin.positions += foreseen
        if done:  # what is refused leaves the EVM as it was; the next call that goes through would show it
            self.compare(name)
        touched: frozenset[str] = frozenset()
        if part == "market":
            touched = frozenset(args[0] if name in _OF_MANY else args[:1]) & twin.model._traders.keys()
        self._check(twin, befores, Action(name, args, sender, done, touched))
        return done, foreseen

    def refused(self, contract: Contract, name: str, *args: Any, sender: str, error: str) -> None:
        """A call that nobody may make: it is refused with this error, and nothing changes. Raises Difference."""
        self.steps.append((self.chain.timestamp, 0, name, args, sender, error))
        told = self._told(contract, name, args, sender)
        if told is not AS_FORESEEN and told[:1] != (error,):
            raise self.difference(name, told, error)
        self.compare(name)

    def _told(self, contract: Contract, name: str, args: tuple[Any, ...], sender: str) -> Any:
        function = contract.abi.functions[name]
        try:
            returned = self.chain.send_raw(contract.address, function.encode(*map(plain, args)), sender)
        except Revert as revert:
            return revert.name, plain(revert.values)
        return plain(function.decode(returned))

    def _check(self, twin: Twin, befores: list[Any], action: Action) -> None:
        """Every invariant of the new states and every rule of the step."""
        for one, before in zip(self.twins, befores, strict=True):
            one.stir(prices=action.name == "check_outage")
            after = one.state
            wrong = broken_by(before, action, after, TRANSITIONS if one is twin else ELSEWHERE)
            if not action.done and not wrong:
                one.put(before)  # it is the same: known to be sound already, unless time or prices have moved
                after = before
            if after is not one.sound:
                wrong += broken(after, one.sound)
            if wrong:
                raise self.broken(action.name, wrong)
            one.sound = after

    def finish(self) -> None:
        """The end of a history: all storage, of positions that are over, too; every invariant of all positions, with
        nothing taken over from earlier states. Raises Difference."""
        self.compare("the end", whole=True)
        for twin in self.twins:
            if wrong := broken(State.of(twin.model)):
                raise self.broken("end", wrong)

    def compare(self, name: str, whole: bool = False) -> None:
        """All storage that the models know of; `whole`: of positions that are over, too. Raises Difference."""
        for twin in self.twins:
            if (found := twin.differs(whole)) is not None:
                address, slot, told, word = found
                raise self.difference(f"{name}: slot {slot:#x} of {address}", hex(told), hex(word))

    def difference(self, what: str, told: Any, foreseen: Any) -> Difference:
        """The whole history, and what differs at its end."""
        lines = [f"{what}:", f"  contracts {told}", f"  model     {foreseen}"]
        return Difference(self.named("\n".join([self.story(), *lines])))

    def broken(self, what: str, wrong: list[str]) -> Difference:
        """The whole history, and the invariants that do not hold after it."""
        lines = [f"{what} breaks"]
        for one in wrong:
            id, _, found = one.partition(": ")
            lines += [f"  {id}: {SENTENCES[id]}", f"    {found}"]
        return Difference(self.named("\n".join([self.story(), *lines])))

    def tell(self, event: str, twin: Twin | None = None) -> None:
        """Something that happened to the world, or to one market of it."""
        self.steps.append((self.chain.timestamp, 0 if twin is None else twin.number, event))

    def story(self) -> str:
        """What has happened, a line each: seconds since the beginning, the market if there are two, the step."""
        lines = []
        for time, market, what, *call in self.steps:
            where = f"market {market}: " if len(self.twins) > 1 else ""
            if call:
                args, sender, answer = call
                what = f"{sender}: {what}({', '.join(map(_shown, args))}) -> {_shown(answer)}"
            lines.append(f"{time - NOW:>7} {where}{what}")
        return self.named("\n".join(lines))

    def named(self, text: str) -> str:
        """A text with names in the place of addresses."""
        for name, address in self.actors._asdict().items():
            text = text.replace(address, name)
        for twin in self.twins:
            number = f" {twin.number}" if len(self.twins) > 1 else ""
            text = text.replace(twin.address, f"market{number}").replace(twin.pool_address, f"pool{number}")
            if twin.volatility is not None:
                text = text.replace(twin.volatility.address, f"volatility{number}")
            for n, vault in enumerate(twin.positions, 1):
                text = text.replace(vault, f"vault{number}.{n}" if number else f"vault {n}")
        return text

    # --- the world around

    def wait(self, seconds: int) -> None:
        """Lets time pass."""
        self.chain.set_time(self.chain.timestamp + seconds)
        self._stir()

    def block(self, account: str, value: bool) -> None:
        """The token refuses an account, or no longer."""
        self.token.send.setBlocked(account, value)
        (self.model_token.blocked.add if value else self.model_token.blocked.discard)(account)
        self.tell(f"the token {'blocks' if value else 'frees'} {account}")

    def tax(self, fee: int) -> None:
        """The token takes so much of every transfer."""
        self.token.send.setFee(fee)
        self.model_token.fee = fee
        self.tell(f"the token takes {fee} of every transfer")

    def donate(self, to: str, amount: int) -> None:
        """Tokens out of nothing, to anybody."""
        self.token.send.mint(to, amount)
        self.model_token.mint(to, amount)
        self.tell(f"{amount} tokens fall on {to}")
        self._stir()

    def end(self, twin: Twin) -> None:
        """A day without a price: the market ends."""
        for seconds in (HEARTBEAT + 1, 86_400):
            self.wait(seconds)
            twin.oracle.send.checkOutage()
            twin.model_oracle.check_outage()
        self.tell("the market ends", twin)
        self._stir()

    def _stir(self) -> None:
        for twin in self.twins:
            twin.stir()


class ModelAlone(Pair):
    """The model without its contracts, several times faster: for searches, and for faults planted in the model. The
    chain is only the clock, and holds the parts that are asked."""

    def _told(self, contract: Contract, name: str, args: tuple[Any, ...], sender: str) -> Any:
        return AS_FORESEEN

    def compare(self, name: str, whole: bool = False) -> None:
        """Nothing to compare with."""


def _shown(value: Any) -> str:
    """As short as it can be understood."""
    if isinstance(value, bytes):
        return (
            f"proof of round {int.from_bytes(value[:32]) & MAX_ROUND}" if len(value) in PROOFS else f"0x{value.hex()}"
        )
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value)


def plain(value: Any) -> Any:
    """Structs, lists and dataclasses as tuples."""
    if isinstance(value, int | str | bytes) or value is None:
        return value
    if isinstance(value, tuple | list):
        return tuple(map(plain, value))
    fields = getattr(value, "__dataclass_fields__", None)
    return value if fields is None else tuple(plain(getattr(value, name)) for name in fields)
