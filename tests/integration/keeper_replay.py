"""March 2020 against live keepers: 500 positions at 5x to 25x on a real node: `make replay-keepers`.

    python -m tests.integration.keeper_replay                 all; writes benchmarks/replay.json
    python -m tests.integration.keeper_replay --built-in      the path of our own making; replay_built_in.json
    python -m tests.integration.keeper_replay --positions 60  smaller; prints only
    python -m tests.integration.keeper_replay --strangers     keepers that name no fleet; prints only

Two days of hourly candles around the crash, low first and high first, played in rounds of a feed that speaks whenever
the price has moved by 1 % (Chainlink's for ETH / USD does from 0.5 % on), evenly on the way between a candle's prices.
Half of the positions are opened at the start, half right before the worst moment. Three keepers with keys of their own,
each of which names the others as its fleet, race each other and see only what is mined. Then again with two of them
killed at random, and with all of them away for 1, 4 and 8 hours from that moment on in which the price falls most
within so long.

What is counted comes from the chain, not from the keepers: before every look of theirs a call to the lens says who can
be liquidated at the new price. Every state that is looked at is held to the invariants of bulkhead/invariants.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from math import ceil, log
from pathlib import Path
from typing import Any, NamedTuple

from eth_account import Account

from bulkhead import Protocol
from bulkhead.chain import AnvilChain, Contract, Web3Chain
from bulkhead.invariants import State, broken
from bulkhead.keeper import Keeper, Settings
from bulkhead.keeper.follower import Follower
from bulkhead.keeper.state_reader import series_of
from bulkhead.keeper.terms import Terms
from bulkhead.model.instruments.perpetual import Perpetual
from bulkhead.model.interfaces.market import ExitKind, OrderKind, Position
from bulkhead.model.market import Market as Twin
from bulkhead.model.operators import Operators
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.model.pool import Pool
from bulkhead.model.token import Token
from bulkhead.protocol import Deployment, MarketContracts, MarketTerms, OracleTerms, PerpetualTerms
from bulkhead.scenario import Candle, Order, built_in, read_csv
from bulkhead.scenario.rounds import Moment, schedule
from tests.integration.wire import Wire

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CANDLES = Path(__file__).parents[3] / "shared" / "data" / "eth_2020-03-covid.csv"
#: 12 March 2020, midnight, and the two days from then on.
FIRST, HOURS = 1_583_971_200, 48
#: Of a feed's rounds, as a fraction.
STEP = 0.01
LEAD = 900
KEYS = tuple("0x" + digit * 64 for digit in "123")
FLEET = frozenset(Account.from_key(key).address for key in KEYS)
LEVERAGES = (5, 6, 8, 10, 12, 15, 20, 25)
DELAYS = (0, 1, 4, 8)
ORDERS: tuple[Order, ...] = ("olhc", "ohlc")
UNIT, WAD = 10**6, 10**18
POOL = 20_000_000
#: In USD: the first million on one side pays 0.05 % of premium, whatever the price of the underlying.
DEPTH = 1_000_000_000
#: Blocks within which a liquidatable vault is to be closed, and at most waited for.
BLOCKS, PATIENCE = 3, 12
BLOCK = 12
#: Rounds from one look at everything to the next.
CHECKED = 200
LEGS = 10
ANY = 2**64 - 1
SETTINGS = Settings(coin=200 * UNIT, batch=25, in_flight=40, daily_budget=10 * WAD, least_profit=1)


class Ticket(NamedTuple):
    """A position to open: long 1 or short -1, USD of margin, and percent of notional that it can win."""

    side: int
    leverage: int
    margin: int
    reserve: int


class Gap(NamedTuple):
    """A liquidation that came too late: the loss was larger than the margin, `shortfall` token units of it."""

    vault: str
    side: int
    leverage: int
    margin: int
    shortfall: int


@dataclass
class Outcome:
    """What a replay came to; token units. `failures` is empty, or the system is broken.

    due, in_time   vaults that could be liquidated at a fresh price, and those of them that were within three blocks
    bare           liquidated with equity left, all of which the fees took
    borne          by the pool: what gapped vaults had lost beyond their margins
    """

    due: int = 0
    in_time: int = 0
    liquidations: int = 0
    at_reserve: int = 0
    bare: int = 0
    gaps: list[Gap] = field(default_factory=list)
    paid: int = 0
    wei: int = 0
    rounds: int = 0
    checked: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def borne(self) -> int:
        return sum(gap.shortfall for gap in self.gaps)


def candles(real: bool) -> list[Candle]:
    """What happened, or the path of our own making."""
    if not real:
        return built_in("march_2020", "ETH")
    return [candle for candle in read_csv(CANDLES) if FIRST <= candle.time < FIRST + HOURS * 3_600]


def rounds(order: Order, step: float, real: bool) -> list[Moment]:
    """Of the candles, none further than a fraction from the one before."""
    told = schedule({"ETH": candles(real)}, order)
    found = told[:1]
    for before, after in pairwise(told):
        start, end = before.prices["ETH"], after.prices["ETH"]
        steps = max(1, ceil(abs(log(end / start)) / step))
        for part in range(1, steps + 1):
            price = start + (end - start) * part // steps
            found.append(Moment(before.time + (after.time - before.time) * part // steps, {"ETH": price}, after.candle))
    return found


def tickets(count: int) -> list[Ticket]:
    """Longs and shorts in turn, every leverage as often."""
    draw = random.Random(312)
    return [
        Ticket(1 - 2 * (n % 2), LEVERAGES[n // 2 % len(LEVERAGES)], draw.randrange(150, 600), draw.randrange(10, 61))
        for n in range(count)
    ]


def worst(moments: Sequence[Moment], hours: int) -> int:
    """The moment from which the price has fallen most so many hours later; 0: at any time within one hour."""

    def fall(index: int) -> float:
        start = moments[index]
        if hours:
            found = [m.prices["ETH"] for m in moments[index:] if m.time >= start.time + hours * 3_600][:1]
        else:
            found = [m.prices["ETH"] for m in moments[index:] if m.time <= start.time + 3_600]
        return 1 - min(found, default=start.prices["ETH"]) / start.prices["ETH"]

    return max(range(1, len(moments)), key=fall)


class Stage:
    """A market on an anvil, its feed, and half of the positions, opened before the first moment."""

    def __init__(self, chain: AnvilChain, moments: list[Moment], wanted: list[Ticket]) -> None:
        self.chain, self.moments = chain, moments
        self.price = moments[0].prices["ETH"]
        deployment = Deployment(chain)
        self.token: Contract = deployment.deploy("TokenMock", 6)
        self.feed: Contract = deployment.deploy("FeedProxyMock", 8)
        for _ in range(2):  # a price without a predecessor is disputed
            self.move(chain.timestamp + 60, self.price)
        oracle = deployment.oracle(self.feed.address, OracleTerms())
        depth = PerpetualTerms(skew_scale=Decimal(DEPTH * WAD // self.price))
        made: MarketContracts = deployment.perpetual_market(self.token, oracle, MarketTerms(), depth)
        lens = deployment.deploy("Lens")
        parts = {"market": made.market.address, "oracle": oracle.address, "feeds": [self.feed.address]}
        parts |= {"lens": lens.address, "factory": deployment.factory.address, "config": made.config}
        self.addresses: dict[str, Any] = {"markets": {"ETH": parts}}
        self.wire = Web3Chain(Wire(chain.url))
        self.market = Protocol.connect(self.wire, self.addresses).market()
        self.contract, self.pool = made.market, made.pool
        self.trader, self.provider = chain.new_account("trader"), chain.new_account("provider")
        for account, spender in ((self.trader, made.market.address), (self.provider, made.pool.address)):
            self.token.send.mint(account, POOL * UNIT)
            self.token.send.approve(spender, 2**256 - 1, sender=account)
        made.pool.send.deposit(POOL * UNIT, self.provider, sender=self.provider)
        self.terms = Terms.of(self.market)
        self.tickets: dict[str, Ticket] = {}
        self.late = wanted[len(wanted) // 2 :]
        self.open(wanted[: len(wanted) // 2])

    def move(self, at: int, price: int) -> None:
        """A round of the feed."""
        self.chain.set_time(at)
        self.feed.send.push(price // 10**10, at, at)
        self.price = price

    def open(self, wanted: Sequence[Ticket]) -> None:
        """Asked for now, in lots of ten, and carried out at the same price half a minute later, all in one block."""
        chain, price = self.chain, self.price
        vaults = []
        for start in range(0, len(wanted), LEGS):
            lot = wanted[start : start + LEGS]
            receipt = self.contract.send.requestOpen(
                self.trader,
                list(map(self._leg, lot)),
                price - price // 1_000,
                price + price // 1_000,
                sender=self.trader,
            )
            vaults += [event.args.position for event in receipt.events_of("OpenRequested")]
        begun = chain.block_number
        self.move(chain.timestamp + 30, price)
        proof = encode_proof(int(self.feed.call.latestRoundData()[0]))
        chain.automine(False)
        for vault in vaults:
            chain.queue(self.contract.address, self.contract.encode.execute([vault], proof), gas=1_000_000)
        chain.mine(seconds=BLOCK)
        chain.automine(True)
        opened = {event.args.position for event in self.contract.events("Opened", from_block=begun)}
        assert opened == set(vaults) and len(vaults) == len(wanted), "not every position was opened"
        self.tickets |= dict(zip(vaults, wanted, strict=True))

    def _leg(self, ticket: Ticket) -> dict[str, int]:
        """The margin is meant net: opening fee, keeper and premium come on top, or 25x would miss the 4 %."""
        step = WAD // 10**4
        size = ticket.margin * ticket.leverage * WAD * WAD // self.price // step * step
        notional = size * self.price * UNIT // WAD**2
        margin = (notional // ticket.leverage) * 1_001 // 1_000 + notional * 40 // 10_000 + 21 * UNIT
        reserve = notional * ticket.reserve // 100
        return {"series": 0, "size": ticket.side * size, "margin": margin, "reserve": reserve, "maxPremium": ANY}


class Replay:
    """One way through the crash. Keepers are away for `hours` from the worst moment on; `killed`: two die at random."""

    def __init__(
        self, stage: Stage, folder: Path, hours: int, killed: bool, seed: int, fleet: Set[str] = FLEET
    ) -> None:
        self.stage, self.hours, self.outcome = stage, hours, Outcome()
        self.settings = replace(SETTINGS, fleet=fleet)
        chain, moments = stage.chain, stage.moments
        self.tickets = dict(stage.tickets)
        self.away = worst(moments, hours)
        self.keepers = [self._keeper(key, folder / key[-1]) for key in KEYS]
        self.accounts = [keeper.sender.address for keeper in self.keepers]
        for account in self.accounts:
            chain.set_balance(account, 1_000 * WAD)
        #: By keeper, before which moment it is killed.
        self.draw = random.Random(seed)
        victims = self.draw.sample(range(len(KEYS)), 2) if killed else []
        self.killed = {victim: self.draw.randrange(len(moments)) for victim in victims}
        self.holders = [stage.trader, stage.provider, stage.pool.address, stage.contract.address, *self.accounts]
        self.known: dict[str, Position] = {}

    def _keeper(self, key: str, folder: Path) -> Keeper:
        market = Protocol.connect(Web3Chain(Wire(self.stage.chain.url)), self.stage.addresses).market()
        return Keeper(market, key, self.settings, folder=folder, log=lambda event, facts: None)

    # ---------------------------------------------------------------- the path

    def run(self) -> Outcome:
        """Every round of the feed, and after it what keepers do until nothing is left to do."""
        stage, chain = self.stage, self.stage.chain
        self.begun = chain.block_number
        self._check()
        until = stage.moments[self.away].time + self.hours * 3_600 if self.hours else 0
        for number, moment in enumerate(stage.moments):
            if moment.time <= chain.timestamp:
                continue  # the second wave took its time
            stage.move(moment.time, moment.prices["ETH"])
            self.outcome.rounds += 1
            here = not (self.away <= number and moment.time < until)
            if number == self.away:
                self._keep(number)
                stage.open(stage.late)
                self.tickets = dict(stage.tickets)
                self._check()
            if here:
                self._keep(number)
            if number % CHECKED == 0:
                self._check()
        if self._liquidatable():
            self.outcome.failures.append("some are left unhealthy")
        if not self.hours:
            self._close()
        self._reckon()
        self._check()
        for keeper in self.keepers:
            keeper.close()
        return self.outcome

    def _keep(self, number: int) -> None:
        """A block every twelve seconds, as long as there is work."""
        chain, begun = self.stage.chain, self.stage.chain.block_number
        working = [keeper for index, keeper in enumerate(self.keepers) if number < self.killed.get(index, number + 1)]
        due = self._liquidatable()
        chain.automine(False)
        for block in range(PATIENCE):
            for keeper in self.draw.sample(working, len(working)):  # who is first is chance
                keeper.step()
            if not any(keeper.ledger.flights() for keeper in working) and not (due and self._liquidatable()):
                break
            chain.mine(seconds=BLOCK)
            if block + 1 == BLOCKS:
                self._count(due, begun)
                due = set()
        chain.automine(True)
        self._count(due, begun)
        self._book(begun)

    def _liquidatable(self) -> set[str]:
        """Who can be liquidated now, as the lens says of all that were ever opened."""
        listed = list(self.tickets)
        index, at = self.stage.market.oracle.contract.call.latest()
        bitmap = self.stage.market.need_lens().call.unhealthy(self.stage.market.address, listed, index, at)
        return {vault for number, vault in enumerate(listed) if bitmap[number // 256] >> number % 256 & 1}

    def _count(self, due: set[str], begun: int) -> None:
        """How many of those that were due have been closed since, or brought back to their target."""
        if due:
            done = {event.args.position for event in self._events("Exited", begun)}
            self.outcome.due += len(due)
            self.outcome.in_time += len(due & done)

    def _events(self, name: str, begun: int) -> list[Any]:
        return self.stage.market.contract.events(name, from_block=begun + 1)

    def _book(self, begun: int) -> None:
        """What keepers have done since a block: to whom, what was left, and that nobody else's vault was touched."""
        exits = self._events("Exited", begun)
        if not exits:
            return
        stage, touched = self.stage, {event.args.position for event in exits}
        own = touched | {stage.trader, stage.pool.address, *self.accounts, *map(str, stage.chain.accounts)}
        for event in self._token_moves(begun):
            strangers = {event.args.from_, event.args.to} - own
            if strangers:
                self.outcome.failures.append(f"tokens of {strangers} moved in a block with liquidations")
        for event in exits:
            self._book_exit(event)

    def _token_moves(self, begun: int) -> list[Any]:
        return self.stage.wire.logs(self.stage.token.address, ["Transfer"], from_block=begun + 1)

    def _book_exit(self, event: Any) -> None:
        vault, outcome, before = event.args.position, self.outcome, event.block_number - 1
        if event.args.kind == ExitKind.AT_RESERVE:
            outcome.at_reserve += 1
        if event.args.kind != ExitKind.LIQUIDATION:
            return
        outcome.liquidations += 1
        call = self.stage.market.contract.call
        _, at = self.stage.market.oracle.contract.call.latest()
        position = call.positionOf(vault, block=before)
        equity, maintenance, _ = call.health(vault, event.args.index, at, block=before)
        ticket = self.tickets[vault]
        if equity >= maintenance + 1_000:  # of carry between two blocks
            outcome.failures.append(f"{vault} was liquidated with {equity}, it needs {maintenance}")
        if equity < 0:
            outcome.gaps.append(Gap(vault, ticket.side, ticket.leverage, position.margin, -equity))
        elif event.args.size == abs(position.size) and event.args.toTrader == 0:
            outcome.bare += 1
        least = min(self.stage.terms.config.liquidation_fee, position.margin)
        if event.args.toKeeper < least:
            outcome.failures.append(f"the keeper of {vault} got {event.args.toKeeper}, not {least}")

    # ---------------------------------------------------------------- the end

    def _close(self) -> None:
        """Traders close what is left, and a keeper carries it out."""
        stage, chain, outcome = self.stage, self.stage.chain, self.outcome
        alive = [vault for vault in self.tickets if stage.market.contract.call.positionOf(vault).status]
        chain.automine(False)
        for vault in alive:
            data = stage.contract.encode.requestClose(vault, 2**127 - 1, 0, 0, ANY)
            chain.queue(stage.contract.address, data, sender=stage.trader, gas=1_000_000)
        chain.mine(seconds=BLOCK)
        chain.automine(True)
        begun = chain.block_number
        stage.move(chain.timestamp + 60, stage.price)
        chain.mine(seconds=BLOCK)
        survivors = [keeper for index, keeper in enumerate(self.keepers) if index not in self.killed]
        chain.automine(False)
        for _ in range(4 * PATIENCE):
            sent, _ = survivors[0].step()
            if not sent and not survivors[0].ledger.flights():
                break
            chain.mine(seconds=BLOCK)
        chain.automine(True)
        self._book(begun)
        if any(stage.market.contract.call.positionOf(vault).status for vault in alive):
            outcome.failures.append("not every position could be closed")

    def _reckon(self) -> None:
        """Keepers were paid what the market says, and more than their gas."""
        chain, outcome = self.stage.chain, self.outcome
        exits = self._events("Exited", self.begun)
        owned = sum(event.args.toKeeper for event in exits)
        outcome.paid = sum(map(self._balance, self.accounts))
        outcome.wei = sum(1_000 * WAD - chain.balance(account) for account in self.accounts)
        if outcome.paid != owned:
            outcome.failures.append(f"keepers have {outcome.paid}, the market says {owned}")
        if outcome.paid * WAD <= outcome.wei * SETTINGS.coin:
            outcome.failures.append(f"keepers were paid {outcome.paid} for {outcome.wei} wei of gas")

    def _balance(self, account: str) -> int:
        return int(self.stage.market.token.contract.call.balanceOf(account))

    # ---------------------------------------------------------------- what must hold

    def _check(self) -> None:
        """The state as a fresh scan tells it: invariants hold, and nobody has changed who was not acted on."""
        state = self.seen()
        self.outcome.checked += 1
        self.outcome.failures += broken(state)
        acted = {event.args.position for event in self._events("Exited", self.begun)}
        for vault, position in state.positions.items():
            if vault not in acted and self.known.setdefault(vault, position) != position:
                self.outcome.failures.append(f"{vault} was touched: {self.known[vault]} became {position}")
        for vault in self.known.keys() - state.positions.keys() - acted:
            self.outcome.failures.append(f"{vault} is gone")

    def seen(self) -> State:
        """All that the chain tells, in the model's words. Claims are none: this token refuses nobody. How many
        positions the pool counts is not to be seen from outside."""
        stage, chain, market = self.stage, self.stage.wire, self.stage.market
        index, at = market.oracle.contract.call.latest()
        follower = Follower(market, stage.terms.unit)
        follower.sync()
        token = Token(market.token.decimals)
        holders = [*self.holders, *map(str, self.stage.chain.accounts), *self.tickets]
        token.balances = {holder: self._balance(holder) for holder in holders}
        token.total_supply = int(market.token.contract.call.totalSupply())
        oracle: Any = _Told(index, at)
        block, perpetual = _Now(chain.timestamp), Perpetual(stage.terms.fastest)
        pool = Pool(market.pool.address, market.address, stage.terms.config, token, oracle, perpetual, block)
        twin = Twin(
            market.address,
            stage.terms.config,
            token,
            oracle,
            perpetual,
            stage.terms.margin_model,
            Operators(block),
            pool,
            block,
        )
        for vault, known in ((market.position(vault).address, known) for vault, known in follower.known().items()):
            twin._positions[vault], twin._traders[vault] = known.position, stage.trader
            if known.order.kind != OrderKind.NONE:
                twin._orders[vault] = known.order
        twin._series, twin._live = {0: series_of(market.contract.call.seriesOf(0))}, [0]
        pool._committed, pool._idle = market.pool.contract.call.liquidity()
        pool._busy = len(twin._positions)
        shares = market.pool.contract.call
        pool.shares.balances = {stage.provider: int(shares.balanceOf(stage.provider))}
        pool.shares.total_supply = int(shares.totalSupply())
        return State.of(twin, (index, at))


class _Now(NamedTuple):
    timestamp: int


class _Told:
    """An oracle that says what the real one has said."""

    def __init__(self, index: int, at: int) -> None:
        self.index, self.at, self.deviation = index, at, 5 * 10**15

    def latest(self) -> tuple[int, int]:
        return self.index, self.at

    def final_price(self) -> tuple[bool, int, int]:
        return False, 0, 0


# ---------------------------------------------------------------- all of them


@contextmanager
def staged(order: Order, positions: int, step: float = STEP, real: bool = CANDLES.exists()) -> Iterator[Stage]:
    """On an anvil of its own."""
    moments = rounds(order, step, real)
    with AnvilChain(timestamp=moments[0].time - LEAD) as chain:
        yield Stage(chain, moments, tickets(positions))


def replay(
    stage: Stage, folder: Path, hours: int = 0, killed: bool = False, seed: int = 0, fleet: Set[str] = FLEET
) -> Outcome:
    """One way through; the stage is as before afterwards."""
    with stage.chain.isolated():
        before = dict(stage.tickets), stage.price
        try:
            return Replay(stage, folder, hours, killed, seed, fleet).run()
        finally:
            stage.tickets, stage.price = before


def frontier(found: dict[str, Any], order: Order, wanted: Sequence[Ticket]) -> dict[str, dict[str, Any]]:
    """By leverage and hours away: how many liquidations came too late, and what that cost the pool in whole tokens;
    hours that were not played are left out."""
    table: dict[str, dict[str, Any]] = {}
    for leverage in LEVERAGES:
        table[f"{leverage}x"] = row = {"positions": sum(ticket.leverage == leverage for ticket in wanted)}
        for hours in DELAYS:
            played = found.get(f"away {hours} h", {})
            if order not in played:
                continue
            short = [gap["shortfall"] for gap in played[order]["gaps"] if gap["leverage"] == leverage]
            row[f"{hours} h"] = {"gapped": len(short), "borne": sum(short) // UNIT}
    return table


def figures(outcome: Outcome) -> dict[str, Any]:
    """For the file; whole tokens and coins."""
    names = ("rounds", "due", "in_time", "liquidations", "at_reserve", "bare", "checked", "failures")
    told: dict[str, Any] = {name: getattr(outcome, name) for name in names}
    told |= {"gapped": len({gap.vault for gap in outcome.gaps}), "borne": round(outcome.borne / UNIT, 2)}
    told["gaps"] = [gap._asdict() for gap in outcome.gaps]
    return told | {"keepers_paid": round(outcome.paid / UNIT, 2), "keepers_gas_coins": round(outcome.wei / WAD, 6)}


def main() -> int:
    """Plays all and prints the frontiers."""
    import tempfile

    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--positions", type=int, default=500)
    ways = {"one of three": (0, True)} | {f"away {hours} h": (hours, False) for hours in DELAYS}
    arguments.add_argument("--orders", nargs="+", choices=ORDERS, default=ORDERS)
    arguments.add_argument("--ways", nargs="+", choices=list(ways), default=list(ways))
    arguments.add_argument("--built-in", action="store_true", help="the built-in path, also where the candles are")
    arguments.add_argument("--strangers", action="store_true", help="keepers that name no fleet; prints only")
    options = arguments.parse_args()
    real, fleet = CANDLES.exists() and not options.built_in, frozenset[str]() if options.strangers else FLEET
    is_full = options.positions == 500 and not options.strangers
    file = BENCHMARKS / ("replay.json" if real else "replay_built_in.json")
    found: dict[str, Any] = json.loads(file.read_text()) if is_full and file.exists() else {}
    found |= {"positions": options.positions, "real_candles": real, "frontier": {}}
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for order in options.orders:
            with staged(order, options.positions, real=real) as stage:
                for name in options.ways:
                    begun = time.perf_counter()
                    outcome = replay(stage, Path(folder) / order / name, *ways[name], fleet=fleet)
                    told = found.setdefault(name, {})[order] = figures(outcome)
                    failures += outcome.failures
                    print(order, name, told | {"gaps": len(outcome.gaps)}, flush=True)
                    print(f"    {time.perf_counter() - begun:.0f} s", flush=True)
                    for each in ORDERS:
                        found["frontier"][each] = frontier(found, each, tickets(options.positions))
                    if is_full:
                        file.write_text(json.dumps(found, indent=2) + "\n")
    for order, table in found["frontier"].items():
        print(f"{order:6}" + "".join(f"{f'{hours} h away':>22}" for hours in DELAYS))
        for leverage, row in table.items():
            cells = (row.get(f"{hours} h") for hours in DELAYS)
            shown = (f"{cell['gapped']} gap {cell['borne']:>9,}" if cell else "not played" for cell in cells)
            print(f"{leverage:6}" + "".join(f"{cell:>22}" for cell in shown))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
