"""One market twice: the contracts of the test world and their Python twins, moved and compared together."""

from __future__ import annotations

import random
from typing import Any

from eth_hash.auto import keccak

from bulkhead.chain.address import checksum
from bulkhead.invariants import Action, State, broken, broken_by
from bulkhead.model.instruments.perpetual import Parameters, Perpetual
from bulkhead.model.interfaces.instrument import Instrument
from bulkhead.model.interfaces.market import Leg, MarketConfig, OrderKind, Status
from bulkhead.model.interfaces.pool import Exit
from bulkhead.model.libraries import book
from bulkhead.model.libraries.position_math import LOT
from bulkhead.model.margin.fixed_margin import FixedMargin
from bulkhead.model.market import Market
from bulkhead.model.operators import Grant, Operators
from bulkhead.model.oracles.chainlink_source import Config
from bulkhead.model.oracles.feed import FeedProxy
from bulkhead.model.oracles.oracle import Oracle
from bulkhead.model.oracles.oracle_settings import OracleSettings
from bulkhead.model.pool import Pool
from bulkhead.model.token import Token
from bulkhead.protocol.config import FixedMarginRates, PerpetualTerms, camel
from tests.differential.answers import answer_of, plain
from tests.differential.dated_call import DatedCall
from tests.world import HEARTBEAT, MAX, NOW, ONE, PRICE, World

ZERO = "0x" + "00" * 20


def vault_address(market: str, nonce: int) -> str:
    """Where a contract's creation number `nonce` (below 256) lies."""
    number = bytes([nonce]) if nonce < 128 else bytes([0x81, nonce])
    payload = b"\x94" + bytes.fromhex(market[2:]) + number
    return checksum(keccak(bytes([0xC0 + len(payload)]) + payload)[12:].rjust(32, b"\0"))


def lanes(word: int) -> list[int]:
    """The series in Market.liveSeries."""
    found = []
    while word:
        found.append(word & 0xFFFFFF)
        word >>= 25
    return found


class Twins:
    """`world` must be as it was deployed; `dated` picks the market."""

    def __init__(self, world: World, dated: bool) -> None:
        self.world = world
        self.contracts = contracts = world.dated if dated else world.perpetual
        self.steps: list[str] = []
        self.positions: list[str] = []
        self.proofs: list[tuple[int, bytes]] = []
        self.instrument: Instrument
        self.feed = FeedProxy(8)
        for time in (NOW, NOW + 60):
            self.feed.push(PRICE // 10**10, time, time)
        self.oracle = Oracle(
            OracleSettings(
                Config(self.feed, HEARTBEAT, 0, 10**20), [], ONE // 200, 0, 0, HEARTBEAT, ONE // 10, None, 600, 86_400
            ),
            world.chain,
        )
        if dated:
            self.instrument = DatedCall(self.oracle, world.expiry)
        else:
            self.instrument = Perpetual(Parameters(*PerpetualTerms().encoded()))
        config = MarketConfig(**{n: contracts.config[camel(n)] for n in MarketConfig.__dataclass_fields__})
        market, pool, self.vault = contracts.market.address, contracts.pool.address, world.chain.new_account("nobody")
        self.token = Token(6, world.token.address)
        self.operators = Operators(world.chain)
        self.pool = Pool(pool, market, config, self.token, self.oracle, self.instrument, world.chain)
        self.market = Market(
            market,
            config,
            self.token,
            self.oracle,
            self.instrument,
            FixedMargin(*FixedMarginRates().encoded()),
            self.operators,
            self.pool,
            world.chain,
            lambda n: vault_address(market, n),
        )
        self.accounts = [world.trader, world.other, world.provider, world.keeper, world.stranger]
        for account in (world.trader, world.other, world.provider, world.stranger):
            self.token.mint(account, 10**9 * world.unit)
            for spender in (market, pool):
                self.token.approve(spender, 2**256 - 1, sender=account)
        # the other market's pool took its deposit of the same provider
        self.token.transfer(pool, 1_000_000 * world.unit, sender=world.provider)
        self.token.transfer_from(world.provider, pool, 0, sender=pool)
        self.token.balances[pool] -= 1_000_000 * world.unit
        self.token.total_supply -= 1_000_000 * world.unit
        self.pool.deposit(1_000_000 * world.unit, world.provider, sender=world.provider)
        self.compare("deployment")

    # ---------------------------------------------------------------- both at once

    def do(self, part: str, name: str, *args: Any, sender: str) -> Any:
        """The same call to both; the answers and all state are compared. Gives the model's answer."""
        contract = self.contracts.market if part == "market" else self.contracts.pool
        twin = self.market if part == "market" else self.pool
        function = camel(name)
        before = State.of(self.market)
        told = answer_of(lambda: getattr(contract.send, function)(*map(plain, args), sender=sender).return_value)
        foreseen = answer_of(getattr(twin, name), *args, sender=sender)
        self.steps.append(f"{self.world.chain.timestamp - NOW} {name}{args} by {sender[:6]} -> {foreseen}")
        assert told == foreseen, self.story(name, told, foreseen)
        self.compare(name)
        done = not (isinstance(foreseen, tuple) and foreseen[:1] == ("error",))
        touched = args[0] if name in ("liquidate", "settle") else args[:1] if part == "market" else ()
        after = State.of(self.market)
        action = Action(name, args, sender, done, frozenset(touched) & after.traders.keys())
        wrong = broken(after) + broken_by(before, action, after)
        assert not wrong, self.story(name, wrong, [])
        return foreseen

    def compare(self, name: str) -> None:
        """Every word both can show."""
        market, pool = self.contracts.market.call, self.contracts.pool.call
        for position in self.positions:
            for view in ("position_of", "order_of", "claimable"):
                self.same(name, view, getattr(market, camel(view))(position), getattr(self.market, view)(position))
        for view in ("liquidity", "last_index", "due_exits", "total_assets", "total_supply"):
            self.same(name, view, getattr(pool, camel(view))(), getattr(self.pool, view)())
        for view in ("max_deposit", "max_mint", "max_redeem", "max_withdraw"):
            account = self.world.provider
            self.same(name, view, getattr(pool, camel(view))(account), getattr(self.pool, view)(account))
        self.same(name, "live_series", sorted(lanes(market.liveSeries())), sorted(self.market.live_series()))
        for series in range(5):
            told = market.seriesOf(series)
            self.same(name, "series_of", book.unpacked(plain(told)), self.market.series_of(series))
            self.same(name, "packed", told, book.packed(self.market.series_of(series)))
        first, last = self.pool._first_exit, self.pool._next_exit
        for id in range(max(0, first - 1), last + 1):
            exit, line = self.pool.exit_of(id)
            exit = exit if exit.owner else Exit(ZERO)
            self.same(name, "exit_of", pool.exitOf(id), (exit, line))
        for account in [*self.accounts, *self.positions, self.pool.address, self.market.address]:
            self.same(name, account, self.world.balance(account), self.token.balance_of(account))
            self.same(name, f"shares of {account}", pool.balanceOf(account), self.pool.balance_of(account))

    def same(self, name: str, what: str, told: Any, foreseen: Any) -> None:
        """Raises with the whole sequence."""
        assert plain(told) == plain(foreseen), self.story(f"{name}: {what}", told, foreseen)

    def story(self, what: str, told: Any, foreseen: Any) -> str:
        """All steps, then what differs."""
        return "\n".join(["", *self.steps, f"{what}\n contract {plain(told)}\n model    {plain(foreseen)}"])

    # ---------------------------------------------------------------- the world

    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)
        self.steps.append(f"wait {seconds}")

    def push(self, price: int) -> None:
        """A round in both feeds; its proof is kept."""
        now = self.world.chain.timestamp
        self.world.feed.push(price)
        self.feed.push(price // 10**10, now, now)
        self.proofs.append((now, self.world.proof()))
        self.steps.append(f"price {price / ONE} at {now - NOW}")

    @property
    def price(self) -> int:
        return self.feed.phases[1][-1][0] * 10**10

    def block(self, account: str, value: bool) -> None:
        """The token refuses an account, or no longer."""
        self.world.token.send.setBlocked(account, value)
        (self.token.blocked.add if value else self.token.blocked.discard)(account)
        self.steps.append(f"blocked {account[:6]} {value}")

    def grant(self, trader: str, operator: str, terms: Grant) -> None:
        """The same grant in both."""
        market = self.market.address
        told = answer_of(self.world.deployment.operators.send.grant, market, operator, tuple(terms), sender=trader)
        assert told[0] != "error"
        self.operators.grant(market, operator, terms, sender=trader)
        self.steps.append(f"grant {trader[:6]} {operator[:6]} {tuple(terms)}")

    def first_proof(self, after: int) -> bytes:
        """Of the first round after a moment; b"" where there is none."""
        return next((proof for time, proof in self.proofs if time > after), b"")

    def end(self) -> None:
        """The oracle ends after a day without a price."""
        for seconds in (HEARTBEAT + 1, 86_400):
            self.wait(seconds)
            self.world.oracle.send.checkOutage()
            self.oracle.check_outage()
        assert self.oracle.final_price()[0]
        self.steps.append("the oracle ends")

    def expire(self) -> None:
        """The dated series pass their expiry, and the first price after it is their fixing."""
        if not isinstance(self.instrument, DatedCall):
            return
        self.wait(max(0, self.world.expiry - self.world.chain.timestamp) + 12)
        self.push(self.price)
        proof = self.first_proof(self.world.expiry)
        self.contracts.instrument.send.fix(1, proof)
        self.instrument.fix(1, proof)
        self.steps.append("the series are fixed")

    # ---------------------------------------------------------------- actions

    def some(self, rng: random.Random, status: Status) -> str:
        """A position, of this status if there is one and luck wants it."""
        found = [p for p in self.positions if self.market.position_of(p).status == status]
        if found and rng.random() < 0.95:
            return rng.choice(found)
        return rng.choice([*self.positions, self.vault])

    def act(self, rng: random.Random) -> None:
        """One random step."""
        names = {"request_open": 5, "move": 5, "execute": 8, "request_close": 4, "add_margin": 2, "remove_margin": 4}
        names |= {"liquidate": 6, "at_reserve": 3, "request_raise": 3, "request_redeem": 2, "execute_exit": 2}
        names |= {"enter": 1, "leave": 1, "claim": 3, "blocking": 2, "clock": 1, "settle": 1, "trend": 3, "grants": 1}
        (name,) = rng.choices(list(names), list(names.values()))
        if not self.positions and rng.random() < 0.5:
            name = "request_open"
        getattr(self, f"_{name}")(rng)

    def _request_open(self, rng: random.Random) -> None:
        price, legs = self.price, []
        for _ in range(rng.choice([1, 1, 1, 2])):
            size = rng.randrange(ONE // 100, 60 * ONE) // LOT * LOT
            size = rng.choice([1, -1]) * rng.choice([size, 10 * ONE, 10 * ONE])
            if rng.random() < 0.05:
                size = rng.choice([ONE // 1000, 2**120 // LOT * LOT, 0, ONE + 1, -(2**255)])
            notional = max(1, abs(size) * price // 10**30)
            margin = min(max(rng.choice([130 * 10**6, 10**6]), notional * rng.randrange(4, 13) // 100), 2**87)
            reserve = min(notional * rng.choice([12, 12, 20, 50, 90, 100]) // 100 + rng.choice([0, 2 * 10**6]), 2**87)
            if rng.random() < 0.05:
                reserve = notional * rng.choice([3, 150]) // 100 % 2**87
            if rng.random() < 0.03:
                reserve = 10**12
            premium = rng.choice([MAX, MAX, MAX, ONE // 1000])
            dated = isinstance(self.instrument, DatedCall)
            series = rng.randrange(5) if dated or rng.random() < 0.02 else 0
            legs.append(Leg(series, size, margin, reserve, premium))
        wide = rng.choice([1, 5, 10])
        low, high = price * (100 - wide) // 100, price * (100 + wide) // 100
        if rng.random() < 0.05:
            low, high = rng.choice([(0, high), (high, low), (price, price), (1, 2**112 - 1), (1, 2**112)])
        trader = rng.choice([self.world.trader, self.world.other])
        sender = trader if rng.random() < 0.9 else self.world.stranger
        answer = self.do("market", "request_open", trader, legs, low, high, sender=sender)
        if answer and answer[0] != "error":
            self.positions += answer

    def _move(self, rng: random.Random) -> None:
        self.wait(rng.choice([1, 11, 12, 13, 60, 60, 600]))
        change = rng.choice([rng.randrange(-200, 201), rng.randrange(-900, 901), rng.choice([-1200, 1200])])
        if abs(change) > 1_000 and rng.random() < 0.7:
            change //= 2
        self.push(max(self.price * (10_000 + change) // 10_000 // 10**10, 1) * 10**10)

    def _trend(self, rng: random.Random) -> None:
        step = rng.choice([-800, -400, 400, 800])
        for _ in range(rng.randrange(1, 4)):
            self.wait(60)
            self.push(max(self.price * (10_000 + step) // 10_000 // 10**10, 1) * 10**10)

    def _execute(self, rng: random.Random) -> None:
        waiting = [p for p in self.positions if self.market.position_of(p).status == Status.PENDING]
        waiting += [p for p in self.positions if self.market.order_of(p).kind != OrderKind.NONE]
        position = rng.choice(waiting) if waiting and rng.random() < 0.97 else self.some(rng, Status.OPEN)
        p, order = self.market.position_of(position), self.market.order_of(position)
        after = (order.requested_at if order.kind else p.time) + self.market.config.delay
        proof = self.first_proof(after)
        if not proof and rng.random() < 0.8:
            self._move(rng)
            self.wait(12)
            self.push(self.price)
            proof = self.first_proof(after)
        if rng.random() < 0.05:
            proof = rng.choice([b"", self.world.proof()])
        self.do("market", "execute", position, proof, sender=self.world.keeper)

    def _request_close(self, rng: random.Random) -> None:
        position = self.some(rng, Status.OPEN)
        size = abs(self.market.position_of(position).size)
        size = rng.choice(
            [size, size, 2**256 - 1, size // 2 // LOT * LOT, size // 3 // LOT * LOT, size // 3, ONE // 1000]
        )
        low, high = rng.choice([(0, 0), (0, 0), (self.price * 99 // 100, self.price * 101 // 100), (2, 1)])
        sender = self.owner(position, rng)
        self.do("market", "request_close", position, size, low, high, rng.choice([MAX, MAX, 0]), sender=sender)

    def _request_raise(self, rng: random.Random) -> None:
        position = self.some(rng, Status.OPEN)
        reserve = self.market.position_of(position).reserve
        amount = rng.choice([1, reserve // 2, reserve, 3 * reserve, 10**12])
        self.do("market", "request_raise", position, amount, sender=self.owner(position, rng))

    def _add_margin(self, rng: random.Random) -> None:
        position = self.some(rng, rng.choice([Status.OPEN, Status.PENDING]))
        amount = rng.choice([0, 1, rng.randrange(10**9), 2**88 - 1, 2**88, 2**256 - 1])
        self.do("market", "add_margin", position, amount, sender=rng.choice([self.world.trader, self.world.stranger]))

    def _remove_margin(self, rng: random.Random) -> None:
        position = self.some(rng, Status.OPEN)
        margin = self.market.position_of(position).margin
        amount = rng.choice([0, 1, margin // 4, margin // 2, max(margin - 100 * 10**6, 0), margin + 1])
        self.do("market", "remove_margin", position, amount, sender=self.owner(position, rng))

    def owner(self, position: str, rng: random.Random) -> str:
        """Mostly the trader of a position."""
        trader = self.market._traders.get(position, self.world.trader)
        return trader if rng.random() < 0.95 else self.world.stranger

    def _liquidate(self, rng: random.Random) -> None:
        self.do("market", "liquidate", [*self.positions, self.vault], sender=self.world.keeper)

    def _at_reserve(self, rng: random.Random) -> None:
        position = self.some(rng, Status.OPEN)
        for candidate in self.positions:  # one that has reached it, if any
            p = self.market.position_of(candidate)
            if p.status != Status.OPEN or rng.random() < 0.1:
                continue
            if self.market.health(candidate, self.price, self.world.chain.timestamp)[0] >= p.margin + p.reserve:
                position = candidate
        self.do("market", "close_at_reserve", position, sender=self.world.keeper)

    def _settle(self, rng: random.Random) -> None:
        self.do("market", "settle", [*self.positions, self.vault], sender=self.world.keeper)

    def _claim(self, rng: random.Random) -> None:
        owed = [p for p in self.positions if self.market.claimable(p) != (0, 0)]
        position = rng.choice(owed) if owed else self.some(rng, Status.OPEN)
        trader = self.market._traders.get(position, self.world.trader)
        to = rng.choice([trader, trader, self.world.stranger])
        self.do("market", "claim", position, to, sender=rng.choice([trader, trader, self.world.keeper]))

    def _request_redeem(self, rng: random.Random) -> None:
        owner = rng.choice([self.world.provider, self.world.provider, self.world.stranger])
        shares = self.pool.balance_of(owner) // rng.choice([1, 2, 10]) + rng.choice([0, 0, 0, 1])
        self.do("pool", "request_redeem", rng.choice([shares, shares, shares, 10**6]), sender=owner)

    def _execute_exit(self, rng: random.Random) -> None:
        exit, _ = self.pool.exit_of(self.pool._first_exit)
        after = exit.requested_at + self.pool.config.delay
        if not self.first_proof(after) and rng.random() < 0.8:
            self.wait(13)
            self.push(self.price)
            self.wait(13)
        proof = self.first_proof(after) if exit.owner else b""
        self.do("pool", "execute_exit", proof, sender=self.world.keeper)
        if rng.random() < 0.5:
            owner = self.world.provider
            self.do("pool", "claim_exit", rng.choice([owner, self.world.stranger]), sender=owner)

    def _enter(self, rng: random.Random) -> None:
        who = rng.choice([self.world.provider, self.world.stranger])
        if rng.random() < 0.5:
            self.do("pool", "deposit", rng.choice([0, 1, rng.randrange(10**12)]), who, sender=who)
        else:
            self.do("pool", "mint", rng.choice([0, 1, rng.randrange(10**18)]), who, sender=who)

    def _leave(self, rng: random.Random) -> None:
        who = rng.choice([self.world.provider, self.world.stranger])
        sender = who if rng.random() < 0.9 else self.world.keeper
        if rng.random() < 0.5:
            self.do("pool", "redeem", self.pool.balance_of(who) // 10 + 1, who, who, sender=sender)
        else:
            self.do("pool", "withdraw", rng.randrange(10**11), who, who, sender=sender)

    def _blocking(self, rng: random.Random) -> None:
        payees = [self.world.trader, self.world.other, self.world.provider, self.world.keeper, self.pool.address]
        payees += self.positions[-2:]
        if self.token.blocked and rng.random() < 0.6:
            self.block(rng.choice(sorted(self.token.blocked)), False)
        else:
            self.block(rng.choice(payees), True)

    def _clock(self, rng: random.Random) -> None:
        self.wait(rng.choice([1, 12, 600, 3_500, 3_601, 4_000, 86_400]))
        if rng.random() < 0.7:
            self.push(self.price)

    def _grants(self, rng: random.Random) -> None:
        terms = Grant(
            self.world.chain.timestamp + rng.choice([0, 10_000]), rng.randrange(16), rng.choice([2**128 - 1, 10**10])
        )
        self.grant(rng.choice([self.world.trader, self.world.other]), self.world.stranger, terms)
