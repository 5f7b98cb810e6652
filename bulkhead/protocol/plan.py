"""What a deployment will do, found out by doing it in this process first.

The rehearsal runs the very code that deploys, on a chain in memory, with the sender's nonces and with mocks where the
network has its token and feeds. So the plan knows gas, addresses and the code that has to stand there, and terms that
the contracts refuse are found before anything is sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from bulkhead.chain import Address, Chain, EncodingError, Receipt, Revert, RevmChain
from bulkhead.protocol.deployment import Deployment, Journal, MarketContracts, RawCode, Step
from bulkhead.protocol.errors import typed
from bulkhead.protocol.networks import ConfigError, Market, Network, OptionsMarket
from bulkhead.protocol.record import Record
from bulkhead.protocol.sources import Feed, Primary, Validator
from bulkhead.protocol.standins import speak, stand_in


@dataclass(frozen=True)
class Planned:
    """A step with its `gas`, where it ends, the `code` that will stand there, and whether it is `there` already."""

    step: Step
    address: Address
    code: bytes
    gas: int
    there: bool


def carry_out(
    network: Network, chain: Chain, sender: str | None = None, journal: Journal | None = None
) -> dict[str, MarketContracts]:
    """Deploys all that a network's file describes; gives the markets by name."""
    deployment = Deployment(chain, sender, journal)
    deployment.deploy("Lens")
    if any(isinstance(market, OptionsMarket) for market in network.markets):
        deployment.deploy("OptionsLens")
    if any(market.has_pyth for market in network.markets):
        deployment.deploy("Upkeep")
    if network.token.mock:
        token = deployment.deploy("TokenMock", network.token.decimals)
    else:
        token = deployment.at("TokenMock", network.token.address)

    def at(feed: Primary | Validator, market: Market, label: str) -> str:
        """Where a source is; a mock is deployed, and speaks from another account."""
        if not isinstance(feed, Feed) or feed.mock_price is None:
            return feed.address
        speaker = next(account for account in chain.accounts if account != sender)
        mock = deployment.deploy("FeedProxyMock", feed.decimals, label=label)
        speak(mock, feed.mock_price, feed.decimals, speaker, market.oracle.oldest // 2)
        return mock.address

    markets: dict[str, MarketContracts] = {}
    for market in network.markets:
        name = market.name
        places = {which: at(source, market, f"{name} {which}") for which, source in market.sources.items()}
        oracle = deployment.deploy("Oracle", market.settings(places), label=f"{name} oracle")
        made = markets[name] = market.deploy(deployment, token, oracle)
        if network.keepers.receiver:
            legs = [places["leg"]] if market.leg else []
            others = [places[f"validator {number}"] for number in range(1, len(market.validators) + 1)]
            feeds = [places["feed"], *others, *legs] if _all_are_feeds(market) else []
            receiver = network.keepers.receiver
            deployment.deploy(
                "KeeperAdapter", deployment.factory.address, made.config, feeds, receiver, label=f"{name} adapter"
            )
    return markets


def _all_are_feeds(market: Market) -> bool:
    """Only of such an oracle an adapter finds proofs."""
    return all(isinstance(source, Feed) for source in market.sources.values())


def rehearse(network: Network, chain_id: int, sender: str | None, nonce: int, record: Record | None) -> list[Planned]:
    """The steps in order. `nonce` is the sender's next; steps on `record` keep theirs.

    Raises ConfigError for terms that the contracts refuse, RecordError where record or chain have something else.
    """
    chain = RevmChain(chain_id)
    if sender is not None:
        chain.set_balance(sender, 10**21)
    rehearsal = _Rehearsal(chain, sender or chain.accounts[1], nonce, record)
    stand_in(chain, network)
    try:
        carry_out(network, chain, rehearsal.sender, rehearsal)
    except Revert as revert:
        raise ConfigError(f"{rehearsal.label}: {typed(revert, network.token.decimals).sentence()}") from None
    except EncodingError as error:
        raise ConfigError(str(error)) from None
    return rehearsal.planned


class _Rehearsal(Journal):
    """Sees to it that every contract is created from the nonce it will have, and notes what comes of it."""

    def __init__(self, chain: RevmChain, sender: str, nonce: int, record: Record | None) -> None:
        self.sender, self.planned, self.label = sender, list[Planned](), ""
        self._chain, self._next, self._record = chain, nonce, record
        self._used = 0  # RevmChain counts creations only
        # What the sender has made before may be what mocks are to stand for: nothing else is made at their addresses.
        begun = [step["nonce"] for step in record.steps.values()] if record is not None else []
        self._skip_to(begun[0] if begun else nonce)

    def begins(self, step: Step) -> None:
        self.label = step.label
        if self._there(step):
            nonce = self._record.steps[step.label]["nonce"]  # type: ignore[union-attr]
        else:
            nonce, self._next = self._next, self._next + 1
        if step.address is None:
            self._skip_to(nonce)
            self._used = nonce + 1

    def done(self, step: Step, address: Address, receipt: Receipt | None, **facts: str) -> None:
        assert receipt is not None
        there, code = self._there(step), self._chain.code(address)
        if there:
            self._record.compare(step, address, code)  # type: ignore[union-attr]
        self.planned.append(Planned(step, address, code, receipt.gas_used, there))

    def _skip_to(self, nonce: int) -> None:
        for _ in range(nonce - self._used):
            self._chain.deploy(RawCode("nothing", b"\0"), sender=self.sender)
        self._used = nonce

    def _there(self, step: Step) -> bool:
        return self._record is not None and step.label in self._record.steps
