"""Options beside perpetuals: two markets with one token, on one oracle with a fast feed; the steps that options need.

`bulkhead fuzz --world options`. A history begins at an expiry, a week before the next one: it jumps to the settlement
window, has its prices sampled, proven and resolved, settles, and goes on with the week after.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, ClassVar

from bulkhead.chain import Contract
from bulkhead.fuzz.machine import MAX, Machine, Step
from bulkhead.fuzz.pair import Pair
from bulkhead.fuzz.twin import MOST_POSITIONS, Twin, Words, slot_of
from bulkhead.fuzz.world import NOW, Terms, World
from bulkhead.invariants import State
from bulkhead.model.errors import ModelError
from bulkhead.model.instruments.european_options import EuropeanOptions
from bulkhead.model.instruments.expiry_fixing import SAMPLES, STEP, WINDOW, ExpiryFixing, Fixing
from bulkhead.model.interfaces.european_options import OptionTerms as ModelTerms
from bulkhead.model.interfaces.market import Leg, Status
from bulkhead.model.interfaces.volatility_feed import VolatilitySettings
from bulkhead.model.interfaces.volatility_path import PathSettings, Segment
from bulkhead.model.libraries import option_series, position_math
from bulkhead.model.libraries.position_math import LOT, ONE
from bulkhead.model.margin.option_margin import OptionMargin, OptionMarginTerms
from bulkhead.model.margin.volatility_feed import VolatilityFeed
from bulkhead.protocol import OracleTerms
from bulkhead.protocol.config import VolatilityTerms
from bulkhead.protocol.deployment import MarketContracts
from bulkhead.protocol.options import OPTION_MARKET, OptionMarginRates, OptionTerms, PathTerms, options_market

WEEK = option_series.WEEK
#: Where the word of the path, and those of fixings, lie in their contracts.
_PATH = _FIXINGS = 0
#: What a campaign of options has to reach.
MUST_REACH = (
    "option liquidated in part",
    "option liquidated in full",
    "option settled after its fixing",
    "short settled after its fixing",
    "option settled after the end",
    "order void in the window",
    "straddle with one leg gone",
    "fixing by six samples",
    "fixing resolved with five samples",
    "samples taken anew",
    "path turned",
    "bound",
    "closed at the reserve",
)


@dataclass(frozen=True)
class OptionsTerms:
    """What is drawn of the market of options beside the others."""

    options: OptionTerms
    margin: OptionMarginRates
    max_age: int


@dataclass(frozen=True, repr=False)
class OptionsWorld(World):
    """A market of perpetuals and one of options; `margin_model` and the others replace parts of the former."""

    must_reach: ClassVar[tuple[str, ...]] = MUST_REACH

    @cached_property
    def terms(self) -> Terms:
        """As of any world, but always these two markets; margins of the perpetuals are fixed."""
        return replace(super().terms, markets=2, dated=False, volatility=None)

    @cached_property
    def option_terms(self) -> OptionsTerms:
        """What is drawn."""
        if self.draw is None:
            return OptionsTerms(OptionTerms(), OptionMarginRates(), 120)
        rng = random.Random(f"options {self.draw}")

        def rate(*choices: str) -> Decimal:
            return Decimal(rng.choice(choices))

        options = OptionTerms(
            life=rng.choice([600, 7_200]),
            strike_step=rate("25", "100"),
            call_cap=rate("1", "0.5"),
            longest_tenor=rng.choice([30, 10]) * 86_400,
            smallest_delta=rate("0.05", "0.1"),
            spread=rate("0.1", "0.45"),
            slope=rate("0.2", "0"),
            reach=rate("3", "1"),
            holding=rate("0.05", "0"),
            series_share=rate("0.2", "0.01"),
            path=PathTerms(rng.choice([3_600, 1_800]), ramp=rate("0.2", "1"), floor=rate("0.2", "0.5")),
            feed=VolatilityTerms(
                interval=rng.choice([3_600, 900, 900, 300]),
                life=rng.choice([21_600, 1_800]),
                fast_time=rng.choice([43_200, 3_600]),
                slow_time=rng.choice([30 * 86_400, 86_400]),
            ),
        )
        margin = rng.choice(
            [OptionMarginRates(), OptionMarginRates(least=Decimal(1), target=Decimal("0.1"), most=Decimal(5))]
        )
        return OptionsTerms(options, margin, rng.choice([120, 900]))

    @property
    def oracle_terms(self) -> OracleTerms:
        """A source that speaks every minute."""
        return OracleTerms(heartbeat=60, max_age=self.option_terms.max_age)

    def twins(self, pair: Pair) -> list[Twin]:
        """Perpetuals first."""
        perpetuals = Twin(pair, 0)
        return [perpetuals, OptionsTwin(pair, perpetuals)]

    def machine(self, pair: Pair) -> Machine:
        """With the steps of options."""
        return OptionsMachine(pair)


class RememberedOptions(EuropeanOptions):
    """The twin of the instrument, which is asked for the same values again and again within a step."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.__dict__["_value"] = lru_cache(maxsize=4_096)(self._value)


class OptionsTwin(Twin):
    """A market of options on the oracle of another market."""

    def __init__(self, pair: Pair, beside: Twin) -> None:
        self.beside = beside
        super().__init__(pair, 1)
        self.hearers = beside.hearers
        self.hearers.append(self)
        self.fixing = pair.deployment.at("ExpiryFixing", self.instrument.call.terms().fixing)

    def _deploy_oracle(self) -> tuple[list[Contract], Contract]:
        return self.beside.feeds, self.beside.oracle

    def _deploy_market(self) -> MarketContracts:
        pair, world = self.pair, self.pair.world
        assert isinstance(world, OptionsWorld)
        self.terms = world.option_terms
        ours = OPTION_MARKET
        market = replace(world.terms.market, time_to_live=ours.time_to_live, smallest_reserve=ours.smallest_reserve)
        terms = self.terms
        return options_market(pair.deployment, pair.token, self.oracle, terms.options, terms.margin, market)

    def _begin_oracle(self) -> None:
        self.model_feeds, self.model_oracle = self.beside.model_feeds, self.beside.model_oracle
        self.voices, self.proofs = self.beside.voices, self.beside.proofs
        self._seen: dict[str, Any] = {}

    def push(self, price: int) -> None:
        """In the feeds that both hear."""
        self.beside.push(price)

    @property
    def price(self) -> int:  # type: ignore[override]
        """The last one told."""
        return self.beside.price

    def new_phase(self, source: int) -> None:
        """Of a feed that both hear."""
        self.beside.new_phase(source)

    def _twin_instrument(self) -> EuropeanOptions:
        chain, oracle, terms = self.pair.chain, self.model_oracle, self.terms.options
        _, *feed = terms.feed.encoded("").values()
        _, *path = terms.path.encoded("").values()
        self.model_feed = VolatilityFeed(oracle, VolatilitySettings(*feed), chain)
        self.model_fixing = ExpiryFixing(oracle, terms.life, chain)
        encoded = terms.encoded("", self.pair.world.terms.decimals)
        names = ("strikeStep", "callCap", "longestTenor", "smallestDelta", "spread", "slope", "reach", "holding")
        values = ModelTerms(*(encoded[name] for name in (*names, "seriesShare", "decimals")))
        self.options = RememberedOptions(self.model_feed, PathSettings(*path), self.model_fixing, oracle, values, chain)
        return self.options

    def _twin_margin_model(self) -> OptionMargin:
        _, *rates = self.terms.margin.encoded("").values()
        return OptionMargin(self.options, self.model_feed, OptionMarginTerms(*rates), self.pair.chain)

    def _twin_volatility(self) -> VolatilityFeed:
        return self.model_feed

    def _volatility_address(self) -> str:
        return str(self.instrument.call.path().feed)

    def parts(self) -> dict[str, tuple[Contract, Any]]:
        """The fixings beside the others."""
        return super().parts() | {"fixing": (self.fixing, self.model_fixing)}

    def _unlike_parts(self, whole: bool) -> tuple[str, int, int, int] | None:
        """The word of the path, and one of every fixing, too."""
        found = super()._unlike_parts(whole)
        word = _path_word(self.options.turns())
        # Above them the contract's word has what is left of a turn that is forgotten.
        told = self.pair.chain.read(self.instrument.address, _PATH) & (1 << 240) - 1
        if told != word:
            found = found or (self.instrument.address, _PATH, told, word)
        words = self.model_fixing.words
        places, contents = self._words_of_fixings(words)
        return found or self._unlike(self.fixing.address, list(places), list(contents))

    @staticmethod
    def _words_of_fixings(fixings: dict[int, Fixing]) -> Words:
        places = tuple(slot_of(expiry, _FIXINGS) for expiry in fixings)
        return places, tuple(map(_fixing_word, fixings.values()))

    # --- expiries

    def next_expiry(self) -> int:
        """The first one that lies ahead, or whose fixing is not known while something of it is open."""
        now = self.pair.chain.timestamp
        for series in self.model._live:
            expiry = option_series.expiry(series)
            if expiry <= now and not self.model_fixing.fixing_of(expiry)[0]:
                return expiry
        return now + WEEK - (now - NOW) % WEEK


def _path_word(turns: tuple[Segment, ...]) -> int:
    word = 0
    for turn in reversed(turns):
        word = word << 80 | turn.start | turn.from_ << 32 | turn.target << 56
    return word


def _fixing_word(fixing: Fixing) -> int:
    word = fixing.sum | fixing.done << 131 + 17 * SAMPLES | fixing.later << 132 + 17 * SAMPLES
    for i in range(SAMPLES):
        word |= fixing.phases[i] << 131 + 16 * i | fixing.proven[i] << 131 + 16 * SAMPLES + i
    return word


class OptionsMachine(Machine):
    """Steps of the market of options; those of the perpetuals are as ever."""

    def begin(self) -> None:
        """A new history."""
        super().begin()
        self._orders: list[tuple[str, ...]] = []  # vaults of orders of two legs on one strike

    def kinds(self) -> dict[Step, int]:
        """Of the market of options, beside those that both have."""
        return super().kinds() | {
            self._refresh: 6,
            self._follow: 2,
            self._jump: 2,
            self._approach: 2,
            self._sample: 3,
            self._prove: 3,
            self._settle_expired: 3,
            self._update_feed: 2,
            self._skip_feed: 1,
            self._settle: 3,
        }

    def do(
        self, twin: Twin, part: str, name: str, *args: Any, sender: str, on_chain: tuple[Any, ...] | None = None
    ) -> bool:
        """One call, and what it did to options."""
        before, now = twin.state, self.pair.chain.timestamp
        done = super().do(twin, part, name, *args, sender=sender, on_chain=on_chain)
        if done and isinstance(twin, OptionsTwin):
            self._notice_options(twin, name, args, before, now)
        return done

    def _notice_options(self, twin: OptionsTwin, name: str, args: tuple[Any, ...], before: State, now: int) -> None:
        after, reached = twin.model._positions, self.reached
        gone = before.positions.keys() - after.keys()
        if name == "liquidate":
            for vault in args[0]:
                old, new = before.positions.get(vault), after.get(vault)
                if old is not None and new is not old and (new is None or new.size != old.size):
                    reached[f"option liquidated in {'full' if new is None else 'part'}"] += 1
        elif name == "settle" and gone:
            ended = twin.model_oracle.final_price()[0]
            reached[f"option settled after {'the end' if ended else 'its fixing'}"] += 1
            if not ended and any(before.positions[vault].size < 0 for vault in gone):
                reached["short settled after its fixing"] += 1
        elif name == "execute" and twin.model.voids:
            over = [before.positions[vault] for vault in args[0] if vault not in after]
            reached["order void in the window"] += sum(now + WINDOW >= option_series.expiry(p.series) for p in over)
        elif name in ("prove", "resolve"):
            fixing = twin.model_fixing.words[args[0]]
            if fixing.done:
                reached["fixing by six samples" if name == "prove" else "fixing resolved with five samples"] += 1
            elif name == "resolve":
                reached["samples taken anew"] += 1
        elif name in ("follow", "bind"):
            reached["path turned" if name == "follow" else "bound"] += 1
        elif name == "close_at_reserve":
            reached["closed at the reserve"] += 1
        if gone:
            for legs in self._orders:
                if gone & set(legs) and any(leg in after and after[leg].status == Status.OPEN for leg in legs):
                    reached["straddle with one leg gone"] += 1

    # --- steps of both

    def _request_open(self, rng: random.Random, twin: Twin) -> None:
        if isinstance(twin, OptionsTwin):
            self._request_options(rng, twin)
        else:
            super()._request_open(rng, twin)

    def _at_the_edge(self, rng: random.Random, twin: Twin) -> None:
        self._where_all_have_marks(super()._at_the_edge, rng, twin)

    def _at_the_bound(self, rng: random.Random, twin: Twin) -> None:
        self._where_all_have_marks(super()._at_the_bound, rng, twin)

    @staticmethod
    def _where_all_have_marks(step: Step, rng: random.Random, twin: Twin) -> None:
        """A minute later, too: these steps ask for marks at prices of their own."""
        if isinstance(twin, OptionsTwin):
            begins = twin.next_expiry() - WINDOW
            if twin.state.standing or twin.pair.chain.timestamp + 120 >= begins:
                return
        step(rng, twin)

    # --- steps of options

    def _options(self) -> OptionsTwin:
        (twin,) = (twin for twin in self.pair.twins if isinstance(twin, OptionsTwin))
        return twin

    def _update_feed(self, rng: random.Random, twin: Twin) -> None:
        self._update(rng, self._options())

    def _skip_feed(self, rng: random.Random, twin: Twin) -> None:
        self._skip(rng, self._options())

    def _refresh(self, rng: random.Random, twin: Twin) -> None:
        """What keepers do: the feed is brought up to date, the path turns."""
        options, feed, keeper = self._options(), self._options().model_feed, self.pair.actors.keeper
        if feed.due()[1]:
            self.do(options, "volatility", "skip", sender=keeper)
        _, _, price, last = feed.observed()
        if price == 0 or self.pair.chain.timestamp + 60 > last + 2 * feed.interval:
            for _ in range(8):
                due, expired, time, _ = feed.due()
                if not due and not expired:
                    if feed.observed()[3] == time - feed.interval:
                        break
                    self.pair.wait(time + 1 - self.pair.chain.timestamp)
                if not options.first_proof(time):
                    self.pair.wait(1)
                    options.push(options.price * rng.choice([9_950, 9_990, 10_000, 10_010, 10_050]) // 10_000)
                if not self.do(options, "volatility", "update", options.first_proof(time), sender=keeper):
                    break  # its phase has no such price
        if options.options.turn_due():
            self.do(options, "instrument", "follow", sender=keeper)
        if self.pair.chain.timestamp - options.proofs[-1][0] > 60:
            options.push(options.price)

    def _follow(self, rng: random.Random, twin: Twin) -> None:
        self.do(self._options(), "instrument", "follow", sender=self.pair.actors.keeper)

    def _request_options(self, rng: random.Random, twin: OptionsTwin) -> None:
        """One leg, or two: a straddle, a strangle, a spread, an expiry against another."""
        pair, price = self.pair, twin.price
        if len(twin.positions) >= MOST_POSITIONS:
            return
        if rng.random() < 0.85:
            self._refresh(rng, twin)
        wide = rng.choice([2, 5, 10])
        low, high = price * (100 - wide) // 100, price * (100 + wide) // 100
        step, now = twin.options.terms.strike_step, pair.chain.timestamp
        first = now + WEEK - (now - NOW) % WEEK
        expiry = rng.choice([first, first, first, first + WEEK, first + rng.choice([-WEEK, 2 * WEEK, 60 * WEEK])])
        number = price // step + rng.choice([0, 0, 0, 1, -1, 2, -2, 4, -4])
        size, put = rng.choice([-1, -1, 1]) * rng.randrange(10, 4_000) * ONE // 100 // LOT * LOT, rng.random() < 0.5
        if rng.random() < 0.02:
            size, number = rng.choice([0, 1, 2**120 // LOT * LOT]), rng.choice([number, 1, option_series.MAX_NUMBER])
        kinds = [(put, number, size)]
        two = rng.random()
        if two < 0.5:
            kinds.append((not put, number, size))
        elif two < 0.75:
            beside = number + rng.choice([1, -1, 2, -2])
            kinds.append((rng.random() < 0.5, beside, rng.choice([size, -size])))
        legs = [self._leg(rng, twin, p, n, s, expiry, low, high) for p, n, s in kinds]
        if rng.random() < 0.02:
            low, high = rng.choice([(0, high), (high, low), (1, 2**112)])
        trader = rng.choice(pair.actors[:2])
        sender = trader if rng.random() < 0.97 else pair.actors.guest
        known = len(twin.positions)
        if self.do(twin, "market", "request_open", trader, legs, low, high, sender=sender) and two < 0.5:
            self._orders.append(tuple(twin.positions[known:]))

    def _leg(
        self, rng: random.Random, twin: OptionsTwin, put: bool, number: int, size: int, expiry: int, low: int, high: int
    ) -> Leg:
        """With the least margin that will do, more of it, a little less, or all that it can lose."""
        options, model, unit = twin.options, twin.model, self.pair.unit
        series = option_series.encode(put, expiry, min(max(number, 1), option_series.MAX_NUMBER))
        o, held = options.option_of(series), abs(size)
        notional = min(held * twin.price // 10**36 * unit, 2**87)
        margin = notional // 5
        try:
            marks = [options.mark(series, index, self.pair.chain.timestamp) for index in (low, high)]
            state = replace(model._snapshot(series, 0, 0), index=0)
            rate = model.config.open_fee + options.premium(state, size)
            costs = model.config.keeper_cap + position_math.fee_up(rate, held, high, model.unit)
            required = max(
                model.margin_model.initial(replace(state, index=index), mark, size)
                for index, mark in zip((low, high), marks, strict=True)
            )
            largest = position_math.value_up(held, max(marks) if size > 0 else o.cap - min(marks), model.unit)
            margin = rng.choice(
                [min(required * unit // ONE, largest)] * 5 + [largest, largest, o.cap * held // model.unit]
            )
            margin = (margin * rng.choice([1_001, 1_010, 1_100, 1_500, 990]) // 1_000) + costs
        except ModelError:
            pass
        reserve = notional * rng.choice([1, 2, 5, 10, 25, 50]) // 100 + rng.choice([0, 2 * unit])
        margin = min(max(margin, 130 * unit), 2**87)
        return Leg(series, size, margin, reserve, MAX if rng.random() < 0.95 else ONE // 1_000)

    def _jump(self, rng: random.Random, twin: Twin) -> None:
        """Hours in which nobody does anything, before the window of the next expiry."""
        options = self._options()
        left = options.next_expiry() - WINDOW - self.pair.chain.timestamp
        if left > 7_200:
            self.pair.wait(rng.choice([3_600, left // 10, left // 3]))
            options.push(options.price * rng.choice([9_300, 9_700, 10_000, 10_300, 10_700]) // 10_000)
            self._refresh(rng, twin)

    def _approach(self, rng: random.Random, twin: Twin) -> None:
        """Minutes before the window of the next expiry, orders are given, one or two of which it will void."""
        options, actors = self._options(), self.pair.actors
        expiry = options.next_expiry()
        left = expiry - WINDOW - self.pair.chain.timestamp
        if left < 0 or not any(p.status == Status.OPEN for p in options.model._positions.values()):
            return
        if left > 1_200:
            if rng.random() < 0.5:
                return
            self.pair.wait(left - rng.choice([1_200, 700]))
        self.do(options, "fixing", "bind", expiry, sender=rng.choice([actors.keeper, actors.guest]))
        self._refresh(rng, options)
        if (left := expiry - WINDOW - self.pair.chain.timestamp) > 12:
            self.pair.wait(left - rng.choice([2, 11]))
            options.push(options.price)
            self._request_close(rng, options)
            self._request_options(rng, options)

    def _sample(self, rng: random.Random, twin: Twin) -> None:
        """A round after each sample's time that lies ahead; one may jump, one may have a phase of its own."""
        options = self._options()
        expiry = options.next_expiry()
        samples, _ = options.model_fixing.samples_of(expiry)
        if not samples[0].time - 7_200 < self.pair.chain.timestamp <= samples[-1].time:
            return
        if samples[-1].phase == 0 and rng.random() < 0.8:
            self.do(options, "fixing", "bind", expiry, sender=self.pair.actors.keeper)
        wrong = rng.choice([None, None, *range(SAMPLES)])
        for i, sample in enumerate(samples):
            if sample.time < self.pair.chain.timestamp:
                continue
            self.pair.wait(sample.time + rng.choice([1, 12, 60]) - self.pair.chain.timestamp)
            price = options.price
            if i == wrong:
                if rng.random() < 0.2:
                    options.new_phase(0)
                options.push(price * rng.choice([8, 12]) // 10)  # disputed
                self.pair.wait(30)
                options.push(price)
                self.pair.wait(30)
            options.push(price * (1_000 + rng.randrange(-20, 21)) // 1_000)
            if rng.random() < 0.1:
                self._execute(rng, options)
                self._add_margin(rng, options)
        self.pair.wait(max(samples[-1].time + STEP + rng.choice([0, 1, 12]) - self.pair.chain.timestamp, 0))
        options.push(options.price)

    def _prove(self, rng: random.Random, twin: Twin) -> None:
        """The samples of an expiry, all or some; what nobody has proven in time is resolved."""
        options, actors = self._options(), self.pair.actors
        expiry, fixing = options.next_expiry(), options.model_fixing
        samples, until = fixing.samples_of(expiry)
        if self.pair.chain.timestamp < expiry - WINDOW:
            if rng.random() < 0.8:
                return
            expiry -= WEEK  # which may be fixed already
            samples, until = fixing.samples_of(expiry)
        proofs = [options.first_proof(sample.time) for sample in samples]
        if rng.random() < 0.5:
            proofs[rng.randrange(SAMPLES)] = b""
        if rng.random() < 0.05:
            proofs = rng.choice([[], [*proofs, b""], proofs[:2], proofs[::-1]])
        sender = rng.choice([actors.keeper, actors.guest])
        for i, proof in enumerate(proofs):
            if proof and len(proofs) <= SAMPLES and not self._proves(options, i, proof, expiry):
                proofs[i] = b"" if rng.random() < 0.95 else proof
        self.do(options, "fixing", "prove", expiry, proofs, sender=sender)
        if not fixing.fixing_of(expiry)[0] and self.pair.chain.timestamp >= expiry and rng.random() < 0.4:
            self.pair.wait(max(until + rng.choice([0, 1, 1]) - self.pair.chain.timestamp, 0))
            options.push(options.price)
            self.do(options, "fixing", "resolve", expiry, sender=sender)

    @staticmethod
    def _proves(twin: OptionsTwin, i: int, proof: bytes, expiry: int) -> bool:
        sample = twin.model_fixing.samples_of(expiry)[0][i]
        try:
            twin.model_oracle.first_after(sample.phase, sample.time, proof)
        except ModelError:
            return False
        return True

    def _settle_expired(self, rng: random.Random, twin: Twin) -> None:
        """In batches, after the expiry, and sometimes before."""
        options = self._options()
        names = list(options.model._positions)
        if not names:
            return
        if rng.random() < 0.3:
            names = rng.sample(names, rng.randrange(1, len(names) + 1))
        self.do(options, "market", "settle", names, sender=self.pair.actors.keeper)
