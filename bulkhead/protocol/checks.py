"""What is asked of a chain before anything is sent to it: that token and feeds are what the configuration says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bulkhead.build import artifacts
from bulkhead.chain import ZERO, ChainError, NodeUnreachable, Revert, Web3Chain
from bulkhead.protocol.networks import Market, Network, OptionsMarket, Token
from bulkhead.protocol.plan import Planned

#: Spare ether over the estimate, as a fraction: fees may rise while a deployment runs, and L2s add those of their L1.
SPARE = Decimal("1.2")
#: What every aggregator answers beside its rounds.
_DESCRIBED = [
    {
        "type": "function",
        "stateMutability": "view",
        "name": "description",
        "inputs": [],
        "outputs": [{"type": "string", "name": "text"}],
    }
]


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
        if market.feed.address:
            checks += _feed(chain, market)
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


def _feed(chain: Web3Chain, market: Market) -> Iterator[Check]:
    feed, terms, subject = market.feed, market.oracle, f"{market.name} feed"
    there = _code(chain, subject, feed.address)
    yield there
    if not there.ok:
        return
    proxy = chain.contract(artifacts()["FeedProxyMock"], feed.address).call  # all but the description
    yield _equal(subject, "decimals", feed.decimals, proxy.decimals)
    yield _equal(subject, "description", feed.description, chain.contract(_DESCRIBED, feed.address).call.description)
    try:
        latest, answer, observed, transmitted, _ = proxy.latestRoundData()
    except NodeUnreachable:
        raise
    except ChainError as error:
        yield Check(subject, "answers with a round", str(error), False)
        return
    price = Decimal(answer) / 10**feed.decimals
    yield Check(
        subject, "its price is positive and within its bounds", f"{price:,f}", terms.lowest < price < terms.highest
    )
    age, most = chain.timestamp - observed, terms.oldest
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
        if isinstance(market, OptionsMarket):  # a file may say that a slow feed is fast
            apart = observed - previous[2]
            yield Check(subject, f"its last two rounds are at most {most:,} s apart", f"{apart:,} s", apart <= most)


def _sequencer(chain: Web3Chain, market: Market) -> Iterator[Check]:
    subject = f"{market.name} sequencer feed"
    there = _code(chain, subject, market.oracle.sequencer)
    yield there
    if there.ok:
        feed = chain.contract(artifacts()["FeedProxyMock"], market.oracle.sequencer)
        yield _equal(subject, "answer (0 is up)", 0, lambda: feed.call.latestRoundData()[1])


def _constructors(chain: Web3Chain, network: Network, plan: Sequence[Planned], sender: str | None) -> Iterator[Check]:
    """The node itself runs each oracle's constructor, on the real feed."""
    real = {f"{market.name} oracle" for market in network.markets if market.feed.address}
    for planned in plan:
        if planned.step.label in real and not planned.there:
            question = "its constructor accepts the feed"
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
