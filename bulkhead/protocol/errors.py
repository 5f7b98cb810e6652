"""Every refusal of the contracts as an exception of its own, with a sentence for who meets it.

A class is named as its error; its fields stand in the order of the error's values, their types say the unit, and
`said` is the sentence over them. A new error of a contract is a new class here, nothing else. `values` keeps the exact
integers. Importing this module also teaches `str()` of a plain `Revert` these sentences, without a token's decimals.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from bulkhead.build import artifacts
from bulkhead.chain import Chain, Contract, Function, Revert, describe
from bulkhead.model.interfaces.market import Action, Status
from bulkhead.protocol.units import (
    PLAIN,
    Account,
    Amount,
    Multiple,
    Price,
    Rate,
    RoundId,
    Shares,
    Size,
    Time,
    Tokens,
    Unit,
    Word,
    human,
    snake,
    texts,
    to_text,
    units_of,
)


class Refused(Revert):
    """A contract refused, said why, and nothing has changed. Fields are in human units, `values` exact integers."""

    said: ClassVar[str]
    units: ClassVar[Mapping[str, Unit]]
    kinds: ClassVar[dict[str, type[Refused]]] = {}

    def __init__(self, revert: Revert, decimals: int | None) -> None:
        super().__init__(revert.data, revert._registry, where=revert.where)
        self.decimals = decimals
        self.__dict__.update(human(self.units, self.values, decimals))

    def __init_subclass__(cls) -> None:
        cls.units = units_of(cls)
        cls.__doc__ = cls.__doc__ or cls.said
        cls.kinds[cls.__name__] = cls
        describe[cls.__name__] = _described

    def sentence(self) -> str:
        """What was refused, and what to do about it."""
        return self.said.format_map(texts(self.units, self.values, self.decimals))

    def __str__(self) -> str:
        return self.sentence()


def typed(revert: Revert, decimals: int | None) -> Revert:
    """The revert as its own class; as it is where it is no error of ours. `decimals` are those of its amounts."""
    kind = Refused.kinds.get(revert.name)
    if kind is None or isinstance(revert, Refused) or len(kind.units) != len(revert.values):
        return revert
    return kind(revert, decimals)


def _described(revert: Revert) -> str:
    found = typed(revert, None)
    # Another contract may have an error of the same name and other values.
    return f"{revert.name}{tuple(revert.values)}" if found is revert else found.sentence()


class TypedContract(Contract):
    """A contract whose refusals are typed. `name` is the artifact, `decimals` those of the amounts it speaks of."""

    def __init__(self, chain: Chain, name: str, address: Any, decimals: int | None = None) -> None:
        bound = chain.contract(artifacts()[name], address)
        super().__init__(chain, bound.address, bound.abi)
        self.decimals = decimals

    def _caller(self, function: Function) -> Callable[..., Any]:
        return self._typed(super()._caller(function))

    def _sender(self, function: Function) -> Callable[..., Any]:
        return self._typed(super()._sender(function))

    def _typed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def asked(*args: Any, **named: Any) -> Any:
            try:
                return method(*args, **named)
            except Revert as revert:
                raise typed(revert, self.decimals) from None

        return asked


# ---------------------------------------------------------------- market


class UnknownPosition(Refused):
    said = "{position} is over, or was never a position of this market: check the address and the market."
    position: Account


class WrongStatus(Refused):
    said = "The position {position} is {status}, and this takes one that is {wanted}."
    position: Account
    status: Status
    wanted: Status


class SizeTooSmall(Refused):
    said = "A size of {size} is below this market's minimum of {minimum}; a part that stays open must reach it too."
    size: Size
    minimum: Size


class SizeNotInLots(Refused):
    said = "A size of {size} is no multiple of {lot}: round it to so many decimals."
    size: Size
    lot: Size


class AmountTooLarge(Refused):
    """`amount` is the contract's integer: of a size, a margin or an entry price."""

    said = "That is more than a position can hold: ask for a smaller size, or put in less margin."
    amount: int


class SideFull(Refused):
    said = "This side of the market has no room for more: take a smaller position, or wait until others are closed."


class MarginBelowMinimum(Refused):
    said = "A margin of {margin} is below this market's minimum of {minimum}: leave or put in at least that much."
    margin: Tokens
    minimum: Tokens


class MarginTooSmall(Refused):
    said = (
        "After fees, premium and losses at the worst price {equity} of margin would be left, and {required} are"
        " required: put in more margin, take a smaller size, or name a narrower band."
    )
    equity: Tokens
    required: Tokens


class ReserveOutOfBounds(Refused):
    said = "A reserve of {reserve} is outside this market's bounds for the size: ask for {lowest} to {highest}."
    reserve: Tokens
    lowest: Tokens
    highest: Tokens


class PremiumAboveLimit(Refused):
    said = (
        "The premium is {premium} of notional, above your limit of {limit}: raise max_premium, or trade a smaller size."
    )
    premium: Rate
    limit: Rate


class BandInvalid(Refused):
    said = "The band from {low} to {high} holds no price: name a lowest price above 0 and a highest one not below it."
    low: Price
    high: Price


class OrderPending(Refused):
    said = "The position {position} has an order already: execute that one first."
    position: Account


class NoOrder(Refused):
    said = "The position {position} has no order to execute: it was carried out or voided already, or never made."
    position: Account


class OrderDue(Refused):
    said = "The order of position {position} can be executed now, and goes first: execute it."
    position: Account


class ReserveNotReached(Refused):
    said = "Position {position} has gained {gain}, which is less than its reserve of {reserve}: it stays open."
    position: Account
    gain: Tokens
    reserve: Tokens


class PriceNotLater(Refused):
    said = "The newest price, of {time}, is not later than the position's own, of {opened_at}: wait for the next one."
    time: Time
    opened_at: Time


class NothingToClaim(Refused):
    said = "Nothing waits in position {position} to be claimed."
    position: Account


class SeriesNotOpen(Refused):
    said = "Series {series} cannot be traded at {time}: it is unknown, has expired, or too many series are live."
    series: int
    time: Time


class RatesTooHigh(Refused):
    said = (
        "The instrument asks for {funding_rate} of funding and {borrow_rate} of borrowing a second, more than a market"
        " can keep (1,700 % a year): this market needs another instrument."
    )
    funding_rate: Rate
    borrow_rate: Rate


class NotTrader(Refused):
    said = "{caller} is not the trader of this position: only {trader} may direct its claim to another address."
    caller: Account
    trader: Account


class TransferShort(Refused):
    said = "Only {received} of {wanted} arrived: the token takes a fee on transfer, and no such token can be used here."
    received: Tokens
    wanted: Tokens


# ---------------------------------------------------------------- pool and vault


class NotMarket(Refused):
    said = "{caller} is not the market, which alone may ask this: call the market instead."
    caller: Account


class LiquidityShort(Refused):
    said = "The pool has {free} free, and a reserve of {asked} was asked for: ask for less, or wait for more liquidity."
    asked: Tokens
    free: Tokens


class UtilisationAboveCap(Refused):
    said = "This would commit {utilisation} of the pool, above its cap of {cap}: ask for a smaller reserve."
    utilisation: Rate
    cap: Rate


class ExitByRequest(Refused):
    said = "Positions are open or waiting, so that leaving at once is not possible: use request_redeem."


class EnteredNow(Refused):
    said = "Somebody has entered the pool in this very transaction: ask to leave in a later one."


class NothingToRedeem(Refused):
    said = "There is nothing to pay out: no request is in line, or the pool has nothing free to pay it with now."


class SharesBelowLeast(Refused):
    said = "The deposit would bring {shares} shares, and at least {least} are asked for: the pool's worth has moved."
    shares: Shares
    least: Shares


class SharesTooFew(Refused):
    said = "{shares} shares are too few: take enough that they are worth the keeper's fee several times."
    shares: Amount


# ---------------------------------------------------------------- oracle


class PriceStale(Refused):
    said = "The newest price is of {time}, older than the {max_age} seconds allowed: wait for the feed's next round."
    time: Time
    max_age: int


class PriceInvalid(Refused):
    said = "The feed answered {answer}, which is no price: wait for its next round."
    answer: int


class PriceDisputed(Refused):
    said = "Only {agreeing} of the {quorum} feeds needed agree with the price of {index}: wait until they do."
    index: Price
    agreeing: int
    quorum: int


class PriceJumped(Refused):
    said = "The price moved from {previous} to {index}, more than one round may: wait for the next round to confirm it."
    index: Price
    previous: Price


class InGrace(Refused):
    said = "The chain was interrupted not long ago: prices count again from {until}."
    until: Time

    def sentence(self) -> str:
        """The contract names the largest integer where there is no end yet."""
        if self.values.until == 2**256 - 1:
            return "The chain's sequencer is down: prices count again a while after it has come back."
        return super().sentence()


class ProofInvalid(Refused):
    said = (
        "Round {round} proves nothing for {after_time}: it takes the primary's first round after that time, and of a"
        " validator the last one by it, a second later at the earliest."
    )
    round: RoundId
    after_time: Time


class PriceNotThereYet(Refused):
    said = "The feed has no price after {after_time} yet: wait for its next round."
    after_time: Time


class OracleEnded(Refused):
    said = "The oracle has ended after an outage and has one final price: settle the positions."


class QuorumNotShown(Refused):
    said = (
        "Of the validators {agreeing} agree and {not_shown} are not shown, where {quorum} must agree: show"
        " the right rounds of Chainlink's, and prove prices of Pyth in the same transaction."
    )
    agreeing: int
    not_shown: int
    quorum: int


class LegInvalid(Refused):
    said = "The feed that the price is composed with has no valid answer: {answer} at {time}."
    time: Time
    answer: int


class DecimalsDiffer(Refused):
    said = "The source at {source} has {found} decimals, not the {declared} that were declared."
    source: Account
    declared: int
    found: int


class SourceSilent(Refused):
    said = "The source at {source} has no price: it takes one that has spoken, under the id given."
    source: Account


class GasTooLow(Refused):
    said = "With {left} gas left a source could be taken for silent: it takes {needed} before each is asked. Send more."
    left: int
    needed: int


class CannotBePrimary(Refused):
    said = (
        "A source of kind {kind} cannot be this primary: nothing proves its first price after a time. "
        "A Chainlink feed needs its proxy, with phases; a pool never can."
    )
    kind: int


class NotPulled(Refused):
    said = "Source {source} is no price of Pyth, so that there is nothing to prove by updates."
    source: int


class FeeDiffers(Refused):
    said = "Pyth asks for {fee} wei for these updates, and {sent} were sent: send exactly the fee."
    sent: int
    fee: int


class SettingInvalid(Refused):
    """`value` is the contract's integer: its unit depends on the setting."""

    said = "The oracle's {setting} must be within its bounds, not {value}."
    setting: Word
    value: int

    def sentence(self) -> str:
        """In the unit of the setting."""
        setting, value = _in_its_unit(to_text(self.values.setting), self.decimals, self.values.value)
        return self.said.format(setting=setting, value=value)


# ---------------------------------------------------------------- operators


class OutOfScope(Refused):
    said = "{operator} may not {action} for {trader} now: the trader must grant it (its grant ends at {expiry})."
    trader: Account
    operator: Account
    action: int
    expiry: Time

    def sentence(self) -> str:
        """With the action's name, where it has one."""
        shown = texts(self.units, self.values, self.decimals)
        if self.values.action in set(Action):
            shown["action"] = Action(self.values.action).name.lower().replace("_", " ")
        if self.values.expiry == 0:
            return "{operator} may not {action} for {trader}: the trader has granted it nothing.".format_map(shown)
        return self.said.format_map(shown)


class BudgetExceeded(Refused):
    said = "{operator} may still spend {budget}, and {amount} are asked for: the trader must grant it more."
    operator: Account
    amount: Tokens
    budget: Tokens


class SignatureExpired(Refused):
    said = "The signature was good until {deadline}: sign again with a later deadline."
    deadline: Time


class SignatureInvalid(Refused):
    said = "This is no signature of {trader} over these terms with nonce {nonce}: it is another's, or used already."
    trader: Account
    nonce: int


# ---------------------------------------------------------------- creation


class ConfigInvalid(Refused):
    """`value` and `bound` are the contract's integers: their unit depends on the field."""

    said = "The market's {field} must be {side} {bound}, not {value}."
    field: str
    value: int
    bound: int

    def sentence(self) -> str:
        """In the unit of the field, under its name in `MarketTerms`."""
        side = "at least" if self.values.value < self.values.bound else "at most"
        field, value, bound = _in_its_unit(self.values.field, self.decimals, self.values.value, self.values.bound)
        return self.said.format(field=field, side=side, value=value, bound=bound)


class _Terms:
    """What is no plain number among the terms of markets, oracles, instruments, margin models and feeds."""

    open_fee: Rate
    close_fee: Rate
    phi: Rate
    phi_to_pool: Rate
    smallest_liquidation: Rate
    largest_liquidation: Rate
    smallest_reserve: Rate
    largest_reserve: Rate
    largest_utilisation: Rate
    keeper_floor: Tokens
    keeper_cap: Tokens
    liquidation_fee: Tokens
    min_margin: Tokens
    min_size: Size
    deviation: Rate
    spread: Rate
    jump_limit: Rate
    band: Rate
    skew_scale: Size
    max_funding: Rate
    kink: Rate
    borrow_kink: Rate
    borrow_full: Rate
    strike_step: Price
    call_cap: Rate
    smallest_delta: Rate
    slope: Rate
    reach: Multiple
    holding: Rate
    series_share: Rate
    floor: Rate
    start: Rate
    ramp: Rate
    max_return: Rate
    impact: Rate
    open_interest: Rate
    normal: Rate
    least: Multiple
    most: Multiple


_TERMS = units_of(_Terms)


def _in_its_unit(term: str, decimals: int | None, *values: int) -> list[str]:
    """The name of a term as Python writes it, and values of it as text. `initial.floor` has the unit of a floor."""
    field = snake(term)
    unit = _TERMS.get(field.rpartition(".")[2], PLAIN)
    return [field, *(unit.text(value, decimals) for value in values)]


class MarketExists(Refused):
    said = "A market with exactly these terms exists already, at {market}: use it, or change a term."
    market: Account


class CreationFailed(Refused):
    said = "The {part} could not be created: its code was refused, or the transaction had too little gas."
    part: str


class NotFactory(Refused):
    said = "{caller} is not the factory, which alone may ask this: create markets through it."
    caller: Account


class UnknownMarket(Refused):
    said = "The factory has made no market at {market} from this configuration: take that of the market's creation."
    market: Account


class NoReceiver(Refused):
    said = "Nobody would get the fees: name a receiver."


class NothingDone(Refused):
    said = "Nothing of this was there to do, or somebody has done it: ask checkUpkeep again."


class ParameterInvalid(Refused):
    """`value` is the contract's integer: its unit depends on the parameter."""

    said = "The {parameter} must be within its bounds, not {value}."
    parameter: str
    value: int

    def sentence(self) -> str:
        """In the unit of the parameter."""
        parameter, value = _in_its_unit(self.values[0], self.decimals, self.values.value)
        return self.said.format(parameter=parameter, value=value)


class RatesInvalid(Refused):
    said = (
        "Margin rates of {initial} initial, {target} target and {maintenance} maintenance do not fit together:"
        " 0 < maintenance < target <= initial <= 100 % must hold."
    )
    initial: Rate
    target: Rate
    maintenance: Rate


class MultiplesInvalid(Refused):
    said = (
        "Multiples of {initial} initial, {target} target and {maintenance} maintenance of volatility do not fit"
        " together: 0 < maintenance < target <= initial <= 100 must hold."
    )
    initial: Multiple
    target: Multiple
    maintenance: Multiple


# ---------------------------------------------------------------- volatility


class PointExpired(Refused):
    said = "The grid point of {time} could be proven until {expiry}: skip it."
    time: Time
    expiry: Time


class PointNotExpired(Refused):
    said = "The grid point of {time} can be proven until {expiry}: update it, or wait until then."
    time: Time
    expiry: Time


# ---------------------------------------------------------------- options


class FeedTooSlow(Refused):
    said = "The oracle may be silent for {heartbeat} seconds, and options need one that speaks every {limit} at least."
    heartbeat: int
    limit: int


class OraclesDiffer(Refused):
    said = "Volatility would follow the oracle {volatility}, settlement {fixing}: build both on the same one."
    volatility: Account
    fixing: Account


class SeriesInvalid(Refused):
    said = (
        "No option expires at {expiry} with a strike of {number} steps: expiries are Fridays at 08:00 UTC, strikes"
        " multiples of the step."
    )
    expiry: Time
    number: int


class StrikeOutOfBand(Refused):
    said = (
        "The delta of this strike's call is {delta}, outside the band from {lowest} to {highest} in which new series"
        " are taken up: choose a strike nearer to the price."
    )
    delta: Rate
    lowest: Rate
    highest: Rate


class VolatilityBehind(Refused):
    said = "The volatility feed has had no good price since {last}, and it is {time}: bring it up to date first."
    last: Time
    time: Time


class InSettlement(Refused):
    said = "Series {series} stands still from half an hour before {expiry} until its settlement price is known."
    series: int
    expiry: Time


class NothingToBind(Refused):
    said = "No sample of the expiry {expiry} lies ahead: there is nothing to bind."
    expiry: Time


class TooManyProofs(Refused):
    said = "{proofs} proofs are more than the {samples} samples."
    proofs: int
    samples: int


class SamplesExpired(Refused):
    said = "The samples of the expiry {expiry} could be proven until {until}: resolve it."
    expiry: Time
    until: Time


class SamplesNotExpired(Refused):
    said = "The samples of the expiry {expiry} can be proven until {until}: prove them, or wait until then."
    expiry: Time
    until: Time


class AlreadyFixed(Refused):
    said = "The settlement price of {expiry} is known already, once and for good."
    expiry: Time


class TurnDecided(Refused):
    said = "The turn at {start} is decided already: come back after it."
    start: Time


class TurnTooNear(Refused):
    said = "The turn at {start} could be decided until {until}: come back after it."
    start: Time
    until: Time


class FeedDue(Refused):
    said = "The volatility feed's point of {time} comes first: update it, or skip it if its time is over."
    time: Time


class NothingNew(Refused):
    said = "The volatility feed has had no good price since {turn}, only one of {last}: the path goes on as decided."
    last: Time
    turn: Time


class OptionRatesInvalid(Refused):
    said = (
        "Margin rates of {initial} initial, {initial_floor} out of the money, {target} target and {maintenance}"
        " maintenance do not fit together: 0 < maintenance < target <= floor <= initial must hold, and initial times"
        " the largest factor be at most 100 %."
    )
    initial: Rate
    initial_floor: Rate
    target: Rate
    maintenance: Rate


# ---------------------------------------------------------------- OpenZeppelin


class ERC20InsufficientBalance(Refused):
    said = "{sender} has {balance}, and {needed} are needed: give it more first."
    sender: Account
    balance: Amount
    needed: Amount


class ERC20InsufficientAllowance(Refused):
    said = "{spender} may take {allowance}, and {needed} are needed: approve it first."
    spender: Account
    allowance: Amount
    needed: Amount


class ERC20InvalidApprover(Refused):
    said = "{approver} cannot approve anybody."
    approver: Account


class ERC20InvalidReceiver(Refused):
    said = "{receiver} cannot receive tokens: name another address."
    receiver: Account


class ERC20InvalidSender(Refused):
    said = "{sender} cannot send tokens."
    sender: Account


class ERC20InvalidSpender(Refused):
    said = "{spender} cannot be allowed to spend: name another address."
    spender: Account


class ERC4626ExceededMaxDeposit(Refused):
    said = "A deposit of {assets} is more than the {max} that {receiver} may bring now."
    receiver: Account
    assets: Amount
    max: Amount


class ERC4626ExceededMaxMint(Refused):
    said = "{shares} shares are more than the {max} that {receiver} may have minted now."
    receiver: Account
    shares: Amount
    max: Amount


class ERC4626ExceededMaxRedeem(Refused):
    said = "{shares} shares are more than the {max} that {owner} may redeem now."
    owner: Account
    shares: Amount
    max: Amount


class ERC4626ExceededMaxWithdraw(Refused):
    said = "{assets} are more than the {max} that {owner} may withdraw now."
    owner: Account
    assets: Amount
    max: Amount


class SafeERC20FailedOperation(Refused):
    said = "The token {token} refused the transfer: check balance and allowance, and whether it blocks an address."
    token: Account


class SafeCastOverflowedUintDowncast(Refused):
    said = "{value} does not fit into {bits} bits: ask for less."
    bits: int
    value: int


class FailedCall(Refused):
    said = "The caller takes no native value, so that what is left of it cannot be handed back: send exactly the fees."


class ReentrancyGuardReentrantCall(Refused):
    said = "The contract was called from within one of its own calls: call it after that one is over."
