"""What a word does: kinds of steps, how likely each is, and how its arguments follow from the word and the state."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from bulkhead.fuzz.pair import HEARTBEAT, ONE, Pair
from bulkhead.model.interfaces.market import Leg, Position, Status
from bulkhead.model.libraries.position_math import LOT
from bulkhead.model.operators import Grant

MAX = 2**64 - 1
#: A pair never holds more positions in one history.
MOST_POSITIONS = 200
#: Steps that follow the end of a market: then all is settled, and nothing more can happen.
AFTERMATH = 25


class Machine:
    """Takes words, moves a pair, counts what was reached. `calls` are state-changing calls of the protocol."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.calls = 0
        self.names: Counter[str] = Counter()
        self.succeeded: Counter[str] = Counter()
        self.reached: Counter[str] = Counter()
        self.alive = 0
        kinds: dict[Callable[[random.Random], None], int] = {
            self._request_open: 20,
            self._move: 7,
            self._execute: 22,
            self._request_close: 4,
            self._add_margin: 3,
            self._remove_margin: 4,
            self._liquidate: 4,
            self._at_the_edge: 2,
            self._close_at_reserve: 2,
            self._request_raise: 3,
            self._request_redeem: 2,
            self._execute_exit: 3,
            self._enter: 2,
            self._leave: 1,
            self._claim: 2,
            self._block: 2,
            self._donate: 1,
            self._idle: 1,
            self._settle: 1,
            self._trend: 1,
            self._grant: 1,
        }
        self._kinds = [kind for kind, weight in kinds.items() for _ in range(weight)]

    def begin(self) -> None:
        """A new history."""
        self.pair.begin()
        self._ended = 0  # steps since the end of the market, that one included

    def step(self, word: int) -> None:
        """Does what the word says. Raises Difference."""
        if self._ended > AFTERMATH:
            return
        self._ended += bool(self._ended)
        rng = random.Random(word)
        self._kinds[word % len(self._kinds)](rng)
        self.alive += len(self.pair.model._positions)

    def _do(self, part: str, name: str, *args: Any, sender: str) -> bool:
        before = self.pair.state
        done, _ = self.pair.do(part, name, *args, sender=sender)
        self.calls += 1
        self.names[name] += 1
        if done:
            self.succeeded[name] += 1
            self._notice(name, args, before.positions)
        return done

    def _notice(self, name: str, args: tuple[Any, ...], before: dict[str, Position]) -> None:
        """Counts the states that a campaign has to reach."""
        after = self.pair.model._positions
        if name == "liquidate":
            for vault in args[0]:
                old, new = before.get(vault), after.get(vault)
                if old is not None and new is None:
                    self.reached["liquidated in full"] += 1
                elif old is not None and new is not None and new.size != old.size:
                    self.reached["liquidated in part"] += 1
        elif name == "execute":
            vault = args[0]
            old, new = before[vault], after.get(vault)
            kind = "open" if old.status == Status.PENDING else "order"
            outcome = "over" if new is None else "smaller" if new.size != old.size else new.status.name.lower()
            self.reached[f"executed: {kind}, then {outcome}"] += 1
        elif name == "settle" and before and not after:
            self.reached["settled after the end"] += 1
        elif name in ("close_at_reserve", "claim", "execute_exit"):
            self.reached[name.replace("_", " ")] += 1
        if self.pair.model._claims:
            self.reached["a payee refused"] += 1

    # --- whom and what

    def _some(self, rng: random.Random, *statuses: Status) -> str:
        """A position of such a status, if there is one and luck wants it."""
        pair = self.pair
        found = [vault for vault, p in pair.model._positions.items() if p.status in statuses]
        if found and rng.random() < 0.97:
            return rng.choice(found)
        return rng.choice([*pair.positions, pair.actors.keeper])

    def _owner(self, position: str, rng: random.Random) -> str:
        trader = self.pair.model._traders.get(position, self.pair.actors.trader)
        return trader if rng.random() < 0.96 else self.pair.actors.guest

    # --- steps

    def _request_open(self, rng: random.Random) -> None:
        pair, price, legs = self.pair, self.pair.price, []
        if len(pair.positions) > MOST_POSITIONS:
            return
        for _ in range(rng.choice([1, 1, 1, 2])):
            size = rng.randrange(ONE // 100, 60 * ONE) // LOT * LOT
            size = rng.choice([1, -1]) * rng.choice([size, 10 * ONE])
            if rng.random() < 0.03:
                size = rng.choice([ONE // 1000, 2**120 // LOT * LOT, 0, ONE + 1, -(2**255)])
            notional = min(abs(size) * price // 10**36 * pair.unit, 2**87)
            margin = max(rng.choice([130, 130, 1]) * pair.unit, notional * rng.randrange(4, 13) // 100)
            reserve = notional * rng.choice([12, 12, 20, 50, 90, 100]) // 100 + rng.choice([0, 2 * pair.unit])
            if rng.random() < 0.03:
                reserve = rng.choice([notional * 3 // 100, notional * 3 // 2, 10**6 * pair.unit])
            series = 1 if rng.random() < 0.01 else 0
            legs.append(Leg(series, size, margin, reserve, rng.choice([MAX, MAX, MAX, MAX, MAX, ONE // 1000])))
        wide = rng.choice([1, 5, 10])
        low, high = price * (100 - wide) // 100, price * (100 + wide) // 100
        if rng.random() < 0.04:
            low, high = rng.choice([(0, high), (high, low), (price, price), (1, 2**112 - 1), (1, 2**112), (1, 1)])
        trader = rng.choice(pair.actors[:2])
        sender = trader if rng.random() < 0.95 else pair.actors.guest
        self._do("market", "request_open", trader, legs, low, high, sender=sender)

    def _move(self, rng: random.Random) -> None:
        self.pair.wait(rng.choice([1, 11, 12, 13, 60, 60, 600]))
        change = rng.choice([rng.randrange(-200, 201), rng.randrange(-900, 901), rng.choice([-1200, 1200])])
        if abs(change) > 1_000 and rng.random() < 0.7:
            change //= 2
        self.pair.push(self.pair.price * (10_000 + change) // 10_000)

    def _trend(self, rng: random.Random) -> None:
        step = rng.choice([-800, -400, 400, 800])
        for _ in range(rng.randrange(1, 4)):
            self.pair.wait(60)
            self.pair.push(self.pair.price * (10_000 + step) // 10_000)

    def _execute(self, rng: random.Random) -> None:
        pair = self.pair
        waiting = pair.waiting()
        position = rng.choice(waiting) if waiting and rng.random() < 0.97 else self._some(rng, Status.OPEN)
        after = pair.model.order_of(position).requested_at + pair.model.config.delay
        proof = pair.first_proof(after)
        if not proof and rng.random() < 0.9:
            if rng.random() < 0.3:
                self._move(rng)
            pair.wait(13)
            pair.push(pair.price)
            proof = pair.first_proof(after)
        if rng.random() < 0.03:
            proof = rng.choice([b"", pair.proofs[-1][1] if pair.proofs else b""])
        self._do("market", "execute", position, proof, sender=pair.actors.keeper)

    def _request_close(self, rng: random.Random) -> None:
        pair = self.pair
        position = self._some(rng, Status.OPEN)
        size = abs(pair.model.position_of(position).size)
        parts = [size // 2 // LOT * LOT, size // 3 // LOT * LOT, size // 3]
        size = rng.choice([size, size, 2**256 - 1, *parts, ONE // 1000])
        low, high = rng.choice([(0, 0), (0, 0), (pair.price * 99 // 100, pair.price * 101 // 100), (2, 1), (1, 1)])
        limit = rng.choice([MAX, MAX, 0])
        self._do("market", "request_close", position, size, low, high, limit, sender=self._owner(position, rng))

    def _request_raise(self, rng: random.Random) -> None:
        position = self._some(rng, Status.OPEN)
        reserve = self.pair.model.position_of(position).reserve
        amount = rng.choice([0, 1, reserve // 2, reserve, 3 * reserve, 10**6 * self.pair.unit])
        self._do("market", "request_raise", position, amount, sender=self._owner(position, rng))

    def _add_margin(self, rng: random.Random) -> None:
        position = self._some(rng, Status.OPEN, Status.PENDING)
        amount = rng.choice([0, 1, rng.randrange(10**3 * self.pair.unit), 2**88 - 1, 2**256 - 1])
        sender = rng.choice([self.pair.actors.trader, self.pair.actors.guest])
        self._do("market", "add_margin", position, amount, sender=sender)

    def _remove_margin(self, rng: random.Random) -> None:
        position = self._some(rng, Status.OPEN)
        margin = self.pair.model.position_of(position).margin
        least = self.pair.model.config.min_margin
        amount = rng.choice([0, 1, margin // 4, margin // 2, max(margin - least, 0), margin + 1])
        self._do("market", "remove_margin", position, amount, sender=self._owner(position, rng))

    def _liquidate(self, rng: random.Random) -> None:
        """Anybody's pick, or all: one that is over and a stranger among them."""
        pair = self.pair
        names = list(pair.model._positions)
        if rng.random() < 0.4 and names:
            names = [rng.choice(names)]
        names += rng.choice([[], [], pair.positions[-1:], [pair.actors.keeper]])
        self._do("market", "liquidate", names, sender=pair.actors.keeper)

    def _at_the_edge(self, rng: random.Random) -> None:
        """The price at which one position's equity meets its maintenance, a tick beside it at random."""
        pair = self.pair
        found = [p for p in pair.model._positions.values() if p.status == Status.OPEN]
        if not found:
            return
        p = rng.choice(found)
        sick, well = (10**10, 2 * pair.price) if p.size > 0 else (2 * pair.price, 10**10)
        pair.wait(60)
        now = pair.chain.timestamp
        for _ in range(64):
            middle = (sick + well) // 2 // 10**10 * 10**10
            if middle in (sick, well):
                break
            maintenance, _target = pair.model._required(p, middle, middle)
            if pair.state.equity(p, middle, now) >= maintenance:
                well = middle
            else:
                sick = middle
        target = rng.choice([sick, well])
        for _ in range(20):  # within the jump limit; a price of a few units may not move at all
            if abs(target - pair.price) * 10 <= pair.price:
                break
            pair.push(pair.price * (109 if target > pair.price else 91) // 100)
            pair.wait(60)
        pair.push(target)
        self._liquidate(rng)

    def _close_at_reserve(self, rng: random.Random) -> None:
        pair = self.pair
        position = self._some(rng, Status.OPEN)
        index, at = pair.state.index, pair.state.at
        for vault, p in pair.model._positions.items():  # one that has reached it, if any
            if p.status == Status.OPEN and index and pair.state.equity(p, index, at) >= p.margin + p.reserve:
                position = vault
        self._do("market", "close_at_reserve", position, sender=pair.actors.keeper)

    def _settle(self, rng: random.Random) -> None:
        pair = self.pair
        if not self._ended and rng.random() < 0.04:
            self._ended = 1
            pair.end()
        self._do("market", "settle", [*pair.model._positions, pair.actors.keeper], sender=pair.actors.keeper)

    def _claim(self, rng: random.Random) -> None:
        pair = self.pair
        owed = list(pair.model._claims)
        position = rng.choice(owed) if owed else self._some(rng, Status.OPEN)
        trader = pair.model._traders.get(position, pair.actors.trader)
        to = rng.choice([trader, trader, pair.actors.guest])
        self._do("market", "claim", position, to, sender=rng.choice([trader, trader, pair.actors.keeper]))

    def _request_redeem(self, rng: random.Random) -> None:
        owner = rng.choice([self.pair.actors.provider, self.pair.actors.provider, self.pair.actors.guest])
        shares = self.pair.model.pool.balance_of(owner) // rng.choice([1, 3, 10, 20, 50]) + (rng.random() < 0.1)
        self._do("pool", "request_redeem", rng.choice([shares, shares, 10**6]), sender=owner)

    def _execute_exit(self, rng: random.Random) -> None:
        pair = self.pair
        pool = pair.model.pool
        exit, _ = pool.exit_of(pool._first_exit)
        after = exit.requested_at + pool.config.delay
        if exit.owner and not pair.first_proof(after) and rng.random() < 0.8:
            pair.wait(13)
            pair.push(pair.price)
            pair.wait(13)
        proof = pair.first_proof(after) if exit.owner else b""
        self._do("pool", "execute_exit", proof, sender=pair.actors.keeper)
        if pool._kept:
            owner = pair.actors.provider
            self._do("pool", "claim_exit", rng.choice([owner, pair.actors.guest]), sender=owner)

    def _enter(self, rng: random.Random) -> None:
        who, unit = rng.choice(self.pair.actors[2:4]), self.pair.unit
        if rng.random() < 0.5:
            amount = rng.choice([0, 1, rng.randrange(10**6 * unit), 2**87, 2**256 - 1])
            self._do("pool", "deposit", amount, who, sender=who)
        else:
            self._do("pool", "mint", rng.choice([0, 1, rng.randrange(10**12 * unit)]), who, sender=who)

    def _leave(self, rng: random.Random) -> None:
        who = rng.choice(self.pair.actors[2:4])
        sender = who if rng.random() < 0.9 else self.pair.actors.keeper
        if rng.random() < 0.5:
            self._do("pool", "redeem", self.pair.model.pool.balance_of(who) // 10 + 1, who, who, sender=sender)
        else:
            self._do("pool", "withdraw", rng.randrange(10**5 * self.pair.unit), who, who, sender=sender)

    def _block(self, rng: random.Random) -> None:
        pair = self.pair
        blocked = sorted(pair.model.token.blocked)
        if blocked:
            pair.block(rng.choice(blocked), False)
        else:
            pair.block(rng.choice([*pair.actors, pair.model.pool.address, *pair.positions[-2:]]), True)

    def _donate(self, rng: random.Random) -> None:
        pair = self.pair
        blocked = pair.model.token.blocked
        to = rng.choice([pair.model.pool.address, *pair.positions[-3:]])
        if to not in blocked:
            pair.donate(to, rng.choice([1, 10**6, 10**3 * pair.unit]))

    def _idle(self, rng: random.Random) -> None:
        self.pair.wait(rng.choice([1, 12, 600, HEARTBEAT - 100, HEARTBEAT + 1, 4_000, 86_400]))
        if rng.random() < 0.7:
            self.pair.push(self.pair.price)

    def _grant(self, rng: random.Random) -> None:
        pair = self.pair
        expiry, budget = pair.chain.timestamp + rng.choice([0, 10_000]), rng.choice([2**128 - 1, 10**10])
        terms = Grant(expiry, rng.randrange(16), budget)
        trader, market = rng.choice(pair.actors[:2]), pair.model.address
        pair.operators.send.grant(market, pair.actors.guest, tuple(terms), sender=trader)
        pair.model.operators.grant(market, pair.actors.guest, terms, sender=trader)
        pair.steps.append(f"{trader[:6]} grants {tuple(terms)} to {pair.actors.guest[:6]}")
