"""What is asked of a chain before anything is sent to it: that token and feeds are what the configuration says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bulkhead.build import artifacts
from bulkhead.chain import ZERO, ChainError, NodeUnreachable, Revert, Web3Chain
from bulkhead.protocol.networks import Market, Network, OptionsMarket, Token
from bulkhead.protocol.oracle import view
from bulkhead.protocol.plan import Planned
from bulkhead.protocol.sources import Feed, FeedValidator, PythPrice, PythValidator, Validator

#: Spare ether over the estimate, as a fraction: fees may rise while a deployment runs, and L2s add those of their L1.
SPARE = Decimal("1.2")
#: What sources answer beside rounds: an aggregator, Pyth, a pool.
_DESCRIPTION = [view("description", [], ["string text"])]
_PYTH = [view("getPriceUnsafe", ["bytes32 id"], ["int64 price", "uint64 conf", "int32 expo", "uint256 publishTime"])]
_POOL = [view("token0", [], ["address token"]), view("token1", [], ["address token"])]


@dataclass(frozen=True)
class Check:
    """One question to the chain: about whom, what, and what came back."""

    subject: str
    question: str
    answer: str
    ok: bool


def check_chain(chain: Web3Chain, network: Network) -> Check:
    """Is this the network at all?"""
    found, wanted = chain.chain_id, network.network.chain_id
    return Check("network", f"chain id is {wanted:,}", f"{found:,}", found == wanted)


def check_all(chain: Web3Chain, network: Network, plan: Sequence[Planned], sender: str | None) -> list[Check]:
    """Every check, failed ones included; mocks are not asked. Raises NodeUnreachable."""
    chain.register(*artifacts().values())  # refusals get their names
    checks = [check_chain(chain, network)]
    if network.token.address:
        checks += _token(chain, network.token)
    for market in network.markets:
        bounds = (market.oracle.lowest, market.oracle.highest)
        if isinstance(market.feed, PythPrice):
            checks += _pyth(chain, f"{market.name} feed", market.feed, market.oracle.oldest)
        elif market.feed.address:
            apart = market.oracle.oldest if isinstance(market, OptionsMarket) else None
            checks += _feed(chain, f"{market.name} feed", market.feed, bounds, market.oracle.oldest, apart)
        if market.leg is not None and market.leg.address:
            leg, within = market.leg, (market.leg.lowest, market.leg.highest)
            checks += _feed(chain, f"{market.name} leg", leg, within, leg.heartbeat)
        for number, validator in enumerate(market.validators, 1):
            checks += _validator(chain, f"{market.name} validator {number}", validator)
        if market.oracle.sequencer != ZERO:
            checks += _sequencer(chain, market)
    checks += _constructors(chain, network, plan, sender)
    if sender is not None:
        checks.append(_balance(chain, plan, sender))
    return checks


def _token(chain: Web3Chain, token: Token) -> Iterator[Check]:
    there = _code(chain, "token", token.address)
    yield there
    if there.ok:
        contract = chain.contract(artifacts()["TokenMock"], token.address)
        yield _equal("token", "symbol", token.symbol, contract.call.symbol)
        yield _equal("token", "decimals", token.decimals, contract.call.decimals)


def _feed(
    chain: Web3Chain, subject: str, feed: Feed, bounds: tuple[Decimal, Decimal], most: int, apart: int | None = None
) -> Iterator[Check]:
    """Its price may be `most` seconds old, and its last two rounds `apart`, if that matters."""
    there = _code(chain, subject, feed.address)
    yield there
    if not there.ok:
        return
    proxy = chain.contract(artifacts()["FeedProxyMock"], feed.address).call  # all but the description
    yield _equal(subject, "decimals", feed.decimals, proxy.decimals)
    yield _equal(subject, "description", feed.description, chain.contract(_DESCRIPTION, feed.address).call.description)
    try:
        latest, answer, observed, transmitted, _ = proxy.latestRoundData()
    except NodeUnreachable:
        raise
    except ChainError as error:
        yield Check(subject, "answers with a round", str(error), False)
        return
    price = Decimal(answer) / 10**feed.decimals
    yield Check(subject, "its price is positive and within its bounds", f"{price:,f}", bounds[0] < price < bounds[1])
    age = chain.timestamp - observed
    yield Check(subject, f"its price is not older than {most:,} s", f"{age:,} s", age <= most and transmitted > 0)
    yield _equal(subject, "phaseId", latest >> 64, proxy.phaseId)
    before = "the round before can be read"
    try:
        previous = proxy.getRoundData(latest - 1)
    except NodeUnreachable:
        raise
    except ChainError as error:
        yield Check(subject, before, str(error), False)
    else:
        yield Check(subject, before, f"{Decimal(previous[1]) / 10**feed.decimals:,f}", previous[1] > 0 < previous[3])
        if apart is not None:  # a file may say that a slow feed is fast
            found = observed - previous[2]
            yield Check(subject, f"its last two rounds are at most {apart:,} s apart", f"{found:,} s", found <= apart)


def _validator(chain: Web3Chain, subject: str, validator: Validator) -> Iterator[Check]:
    """What its oracle's constructor does not ask itself: its name, or what the oracle's code depends on."""
    if isinstance(validator, FeedValidator):
        if validator.address:
            bounds = (validator.lowest, validator.highest)
            yield from _feed(chain, subject, validator, bounds, validator.heartbeat)
        return
    if isinstance(validator, PythValidator):
        yield from _pyth(chain, subject, validator)
        return
    there = _code(chain, subject, validator.address)
    yield there
    if not there.ok:
        return
    pool = chain.contract(_POOL, validator.address).call
    own, other = (pool.token1, pool.token0) if validator.inverted else (pool.token0, pool.token1)
    for what, ask, wanted in (
        ("decimals", own, validator.decimals),
        ("quote_decimals", other, validator.quote_decimals),
    ):

        def found(ask: Callable[[], str] = ask) -> object:
            return chain.contract(artifacts()["TokenMock"], ask()).call.decimals()

        yield _equal(subject, what, wanted, found)


def _pyth(chain: Web3Chain, subject: str, price: PythPrice, most: int | None = None) -> Iterator[Check]:
    """What is stored may be `most` seconds old, if that matters: a market is created at a valid price only."""
    there = _code(chain, subject, price.address)
    yield there
    if not there.ok:
        return
    pyth = chain.contract(_PYTH, price.address).call
    unit = _equal(subject, "decimals", price.decimals, lambda: -pyth.getPriceUnsafe(price.id_bytes()).expo)
    yield unit
    if unit.ok and most is not None:
        age = chain.timestamp - pyth.getPriceUnsafe(price.id_bytes()).publishTime
        yield Check(subject, f"what it stores is not older than {most:,} s", f"{age:,} s", age <= most)


def _sequencer(chain: Web3Chain, market: Market) -> Iterator[Check]:
    subject = f"{market.name} sequencer feed"
    there = _code(chain, subject, market.oracle.sequencer)
    yield there
    if there.ok:
        feed = chain.contract(artifacts()["FeedProxyMock"], market.oracle.sequencer)
        yield _equal(subject, "answer (0 is up)", 0, lambda: feed.call.latestRoundData()[1])


def _constructors(chain: Web3Chain, network: Network, plan: Sequence[Planned], sender: str | None) -> Iterator[Check]:
    """The node itself runs each oracle's constructor, where all its sources are there already."""
    real = {
        f"{market.name} oracle"
        for market in network.markets
        if not any(source.mock for source in (market.feed, *market.validators))
    }
    for planned in plan:
        if planned.step.label in real and not planned.there:
            question = "its constructor accepts its sources"
            try:
                chain.estimate(planned.step.data, sender=sender)
            except NodeUnreachable:
                raise
            except ChainError as error:
                yield Check(planned.step.label, question, str(error), False)
            else:
                yield Check(planned.step.label, question, "yes", True)


def _balance(chain: Web3Chain, plan: Sequence[Planned], sender: str) -> Check:
    price = int(chain.rpc("eth_gasPrice"), 16)
    gas = sum(_gas(chain, planned, sender) for planned in plan if not planned.there)
    cost, held = Decimal(gas * price) / 10**18 * SPARE, Decimal(chain.balance(sender)) / 10**18
    return Check("deployer", f"holds {cost:.6f} ether for {gas:,} gas", f"{held:.6f}", held >= cost)


def _gas(chain: Web3Chain, planned: Planned, sender: str) -> int:
    """The rehearsal's figure, or the node's where that is higher: an L2 adds its data."""
    try:
        if planned.step.address is None:
            return max(planned.gas, chain.estimate(planned.step.data, sender=sender))
    except Revert:  # it needs what the steps before it make
        pass
    return planned.gas


def _code(chain: Web3Chain, subject: str, address: str) -> Check:
    size = len(chain.code(address))
    return Check(subject, f"there is code at {address}", f"{size:,} bytes", size > 0)


def _equal(subject: str, what: str, wanted: object, ask: Callable[[], object]) -> Check:
    try:
        found = ask()
    except NodeUnreachable:
        raise
    except ChainError as error:
        return Check(subject, f"{what} is {wanted}", str(error), False)
    return Check(subject, f"{what} is {wanted}", str(found), found == wanted)
