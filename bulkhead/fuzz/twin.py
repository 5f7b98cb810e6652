"""One market twice: its contracts and their exact model, with the feeds that both hear."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Any

from eth_hash.auto import keccak

from bulkhead.chain import Contract
from bulkhead.chain.address import checksum
from bulkhead.fuzz.world import NOW, PRICES, twin_volatility_margin
from bulkhead.invariants import State, newest_price, volatility_of
from bulkhead.model.interfaces.instrument import Instrument, MarginModel
from bulkhead.model.interfaces.market import MarketConfig, Order, OrderKind, Position, VoidReason
from bulkhead.model.interfaces.pool import Exit
from bulkhead.model.interfaces.volatility_feed import VolatilityState
from bulkhead.model.libraries import book
from bulkhead.model.libraries.position_store import packed as packed_position
from bulkhead.model.margin.volatility_feed import VolatilityFeed
from bulkhead.model.market import NO_ORDER, NO_POSITION, Claim, Market
from bulkhead.model.oracles.feed import FeedProxy
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.model.pool import Pool
from bulkhead.protocol.config import camel
from bulkhead.protocol.deployment import MarketContracts

if TYPE_CHECKING:
    from bulkhead.fuzz.pair import Pair

#: No history has more positions in one market: addresses of vaults are worked out ahead.
MOST_POSITIONS = 250

# Where the contracts' state lies: slots of Market, Pool, the token and the volatility feed.
_POSITIONS, _CLAIMS, _SERIES, _LIVE = range(4)
_SHARES, _SHARE_SUPPLY, _FUNDS, _OWED, _EXITS, _KEPT, _LINE = 0, 2, 5, 6, 7, 8, 9
_BALANCES = 0
_VOLATILITY = 0

#: Slots, and the words that they must hold.
Words = tuple[tuple[int, ...], tuple[int, ...]]


class WatchedMarket(Market):
    """The model, telling why orders were void."""

    def _void(self, position: str, p: Position, order: Order, reason: VoidReason, index: int, sender: str) -> None:
        self.voids = [*getattr(self, "voids", []), reason]
        super()._void(position, p, order, reason, index, sender)


class Twin:
    """The `number`-th market of a pair. Deployed once; `begin` makes its model anew."""

    def __init__(self, pair: Pair, number: int) -> None:
        self.pair, self.number, self.first_price = pair, number, PRICES[number]
        self.feeds, self.oracle = self._deploy_oracle()
        #: Markets that hear the same feeds.
        self.hearers: list[Twin] = [self]
        self.contracts = self._deploy_market()
        self.instrument, self.margin_model = self.contracts.instrument, self.contracts.margin_model
        self.address, self.pool_address = self.contracts.market.address, self.contracts.pool.address
        #: Who may hold tokens and shares beside vaults, and the slots in which they do.
        self._accounts = (*pair.actors, self.pool_address, self.address)
        self._tokens_of = [slot_of(who, _BALANCES) for who in self._accounts]
        self._shares_of = [slot_of(who, _SHARES) for who in self._accounts]
        self._vaults = [_created(self.address, n) for n in range(1, MOST_POSITIONS + 3)]

    def _deploy_oracle(self) -> tuple[list[Contract], Contract]:
        deployment, world = self.pair.deployment, self.pair.world
        feeds = [deployment.deploy("FeedProxyMock", 8) for _ in range(1 + world.terms.validators)]
        for time in (NOW, NOW + 60):
            for feed in feeds:
                feed.send.push(self.first_price // 10**10, time, time)
        return feeds, world.deploy_oracle(deployment, feeds)

    def _deploy_market(self) -> MarketContracts:
        deployment, world, token = self.pair.deployment, self.pair.world, self.pair.token
        instrument = world.deploy_instrument(deployment, self.oracle, self.feeds)
        if world.volatility is None:
            margin_model = world.deploy_margin_model(deployment, self.feeds)
        else:
            margin_model = deployment.margin_model(token, self.oracle, world.volatility)
        return deployment.market(token, self.oracle, instrument, margin_model, world.terms.market)

    def begin(self) -> None:
        """A new history: the model as the contracts were deployed."""
        pair, contracts = self.pair, self.contracts
        self._begin_oracle()
        oracle = self.model_oracle
        self.model_instrument = self._twin_instrument()
        config = MarketConfig(**{n: contracts.config[camel(n)] for n in MarketConfig.__dataclass_fields__})
        pool = Pool(
            self.pool_address, self.address, config, pair.model_token, oracle, self.model_instrument, pair.chain
        )
        self.model = WatchedMarket(
            self.address,
            config,
            pair.model_token,
            oracle,
            self.model_instrument,
            self._twin_margin_model(),
            pair.model_operators,
            pool,
            pair.chain,
            lambda n: self._vaults[n - 1],
        )
        #: Where margins follow the volatility: its feed.
        self.volatility: Contract | None = None
        self.model_volatility = self._twin_volatility()
        if self.model_volatility is not None:
            self.volatility = pair.deployment.at("VolatilityFeed", self._volatility_address())
        self._remembered: VolatilityState | None = None  # by the feed of volatility, when it was compared last
        self.positions: list[str] = []  # every one there has been
        self._alive: set[str] = set()
        self._words: dict[str, tuple[Position | None, Order | None, Claim | None, Words]] = {}
        self._series_words: dict[int, tuple[book.Series, Words]] = {}
        self._exit_words: dict[int, tuple[Exit, Words]] = {}
        self._state: State | None = None
        self._last: State | None = None  # what it has in common with the next one is shared
        self._price: tuple[int, int] | None = None
        self.sound: State | None = None  # the last state in which every invariant held

    def _begin_oracle(self) -> None:
        self.model_feeds = [FeedProxy(8) for _ in self.feeds]
        for time in (NOW, NOW + 60):
            for feed in self.model_feeds:
                feed.push(self.first_price // 10**10, time, time)
        self.model_oracle = self.pair.world.twin_oracle(self.oracle, self.model_feeds, self.pair.chain)
        self.price = self.first_price
        #: Percent of the price that each source tells; 0: it is silent.
        self.voices = [100] * len(self.feeds)
        self.proofs: list[tuple[int, bytes]] = []

    def _twin_instrument(self) -> Instrument:
        return self.pair.world.twin_instrument(self.instrument, self.model_oracle)

    def _twin_volatility(self) -> VolatilityFeed | None:
        return volatility_of(self.model)

    def _volatility_address(self) -> str:
        return str(self.margin_model.call.VOLATILITY())

    def _twin_margin_model(self) -> MarginModel:
        world = self.pair.world
        if world.volatility is None:
            return world.twin_margin_model(self.margin_model)
        return twin_volatility_margin(self.model_oracle, world.volatility, world.terms.decimals, self.pair.chain)

    @property
    def state(self) -> State:
        """Of the model, now."""
        if self._state is None:
            if self._price is None:
                self._price = newest_price(self.model)
            self._state = self._last = State.of(self.model, self._price, self._last)
        return self._state

    def stir(self, prices: bool = True) -> None:
        """Something has changed: the state is read anew when it is asked for, and with it the newest price."""
        self._state = None
        if prices:
            self._price = None

    def put(self, state: State) -> None:
        """The model is as it was."""
        self._state = self._last = state

    def parts(self) -> dict[str, tuple[Contract, Any]]:
        """Contracts that are called, with what stands for them in the model."""
        pool = self.contracts.pool
        volatility = {} if self.volatility is None else {"volatility": (self.volatility, self.model_volatility)}
        return volatility | {
            "market": (self.contracts.market, self.model),
            "pool": (pool, self.model.pool),
            "shares": (pool, self.model.pool.shares),
            "oracle": (self.oracle, self.model_oracle),
            "instrument": (self.instrument, self.model_instrument),
            "operators": (self.pair.operators, self.pair.model_operators),
        }

    def differs(self, whole: bool) -> tuple[str, int, int, int] | None:
        """Every word of storage that the model knows of is read. The first that differs: address, slot, the word there,
        the model's. Of positions that are over only once, or if `whole`."""
        model, pool, token = self.model, self.model.pool, self.model.token
        positions = model._positions
        vaults = self.positions if whole else [*(self._alive - positions.keys()), *positions]
        self._alive = set(positions)
        slots, words = [_LIVE], [_lanes(model._live)]
        held = [self._words_of_position(vault) for vault in vaults]
        held += [self._words_of_series(id, series) for id, series in model._series.items()]
        for places, contents in held:
            slots += places
            words += contents
        found = self._unlike(self.address, slots, words)

        funds = pool._idle | pool._committed << 88 | pool._busy << 176 | pool._index << 200
        funds |= (pool._exit_shares != 0) << 240 | (pool._claims != 0) << 248
        slots = [_FUNDS, _OWED, _LINE, _SHARE_SUPPLY, *self._shares_of]
        words = [funds, pool._claims | pool._exit_shares << 128, pool._first_exit | pool._next_exit << 128]
        words += [pool.shares.total_supply, *map(pool.shares.balances.get, self._accounts, repeat(0))]
        for owner, waiting in pool._kept.items():
            slots.append(slot_of(owner, _KEPT))
            words.append(waiting)
        for id, exit in pool._exits.items():
            places, contents = self._words_of_exit(id, exit)
            slots += places
            words += contents
        found = found or self._unlike(self.pool_address, slots, words)

        slots = [*self._tokens_of, *map(slot_of, vaults, repeat(_BALANCES))]
        words = list(map(token.balances.get, (*self._accounts, *vaults), repeat(0)))
        found = found or self._unlike(token.address, slots, words)
        return found or self._unlike_parts(whole)

    def _unlike_parts(self, whole: bool) -> tuple[str, int, int, int] | None:
        """The one word of the feed of volatility, if it has changed or is asked for."""
        if self.volatility is None or self.model_volatility is None:
            return None
        s = self.model_volatility.remembered
        if s is self._remembered and not whole:
            return None
        self._remembered = s
        return self._unlike(self.volatility.address, [_VOLATILITY], [_volatility_word(s)])

    def _unlike(self, address: str, slots: list[int], words: list[int]) -> tuple[str, int, int, int] | None:
        """The first slot that does not hold its word."""
        told = list(map(self.pair.chain.read, repeat(address), slots))
        if told == words:
            return None
        return next(
            (address, slot, one, word) for slot, one, word in zip(slots, told, words, strict=True) if one != word
        )

    def _words_of_position(self, vault: str) -> Words:
        model = self.model
        p, order, claim = model._positions.get(vault), model._orders.get(vault), model._claims.get(vault)
        known = self._words.get(vault)
        if known is None or known[0] is not p or known[1] is not order or known[2] is not claim:
            self._words[vault] = known = p, order, claim, _position_words(vault, p, order, claim)
        return known[3]

    def _words_of_series(self, id: int, series: book.Series) -> Words:
        known = self._series_words.get(id)
        if known is None or known[0] is not series:
            self._series_words[id] = known = series, _series_words(id, series)
        return known[1]

    def _words_of_exit(self, id: int, exit: Exit) -> Words:
        known = self._exit_words.get(id)
        if known is None or known[0] is not exit:
            self._exit_words[id] = known = exit, _exit_words(id, exit)
        return known[1]

    # --- prices

    def push(self, price: int) -> None:
        """A round in every feed that speaks, at 8 decimals and in its own voice; the primary's proof is kept."""
        answer, now = max(price // 10**10, 1), self.pair.chain.timestamp
        chain, keeper = self.pair.chain, self.pair.actors.keeper
        for contract, feed, voice in zip(self.feeds, self.model_feeds, self.voices, strict=True):
            if voice:
                told = answer * voice // 100
                chain.send_raw(contract.address, contract.encode.push(told, now, now), keeper)
                feed.push(told, now, now)
        self.price = answer * 10**10
        if self.voices[0]:
            primary, *validators = (_newest(feed) for feed in self.model_feeds)
            self.proofs.append((now, encode_proof(primary, tuple(validators) if validators else None)))
        self.pair.tell(f"price {self.price / 10**18}", self)
        self._heard()

    def new_phase(self, source: int) -> None:
        """A feed moves to a new aggregator, which has no round yet."""
        self.feeds[source].send.newPhase()
        self.model_feeds[source].new_phase()
        self.pair.tell(f"source {source} has a new phase", self)
        self._heard()

    def _heard(self) -> None:
        for one in self.hearers:
            one.stir()

    def first_proof(self, after: int) -> bytes:
        """Of the first round after a moment; b"" where there is none."""
        return next((proof for time, proof in self.proofs if time > after), b"")

    def waiting(self) -> list[str]:
        """Positions with an order."""
        return [p for p, order in self.model._orders.items() if order.kind != OrderKind.NONE]


def _newest(feed: FeedProxy) -> int:
    phase = max(feed.phases)
    return phase << 64 | len(feed.phases[phase])


def _created(creator: str, nonce: int) -> str:
    """Where a contract's creation number `nonce` lies."""
    number = bytes([nonce]) if nonce < 128 else bytes([0x81, nonce])
    payload = b"\x94" + bytes.fromhex(creator[2:]) + number
    return str(checksum(keccak(bytes([0xC0 + len(payload)]) + payload)[12:].rjust(32, b"\0")))


@lru_cache(maxsize=1 << 16)
def slot_of(key: int | str, slot: int) -> int:
    """Where a mapping at a slot holds a key."""
    word = int(key, 16) if isinstance(key, str) else key
    return int.from_bytes(keccak(word.to_bytes(32) + slot.to_bytes(32)))


def _position_words(vault: str, p: Position | None, order: Order | None, claim: Claim | None) -> Words:
    base = slot_of(vault, _POSITIONS)
    state, terms, waiting = packed_position(p or NO_POSITION, order or NO_ORDER)
    owed = claim.trader | claim.pool << 128 if claim else 0
    return (base, base + 1, base + 2, slot_of(vault, _CLAIMS)), (state, terms, waiting, owed)


def _series_words(id: int, series: book.Series) -> Words:
    base = slot_of(id, _SERIES)
    sizes, carry, long, short = book.packed(series)
    return tuple(range(base, base + 6)), (sizes, carry, *long, *short)


def _exit_words(id: int, exit: Exit) -> Words:
    base = slot_of(id, _EXITS)
    return (base, base + 1), (
        int(exit.owner or "0", 16) | exit.requested_at << 160 | exit.phase << 192,
        exit.shares | exit.least << 128,
    )


def _volatility_word(s: VolatilityState) -> int:
    word = s.fast | s.slow << 54 | s.price << 108 | s.gap << 158 | s.next << 172
    return word | s.phase << 198 | s.ramped << 214 | s.offset << 238


def _lanes(live: Sequence[int]) -> int:
    word = 0
    for id in live:
        word = word << 25 | 1 << 24 | id
    return word
