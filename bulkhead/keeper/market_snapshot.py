"""A market at one block, as `bulkhead monitor` shows it, in exact numbers; nothing here draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from bulkhead.chain import Address, Revert, keccak, to_address
from bulkhead.invariants import INVARIANTS, State
from bulkhead.keeper.checkpoint import Known
from bulkhead.keeper.follower import Follower, Header
from bulkhead.keeper.ledger import DAY, Ledger
from bulkhead.keeper.state_reader import series_of
from bulkhead.keeper.terms import Terms
from bulkhead.model.interfaces.market import OrderKind, Status
from bulkhead.model.libraries import book
from bulkhead.model.libraries.book import Series
from bulkhead.model.market import NO_CLAIM, Claim
from bulkhead.protocol.market import Market

#: Positions asked after in one call.
CALL = 250
#: Parts of a state that the chain tells here. Of the others no invariant is asked.
SEEN = frozenset({"positions", "orders", "series", "live", "committed"})
#: These would ask the twin for a price's requirement, which is not here.
PRICED = frozenset({"MAR-3"})
_TRANSFER = "0x" + keccak(b"Transfer(address,address,uint256)").hex()


class Row(NamedTuple):
    """A position; token units, prices with 18 decimals. `distance`: of the index to its liquidation, 1 = 100 %."""

    vault: Address
    size: int
    margin: int
    equity: int
    maintenance: int
    distance: float


class Waiting(NamedTuple):
    """An order: its age, and for how long it has been due; seconds."""

    vault: Address
    kind: OrderKind
    age: int
    due: int


class Own(NamedTuple):
    """What a keeper has done today (UTC, the chain's clock): token units earned; wei spent; transactions under way."""

    earned: int | None
    spent: int | None
    in_flight: int


@dataclass(frozen=True)
class MarketSnapshot:
    """One market at one block.

    index, at    of the newest valid price, or else of the last trade (`at` 0); `refusal` says why there is none
    outage       when the clock of an outage was started, 0 where it was not; `limit` how long it runs
    nearest      open positions that are nearest to their liquidation first
    broken       invariants that do not hold: "id: what is wrong"; `checked` how many were asked
    """

    name: str
    decimals: int
    head: Header
    chain_id: int
    index: int
    at: int
    refusal: str | None
    outage: int
    limit: int
    ended: bool
    open: int
    long: int
    short: int
    committed: int
    idle: int
    due_exits: int
    nearest: Sequence[Row]
    sick: int
    waiting: Sequence[Waiting]
    base_fee: int
    own: Own
    checked: int
    broken: Sequence[str]


class SnapshotReader:
    """Reads a market through a follower of its own. Raises LookupError where no lens is known.

    keeper   whose fees are counted, None: nobody's;  `folder`: of ledgers, which hold what was spent
    """

    def __init__(self, market: Market, terms: Terms, start: int, keeper: Address | None, folder: Path) -> None:
        self._market, self._terms, self._keeper, self._folder = market, terms, keeper, folder
        self._lens = market.need_lens().call
        self._follower = Follower(market, terms.unit, None, start)
        self._day: tuple[int, int] = (-1, 0)

    def read(self, rows: int) -> MarketSnapshot:
        """At the newest block, with so many of the nearest positions."""
        head = self._follower.sync()
        known = self._follower.known()
        market, oracle = self._market, self._market.oracle.contract.call
        refusal, at = None, 0
        try:
            index, at = oracle.latest(block=head.number)
        except Revert as refused:
            refusal = refused.name
            index = market.pool.contract.call.lastIndex(block=head.number)
        ordered = sorted(self._rows(known, int(index), int(at) or head.time, head), key=lambda row: row.distance)
        nearest = ordered[:rows]
        clock = oracle.clock(block=head.number)
        committed, idle = market.pool.contract.call.liquidity(block=head.number)
        series = self._series(head)
        broken, checked = self._broken(known, series, int(committed), head, nearest)
        sides = [book.open(one) for one in series.values()]
        block = self._follower.chain.rpc("eth_getBlockByNumber", hex(head.number), False)
        return MarketSnapshot(
            name=market.name or market.address,
            decimals=market.token.decimals,
            head=head,
            chain_id=market.chain.chain_id,
            index=int(index),
            at=int(at),
            refusal=refusal,
            outage=int(clock.started),
            limit=self._terms.outage_limit,
            ended=bool(clock.ended),
            open=sum(one.position.status == Status.OPEN for one in known.values()),
            long=sum(long for long, _ in sides),
            short=sum(short for _, short in sides),
            committed=int(committed),
            idle=int(idle),
            due_exits=int(market.pool.contract.call.dueExits(block=head.number)),
            nearest=nearest,
            sick=sum(row.equity < row.maintenance for row in ordered),
            waiting=self._waiting(head),
            base_fee=int(block.get("baseFeePerGas", "0x0"), 16),
            own=self._own(head),
            checked=checked,
            broken=broken,
        )

    def close(self) -> None:
        """Lets its follower go."""
        self._follower.close()

    # ---------------------------------------------------------------- positions

    def _rows(self, known: dict[bytes, Known], index: int, time: int, head: Header) -> Iterator[Row]:
        of = {vault: one.position.series for vault, one in known.items() if one.position.status == Status.OPEN}
        still = {one for one in set(of.values()) if not self._terms.has_mark(one, index, time, head.number)}
        vaults = [vault for vault, one in of.items() if one not in still]
        for start in range(0, len(vaults), CALL):
            named = [to_address(vault) for vault in vaults[start : start + CALL]]
            for health in self._lens.healthOf(self._market.address, named, index, time, block=head.number):
                vault = to_address(health.position)
                p = known[bytes.fromhex(vault[2:])].position
                notional = abs(p.size) * index // self._terms.unit
                # Requirement and gain move together with the price; carry and fees at the edge are left out.
                moving = notional - health.maintenance if p.size > 0 else notional + health.maintenance
                distance = (health.equity - health.maintenance) / moving if moving > 0 else inf
                yield Row(vault, p.size, p.margin, int(health.equity), int(health.maintenance), distance)

    def _waiting(self, head: Header) -> list[Waiting]:
        delay = self._terms.config.delay
        orders = [(to_address(vault), one.order) for vault, one in self._follower.waiting.items()]
        listed = [
            Waiting(vault, order.kind, head.time - order.requested_at, head.time - order.requested_at - delay)
            for vault, order in orders
        ]
        return sorted(listed, key=lambda one: -one.age)

    # ---------------------------------------------------------------- what must hold

    def _series(self, head: Header) -> dict[int, Series]:
        lanes, call = int(self._market.contract.call.liveSeries(block=head.number)), self._market.contract.call
        found = {}
        while lanes:
            found[lanes & 0xFFFFFF] = series_of(call.seriesOf(lanes & 0xFFFFFF, block=head.number))
            lanes >>= 25
        return found

    def _broken(
        self, known: dict[bytes, Known], series: dict[int, Series], committed: int, head: Header, shown: Sequence[Row]
    ) -> tuple[list[str], int]:
        """Of `bulkhead.invariants` those that this snapshot has all for, and the money in the vaults shown."""
        positions = {str(to_address(vault)): one.position for vault, one in known.items()}
        orders = {str(to_address(vault)): one.order for vault, one in known.items() if one.order.kind != OrderKind.NONE}
        fields: dict[str, Any] = dict.fromkeys(State.__dataclass_fields__)
        fields |= {name: {} for name in ("claims", "traders", "tokens", "exits", "kept", "shares")}
        fields |= {"market": self._twin(), "time": head.time, "index": 0, "at": 0, "margins": None}
        fields |= {"positions": positions, "orders": orders, "series": series, "live": list(series)}
        state = State(**fields | {"committed": committed})
        asked = [one for one in INVARIANTS if one.reads <= SEEN and one.id not in PRICED]
        found = [f"{one.id}: {wrong}" for one in asked if (wrong := one.check(state)) is not None]
        token, market = self._market.token.contract.call, self._market.contract.call
        for row in shown:
            state.tokens[row.vault] = int(token.balanceOf(row.vault, block=head.number))
            claimable = market.claimable(row.vault, block=head.number)
            state.claims[row.vault] = Claim(*map(int, claimable)) if any(claimable) else NO_CLAIM
        safe = next(one for one in INVARIANTS if one.id == "SAFE-1")
        assert safe.each is not None
        for row in shown:
            order = orders.get(row.vault, known[bytes.fromhex(row.vault[2:])].order)
            if (wrong := safe.each(state, row.vault, positions[row.vault], order)) is not None:
                found.append(f"{safe.id}: {row.vault} {wrong}")
        return found, len(asked) + 1

    def _twin(self) -> Any:
        """As much of the twin as these invariants look at: what is fixed for good."""
        terms, ended = self._terms, self._market.oracle.contract.call.finalPrice
        return SimpleNamespace(
            config=terms.config,
            unit=terms.unit,
            margin_model=terms.margin_model,
            instrument=SimpleNamespace(has_carry=lambda: terms.has_carry),
            oracle=SimpleNamespace(final_price=ended),
        )

    # ---------------------------------------------------------------- the keeper's own

    def _own(self, head: Header) -> Own:
        files = sorted(self._folder.glob(f"**/{self._market.address}.ledger")) if self._folder.is_dir() else []
        spent = flights = 0
        for file in files:
            ledger = Ledger(file)
            under_way = ledger.flights()
            flights += len(under_way)
            spent += ledger.committed(head.time) - sum(flight.cost for flight in under_way)
            ledger.close()
        return Own(self._earned(head), spent if files else None, flights)

    def _earned(self, head: Header) -> int | None:
        """What the pool has paid to the keeper on this day."""
        if self._keeper is None:
            return None
        parties = ["0x" + address[2:].lower().rjust(64, "0") for address in (self._market.pool.address, self._keeper)]
        asked = {"address": self._market.token.address, "topics": [_TRANSFER, *parties]}
        blocks = {"fromBlock": hex(self._first_of_day(head)), "toBlock": hex(head.number)}
        logs = self._follower.chain.rpc("eth_getLogs", asked | blocks)
        return sum(int(log["data"], 16) for log in logs)

    def _first_of_day(self, head: Header) -> int:
        """The day's first block, found by halving, once a day."""
        day = head.time // DAY
        if self._day[0] != day:
            low, high = 0, head.number
            while low < high:
                middle = (low + high) // 2
                block = self._follower.chain.rpc("eth_getBlockByNumber", hex(middle), False)
                low, high = (middle + 1, high) if int(block["timestamp"], 16) < day * DAY else (low, middle)
            self._day = (day, low)
        return self._day[1]
