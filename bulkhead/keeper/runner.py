"""A keeper at work: looks at a market, lets the policy decide, tries each intent out, sends what is worth its gas."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from bulkhead.chain import ChainError, Revert, to_address
from bulkhead.keeper import policy
from bulkhead.keeper.adapter import Adapter
from bulkhead.keeper.board import Board
from bulkhead.keeper.calls import Call, call_of
from bulkhead.keeper.checkpoint import Checkpoint
from bulkhead.keeper.endpoints import Endpoints
from bulkhead.keeper.follower import Follower, Header
from bulkhead.keeper.ledger import Flight, Ledger
from bulkhead.keeper.mined import Mined
from bulkhead.keeper.observer import Observer
from bulkhead.keeper.policy import Intent, Price, State
from bulkhead.keeper.pulled import Pulled
from bulkhead.keeper.races import Races
from bulkhead.keeper.sender import Fees, Landed, OverBudget, Sender
from bulkhead.keeper.settings import Job, Settings
from bulkhead.keeper.state_reader import StateReader, or_none
from bulkhead.keeper.submit import Submitter
from bulkhead.keeper.terms import Terms
from bulkhead.keeper.turns import Turns
from bulkhead.protocol.market import Market

#: Gas sent along over the node's estimate, as a fraction: state may move before the transaction is mined.
SPARE_GAS = (5, 4)
#: Seconds between two looks while nothing is known to happen.
PAUSE = 1.0
#: Seconds for which what was refused is not tried again, unless there is a newer price.
RETRY = 30

#: Jobs that cannot be done without a price: a price that goes away in front of one is nobody's fault.
PRICED = (Job.EXECUTE, Job.LIQUIDATE, Job.CLOSE_AT_RESERVE, Job.EXIT)

#: Takes a line of the log: what happened, and its facts.
LogEvent = Callable[[str, dict[str, Any]], None]


def json_log(event: str, facts: dict[str, Any]) -> None:
    """One JSON object a line, to standard output; its time is this machine's."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = json.dumps({"time": now, "event": event, **facts}, default=str)
    print(f"{line}\n", end="", file=sys.stdout, flush=True)  # in one piece: other threads write too


class Done(NamedTuple):
    """What came of an intent: what was done of it and what was not, what it paid (token units) and cost (gas, wei)."""

    intent: Intent
    done: tuple[str, ...]
    missed: tuple[str, ...]
    paid: int
    gas: int
    wei: int


class Keeper:
    """A keeper of one market, which sends with a private key, or with several.

    key       or a list of keys: each has transactions of its own under way, never two for the same position
    submitter by which transactions go to who makes blocks; the chain's node by default
    pulled    brings prices along where those of the oracle's primary are Pyth's
    adapter   by which liquidations go: one that fails where nothing is left to do, for ways on which that costs nothing
    folder    for its checkpoint and its ledger; None: both are forgotten with it
    start     a block not after the market's creation, from which on a first scan reads
    dry_run   decides and tries out, sends nothing

    Raises TypeError for a market on a chain without a node, LookupError where its origin is not known.
    """

    def __init__(
        self,
        market: Market,
        key: Any,
        settings: Settings | None = None,
        *,
        folder: Path | None = None,
        start: int = 0,
        dry_run: bool = False,
        log: LogEvent = json_log,
        submitter: Submitter | None = None,
        pulled: Pulled | None = None,
        adapter: Adapter | None = None,
    ) -> None:
        self.market, self.settings, self.dry_run, self._write = market, settings or Settings(), dry_run, log
        #: Who else hears of every event, and sees every look.
        self.observers: list[Observer] = []
        #: By which workers of one market share its work.
        self.board = Board()
        self.terms = terms = Terms.of(market)
        self._pulled, self._adapter = pulled, adapter
        checkpoint = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            checkpoint = Checkpoint(folder / f"{market.address}.checkpoint", market.address)
        self.ledger = Ledger(":memory:" if folder is None else folder / f"{market.address}.ledger")
        self.follower = Follower(market, terms.unit, checkpoint, start)
        keys = key if isinstance(key, list | tuple) else [key]
        #: One for each key.
        self.senders = [Sender(self.follower.chain, one, self.ledger, self.settings, submitter) for one in keys]
        own = frozenset(sender.address for sender in self.senders)
        self._let_go(own)
        self._races = Races(market, self.follower.chain, own.union(map(to_address, self.settings.fleet)))
        self._turns = Turns(self.settings.keepers, self.settings.place, self.settings.turn, self.ledger.losses())
        #: The full sweep that is under way, and the time from which on the next one is due.
        self._audit: Iterator[frozenset[bytes]] | None = None
        self._audit_due = 0
        self._reader = StateReader(market, terms, self.follower, self.settings.sweep, pulled is not None)
        #: When there was a valid price last, or a check of the clock that prices stay away for.
        self._priced = 0
        #: What was refused when it was tried out: when, and the time of the newest price then.
        self._refused: dict[str, tuple[int, int]] = {}

    def _let_go(self, own: Set[str]) -> None:
        """Of transactions of keys that it has no more: nobody can look after them, so the worst is reckoned."""
        for flight in self.ledger.flights():
            if flight.sender not in own:
                self.ledger.lands(flight, flight.cost, flight.sent_at)

    @property
    def sender(self) -> Sender:
        """Of the first key."""
        return self.senders[0]

    # ---------------------------------------------------------------- working

    def once(self, timeout: float = 120) -> list[Done]:
        """Works until nothing is left to do and nothing is under way; gives what was done.

        Within `timeout` seconds of this machine's clock. Raises the chain's errors.
        """
        done: list[Done] = []
        deadline = time.monotonic() + timeout
        while True:
            sent, landed = self.step()
            done += landed
            if (not sent and not self.ledger.flights()) or time.monotonic() > deadline:
                return done
            time.sleep(0 if sent else PAUSE / 20)

    def run(self) -> None:
        """Works until it is interrupted."""
        while True:
            if not self.tick():
                time.sleep(PAUSE)

    def tick(self) -> int:
        """A step that survives its node: what that refuses or does not answer is logged. Gives how many were sent."""
        try:
            return self.step()[0]
        except ChainError as error:
            self._log("trouble", {"why": str(error)})
            return 0

    def step(self) -> tuple[int, list[Done]]:
        """One look and what follows from it: how many transactions were sent, and what became of earlier ones."""
        if isinstance(self.follower.chain, Endpoints):
            self.follower.chain.choose()  # so that all of a step is read from one node
        head = self.follower.sync()
        self._sweep_on(head)
        done = [self._note(landed, head) for sender in self.senders for landed in sender.tend(head.time)]
        if done:
            head = self.follower.sync()  # or what is done already would be decided again
        state, sent = self.look(head), 0
        for observer in self.observers:
            observer.on_state(head, state)
        for intent in self._mine(state):
            senders = self._free_senders()
            if not senders:
                break
            own = self.board.claim(intent)
            targets = self._attempt(own, head, senders) if own.targets else ()
            self.board.release([target for target in own.targets if target not in targets])
            sent += len(targets) > 0
            self._refused |= {t: (head.time, _time_of(state.price)) for t in intent.targets if t not in targets}
        return sent, done

    def look(self, head: Header) -> State:
        """What the policy decides by. What was refused a moment ago at the same price counts as busy."""
        price = self._reader.price()
        if price is not None or self._priced == 0:
            self._priced = head.time
        for target, (when, price_time) in list(self._refused.items()):
            if head.time >= when + RETRY or price_time != _time_of(price):
                del self._refused[target]
        return self._reader.state(head, price, self._priced, self.ledger.busy(head.time).union(self._refused))

    def _mine(self, state: State) -> list[Intent]:
        """What the policy wants done, without what is left to other keepers as yet."""
        intents = policy.decide(state, self.settings)
        wanted = {target for intent in intents for target in intent.targets}
        others = self._turns.of_others(wanted, state.busy, state.now)
        return policy.decide(replace(state, busy=state.busy | others), self.settings) if others else intents

    def _sweep_on(self, head: Header) -> None:
        """A slice of the slow comparison of everything with the chain, whenever one is due."""
        if self._audit is None:
            self._audit_due = self._audit_due or head.time + self.settings.full_sweep
            if head.time < self._audit_due:
                return
            self._audit = self.follower.audit()
        audit, self._audit = self._audit, None  # after an error it begins anew
        for wrong in islice(audit, 1):
            if wrong:
                self._log("mended", {"targets": sorted(map(to_address, wrong))})
            self._audit = audit
            return
        self._audit_due = head.time + self.settings.full_sweep

    # ---------------------------------------------------------------- sending

    def _free_senders(self) -> list[Sender]:
        """Those that may send more, the least busy first."""
        flying = [(len(sender.flights()), sender) for sender in self.senders]
        return [s for n, s in sorted(flying, key=lambda pair: pair[0]) if n < self.settings.in_flight]

    def _attempt(self, intent: Intent, head: Header, senders: Sequence[Sender]) -> tuple[str, ...]:
        """Tries an intent out, and sends it if it is worth it; gives the targets it was sent for."""
        chain = self.follower.chain
        # As the richest: a node tries nothing out for who cannot pay for what goes along.
        me = max((sender.address for sender in senders), key=chain.balance)
        facts: dict[str, Any] = {"job": intent.job, "targets": intent.targets}
        try:
            call = call_of(intent, self.market, me, self.terms, self._pulled, self._adapter)
            if call is None:
                return ()
            gas = call.gas or chain.estimate(call.data, to=call.to, sender=me)
            gas = gas * SPARE_GAS[0] // SPARE_GAS[1]
            fees = senders[0].fees()
            facts |= {"targets": call.intent.targets, "pay": call.intent.pay, "gas": gas}
            if fees is None or not self._is_worth_it(call, gas, fees.price):
                self._log("too dear", facts)
            elif self.dry_run:
                self._log("would send", facts)
            elif self._send(call, gas, fees, head, facts, senders):
                return call.intent.targets
        except Revert as refusal:
            self._log("not now", facts | {"why": refusal.name})
        except LookupError as refusal:  # no feeds to prove prices with
            self._log("not now", facts | {"why": str(refusal)})
        except OverBudget as refusal:
            self._log("over budget", facts | {"why": str(refusal)})
        return ()

    def _is_worth_it(self, call: Call, gas: int, price: int) -> bool:
        """What goes along to Pyth is a cost like gas."""
        fee = -(-call.value * self.settings.coin // 10**18)
        return policy.is_worth_it(replace(call.intent, pay=call.intent.pay - fee), gas, price, self.settings)

    def _send(
        self, call: Call, gas: int, fees: Fees, head: Header, facts: dict[str, Any], senders: Sequence[Sender]
    ) -> bool:
        """From the first of the senders that can pay for it; from the last if none can, which says so."""
        able = (sender for sender in senders[:-1] if sender.can_pay(gas * fees.price + call.value))
        sender = next(able, senders[-1])
        try:
            flight = sender.send(call.intent, call.to, call.data, gas, fees, head, call.value)
        except OverBudget:
            raise
        except ChainError as error:
            self._log("not sent", facts | {"why": str(error)})
            return False
        self._log("sent", facts | {"nonce": flight.nonce, "hash": flight.hashes[-1]})
        return True

    # ---------------------------------------------------------------- what became of it

    def _note(self, landed: Landed, head: Header) -> Done:
        """What a transaction has done. If it was a loss, what it has not done is left alone for a while."""
        flight, receipt = landed.flight, landed.receipt
        intent, lost, raced = flight.intent, tuple[str, ...](), set[str]()
        if receipt is None:
            result = Done(intent, (), intent.targets, 0, 0, landed.wei)
        else:
            mined = Mined(self.market, receipt, flight.to)
            result = self._done(landed, mined)
            if self._is_loss(result, mined):
                lost = result.missed if result.paid == mined.due else intent.targets  # a token may refuse the fee
                raced = self._races.within_fleet(flight, mined.block)
        self._turns.lose(lost)
        alone = [target for target in lost if target not in raced]
        self.ledger.lands(flight, landed.wei, head.time, alone, self.settings.cool_down)
        if intent.job is Job.OUTAGE:
            self._priced = head.time  # whatever the oracle made of it, it is not asked again at once
        facts: dict[str, Any] = {"job": intent.job, "done": result.done, "missed": result.missed}
        facts |= {"paid": result.paid, "wei": result.wei}
        self._log("left out" if landed.left_out else "lost" if receipt is None else "mined", facts)
        return result

    def _done(self, landed: Landed, mined: Mined) -> Done:
        intent = landed.flight.intent
        moved = {event.args.position for event in mined.events if hasattr(event.args, "position")}
        by_position = intent.job not in (Job.EXIT, *policy.UNPAID)
        done = tuple(target for target in intent.targets if (target in moved if by_position else mined.passed))
        missed = tuple(target for target in intent.targets if target not in done)
        paid = min(mined.due, mined.paid({self._payee(landed.flight)}))
        return Done(intent, done, missed, paid, mined.gas, landed.wei)

    def _is_loss(self, result: Done, mined: Mined) -> bool:
        """Did it not pay for its gas, though it was to, and not because prices went away for the whole market?"""
        if result.intent.job in policy.UNPAID:
            return False  # nothing is left undone for having come late: budgets bound it
        latest = self.market.oracle.contract.call.latest
        if result.intent.job in PRICED and not result.done and or_none(lambda: latest(block=mined.block)) is None:
            return False
        return result.paid <= result.wei * self.settings.coin // 10**18

    def _payee(self, flight: Flight) -> str:
        adapter = self._adapter
        return flight.sender if adapter is None or flight.to != adapter.address else adapter.receiver

    def _log(self, event: str, facts: dict[str, Any]) -> None:
        self._write(event, facts)
        for observer in self.observers:
            observer.on_event(event, facts)

    def close(self) -> None:
        """Lets its files go."""
        self.follower.close()
        self.ledger.close()


def _time_of(price: Price | None) -> int:
    return 0 if price is None else price.time
