"""A market of options: series by rule, quotes of several legs before the trade, and the upkeep that options need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from bulkhead.chain import Receipt, Revert
from bulkhead.chain.base import AddressLike
from bulkhead.protocol.errors import PriceNotThereYet, TypedContract
from bulkhead.protocol.leg import Leg
from bulkhead.protocol.market import Band, Market
from bulkhead.protocol.position import HIGHEST, Position
from bulkhead.protocol.units import WAD, Number, plain, to_decimal, to_integer
from bulkhead.protocol.volatility import Volatility

Kind = Literal["call", "put"]

WEEK = 7 * 86_400
#: Expiries are Fridays at 08:00 UTC; this was one (3 January 2020).
FRIDAY = 1_578_038_400
#: Largest premium that a leg accepts unless it says so: a part of notional.
MOST_PREMIUM = Decimal("0.25")
#: Margin beyond the smallest that passes, as a part of it: a request a moment later may need a little more.
ROOM = Decimal("0.01")
#: Seconds before the first sample of an expiry from which on upkeep binds it.
AHEAD = 86_400
YEAR = 365 * 86_400


class Series(NamedTuple):
    """One option: strike and cap in tokens per unit, expiry in unix seconds; a call pays at most its cap."""

    number: int
    kind: Kind
    strike: Decimal
    expiry: int
    cap: Decimal

    def payoff(self, price: Number) -> Decimal:
        """What one unit pays at a settlement price."""
        gain = Decimal(price) - self.strike if self.kind == "call" else self.strike - Decimal(price)
        return min(max(gain, Decimal(0)), self.cap)

    def __str__(self) -> str:
        return f"{self.kind} {plain(self.strike)}"


class Greeks(NamedTuple):
    """Tokens: delta for a change of the price by 1, gamma of delta, vega for 100 % of volatility, theta for a year."""

    delta: Decimal
    gamma: Decimal
    vega: Decimal
    theta: Decimal


class Listed(NamedTuple):
    """A series as it stands: what one unit is worth for risk, what the pool sells and buys it at.

    `ask` and `bid` are for the smallest size at the newest price; a buyer's contains the cost of the reserve.
    `volatility` is the mark's.
    """

    series: Series
    mark: Decimal
    ask: Decimal
    bid: Decimal
    volatility: Decimal
    greeks: Greeks


@dataclass(frozen=True)
class OptionLeg:
    """One option of an order.

    size         units, negative: sold to the pool
    margin       tokens the trader puts in; None: the smallest that passes, and a hundredth
    reserve      tokens of the pool, the most it can win; None: all that it could ever pay
    max_premium  largest premium accepted, a part of notional
    """

    series: Series
    size: Number
    margin: Number | None = None
    reserve: Number | None = None
    max_premium: Number = MOST_PREMIUM


class LegQuote(NamedTuple):
    """A leg before the trade, in tokens, if its first price is the newest one.

    leg            with margin and reserve filled in
    fill           of one unit
    fees           the most that open fee and keeper's fee can come to
    lowest, highest   prices between which it is healthy right after opening; 0 and Infinity: on that side for ever
    largest_loss   the most it can lose held to the expiry, fees included, never above its margin
    """

    leg: OptionLeg
    fill: Decimal
    fees: Decimal
    lowest: Decimal
    highest: Decimal
    largest_loss: Decimal


class OptionQuote(NamedTuple):
    """All legs of an order; nothing is netted: margins and losses add up. `refusal`: why the market would refuse it."""

    legs: list[LegQuote]
    margin: Decimal
    largest_loss: Decimal
    greeks: Greeks
    refusal: Revert | None


class OptionMarket(Market):
    """A market whose instrument is `EuropeanOptions`; see `Market` for what it shares with others."""

    def __init__(self, market: Market, reader: AddressLike) -> None:
        """`reader` is where an OptionsLens is."""
        super().__init__(
            market.chain,
            market.address,
            market.oracle,
            market.operators,
            None if market.lens is None else market.lens.address,
            market.name,
            market.origin,
        )
        config = self.need_origin().config
        self.instrument = TypedContract(self.chain, "EuropeanOptions", config["instrument"])
        self._reader = TypedContract(self.chain, "OptionsLens", reader, self.token.decimals)
        self.fixing = TypedContract(self.chain, "ExpiryFixing", self.instrument.call.terms().fixing)
        self.volatility = Volatility(self.chain, self.instrument.call.path().feed, self.oracle)

    # ---------------------------------------------------------------- series

    def series(self, kind: Kind, strike: Number, expiry: int) -> Series:
        """A series by its terms. Raises SeriesInvalid for a strike off the grid, or no Friday 08:00 UTC."""
        number = self.instrument.call.seriesFor(kind == "put", expiry, to_integer(strike, WAD, "strike"))
        return self.series_of(number)

    def series_of(self, number: int) -> Series:
        """A series by its number, as positions name it."""
        return self._series(number, self.instrument.call.optionOf(number))

    def expiries(self, weeks: int = 2, months: int = 2) -> list[int]:
        """By rule: the next Fridays, and the last ones of the months, up to the longest tenor."""
        answer = self._reader.call.expiries(self.instrument.address, weeks, months)
        soonest = self.chain.timestamp + self.fixing.call.WINDOW()
        return [int(expiry) for expiry in answer if expiry > soonest]

    def listed(self, expiry: int, each: int = 2) -> list[Listed]:
        """Calls and puts of an expiry that the market would take now, a call first.

        Strikes by rule: `each` on either side of the newest price, about half a deviation of the time left apart.
        """
        price, now = self.oracle.latest().price, self.chain.timestamp
        years = Decimal(max(expiry - now, 0)) / YEAR
        apart = price * self._volatility(now) * years.sqrt() / 2
        every = max(round(apart / to_decimal(self.instrument.call.terms().strikeStep, WAD)), 1)
        index = int(price.scaleb(WAD))
        numbers = self._reader.call.seriesAround(self.instrument.address, index, each, every, [expiry])
        return [one for one in self._look(numbers, index) if one is not None]

    def look(self, series: Series) -> Listed | None:
        """One series as it stands; None where no order of it is taken now."""
        return self._look([series.number], int(self.oracle.latest().price.scaleb(WAD)))[0]

    def straddle(self, size: Number, strike: Number, expiry: int, **terms: Any) -> list[OptionLeg]:
        """A put and a call at one strike; negative: sold."""
        return self.strangle(size, strike, strike, expiry, **terms)

    def strangle(self, size: Number, put: Number, call: Number, expiry: int, **terms: Any) -> list[OptionLeg]:
        """A put and a call at two strikes."""
        return [
            OptionLeg(self.series("put", put, expiry), size, **terms),
            OptionLeg(self.series("call", call, expiry), size, **terms),
        ]

    # ---------------------------------------------------------------- orders

    def quote_legs(
        self, legs: Sequence[OptionLeg], *, band: Band | None = None, trader: AddressLike = None
    ) -> OptionQuote:
        """Margin, liquidation prices, largest loss and Greeks of each leg and of the whole; whether it would pass."""
        low, high = self.band(band if band is not None else self._near())
        filled = [self._filled(leg, low, high) for leg in legs]
        owner = trader or self.chain.accounts[0]
        encoded = [self._encoded(leg) for leg in filled]
        refusal = None
        try:
            self.contract.call.requestOpen(owner, encoded, low, high, sender=owner)
        except Revert as revert:
            refusal = revert
        index = int(self.oracle.latest().price.scaleb(WAD))
        lens, origin = self.need_lens().address, self.need_origin()
        quotes, loss, whole = self._reader.call.quoteLegs(lens, *origin, encoded, low, high, index)
        margin = sum((Decimal(leg.margin or 0) for leg in filled), Decimal(0))
        quoted = [self._quoted(leg, quote) for leg, quote in zip(filled, quotes, strict=True)]
        return OptionQuote(quoted, margin, self.token.amount(loss), _greeks(whole), refusal)

    def trade(
        self,
        legs: Sequence[OptionLeg],
        *,
        band: Band | None = None,
        trader: AddressLike = None,
        sender: AddressLike = None,
    ) -> list[Position]:
        """One order of all legs: all or none, one payment, each in a vault of its own; then `execute_all`."""
        low, high = self.band(band if band is not None else self._near())
        filled = [self._filled(leg, low, high) for leg in legs]
        asked = [Leg(one.size, one.margin or 0, one.reserve or 0, one.max_premium, one.series.number) for one in filled]
        exact = (to_decimal(low, WAD), to_decimal(high, WAD))
        return self.request(*asked, band=exact, trader=trader, sender=sender)

    # ---------------------------------------------------------------- upkeep

    def keep(self, *, sender: AddressLike = None) -> None:
        """Brings volatilities up to date: the feed's points that have a price, then the path; binds the next expiry."""
        while (due := self.volatility.due()).update or due.skip:
            try:
                if due.skip:
                    self.volatility.skip(sender=sender)
                else:
                    self.volatility.update(sender=sender)
            except PriceNotThereYet:
                break
        if self.instrument.call.turnDue():
            self.instrument.send.follow(sender=sender)
        now = self.chain.timestamp
        expiry = now + (FRIDAY - now) % WEEK
        first = self.fixing.call.samplesOf(expiry)[0][0]
        if first.phase == 0 and now < first.time <= now + AHEAD:
            self.bind(expiry, sender=sender)

    def bind(self, expiry: int, *, sender: AddressLike = None) -> Receipt:
        """Binds the samples of a settlement price to the feed's phase, while they lie ahead. Raises NothingToBind."""
        return self.fixing.send.bind(expiry, sender=sender)

    def fix(self, expiry: int, *, sender: AddressLike = None) -> Decimal | None:
        """Proves all samples of an expiry whose prices are there; gives the settlement price once all are proven.

        Raises SamplesExpired, AlreadyFixed.
        """
        proofs: list[bytes] = []
        for place, sample in enumerate(self.fixing.call.samplesOf(expiry)[0]):
            if sample.proven:
                proofs.append(b"")
                continue
            before = [b""] * place
            try:
                proofs.append(self.oracle.prove(self._proving(expiry, before)))
            except PriceNotThereYet:
                proofs.append(b"")
        self.fixing.send.prove(expiry, proofs, sender=sender)
        return self.settlement_price(expiry)

    def settlement_price(self, expiry: int) -> Decimal | None:
        """Once it is known, for good; None before."""
        known, index = self.fixing.call.fixingOf(expiry)
        return to_decimal(index, WAD) if known else None

    # ---------------------------------------------------------------- numbers

    def _proving(self, expiry: int, before: list[bytes]) -> Callable[[bytes], Any]:
        return lambda proof: self.fixing.call.prove(expiry, [*before, proof])

    def _volatility(self, time: int) -> Decimal:
        return to_decimal(self.instrument.call.volatilityAt(time), WAD)

    def _look(self, numbers: Sequence[int], index: int) -> list[Listed | None]:
        found: list[Listed | None] = []
        sigma = self._volatility(self.chain.timestamp)
        for answer in self._reader.call.listings(self.address, self.instrument.address, numbers, index):
            mark, ask, bid = (to_decimal(value, WAD) for value in (answer.greeks.mark, answer.ask, answer.bid))
            series = self._series(answer.series, answer.option)
            found.append(Listed(series, mark, ask, bid, sigma, _greeks(answer.greeks)) if answer.open else None)
        return found

    def _series(self, number: int, option: Any) -> Series:
        kind: Kind = "put" if option.put else "call"
        return Series(number, kind, to_decimal(option.strike, WAD), option.expiry, to_decimal(option.cap, WAD))

    def _encoded(self, leg: OptionLeg) -> dict[str, int]:
        plain_ = Leg(leg.size, leg.margin or 0, leg.reserve or 0, leg.max_premium, leg.series.number)
        return plain_.encoded(self.token.decimals)

    def _filled(self, leg: OptionLeg, low: int, high: int) -> OptionLeg:
        """With the reserve that it could ever win and the smallest margin that passes, where it names none."""
        quote = self.need_lens().call.quoteOpen
        if leg.reserve is None:
            answer = quote(*self.need_origin(), self._encoded(replace(leg, reserve=1)), high, high)
            lowest, highest = (self.token.amount(value) for value in (answer.lowestReserve, answer.highestReserve))
            most = leg.series.cap if Decimal(leg.size) > 0 else self._dearest(leg.series, high)
            leg = replace(leg, reserve=min(max(self._rounded(abs(Decimal(leg.size)) * most), lowest), highest))
        if leg.margin is None:
            answer = quote(*self.need_origin(), self._encoded(leg), low, high)
            leg = replace(leg, margin=self._rounded(self.token.amount(answer.margin)))
        return leg

    def _dearest(self, series: Series, high: int) -> Decimal:
        """A short wins what it was sold for: at most its mark at the end of the band where that is larger."""
        ends = (int(self.oracle.latest().price.scaleb(WAD)) * 2 - high, high)
        now = self.chain.timestamp
        return max(to_decimal(self.instrument.call.mark(series.number, max(end, 1), now), WAD) for end in ends)

    def _quoted(self, leg: OptionLeg, answer: Any) -> LegQuote:
        highest = Decimal("Infinity") if answer.high == HIGHEST else to_decimal(answer.high, WAD)
        fees = self.token.amount(answer.quote.openFee) + self.token.amount(answer.quote.keeperCap)
        loss = self.token.amount(answer.largestLoss)
        return LegQuote(leg, to_decimal(answer.entry, WAD), fees, to_decimal(answer.low, WAD), highest, loss)

    def _rounded(self, amount: Decimal) -> Decimal:
        """With room for what changes until the request is mined; to the cent."""
        cent = Decimal(1).scaleb(-min(self.token.decimals, 2))
        return (amount * (1 + ROOM)).quantize(cent, rounding="ROUND_UP")


def _greeks(answer: Any) -> Greeks:
    return Greeks(*(to_decimal(part, WAD) for part in (answer.delta, answer.gamma, answer.vega, answer.theta)))
