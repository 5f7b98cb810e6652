"""The rehearsal: it knows addresses, code and refusals before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from bulkhead.chain import Revert, RevmChain
from bulkhead.protocol import Deployment, MarketTerms, OracleTerms, PerpetualTerms
from bulkhead.protocol.deployment import Journal, Step
from bulkhead.protocol.networks import ConfigError, Market, Network, load, shipped
from bulkhead.protocol.plan import carry_out, rehearse
from bulkhead.protocol.record import created

SENDER = "0x00000000000000000000000000000000DeaDBeef"


@pytest.fixture(scope="module")
def network() -> Network:
    return load("local")


def changed(network: Network, **parts: object) -> Network:
    markets: list[Market] = [replace(market, **parts) for market in network.markets]  # type: ignore[arg-type]
    return replace(network, markets=tuple(markets))


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_network_passes_the_contracts_checks(name: str) -> None:
    network = load(name)
    plan = rehearse(network, network.network.chain_id, SENDER, 7, None)
    assert [planned.step.contract for planned in plan].count("Market") == 2
    assert sum(planned.step.contract == "Factory" for planned in plan) == 1
    assert all(planned.gas and planned.code and not planned.there for planned in plan)
    creations = [planned.address for planned in plan if planned.step.address is None]
    nonces = [7 + index for index, planned in enumerate(plan) if planned.step.address is None]
    assert creations == [created(SENDER, nonce) for nonce in nonces]


def test_the_same_code_without_a_journal_is_what_fixtures_use(network: Network) -> None:
    markets = carry_out(network, RevmChain())
    assert set(markets) == {"ETH", "BTC"}
    for market in markets.values():
        assert market.market.call.pool() == market.pool.address
        assert market.oracle.call.latest()[0] > 0


REFUSED = {
    "ETH market: time_to_live is 3600, it has to be at least 3613": {"terms": MarketTerms(time_to_live=3_600)},
    "ETH market: open_fee is 0.02, it has to be at most 0.01": {"terms": MarketTerms(open_fee=Decimal("0.02"))},
    "ETH market: min_margin is 10, it has to be at least 80": {"terms": MarketTerms(min_margin=Decimal(10))},
    "ETH oracle: the oracle refuses its setting outageLimit: 60": {"oracle": OracleTerms(outage_limit=60)},
}


@pytest.mark.parametrize("message", REFUSED)
def test_terms_that_the_contracts_refuse_are_told_in_the_file_s_words(message: str, network: Network) -> None:
    with pytest.raises(ConfigError) as caught:
        rehearse(changed(network, **REFUSED[message]), 31337, SENDER, 0, None)
    assert str(caught.value) == message


def test_a_number_that_no_contract_takes(network: Network) -> None:
    vast = PerpetualTerms(skew_scale=Decimal(10) ** 60)
    with pytest.raises(ConfigError, match="constructor of Perpetual"):
        rehearse(changed(network, instrument=vast), 31337, SENDER, 0, None)


class Remembering(Journal):
    """Remembers in memory."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.made: dict[str, str] = {}

    def found(self, step: Step) -> str | None:  # type: ignore[override]
        return self.made.get(step.label)

    def begins(self, step: Step) -> None:
        self.begun.append(step.label)

    def done(self, step: Step, address: str, receipt: object, **facts: str) -> None:  # type: ignore[override]
        self.made[step.label] = address


@pytest.fixture(scope="module")
def chain() -> Iterator[RevmChain]:
    yield RevmChain()


def test_a_deployment_makes_nothing_twice(chain: RevmChain, network: Network) -> None:
    with chain.isolated():
        journal = Remembering()
        first = carry_out(network, chain, journal=journal)
        begun = list(journal.begun)
        assert len(set(begun)) == len(begun) == 18
        second = carry_out(network, chain, journal=journal)
        assert journal.begun == begun
        assert {name: market.market for name, market in first.items()} == {
            name: market.market for name, market in second.items()
        }


def test_a_deployment_that_fails_says_so(chain: RevmChain) -> None:
    with chain.isolated():
        deployment = Deployment(chain)
        token = deployment.deploy("TokenMock", 6)
        with pytest.raises(Revert):
            deployment.oracle(token.address)
