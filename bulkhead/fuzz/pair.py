"""One market twice: the contracts on the EVM of this process, and their exact model, moved and compared together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from eth_hash.auto import keccak

from bulkhead.chain import Revert, RevmChain
from bulkhead.chain.address import checksum
from bulkhead.invariants import Action, State, broken, broken_by
from bulkhead.model.errors import ModelError
from bulkhead.model.instruments.perpetual import Parameters, Perpetual
from bulkhead.model.interfaces.market import MarketConfig, Order, OrderKind, Position
from bulkhead.model.libraries import book
from bulkhead.model.libraries.position_store import packed as packed_position
from bulkhead.model.margin.fixed_margin import FixedMargin
from bulkhead.model.market import Market
from bulkhead.model.operators import Operators
from bulkhead.model.oracles.chainlink_source import Config
from bulkhead.model.oracles.feed import FeedProxy
from bulkhead.model.oracles.oracle import Oracle, encode_proof
from bulkhead.model.oracles.oracle_settings import OracleSettings
from bulkhead.model.pool import Pool
from bulkhead.model.token import Token
from bulkhead.protocol import Deployment
from bulkhead.protocol.config import FixedMarginRates, PerpetualTerms, camel

ONE = 10**18
PRICE = 2_000 * ONE
NOW = 1_800_000_000
HEARTBEAT = 3_600
POOLED = 5_000_000
FUNDED = 10**9

# Where the contracts' state lies: slots of Market, Pool and the token.
_POSITIONS, _CLAIMS, _SERIES, _LIVE = range(4)
_SHARES, _SHARE_SUPPLY, _FUNDS, _OWED, _EXITS, _KEPT, _LINE = 0, 2, 5, 6, 7, 8, 9
_BALANCES = 0


class Difference(AssertionError):
    """Contracts and model differ, or an invariant is broken: what, and after which steps."""


class Actors(NamedTuple):
    """Who acts: two traders, two providers of liquidity, a keeper; each holds tokens."""

    trader: str
    other: str
    provider: str
    guest: str
    keeper: str


def _slot(key: int | str, slot: int) -> int:
    word = int(key, 16) if isinstance(key, str) else key
    return int.from_bytes(keccak(word.to_bytes(32) + slot.to_bytes(32)))


class Slots:
    """Slots of mappings, hashed once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int | str, int], int] = {}

    def __call__(self, key: int | str, slot: int) -> int:
        found = self._known.get((key, slot))
        if found is None:
            found = self._known[key, slot] = _slot(key, slot)
        return found


class Pair:
    """Deployed once; `begin` puts both back to their first state. `decimals` of the token."""

    def __init__(self, decimals: int = 6) -> None:
        self.chain = chain = RevmChain(timestamp=NOW, keep_logs=False)
        self.unit = 10**decimals
        deployment = Deployment(chain)
        self.token = deployment.deploy("TokenMock", decimals)
        self.feed = deployment.deploy("FeedProxyMock", 8)
        for time in (NOW, NOW + 60):
            chain.set_time(time)
            self.feed.send.push(PRICE // 10**10, time, time)
        self.oracle = deployment.oracle(self.feed.address)
        self.contracts = deployment.perpetual_market(self.token, self.oracle)
        self.operators = deployment.operators
        self.actors = Actors(*(chain.new_account(name) for name in Actors._fields))
        for account in self.actors[:4]:
            self.token.send.mint(account, FUNDED * self.unit)
            for spender in (self.contracts.market, self.contracts.pool):
                self.token.send.approve(spender.address, 2**256 - 1, sender=account)
        self.contracts.pool.send.deposit(POOLED * self.unit, self.actors.provider, sender=self.actors.provider)
        self._slots, self._vaults = Slots(), [self._vault(n) for n in range(1, 256)]
        self._first = chain.snapshot()
        self._functions = {
            "market": (self.contracts.market, self.contracts.market.abi.functions),
            "pool": (self.contracts.pool, self.contracts.pool.abi.functions),
        }
        self.begin()

    def _vault(self, nonce: int) -> str:
        number = bytes([nonce]) if nonce < 128 else bytes([0x81, nonce])
        payload = b"\x94" + bytes.fromhex(self.contracts.market.address[2:]) + number
        return str(checksum(keccak(bytes([0xC0 + len(payload)]) + payload)[12:].rjust(32, b"\0")))

    def begin(self) -> None:
        """A new history: both as they were deployed."""
        self.chain.revert(self._first)
        self._first = self.chain.snapshot()
        chain, contracts, actors = self.chain, self.contracts, self.actors
        feed = FeedProxy(8)
        for time in (NOW, NOW + 60):
            feed.push(PRICE // 10**10, time, time)
        settings = OracleSettings(
            Config(feed, HEARTBEAT, 0, 10**20), [], ONE // 200, 0, 0, HEARTBEAT, ONE // 10, None, 600, 86_400
        )
        oracle = Oracle(settings, chain)
        config = MarketConfig(**{n: contracts.config[camel(n)] for n in MarketConfig.__dataclass_fields__})
        perpetual = Perpetual(Parameters(*PerpetualTerms().encoded()))
        token = Token(len(str(self.unit)) - 1, self.token.address)
        market, pool = contracts.market.address, contracts.pool.address
        twin_pool = Pool(pool, market, config, token, oracle, perpetual, chain)
        self.model = Market(
            market,
            config,
            token,
            oracle,
            perpetual,
            FixedMargin(*FixedMarginRates().encoded()),
            Operators(chain),
            twin_pool,
            chain,
            lambda n: self._vaults[n - 1],
        )
        self.model_oracle = oracle
        self.model_feed, self.price, self.steps = feed, PRICE, list[str]()
        self.proofs: list[tuple[int, bytes]] = []
        for account in actors[:4]:
            token.mint(account, FUNDED * self.unit)
            for spender in (market, pool):
                token.approve(spender, 2**256 - 1, sender=account)
        twin_pool.deposit(POOLED * self.unit, actors.provider, sender=actors.provider)
        self.positions: list[str] = []
        self._alive: set[str] = set()
        self._words: dict[str, tuple[Position | None, Order | None, tuple[int, int, int]]] = {}
        self.state = State.of(self.model)
        self._sound: State | None = None  # the last state in which every invariant held

    # --- both at once

    def do(self, part: str, name: str, *args: Any, sender: str) -> tuple[bool, Any]:
        """The same call to both; answers, state and invariants are compared: done, and the answer or the error.

        Raises Difference.
        """
        contract, functions = self._functions[part]
        twin = self.model if part == "market" else self.model.pool
        function = functions[camel(name)]
        if self.state.time != self.chain.timestamp:
            self.state = State.of(self.model)  # a step begins where time and prices have got to
        foreseen: Any
        try:
            foreseen, done = getattr(twin, name)(*args, sender=sender), True
        except ModelError as error:
            foreseen, done = (error.name, error.args), False
        self.steps.append(f"{self.chain.timestamp - NOW} {name}{args} by {sender[:6]} -> {foreseen}")
        went, returned = self.chain.attempt(contract.address, function.encode(*map(_plain, args)), sender)
        told = _plain(function.decode(returned)) if went else self._error(returned)
        if told != _plain(foreseen):
            raise self.difference(name, told, foreseen)
        if name == "request_open" and done:
            self.positions += foreseen
        self.compare(name)
        if part == "market":
            touched = frozenset(args[0]) if name in ("liquidate", "settle") else frozenset(args[:1])
        else:
            touched = frozenset()
        self.check(Action(name, args, sender, done, touched & self.model._traders.keys()))
        return done, foreseen

    def check(self, action: Action) -> None:
        """Every invariant of the new state and every rule of the step. Raises Difference."""
        before, self.state = self.state, State.of(self.model)
        wrong = broken(self.state, self._sound) + broken_by(before, action, self.state)
        if wrong:
            raise self.difference(action.name, wrong, "nothing broken")
        self._sound = self.state

    def _error(self, data: bytes) -> tuple[Any, ...]:
        revert = Revert(data, self.chain.registry)
        return revert.name, _plain(revert.values)

    def compare(self, name: str, whole: bool = False) -> None:
        """Every word of state that the model knows of; `whole`: of positions that are over, too. Raises Difference."""
        model, pool, slots = self.model, self.model.pool, self._slots
        read, market, token = self.chain._evm.storage, self.contracts.market.address, self.token.address
        expected: list[tuple[str, int, int]] = [(market, _LIVE, _lanes(model._live))]
        # What is over changes no more: it is looked at once when it ends, and at the end of the history.
        vaults = self.positions if whole else self._alive | model._positions.keys()
        self._alive = set(model._positions)
        positions, orders = model._positions, model._orders
        for vault in vaults:
            base = slots(vault, _POSITIONS)
            p, order = positions.get(vault), orders.get(vault)
            known = self._words.get(vault)
            if known is None or known[0] is not p or known[1] is not order:
                words = packed_position(p or Position(), order or Order())
                self._words[vault] = known = p, order, words
            state, terms, waiting = known[2]
            claim = model._claims.get(vault)
            expected += [
                (market, base, state),
                (market, base + 1, terms),
                (market, base + 2, waiting),
                (market, slots(vault, _CLAIMS), claim.trader | claim.pool << 128 if claim else 0),
                (token, slots(vault, _BALANCES), model.token.balance_of(vault)),
            ]
        for id, series in model._series.items():
            base = slots(id, _SERIES)
            sizes, carry, long, short = book.packed(series)
            expected += [(market, base + i, word) for i, word in enumerate((sizes, carry, *long, *short))]
        where = pool.address
        funds = pool._idle | pool._committed << 88 | pool._busy << 176 | pool._index << 200
        funds |= (pool._exit_shares != 0) << 240 | (pool._claims != 0) << 248
        expected += [
            (where, _FUNDS, funds),
            (where, _OWED, pool._claims | pool._exit_shares << 128),
            (where, _LINE, pool._first_exit | pool._next_exit << 128),
            (where, _SHARE_SUPPLY, pool.total_supply()),
        ]
        for owner, kept in pool._kept.items():
            expected.append((where, slots(owner, _KEPT), kept))
        for id, exit in pool._exits.items():
            base = slots(id, _EXITS)
            assert exit.owner is not None
            first = int(exit.owner, 16) | exit.requested_at << 160 | exit.phase << 192
            expected += [(where, base, first), (where, base + 1, exit.shares)]
        for account in (*self.actors, where, market):
            expected.append((token, slots(account, _BALANCES), model.token.balance_of(account)))
            expected.append((where, slots(account, _SHARES), pool.balance_of(account)))
        for address, slot, word in expected:
            if (told := read(address, slot)) != word:
                raise self.difference(f"{name}: slot {slot:#x} of {address}", hex(told), hex(word))

    def difference(self, what: str, told: Any, foreseen: Any) -> Difference:
        """The whole history, and what differs at its end."""
        return Difference("\n".join([*self.steps, f"{what}\n contracts {told}\n model     {foreseen}"]))

    # --- the world around

    def wait(self, seconds: int) -> None:
        """Lets time pass."""
        self.chain.set_time(self.chain.timestamp + seconds)

    def push(self, price: int) -> None:
        """A round in both feeds, at 8 decimals; its proof is kept."""
        price = max(price // 10**10, 1)
        now = self.chain.timestamp
        self.feed.send.push(price, now, now)
        self.model_feed.push(price, now, now)
        self.price = price * 10**10
        self.proofs.append((now, encode_proof(1 << 64 | len(self.model_feed.phases[1]))))
        self.steps.append(f"{now - NOW} price {self.price / ONE}")
        self.state = State.of(self.model)

    def block(self, account: str, value: bool) -> None:
        """The token refuses an account, or no longer."""
        self.token.send.setBlocked(account, value)
        (self.model.token.blocked.add if value else self.model.token.blocked.discard)(account)
        self.steps.append(f"{'blocks' if value else 'frees'} {account[:6]}")

    def donate(self, to: str, amount: int) -> None:
        """Tokens out of nothing, to anybody."""
        for do in (self.token.send.mint, self.model.token.mint):
            do(to, amount)
        self.steps.append(f"{amount} fall on {to[:6]}")
        self.state = State.of(self.model)

    def end(self) -> None:
        """A day without a price: the market ends."""
        for seconds in (HEARTBEAT + 1, 86_400):
            self.wait(seconds)
            self.oracle.send.checkOutage()
            self.model_oracle.check_outage()
        self.steps.append("the market ends")
        self.state = State.of(self.model)

    def first_proof(self, after: int) -> bytes:
        """Of the first round after a moment; b"" where there is none."""
        return next((proof for time, proof in self.proofs if time > after), b"")

    def waiting(self) -> list[str]:
        """Positions with an order."""
        return [p for p, order in self.model._orders.items() if order.kind != OrderKind.NONE]


def _lanes(live: Sequence[int]) -> int:
    word = 0
    for id in live:
        word = word << 25 | 1 << 24 | id
    return word


def _plain(value: Any) -> Any:
    """Structs, lists and dataclasses as tuples."""
    if isinstance(value, int | str | bytes) or value is None:
        return value
    if isinstance(value, tuple | list):
        return tuple(map(_plain, value))
    fields = getattr(value, "__dataclass_fields__", None)
    return value if fields is None else tuple(_plain(getattr(value, name)) for name in fields)
