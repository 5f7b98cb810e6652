"""What a word does: kinds of steps, how likely each is, and how its arguments follow from the word and the state."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from bulkhead.fuzz.pair import Pair
from bulkhead.fuzz.twin import MOST_POSITIONS, Twin
from bulkhead.fuzz.world import EXPIRY, HEARTBEAT
from bulkhead.invariants import NOTIONAL, State
from bulkhead.model.interfaces.market import Leg, Status, VoidReason
from bulkhead.model.libraries.position_math import LOT, ONE
from bulkhead.model.operators import Grant

MAX = 2**64 - 1
#: Steps that follow the end of a market, or the expiry of its series: then all is settled, and nothing more can happen.
AFTERMATH = 25

Step = Callable[[random.Random, Twin], None]


class Machine:
    """Takes words, moves a pair, counts what was reached. `calls` are state-changing calls of the protocol.

    A subclass has steps of its own: it overrides `kinds`, and adds to them functions of a random generator and a twin.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.calls = 0
        self.alive = 0  # sum over steps of the positions that were open or pending after each
        self.names: Counter[str] = Counter()
        self.succeeded: Counter[str] = Counter()
        self.reached: Counter[str] = Counter()
        world = pair.world
        self._dated = world.terms.dated and not world.instrument
        terms = world.terms
        self._fees = int(200 * terms.market.open_fee) + 1  # percent of notional
        self._least = int(terms.margin.initial * 100) + self._fees  # the same, where margins are fixed
        self._reserves = int(terms.market.smallest_reserve * 100), int(terms.market.largest_reserve * 100)
        self._kinds = [kind for kind, weight in self.kinds().items() for _ in range(weight)]
        self._rng = random.Random()
        #: What `random.Random.seed` comes to for a whole number: less than half of its time.
        self._seed = super(random.Random, self._rng).seed

    def kinds(self) -> dict[Step, int]:
        """Steps and their weights."""
        kinds: dict[Step, int] = {
            self._request_open: 11,
            self._execute: 30,
            self._move: 8,
            self._trend: 1,
            self._idle: 1,
            self._request_close: 8,
            self._add_margin: 9,
            self._remove_margin: 9,
            self._liquidate: 4,
            self._at_the_edge: 2,
            self._close_at_reserve: 4,
            self._request_raise: 9,
            self._request_redeem: 4,
            self._execute_exit: 4,
            self._enter: 6,
            self._leave: 1,
            self._shares: 4,
            self._claim: 4,
            self._block: 2,
            self._donate: 1,
            self._settle: 1,
            self._grant: 4,
            self._too_late: 1,
            self._at_the_bound: 1,
            self._trespass: 1,
            self._taxed: 1,
        }
        if self.pair.world.terms.validators:
            kinds[self._voices] = 3
        if not self.pair.world.oracle:
            kinds[self._check_outage] = 1
        if self._dated:
            kinds[self._expire] = 1
        if self.pair.twins[0].volatility is not None:
            kinds |= {self._update: 5, self._skip: 1}
        return kinds

    def begin(self) -> None:
        """A new history."""
        self.pair.begin()
        self._ended: dict[int, int] = {}  # by market, steps since its end

    def step(self, word: int) -> None:
        """Does what the word says. Raises Difference."""
        twins = self.pair.twins
        for twin in twins:
            if twin.number in self._ended:
                self._ended[twin.number] += 1
            elif self._dated and self.pair.chain.timestamp >= EXPIRY:
                self._ended[twin.number] = 0
        going = [twin for twin in twins if self._ended.get(twin.number, 0) <= AFTERMATH]
        if not going:
            return
        self._seed(word)
        self._kinds[word % len(self._kinds)](self._rng, going[(word >> 32) % len(going)])
        for twin in twins:
            self.alive += len(twin.model._positions)

    def do(
        self, twin: Twin, part: str, name: str, *args: Any, sender: str, on_chain: tuple[Any, ...] | None = None
    ) -> bool:
        """One call of the protocol, counted; did it go through?"""
        before = twin.state
        twin.model.voids = []
        done, _ = self.pair.do(twin, part, name, *args, sender=sender, on_chain=on_chain)
        self.calls += 1
        self.names[name] += 1
        if done:
            self.succeeded[name] += 1
            self._notice(twin, name, args, before)
        return done

    def _notice(self, twin: Twin, name: str, args: tuple[Any, ...], before: State) -> None:
        """Counts the states that a campaign has to reach."""
        after, reached = twin.model._positions, self.reached
        if name == "liquidate":
            for vault in args[0]:
                old, new = before.positions.get(vault), after.get(vault)
                if old is None or new is old:
                    continue
                if new is None:
                    reached["liquidated in full"] += 1
                    if before.equities.get(vault, 1) <= 0:
                        reached["liquidated at zero equity"] += 1
                elif new.size != old.size:
                    reached["liquidated in part"] += 1
        elif name == "execute":
            for vault in args[0]:
                old, new = before.positions[vault], after.get(vault)
                kind = "open" if old.status == Status.PENDING else "order"
                outcome = "over" if new is None else "smaller" if new.size != old.size else new.status.name.lower()
                reached[f"executed: {kind}, then {outcome}"] += 1
            if len(args[0]) > 1:
                reached["executed: several at once"] += 1
        elif name == "settle" and len(after) < len(before.positions):
            ended = twin.model_oracle.final_price()[0]
            reached["settled after the end" if ended else "settled after expiry"] += 1
        elif name == "execute_exit":
            owner = str(before.exits[before.line[0]].owner)
            void = twin.model.pool.balance_of(owner) > before.shares.get(owner, 0)
            reached["exit void" if void else "execute exit"] += 1
        elif name in ("close_at_reserve", "claim", "request_redeem"):
            reached[name.replace("_", " ")] += 1
        elif name in ("update", "skip"):
            assert twin.model_volatility is not None
            s = twin.model_volatility.remembered
            what = "given up" if name == "skip" else "counted" if s.gap == 1 and s.price else "passed over"
            reached[f"a grid point {what}"] += 1
        for reason in twin.model.voids:
            reached[f"void: {VoidReason(reason).name.lower().replace('_', ' ')}"] += 1
        if twin.model._claims:
            reached["a payee refused"] += 1

    # --- whom and what

    def _some(self, rng: random.Random, twin: Twin, *statuses: Status) -> str:
        """A position of such a status, if there is one and luck wants it."""
        found = [vault for vault, p in twin.model._positions.items() if p.status in statuses]
        if found and rng.random() < 0.97:
            return rng.choice(found)
        return rng.choice([*twin.positions, self.pair.actors.keeper])

    def _owner(self, twin: Twin, position: str, rng: random.Random) -> str:
        trader = twin.model._traders.get(position, self.pair.actors.trader)
        return trader if rng.random() < 0.96 else self.pair.actors.guest

    # --- steps

    def _request_open(self, rng: random.Random, twin: Twin) -> None:
        pair, price, legs = self.pair, twin.price, []
        if len(twin.positions) >= MOST_POSITIONS:
            return
        margins = twin.state.margins
        least = self._least if margins is None else margins.initial * 100 // NOTIONAL + self._fees
        for _ in range(rng.choice([1, 2])):
            size = rng.randrange(ONE // 100, 60 * ONE) // LOT * LOT
            size = rng.choice([1, -1]) * rng.choice([size, 10 * ONE])
            if rng.random() < 0.03:
                size = rng.choice([ONE // 1000, 2**120 // LOT * LOT, 0, ONE + 1, -(2**255)])
            notional = min(abs(size) * price // 10**36 * pair.unit, 2**87)
            percent = rng.randrange(least + 1, 4 * least) if rng.random() < 0.96 else least - 1
            margin = max(rng.choice([130, 130, 130, 1]) * pair.unit, notional * percent // 100)
            small, large = self._reserves
            percent = rng.choice([2 * small, 2 * small, 3 * small, large // 2, large * 9 // 10, large])
            reserve = notional * percent // 100 + rng.choice([0, 0, 0, 2 * pair.unit])
            if rng.random() < 0.03:
                reserve = rng.choice([notional * 3 // 100, notional * 3 // 2, 10**6 * pair.unit])
            series = pair.world.series if rng.random() < 0.01 else rng.randrange(pair.world.series)
            legs.append(Leg(series, size, margin, reserve, MAX if rng.random() < 0.95 else ONE // 1000))
        wide = rng.choice([2, 5, 10, 10])
        low, high = price * (100 - wide) // 100, price * (100 + wide) // 100
        if rng.random() < 0.04:
            low, high = rng.choice([(0, high), (high, low), (price, price), (1, 2**112 - 1), (1, 2**112), (1, 1)])
        trader = rng.choice(pair.actors[:2])
        sender = trader if rng.random() < 0.97 else pair.actors.guest
        self.do(twin, "market", "request_open", trader, legs, low, high, sender=sender)

    def _move(self, rng: random.Random, twin: Twin) -> None:
        self.pair.wait(rng.choice([1, 11, 12, 13, 60, 60, 600]))
        change = rng.choice([*[rng.randrange(-200, 201)] * 5, rng.randrange(-900, 901), rng.choice([-1200, 1200])])
        if abs(change) > 1_000 and rng.random() < 0.7:
            change //= 2
        twin.push(twin.price * (10_000 + change) // 10_000)

    def _trend(self, rng: random.Random, twin: Twin) -> None:
        step = rng.choice([-800, -400, 400, 800])
        for _ in range(rng.randrange(1, 4)):
            self.pair.wait(60)
            twin.push(twin.price * (10_000 + step) // 10_000)

    def _idle(self, rng: random.Random, twin: Twin) -> None:
        self.pair.wait(rng.choice([1, 12, 600, HEARTBEAT - 100, HEARTBEAT + 1, 4_000]))
        if rng.random() < 0.7:
            for one in self.pair.twins:
                one.push(one.price)

    def _execute(self, rng: random.Random, twin: Twin) -> None:
        waiting, luck = twin.waiting(), rng.random()
        if not waiting and luck < 0.9:
            self._request_open(rng, twin)
            return
        position = rng.choice(waiting) if waiting and luck < 0.97 else self._some(rng, twin, Status.OPEN)
        proof = self._first_proof(twin, position)
        if not proof and rng.random() < 0.9:
            if rng.random() < 0.3:
                self._move(rng, twin)
            self.pair.wait(twin.model.config.delay + 1)
            twin.push(twin.price)
            proof = self._first_proof(twin, position)
        if rng.random() < 0.03:
            proof = rng.choice([b"", twin.proofs[-1][1] if twin.proofs else b""])
        self._execute_with(rng, twin, position, proof)

    def _execute_with(self, rng: random.Random, twin: Twin, position: str, proof: bytes) -> None:
        """An order alone, mostly; or with others that share its proof; with any other, which refuses all."""
        positions, waiting = [position], twin.waiting()
        if len(waiting) > 1 and rng.random() <= 0.3:
            others = [vault for vault in waiting if vault != position]
            if rng.random() < 0.9:
                others = [vault for vault in others if proof == b"" or self._first_proof(twin, vault) == proof]
            positions += others[: rng.randrange(1, 4)]
        self.do(twin, "market", "execute", positions, proof, sender=self.pair.actors.keeper)

    def _first_proof(self, twin: Twin, position: str) -> bytes:
        return twin.first_proof(twin.model.order_of(position).requested_at + twin.model.config.delay)

    def _too_late(self, rng: random.Random, twin: Twin) -> None:
        """An order whose first price came after its time to live, or which nobody has proven by then."""
        waiting = twin.waiting()
        if not waiting:
            return
        position, config = rng.choice(waiting), twin.model.config
        due = twin.model.order_of(position).requested_at + config.delay
        if not twin.first_proof(due) and rng.random() < 0.7:
            self.pair.wait(max(due + config.time_to_live + 1 - self.pair.chain.timestamp, 0))
            twin.push(twin.price)
            proof = twin.first_proof(due)
        else:
            self.pair.wait(max(due + config.time_to_live + rng.choice([0, 1]) - self.pair.chain.timestamp, 0))
            proof = b""
        self._execute_with(rng, twin, position, proof)

    def _request_close(self, rng: random.Random, twin: Twin) -> None:
        position, price = self._some(rng, twin, Status.OPEN), twin.price
        size = abs(twin.model.position_of(position).size)
        parts = [size // 2 // LOT * LOT, size // 3 // LOT * LOT, size // 3]
        size = rng.choice([size, size, 2**256 - 1, *parts, ONE // 1000])
        low, high = rng.choice([(0, 0), (0, 0), (price * 99 // 100, price * 101 // 100), (2, 1), (1, 1)])
        limit, sender = rng.choice([MAX, MAX, 0]), self._owner(twin, position, rng)
        self.do(twin, "market", "request_close", position, size, low, high, limit, sender=sender)

    def _request_raise(self, rng: random.Random, twin: Twin) -> None:
        position = self._some(rng, twin, Status.OPEN)
        reserve = twin.model.position_of(position).reserve
        amount = rng.choice([0, 1, reserve // 2, reserve, 3 * reserve, 10**6 * self.pair.unit])
        self.do(twin, "market", "request_raise", position, amount, sender=self._owner(twin, position, rng))

    def _add_margin(self, rng: random.Random, twin: Twin) -> None:
        position = self._some(rng, twin, Status.OPEN, Status.PENDING)
        amount = rng.choice([0, 1, rng.randrange(10**3 * self.pair.unit), 2**88 - 1, 2**256 - 1])
        sender = rng.choice([self.pair.actors.trader, self.pair.actors.guest])
        self.do(twin, "market", "add_margin", position, amount, sender=sender)

    def _remove_margin(self, rng: random.Random, twin: Twin) -> None:
        position = self._some(rng, twin, Status.OPEN)
        margin, least = twin.model.position_of(position).margin, twin.model.config.min_margin
        amount = rng.choice([0, 1, margin // 4, margin // 2, max(margin - least, 0), margin + 1])
        self.do(twin, "market", "remove_margin", position, amount, sender=self._owner(twin, position, rng))

    def _liquidate(self, rng: random.Random, twin: Twin) -> None:
        """Anybody's pick, or all: one that is over and a stranger among them."""
        names = list(twin.model._positions)
        if rng.random() < 0.4 and names:
            names = [rng.choice(names)]
        names += rng.choice([[], [], twin.positions[-1:], names[:1], [self.pair.actors.keeper]])
        self.do(twin, "market", "liquidate", names, sender=self.pair.actors.keeper)

    def _walk(self, twin: Twin, target: int) -> None:
        """To a price in steps that no limit forbids; a price of a few units may not move at all."""
        for _ in range(20):
            if abs(target - twin.price) * 10 <= twin.price:
                break
            twin.push(twin.price * (109 if target > twin.price else 91) // 100)
            self.pair.wait(60)
        twin.push(target)

    @staticmethod
    def _meeting(sick: int, well: int, is_well: Callable[[int], bool]) -> tuple[int, int] | None:
        """Neighbouring prices of the feed between which something changes; None where nothing does."""
        tick = 10**10
        if is_well(sick) or not is_well(well):
            return None
        while abs(sick - well) > tick:
            middle = (sick + well) // 2 // tick * tick
            if is_well(middle):
                well = middle
            else:
                sick = middle
        return sick, well

    def _at_the_edge(self, rng: random.Random, twin: Twin) -> None:
        """The price at which one position's equity meets its maintenance, a tick beside it at random; mostly of the one
        with the least margin for its size, since on the way to another's price many would end."""
        found = [p for p in twin.model._positions.values() if p.status == Status.OPEN]
        if not found:
            return
        p = rng.choice(found) if rng.random() < 0.3 else min(found, key=lambda p: p.margin * ONE // abs(p.size))
        self.pair.wait(60)
        state, model = twin.state, twin.model
        now = state.time

        def is_well(index: int) -> bool:
            mark = model.instrument.mark(p.series, index, now)
            return state.equity(p, index, now) >= model._required(p, index, mark)[0]

        low, high = twin.price // 2 // 10**10 * 10**10, 2 * twin.price // 10**10 * 10**10
        if ends := self._meeting(*((low, high) if p.size > 0 else (high, low)), is_well):
            self._walk(twin, rng.choice(ends))
        self._liquidate(rng, twin)

    def _at_the_bound(self, rng: random.Random, twin: Twin) -> None:
        """The price at which one position's gain meets its reserve, a tick beside it at random."""
        found = {vault: p for vault, p in twin.model._positions.items() if p.status == Status.OPEN}
        if not found:
            return
        vault = rng.choice(list(found))
        p = found[vault]
        self.pair.wait(60)
        state = twin.state

        def is_short_of(index: int) -> bool:
            return state.equity(p, index, state.time) < p.margin + p.reserve

        low, high = twin.price // 3 // 10**10 * 10**10, 3 * twin.price // 10**10 * 10**10
        ends = self._meeting(*((high, low) if p.size > 0 else (low, high)), is_short_of)
        if ends is None:
            return
        reached, short = ends
        if rng.random() < 0.3:
            self.do(twin, "market", "request_raise", vault, p.reserve // 2, sender=self._owner(twin, vault, rng))
            self.pair.wait(twin.model.config.delay + 1)
        self._walk(twin, rng.choice([reached, reached, short]))
        if twin.model.order_of(vault).kind:
            self._execute(rng, twin)
        self.do(twin, "market", "close_at_reserve", vault, sender=self.pair.actors.keeper)

    def _close_at_reserve(self, rng: random.Random, twin: Twin) -> None:
        position, state = self._some(rng, twin, Status.OPEN), twin.state
        if state.index:
            for vault, equity in state.equities.items():  # one that has reached it, if any
                p = state.positions[vault]
                if equity >= p.margin + p.reserve:
                    position = vault
        self.do(twin, "market", "close_at_reserve", position, sender=self.pair.actors.keeper)

    def _settle(self, rng: random.Random, twin: Twin) -> None:
        if twin.number not in self._ended and rng.random() < 0.04 and not self.pair.world.oracle:
            self._ended |= {one.number: 0 for one in twin.hearers}
            self.pair.end(twin)
        keeper = self.pair.actors.keeper
        self.do(twin, "market", "settle", [*twin.model._positions, keeper], sender=keeper)

    def _expire(self, rng: random.Random, twin: Twin) -> None:
        """The dated series pass their expiry, and the first price after it is their fixing."""
        if rng.random() < 0.6:
            return
        keeper, left = self.pair.actors.keeper, EXPIRY - self.pair.chain.timestamp
        if left > 600:
            self.pair.wait(left - 600)
            twin.push(twin.price)
            self._request_open(rng, twin)  # it may still wait for its price when the series ends
        if rng.random() < 0.8:
            self.pair.wait(max(0, EXPIRY - self.pair.chain.timestamp) + rng.choice([0, 12]))
            twin.push(twin.price)
        self.do(twin, "instrument", "fix", 1, twin.first_proof(EXPIRY), sender=keeper)
        self._execute(rng, twin)
        self.do(twin, "market", "settle", [*twin.model._positions, keeper], sender=keeper)

    def _claim(self, rng: random.Random, twin: Twin) -> None:
        owed = list(twin.model._claims)
        position = rng.choice(owed) if owed else self._some(rng, twin, Status.OPEN)
        trader = twin.model._traders.get(position, self.pair.actors.trader)
        to = rng.choice([trader, trader, self.pair.actors.guest])
        sender = rng.choice([trader, trader, self.pair.actors.keeper])
        self.do(twin, "market", "claim", position, to, sender=sender)

    def _request_redeem(self, rng: random.Random, twin: Twin) -> None:
        owner = rng.choice([self.pair.actors.provider, self.pair.actors.provider, self.pair.actors.guest])
        shares = twin.model.pool.balance_of(owner) // rng.choice([1, *[3, 10, 20, 50, 100] * 3]) + (rng.random() < 0.1)
        shares = rng.choice([shares, shares, 10**6])
        least = shares // 10**6 * rng.choice([0, 0, 0, 1, 2, 3]) // 2  # about what they are worth, or half as much more
        self.do(twin, "pool", "request_redeem", shares, least, sender=owner)

    def _execute_exit(self, rng: random.Random, twin: Twin) -> None:
        pair, pool = self.pair, twin.model.pool
        exit, _ = pool.exit_of(pool._first_exit)
        after = exit.requested_at + pool.config.delay
        if exit.owner and not twin.first_proof(after) and rng.random() < 0.8:
            pair.wait(pool.config.delay + 1)
            twin.push(twin.price)
            pair.wait(13)
        proof = twin.first_proof(after) if exit.owner else b""
        self.do(twin, "pool", "execute_exit", proof, sender=pair.actors.keeper)
        if pool._kept:
            owner = pair.actors.provider
            self.do(twin, "pool", "claim_exit", rng.choice([owner, pair.actors.guest]), sender=owner)

    def _enter(self, rng: random.Random, twin: Twin) -> None:
        who, unit = rng.choice(self.pair.actors[2:4]), self.pair.unit
        if rng.random() < 0.6:
            amount = rng.choice([0, 1, *[rng.randrange(10**6 * unit)] * 3, 2**87, 2**256 - 1])
            if amount % 2:
                least = min(amount * 10**6 * (1 + amount % 4) // 4, 2**256 - 1)
                self.do(twin, "pool", "deposit_at_least", amount, who, least, sender=who)
            else:
                self.do(twin, "pool", "deposit", amount, who, sender=who)
        else:
            self.do(twin, "pool", "mint", rng.choice([0, 1, rng.randrange(10**12 * unit)]), who, sender=who)

    def _leave(self, rng: random.Random, twin: Twin) -> None:
        who = rng.choice(self.pair.actors[2:4])
        sender = who if rng.random() < 0.9 else self.pair.actors.keeper
        if rng.random() < 0.5:
            self.do(twin, "pool", "redeem", twin.model.pool.balance_of(who) // 10 + 1, who, who, sender=sender)
        else:
            self.do(twin, "pool", "withdraw", rng.randrange(10**5 * self.pair.unit), who, who, sender=sender)

    def _shares(self, rng: random.Random, twin: Twin) -> None:
        """Shares change hands, by their owner or by whom it allows."""
        provider, guest = self.pair.actors.provider, self.pair.actors.guest
        held = twin.model.pool.balance_of(provider)
        value = rng.choice([0, 1, held // 100, held + 1])
        kind = rng.randrange(3)
        if kind == 0:
            self.do(twin, "shares", "transfer", guest, value, sender=provider)
        elif kind == 1:
            self.do(twin, "shares", "approve", guest, value, sender=provider)
        else:
            self.do(twin, "shares", "transfer_from", provider, guest, value, sender=guest)

    def _block(self, rng: random.Random, twin: Twin) -> None:
        pair = self.pair
        blocked = sorted(pair.model_token.blocked)
        if blocked:
            pair.block(rng.choice(blocked), False)
        elif rng.random() < 0.5:
            pair.block(rng.choice([*pair.actors, twin.pool_address, *twin.positions[-2:]]), True)

    def _donate(self, rng: random.Random, twin: Twin) -> None:
        to = rng.choice([twin.pool_address, *twin.positions[-3:]])
        if to not in self.pair.model_token.blocked:
            self.pair.donate(to, rng.choice([1, 10**6, 10**3 * self.pair.unit]))

    def _grant(self, rng: random.Random, twin: Twin) -> None:
        pair, operators = self.pair, "operators"
        trader, guest, market = rng.choice(pair.actors[:2]), pair.actors.guest, twin.address
        expiry, budget = pair.chain.timestamp + rng.choice([0, 10_000]), rng.choice([2**128 - 1, 10**10])
        terms = Grant(expiry, rng.randrange(16), budget)
        kind = rng.randrange(8)
        if kind == 0:
            self.do(twin, operators, "revoke_nonce", sender=trader)
        elif kind == 1:  # a signature that is none
            deadline = pair.chain.timestamp + rng.choice([-1, 0])
            on_chain = (trader, market, guest, tuple(terms), deadline, bytes(65))
            unsigned = (trader, market, guest, terms, deadline, False)
            self.do(twin, operators, "grant_by_signature", *unsigned, sender=guest, on_chain=on_chain)
        elif kind == 2:  # by whom no market stands behind
            self.do(twin, operators, "spend", trader, guest, rng.randrange(5), rng.randrange(2), sender=guest)
        else:
            self.do(twin, operators, "grant", market, guest, terms, sender=trader)

    def _trespass(self, rng: random.Random, twin: Twin) -> None:
        """What only a market may call, by anybody else."""
        pool, sender = twin.contracts.pool, rng.choice(self.pair.actors)
        flow = (0, 0, 0, sender, 0, 0, 0, sender, 0, 0, 0)
        if twin.positions and rng.random() < 0.4:
            vault = self.pair.deployment.at("PositionVault", rng.choice(twin.positions))
            forbidden: list[tuple[str, tuple[Any, ...]]] = [("pay", (1, 1)), ("claim", (sender, 1))]
        else:
            vault, forbidden = pool, [("earmark", (0, 0, 0)), ("move", (flow,)), ("collectClaim", (1,))]
        name, args = rng.choice(forbidden)
        self.pair.refused(vault, name, *args, sender=sender, error="NotMarket")

    def _taxed(self, rng: random.Random, twin: Twin) -> None:
        """The token has begun to take a fee on transfers: nothing comes in short of what it is counted as."""
        self.pair.tax(rng.choice([1, self.pair.unit]))
        rng.choice([self._request_open, self._add_margin, self._enter])(rng, twin)
        self.pair.tax(0)

    def _check_outage(self, rng: random.Random, twin: Twin) -> None:
        self.do(twin, "oracle", "check_outage", sender=self.pair.actors.keeper)

    def _update(self, rng: random.Random, twin: Twin) -> None:
        """The grid points that are due, three at most; by a wrong proof at random."""
        feed, keeper = twin.model_volatility, self.pair.actors.keeper
        assert feed is not None
        for _ in range(3):
            due, expired, time, _ = feed.due()
            if not due and not expired and rng.random() < 0.7:
                self.pair.wait(max(time + rng.choice([0, 1, 12]) - self.pair.chain.timestamp, 0))
            proof = twin.first_proof(time)
            if not proof and rng.random() < 0.9:
                self.pair.wait(1)
                change = rng.choice([*[rng.randrange(-200, 201)] * 5, rng.choice([-1200, 1200])])  # may be disputed
                twin.push(twin.price * (10_000 + change) // 10_000)
                proof = twin.first_proof(time)
            if rng.random() < 0.1:
                proof = rng.choice([b"", twin.proofs[-1][1] if twin.proofs else b""])
            self.do(twin, "volatility", "update", proof, sender=keeper)
            if not feed.due()[0]:
                return

    def _skip(self, rng: random.Random, twin: Twin) -> None:
        """A grid point that nobody has proven in its life, or one that still may be."""
        feed = twin.model_volatility
        assert feed is not None
        if rng.random() < 0.5:
            expiry = feed.due()[2] + feed.life
            self.pair.wait(max(expiry + rng.choice([0, 1, 1]) - self.pair.chain.timestamp, 0))
            twin.push(twin.price)
        self.do(twin, "volatility", "skip", sender=self.pair.actors.keeper)

    def _voices(self, rng: random.Random, twin: Twin) -> None:
        """A source lies, falls silent, comes back, or moves to a new phase; mostly a validator."""
        source = rng.randrange(len(twin.feeds)) if rng.random() < 0.4 else rng.randrange(1, len(twin.feeds))
        lying = [i for i, voice in enumerate(twin.voices) if voice != 100]
        if lying and rng.random() < 0.6:
            twin.voices[rng.choice(lying)] = 100
        elif rng.random() < 0.05:
            twin.new_phase(rng.choice([0, source]))  # the primary more often: orders wait for it
            for _ in range(2):
                self.pair.wait(1)
                twin.push(twin.price)
        elif rng.random() < 0.2:  # as far from the primary as they may be
            twin.voices[1:] = [rng.choice([99, 101])] * (len(twin.feeds) - 1)
        else:
            twin.voices[source] = rng.choice([0, 50, 98, 99, 101, 102, 1_000])
        self.pair.wait(1)
        twin.push(twin.price // 10**12 * 10**12)  # a hundredth of it is a whole number of ticks
