"""A keeper at work: looks at a market, lets the policy decide, tries each intent out, sends what is worth its gas."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from bulkhead.chain import ChainError, Event, Log, Revert, to_address
from bulkhead.chain.address import to_bytes
from bulkhead.chain.receipt import decode_logs
from bulkhead.keeper import policy
from bulkhead.keeper.calls import Call, call_of
from bulkhead.keeper.checkpoint import Checkpoint
from bulkhead.keeper.follower import Follower, Header
from bulkhead.keeper.ledger import Ledger
from bulkhead.keeper.policy import Intent, Price, State
from bulkhead.keeper.sender import Fees, Landed, OverBudget, Sender
from bulkhead.keeper.settings import Job, Settings
from bulkhead.keeper.terms import Terms
from bulkhead.keeper.view import View, or_none
from bulkhead.protocol.market import Market

#: Gas sent along over the node's estimate, as a fraction: state may move before the transaction is mined.
SPARE_GAS = (5, 4)
#: Seconds between two looks while nothing is known to happen.
PAUSE = 1.0
#: Seconds for which what was refused is not tried again, unless there is a newer price.
RETRY = 30

#: Takes a line of the log: what happened, and its facts.
Teller = Callable[[str, dict[str, Any]], None]


def json_log(event: str, facts: dict[str, Any]) -> None:
    """One JSON object a line, to standard output; its time is this machine's."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"time": now, "event": event, **facts}, default=str), file=sys.stdout, flush=True)


class Done(NamedTuple):
    """What came of an intent: what was done of it and what was not, what it paid (token units) and cost (gas, wei)."""

    intent: Intent
    done: tuple[str, ...]
    missed: tuple[str, ...]
    paid: int
    gas: int
    wei: int


class Keeper:
    """A keeper of one market, which sends with a private key.

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
        log: Teller = json_log,
    ) -> None:
        self.market, self.settings, self.dry_run, self._log = market, settings or Settings(), dry_run, log
        terms = Terms.of(market)
        checkpoint = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            checkpoint = Checkpoint(folder / f"{market.address}.checkpoint", market.address)
        self.ledger = Ledger(":memory:" if folder is None else folder / f"{market.address}.ledger")
        self.follower = Follower(market, terms.unit, checkpoint, start)
        self.sender = Sender(self.follower.chain, key, self.ledger, self.settings)
        self._view = View(market, terms, self.follower, self.settings.sweep)
        #: When there was a valid price last, or a check of the clock that prices stay away for.
        self._priced = 0
        #: What was refused when it was tried out: when, and the time of the newest price then.
        self._refused: dict[str, tuple[int, int]] = {}

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
        """Works until it is interrupted. What a node refuses or does not answer is logged, and tried again."""
        while True:
            try:
                sent, _ = self.step()
            except ChainError as error:
                self._log("trouble", {"why": str(error)})
                sent = 0
            if not sent:
                time.sleep(PAUSE)

    def step(self) -> tuple[int, list[Done]]:
        """One look and what follows from it: how many transactions were sent, and what became of earlier ones."""
        head = self.follower.sync()
        done = [self._note(landed, head) for landed in self.sender.tend(head.time)]
        if done:
            head = self.follower.sync()  # or what is done already would be decided again
        state, sent = self.look(head), 0
        for intent in policy.decide(state, self.settings):
            if len(self.ledger.flights()) >= self.settings.in_flight:
                break
            targets = self._attempt(intent, head)
            sent += len(targets) > 0
            self._refused |= {t: (head.time, _time_of(state.price)) for t in intent.targets if t not in targets}
        return sent, done

    def look(self, head: Header) -> State:
        """What the policy decides by. What was refused a moment ago at the same price counts as busy."""
        price = self._view.price()
        if price is not None or self._priced == 0:
            self._priced = head.time
        for target, (when, price_time) in list(self._refused.items()):
            if head.time >= when + RETRY or price_time != _time_of(price):
                del self._refused[target]
        return self._view.state(head, price, self._priced, self.ledger.busy(head.time).union(self._refused))

    # ---------------------------------------------------------------- sending

    def _attempt(self, intent: Intent, head: Header) -> tuple[str, ...]:
        """Tries an intent out, and sends it if it is worth it; gives the targets it was sent for."""
        facts: dict[str, Any] = {"job": intent.job, "targets": intent.targets}
        try:
            call = call_of(intent, self.market, self.sender.address)
            if call is None:
                return ()
            gas = self.follower.chain.estimate(call.data, to=call.to, sender=self.sender.address)
            gas = gas * SPARE_GAS[0] // SPARE_GAS[1]
            fees = self.sender.fees()
            facts |= {"targets": call.intent.targets, "pay": call.intent.pay, "gas": gas}
            if fees is None or not policy.is_worth_it(call.intent, gas, fees.price, self.settings):
                self._log("too dear", facts)
            elif self.dry_run:
                self._log("would send", facts)
            elif self._send(call, gas, fees, head, facts):
                return call.intent.targets
        except Revert as refusal:
            self._log("not now", facts | {"why": refusal.name})
        except LookupError as refusal:  # no feeds to prove prices with
            self._log("not now", facts | {"why": str(refusal)})
        except OverBudget as refusal:
            self._log("over budget", facts | {"why": str(refusal)})
        return ()

    def _send(self, call: Call, gas: int, fees: Fees, head: Header, facts: dict[str, Any]) -> bool:
        try:
            flight = self.sender.send(call.intent, call.to, call.data, gas, fees, head.time)
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
        intent, receipt = landed.flight.intent, landed.receipt
        events = [] if receipt is None else self._events(receipt)
        moved = {event.args.position for event in events if hasattr(event.args, "position")}
        passed = receipt is not None and int(receipt["status"], 16) == 1
        by_position = intent.job not in (Job.EXIT, Job.OUTAGE)
        done = tuple(target for target in intent.targets if (target in moved if by_position else passed))
        missed = tuple(target for target in intent.targets if target not in done)
        gas = 0 if receipt is None else int(receipt["gasUsed"], 16)
        result = Done(intent, done, missed, sum(map(_keeper_s, events)), gas, landed.wei)
        cooled = missed if receipt is not None and self._is_loss(result, receipt) else ()
        self.ledger.lands(landed.flight, landed.wei, head.time, cooled, self.settings.cool_down)
        if intent.job is Job.OUTAGE:
            self._priced = head.time  # whatever the oracle made of it, it is not asked again at once
        facts = {"job": intent.job, "done": done, "missed": missed, "paid": result.paid, "wei": result.wei}
        self._log("lost" if receipt is None else "mined", facts)
        return result

    def _is_loss(self, result: Done, receipt: dict[str, Any]) -> bool:
        """Did it not pay for its gas, and not because prices went away for the whole market?"""
        if result.intent.job in (Job.LIQUIDATE, Job.CLOSE_AT_RESERVE) and not result.done:
            block = int(receipt["blockNumber"], 16)
            if or_none(lambda: self.market.oracle.contract.call.latest(block=block)) is None:
                return False
        return result.paid <= result.wei * self.settings.coin // 10**18

    def _events(self, receipt: dict[str, Any]) -> list[Event]:
        own = (self.market.address, self.market.pool.address)
        logs = [log for log in map(_log_of, receipt["logs"]) if log.address in own]
        return decode_logs(logs, self.follower.chain.registry)

    def close(self) -> None:
        """Lets its files go."""
        self.follower.close()
        self.ledger.close()


def _time_of(price: Price | None) -> int:
    return 0 if price is None else price.time


def _log_of(raw: Any) -> Log:
    """A log of a node's receipt."""
    topics = tuple(map(to_bytes, raw["topics"]))
    block, index = int(raw["blockNumber"], 16), int(raw["logIndex"], 16)
    return Log(to_address(raw["address"]), topics, to_bytes(raw["data"]), block, raw["transactionHash"], index)


def _keeper_s(event: Event) -> int:
    """What an event paid to the keeper."""
    return int(getattr(event.args, "keeperFee", 0)) + int(getattr(event.args, "toKeeper", 0))
