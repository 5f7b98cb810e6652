"""The rehearsal: it knows addresses, code and refusals before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from bulkhead.build import artifacts
from bulkhead.chain import Revert, RevmChain
from bulkhead.protocol import (
    Deployment,
    MarketTerms,
    OptionMarginRates,
    OptionTerms,
    OracleTerms,
    PerpetualTerms,
    VolatilityTerms,
)
from bulkhead.protocol.deployment import Journal, Step
from bulkhead.protocol.networks import ConfigError, Market, Network, OptionsMarket, PerpetualMarket, load, shipped
from bulkhead.protocol.plan import carry_out, rehearse
from bulkhead.protocol.record import created
from bulkhead.protocol.sources import Feed, FeedValidator, PoolValidator, PythValidator, Validator

SENDER = "0x00000000000000000000000000000000DeaDBeef"


@pytest.fixture(scope="module")
def network() -> Network:
    return load("local")


def perpetuals(network: Network) -> Network:
    """Without its market of options."""
    return replace(network, markets=tuple(one for one in network.markets if isinstance(one, PerpetualMarket)))


def changed(network: Network, **parts: object) -> Network:
    markets: list[Market] = [replace(market, **parts) for market in network.markets]  # type: ignore[arg-type]
    return replace(network, markets=tuple(markets))


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_network_passes_the_contracts_checks(name: str) -> None:
    network = load(name)
    plan = rehearse(network, network.network.chain_id, SENDER, 7, None)
    assert [planned.step.contract for planned in plan].count("Market") == 2 + (name == "local")
    assert sum(planned.step.contract == "Factory" for planned in plan) == 1
    assert all(planned.gas and planned.code and not planned.there for planned in plan)
    creations = [planned.address for planned in plan if planned.step.address is None]
    nonces = [7 + index for index, planned in enumerate(plan) if planned.step.address is None]
    assert creations == [created(SENDER, nonce) for nonce in nonces]


def test_the_same_code_without_a_journal_is_what_fixtures_use(network: Network) -> None:
    markets = carry_out(network, RevmChain())
    assert set(markets) == {"ETH", "BTC", "ETH options"}
    for market in markets.values():
        assert market.market.call.pool() == market.pool.address
        assert market.oracle.call.latest()[0] > 0


REFUSED = {
    "ETH market: The market's time_to_live must be at least 3613, not 3600.": {
        "terms": MarketTerms(time_to_live=3_600)
    },
    "ETH market: The market's open_fee must be at most 1 %, not 2 %.": {"terms": MarketTerms(open_fee=Decimal("0.02"))},
    "ETH market: The market's min_margin must be at least 80 tokens, not 10 tokens.": {
        "terms": MarketTerms(min_margin=Decimal(10))
    },
    "ETH oracle: The oracle's outage_limit must be within its bounds, not 60.": {
        "oracle": OracleTerms(outage_limit=60)
    },
}


@pytest.mark.parametrize("message", REFUSED)
def test_terms_that_the_contracts_refuse(message: str, network: Network) -> None:
    with pytest.raises(ConfigError) as caught:
        rehearse(changed(perpetuals(network), **REFUSED[message]), 31337, SENDER, 0, None)
    assert str(caught.value) == message


REFUSED_OPTIONS = {
    "ETH options instrument: The oracle may be silent for 3600 seconds": {"oracle": OracleTerms(heartbeat=3_600)},
    "ETH options instrument: The spread must be within its bounds, not 5 %.": {
        "instrument": OptionTerms(spread=Decimal("0.05"))
    },
    "ETH options margin: Margin rates of 8 % initial": {"margin": OptionMarginRates(initial=Decimal("0.08"))},
    "ETH options volatility: The fast_time must be within its bounds, not 60.": {
        "instrument": OptionTerms(feed=VolatilityTerms(fast_time=60))
    },
}


@pytest.mark.parametrize("message", REFUSED_OPTIONS)
def test_terms_of_options_that_the_contracts_refuse(message: str, network: Network) -> None:
    (options,) = (market for market in network.markets if isinstance(market, OptionsMarket))
    changes: dict[str, object] = {**REFUSED_OPTIONS[message]}
    alone = replace(network, markets=(replace(options, **changes),))  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as caught:
        rehearse(alone, 31337, SENDER, 0, None)
    assert str(caught.value).startswith(message)


def test_the_lens_of_options_is_deployed_once_where_there_are_some(network: Network) -> None:
    (options,) = (market for market in network.markets if isinstance(market, OptionsMarket))
    for count in (0, 1, 2):
        several = tuple(replace(options, name=f"options {number}") for number in range(count))
        plan = rehearse(replace(network, markets=(network.markets[0], *several)), 31337, SENDER, 0, None)
        made = [planned.step.contract for planned in plan]
        assert made.count("OptionsLens") == (count > 0)
        parts = ("EuropeanOptions", "ExpiryFixing", "VolatilityFeed", "OptionMargin")
        assert [made.count(part) for part in parts] == [count] * 4


def test_a_mock_feed_that_has_grown_old_speaks_again(chain: RevmChain, network: Network) -> None:
    """A deployment may go on after a pause: its market is created at a valid price only."""
    (options,) = (market for market in network.markets if isinstance(market, OptionsMarket))
    alone = replace(network, markets=(options,))
    with chain.isolated():
        journal = Stopping("ETH options margin")
        with pytest.raises(KeyboardInterrupt):
            carry_out(alone, chain, journal=journal)
        (feed,) = (address for label, address in journal.made.items() if label == "ETH options feed")
        mock = chain.contract(artifacts()["FeedProxyMock"], feed)
        mock.send.push(2_100 * 10**8, chain.timestamp, chain.timestamp)
        chain.set_time(chain.timestamp + 3_600)
        journal.last = ""
        made = carry_out(alone, chain, journal=journal)["ETH options"]
        assert made.oracle.call.latest() == (2_100 * 10**18, chain.timestamp)  # as it was, not as it began


POOL = PoolValidator("0x" + "90" * 20, "", remember=600, lowest=Decimal("0.9"), highest=Decimal("1.1"))


@pytest.mark.parametrize(
    ("validators", "message"),
    [
        (
            (FeedValidator("ETH / USD", mock_price=Decimal(2_000)),),
            "The oracle's validators must be within its bounds, not 1.",
        ),
        ((replace(POOL, remember=10),) * 2, "ETH oracle: The oracle's remember must be within its bounds, not 10."),
        (
            (PythValidator("0x" + "91" * 20, "", "0x" + "11" * 32, confidence=Decimal(0)),) * 2,
            "The oracle's confidence must be within its bounds, not 0.",
        ),
    ],
)
def test_validators_that_the_oracle_refuses(validators: tuple[Validator, ...], message: str, network: Network) -> None:
    with pytest.raises(ConfigError, match=message):
        rehearse(changed(perpetuals(network), validators=validators), 31337, SENDER, 0, None)


def test_sources_of_a_rehearsal_agree_within_the_bounds_of_all(network: Network) -> None:
    """A stablecoin, say: its feed is real, and a pool is trusted within a tenth only."""
    feed = Feed("ETH / USD", address="0x" + "92" * 20, source="https://docs.chain.link")
    inverted = replace(POOL, address="0x" + "93" * 20, inverted=True, decimals=6, quote_decimals=18)
    market = replace(network.markets[0], feed=feed, validators=(POOL, inverted))
    plan = rehearse(replace(network, markets=(market,)), 31337, SENDER, 0, None)
    assert plan[-1].step.label == "ETH market"


def test_a_deployer_may_have_made_what_the_network_has(network: Network) -> None:
    """Its early creations stand where mocks have to stand in the rehearsal."""
    feed = Feed("ETH / USD", address=created(SENDER, 3), source="https://docs.chain.link")
    markets = (replace(network.markets[0], feed=feed),)
    plan = rehearse(replace(network, markets=markets), 31337, SENDER, 9, None)
    assert plan[0].address == created(SENDER, 9)


def test_a_number_that_no_contract_takes(network: Network) -> None:
    vast = PerpetualTerms(skew_scale=Decimal(10) ** 60)
    with pytest.raises(ConfigError, match="constructor of Perpetual"):
        rehearse(changed(perpetuals(network), instrument=vast), 31337, SENDER, 0, None)


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


class Stopping(Remembering):
    """Dies before a step."""

    def __init__(self, last: str) -> None:
        super().__init__()
        self.last = last

    def begins(self, step: Step) -> None:
        if step.label == self.last:
            raise KeyboardInterrupt
        super().begins(step)


@pytest.fixture(scope="module")
def chain() -> Iterator[RevmChain]:
    yield RevmChain()


def test_a_deployment_makes_nothing_twice(chain: RevmChain, network: Network) -> None:
    with chain.isolated():
        journal = Remembering()
        first = carry_out(network, chain, journal=journal)
        begun = list(journal.begun)
        assert len(set(begun)) == len(begun) == 26
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
