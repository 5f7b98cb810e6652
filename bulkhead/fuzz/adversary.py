"""One person with every role: what it can do with two traders, liquidity and a keeper of its own, and what it earns.

The adversary is trader, other, guest (who holds its liquidity) and keeper. It sees each price before anybody acts, and
the next one too where it lies so near that the feed does not tell it yet; it chooses the order of all transactions. The
provider has supplied half of the pool, and is the keeper who comes before time goes on: until then a new price is the
adversary's alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from bulkhead.fuzz.machine import MAX, Machine, Step
from bulkhead.fuzz.pair import POOLED, ModelAlone, Pair
from bulkhead.fuzz.twin import MOST_POSITIONS, Twin
from bulkhead.invariants import Action
from bulkhead.model.interfaces.market import Leg, Status
from bulkhead.model.libraries.position_math import LOT, ONE
from bulkhead.protocol.config import OracleTerms

#: Moves of the index, one after the other, in basis points; after the last one it stays.
Path = Sequence[int]

#: What a machine counts when a position opens.
OPENED = "executed: open, then open"
#: Rounds in which everything must have come to an end.
ROUNDS = 8
#: Bits of a word below those that say what it waits for: is that move still to come, and does it go up?
KIND_BITS = 61
WAITS = tuple(product((False, True), repeat=2))
#: Basis points: a smaller move may be known before the feed tells it.
HIDDEN = int(OracleTerms().deviation * 10_000)


class Unwatched(ModelAlone):
    """The model without its contracts and without invariants, for a search that looks at money alone."""

    def _check(self, twin: Twin, befores: list[object], action: Action) -> None:
        self._stir()


class Outcome(NamedTuple):
    """What a history came to, token units.

    profit    what the adversary's accounts hold more than at the beginning, after all is closed, left and claimed
    capital   the most that it had in vaults and in the pool at once
    paid      what an honest trader has lost
    traded    has a position been opened?
    """

    profit: int
    capital: int
    paid: int
    traded: bool


class Locked(AssertionError):
    """Something of the adversary's did not come back: EXE-2 is broken."""


class Adversary(Machine):
    """late    prices that keepers come too late by; None: nobody but the adversary comes at all
    front   may it enter the pool in front of an order whose price is known?
    honest  is `other` somebody else, who opens and closes like anybody?"""

    def __init__(self, pair: Pair, late: int | None = 0, front: bool = False, honest: bool = False) -> None:
        self.late, self.front, self.honest = late, front, honest
        actors = pair.actors
        self.own = [actors.trader, actors.guest, actors.keeper]
        if not honest:
            self.own.append(actors.other)
        self._path: list[int] = []  # what is to come, the next move last
        self._last, self._moves = 0, False
        super().__init__(pair)

    def kinds(self) -> dict[Step, int]:
        """Only what one person can do, and the passing of time."""
        kinds: dict[Step, int] = {
            self._request_open: 14,
            self._execute: 14,
            self._tick: 12,
            self._close: 8,
            self._enter: 14,
            self._request_redeem: 8,
            self._execute_exit: 5,
            self._leave: 4,
            self._remove_margin: 4,
            self._add_margin: 3,
            self._request_raise: 3,
            self._liquidate: 4,
            self._close_at_reserve: 3,
            self._pause: 2,
            self._block: 1,
            self._claim: 1,
            self._donate: 1,
        }
        if self.honest:
            kinds |= {self._honest_open: 14, self._honest_close: 6}
        return kinds

    # --- a history and what it comes to

    def play(self, words: Sequence[int], path: Path = ()) -> Outcome:
        """A history from its beginning along a path of prices. Raises Difference, Locked."""
        self.begin()
        self._path, self._last, self._moves = list(reversed(path)), 0, bool(path)
        (twin,) = self.pair.twins
        opened, before = self.reached[OPENED], self.wealth()
        others = self.pair.model_token.balance_of(self.pair.actors.other)
        guest = self.pair.actors.guest
        self.do(twin, "pool", "deposit", POOLED * self.pair.unit, guest, sender=guest)
        capital = before - self.wealth()
        for word in words:
            self.step(word)
            capital = max(capital, before - self.wealth())
        self.settle(twin)
        traded = self.reached[OPENED] > opened
        paid = others - self.pair.model_token.balance_of(self.pair.actors.other) if self.honest else 0
        return Outcome(self.wealth() - before, capital, paid, traded)

    def wealth(self) -> int:
        """Tokens in the adversary's hands."""
        return sum(map(self.pair.model_token.balance_of, self.own))

    def step(self, word: int) -> None:
        """The top bits say what a word waits for; half of the words wait for nothing."""
        wait = word >> KIND_BITS
        if wait >= len(WAITS) or not self._moves or self._sees(*WAITS[wait]):
            super().step(word & (1 << KIND_BITS) - 1)

    def _sees(self, coming: bool, up: bool) -> bool:
        """A move that the feed does not tell yet is seen elsewhere, if it is small enough for the feed to hide it."""
        if not coming:
            move = self._last
        else:
            move = self._path[-1] if self._path and abs(self._path[-1]) <= HIDDEN else 0
        return move > 0 if up else move < 0

    def settle(self, twin: Twin) -> None:
        """Closes, leaves and claims everything, at the prices that follow. Raises Locked."""
        pair, model, pool = self.pair, twin.model, twin.model.pool
        guest = pair.actors.guest
        for account in sorted(pair.model_token.blocked):
            pair.block(account, False)
        for _ in range(ROUNDS):
            self._perform(twin, pair.actors.keeper, 0)
            for vault in list(model._claims):
                trader = model._traders[vault]
                self.do(twin, "market", "claim", vault, trader, sender=trader)
            if pool._kept.get(guest):
                self.do(twin, "pool", "claim_exit", guest, sender=guest)
            for vault, p in list(model._positions.items()):
                if p.status == Status.OPEN and not model.order_of(vault).kind:
                    self._order_close(twin, vault, abs(p.size), (0, 0))
            shares = pool.balance_of(guest)
            if shares and not model._positions:
                whole = pool.max_redeem(guest)
                call = ("redeem", shares, guest, guest) if whole else ("request_redeem", shares, 0)
                self.do(twin, "pool", *call, sender=guest)
            if not model._positions and not model._claims and not pool._exit_shares and not pool.balance_of(guest):
                return
            self._tick(random.Random(0), twin)
        raise Locked(pair.named(f"{pair.story()}\nsomething did not come back within {ROUNDS} prices"))

    # --- time, prices, and the keeper who is somebody else

    def _tick(self, rng: random.Random, twin: Twin) -> None:
        """The next price."""
        self._pass(twin, rng.choice([13, 13, 13, 60, 600, 3_000]))
        self._last = self._path.pop() if self._path else 0
        twin.push(twin.price * (10_000 + self._last) // 10_000)

    def _pause(self, rng: random.Random, twin: Twin) -> None:
        """Time without a price."""
        self._pass(twin, rng.choice([1, 12, 600, 4_000]))

    def _pass(self, twin: Twin, seconds: int) -> None:
        if self.late is not None:
            self._perform(twin, self.pair.actors.provider, self.late)
        self.pair.wait(seconds)

    def _perform(self, twin: Twin, keeper: str, late: int) -> None:
        """A keeper's duty: orders and exits whose first price came at least `late` prices ago, then liquidations."""
        model = twin.model
        for vault in twin.waiting():
            if proof := self._proof(twin, model.order_of(vault).requested_at, late):
                self.do(twin, "market", "execute", [vault], proof, sender=keeper)
        while (exit := model.pool.exit_of(model.pool._first_exit)[0]).owner:
            proof = self._proof(twin, exit.requested_at, late)
            if not proof or not self.do(twin, "pool", "execute_exit", proof, sender=keeper):
                break
        if twin.state.index:
            sick = [vault for vault, p in twin.state.open if self._is_sick(twin, vault)]
            if sick:
                self.do(twin, "market", "liquidate", sick, sender=keeper)

    def _is_sick(self, twin: Twin, vault: str) -> bool:
        state = twin.state
        equity, maintenance, _ = twin.model.health(vault, state.index, state.at)
        return equity < maintenance

    @staticmethod
    def _proof(twin: Twin, requested_at: int, late: int = 0) -> bytes:
        """Of the first price after a request, once `late` others have followed; b"" before."""
        found = [proof for time, proof in twin.proofs if time > requested_at + twin.model.config.delay]
        return found[0] if len(found) > late else b""

    # --- whom and what

    def _vault(self, rng: random.Random, twin: Twin, *statuses: Status) -> str | None:
        """One of its own: the first, the last, or any."""
        traders = twin.model._traders
        found = [v for v, p in twin.model._positions.items() if p.status in statuses and traders[v] in self.own]
        return rng.choice([found[0], found[-1], rng.choice(found)]) if found else None

    def _amount(self, rng: random.Random, least: float, most: float) -> int:
        """Token units between two powers of ten of whole tokens, small and large alike."""
        return int(10 ** rng.uniform(least, most) * self.pair.unit)

    # --- steps of a trader

    def _request_open(self, rng: random.Random, twin: Twin) -> None:
        self._order_open(rng, twin, rng.choice([one for one in self.pair.actors[:2] if one in self.own]), MAX)

    def _order_open(self, rng: random.Random, twin: Twin, trader: str, limit: int) -> None:
        if len(twin.positions) >= MOST_POSITIONS:
            return
        size = rng.choice([1, -1]) * int(10 ** rng.uniform(-1, 3) * ONE) // LOT * LOT
        notional = abs(size) * twin.price // 10**36 * self.pair.unit
        margin = max(notional * self._least * rng.choice([11, 13, 20, 40, 200]) // 1_000, 130 * self.pair.unit)
        small, large = self._reserves
        reserve = notional * rng.choice([small * 12 // 10, 2 * small, large // 2, large * 9 // 10]) // 100
        legs = [Leg(0, one, margin, reserve, limit) for one in rng.choice([[size], [size], [size, -size]])]
        wide = rng.choice([50, 500, 1_000])
        band = twin.price * (10_000 - wide) // 10_000, twin.price * (10_000 + wide) // 10_000
        self.do(twin, "market", "request_open", trader, legs, *band, sender=trader)

    def _execute(self, rng: random.Random, twin: Twin) -> None:
        """Any order that can be executed; where there is none yet, after the next price."""
        for _ in range(2):
            due = [(v, self._proof(twin, twin.model.order_of(v).requested_at)) for v in twin.waiting()]
            due = [(vault, proof) for vault, proof in due if proof]
            if due or not twin.waiting():
                break
            self._tick(rng, twin)
        if due:
            vault, proof = rng.choice(due)
            self.do(twin, "market", "execute", [vault], proof, sender=self.pair.actors.keeper)

    def _close(self, rng: random.Random, twin: Twin) -> None:
        if vault := self._vault(rng, twin, Status.OPEN):
            size = abs(twin.model.position_of(vault).size)
            part = rng.choice([size, size, size // 2 // LOT * LOT, size // 10 // LOT * LOT])
            near = twin.price * 999 // 1_000, twin.price * 1_001 // 1_000
            self._order_close(twin, vault, part, rng.choice([(0, 0), (0, 0), near]))

    def _order_close(self, twin: Twin, vault: str, size: int, band: tuple[int, int]) -> None:
        self.do(twin, "market", "request_close", vault, size, *band, MAX, sender=twin.model._traders[vault])

    def _add_margin(self, rng: random.Random, twin: Twin) -> None:
        if vault := self._vault(rng, twin, Status.OPEN, Status.PENDING):
            self.do(twin, "market", "add_margin", vault, self._amount(rng, -5, 6), sender=self.pair.actors.trader)

    def _remove_margin(self, rng: random.Random, twin: Twin) -> None:
        if vault := self._vault(rng, twin, Status.OPEN):
            spare = max(twin.model.position_of(vault).margin - twin.model.config.min_margin, 0)
            amount = rng.choice([1, spare // 20, spare // 5, spare // 2, spare])
            self.do(twin, "market", "remove_margin", vault, amount, sender=twin.model._traders[vault])

    def _request_raise(self, rng: random.Random, twin: Twin) -> None:
        if vault := self._vault(rng, twin, Status.OPEN):
            amount = twin.model.position_of(vault).reserve * rng.choice([1, 10]) // 10
            self.do(twin, "market", "request_raise", vault, amount, sender=twin.model._traders[vault])

    def _claim(self, rng: random.Random, twin: Twin) -> None:
        pool, guest = twin.model.pool, self.pair.actors.guest
        if owed := list(twin.model._claims):
            trader = twin.model._traders[vault := rng.choice(owed)]
            self.do(twin, "market", "claim", vault, rng.choice([trader, guest]), sender=trader)
        elif pool._kept.get(guest):
            self.do(twin, "pool", "claim_exit", self.pair.actors.trader, sender=guest)

    # --- steps of a keeper

    def _liquidate(self, rng: random.Random, twin: Twin) -> None:
        vaults = list(twin.model._positions)
        rng.shuffle(vaults)
        if vaults:
            self.do(twin, "market", "liquidate", rng.choice([vaults, vaults[:1]]), sender=self.pair.actors.keeper)

    def _close_at_reserve(self, rng: random.Random, twin: Twin) -> None:
        if vault := self._vault(rng, twin, Status.OPEN):
            self.do(twin, "market", "close_at_reserve", vault, sender=self.pair.actors.keeper)

    def _execute_exit(self, rng: random.Random, twin: Twin) -> None:
        exit, _ = twin.model.pool.exit_of(twin.model.pool._first_exit)
        if exit.owner and not self._proof(twin, exit.requested_at):
            self._tick(rng, twin)
        if exit.owner and (proof := self._proof(twin, exit.requested_at)):
            self.do(twin, "pool", "execute_exit", proof, sender=self.pair.actors.keeper)

    # --- steps of a provider

    def _enter(self, rng: random.Random, twin: Twin) -> None:
        guest, amount = self.pair.actors.guest, self._amount(rng, *rng.choice([(-5, 2), (4, 8), (4, 8)]))
        if not self.front:
            self._perform(twin, self.pair.actors.provider, 0)
        if rng.random() < 0.8:
            self.do(twin, "pool", "deposit", amount, guest, sender=guest)
        else:
            self.do(twin, "pool", "mint", amount * 10**6, guest, sender=guest)

    def _request_redeem(self, rng: random.Random, twin: Twin) -> None:
        guest = self.pair.actors.guest
        if shares := twin.model.pool.balance_of(guest) // rng.choice([1, 1, 2, 10]):
            self.do(twin, "pool", "request_redeem", shares, 0, sender=guest)

    def _leave(self, rng: random.Random, twin: Twin) -> None:
        guest, held = self.pair.actors.guest, twin.model.pool.balance_of(self.pair.actors.guest)
        if shares := held // rng.choice([1, 1, 3]):
            self.do(twin, "pool", "redeem", shares, guest, guest, sender=guest)

    # --- steps around the protocol

    def _block(self, rng: random.Random, twin: Twin) -> None:
        """The token blocks an account of its own, or frees it; a vault is nobody's to have blocked."""
        pair, account = self.pair, rng.choice(self.own)
        pair.block(account, account not in pair.model_token.blocked)

    def _donate(self, rng: random.Random, twin: Twin) -> None:
        """Out of its own pocket."""
        pair, guest, amount = self.pair, self.pair.actors.guest, self._amount(rng, -6, 5)
        to = rng.choice([twin.pool_address, *twin.positions[-2:]])
        if pair.model_token.blocked.isdisjoint((guest, to)):
            pair.token.send.transfer(to, amount, sender=guest)
            pair.model_token.transfer(to, amount, sender=guest)
            pair.tell(f"{guest} gives {amount} tokens to {to}")
            twin.stir()

    # --- steps of an honest trader

    def _honest_open(self, rng: random.Random, twin: Twin) -> None:
        self._order_open(rng, twin, self.pair.actors.other, ONE // 100)

    def _honest_close(self, rng: random.Random, twin: Twin) -> None:
        other = self.pair.actors.other
        for vault, p in list(twin.model._positions.items()):
            if twin.model._traders[vault] == other and p.status == Status.OPEN:
                self._order_close(twin, vault, abs(p.size), (0, 0))
                return
