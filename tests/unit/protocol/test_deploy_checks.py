"""What the command asks a chain, on an anvil that looks like Sepolia; each question with an answer that fails it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from bulkhead.build import artifacts
from bulkhead.chain import AnvilChain, Contract
from bulkhead.protocol.checks import Check, check_all, check_chain
from bulkhead.protocol.networks import Network, OptionsMarket, load
from bulkhead.protocol.plan import rehearse
from tests.public_network import DESCRIPTION, SYMBOL, named, public

DEPLOYER = "0x00000000000000000000000000000000DeaDBeef"
NOBODY = "0x000000000000000000000000000000000000bEEF"


@pytest.fixture(scope="module")
def network() -> Network:
    network = load("sepolia")
    return replace(network, markets=network.markets[:1])


@pytest.fixture(scope="module")
def running(network: Network) -> Iterator[AnvilChain]:
    with public(network) as anvil:
        anvil.set_balance(DEPLOYER, 10**18)
        yield anvil


@pytest.fixture
def anvil(running: AnvilChain) -> Iterator[AnvilChain]:
    with running.isolated():
        yield running


def checks(anvil: AnvilChain, network: Network) -> list[Check]:
    plan = rehearse(network, anvil.chain_id, DEPLOYER, 0, None)
    return check_all(anvil, network, plan, DEPLOYER)


def feed(anvil: AnvilChain, network: Network) -> Contract:
    return anvil.contract(artifacts()["FeedProxyMock"], network.markets[0].feed.address)


def test_all_is_well(anvil: AnvilChain, network: Network) -> None:
    found = checks(anvil, network)
    assert all(check.ok for check in found)
    assert {check.subject for check in found} == {"network", "token", "ETH feed", "ETH oracle", "deployer"}
    assert len(found) == 13


def other_mock(anvil: AnvilChain, network: Network, decimals: int) -> None:
    """A feed that answers with other decimals, at the same address."""
    mock = anvil.deploy(artifacts()["FeedProxyMock"], decimals)
    anvil.set_code(network.markets[0].feed.address, named(DESCRIPTION, "ETH / USD", mock.address))


def renamed(anvil: AnvilChain, address: str, selector: str, name: str, mock: str, *arguments: int) -> None:
    made = anvil.deploy(artifacts()[mock], *arguments)
    anvil.set_code(address, named(selector, name, made.address))


def push(anvil: AnvilChain, network: Network, price: int) -> None:
    feed(anvil, network).send.push(price, anvil.timestamp, anvil.timestamp)


FAULTS: dict[str, Callable[[AnvilChain, Network], object]] = {
    "token: there is code at": lambda anvil, network: anvil.set_code(network.token.address, b""),
    "token: symbol is USDC": lambda anvil, network: renamed(
        anvil, network.token.address, SYMBOL, "USDT", "TokenMock", 6
    ),
    "token: decimals is 6": lambda anvil, network: renamed(
        anvil, network.token.address, SYMBOL, "USDC", "TokenMock", 18
    ),
    "ETH feed: there is code at": lambda anvil, network: anvil.set_code(network.markets[0].feed.address, b""),
    "ETH feed: decimals is 8": lambda anvil, network: other_mock(anvil, network, 18),
    "ETH feed: description is ETH / USD": lambda anvil, network: renamed(
        anvil, network.markets[0].feed.address, DESCRIPTION, "LINK / USD", "FeedProxyMock", 8
    ),
    "ETH feed: its price is positive and within its bounds": lambda anvil, network: push(anvil, network, -1),
    "ETH feed: its price is not older than 3,900 s": lambda anvil, network: anvil.mine(1, 3_901),
    "ETH feed: the round before can be read": lambda anvil, network: (
        feed(anvil, network).send.newPhase(),
        push(anvil, network, 2_000 * 10**8),
    ),
    "ETH feed: answers with a round": lambda anvil, network: feed(anvil, network).send.newPhase(),
    "ETH feed: phaseId is": lambda anvil, network: anvil.set_code(
        network.markets[0].feed.address, anvil.code(aggregator(anvil))
    ),
    "ETH oracle: its constructor accepts its sources": lambda anvil, network: other_mock(anvil, network, 6),
    "deployer: holds": lambda anvil, network: anvil.set_balance(DEPLOYER, 10**15),
}


def aggregator(anvil: AnvilChain) -> Contract:
    """A feed without phases, as behind a proxy."""
    return anvil.deploy(artifacts()["MockV3Aggregator"], 8, 2_000 * 10**8)


@pytest.mark.parametrize("question", FAULTS)
def test_each_question_can_fail(question: str, anvil: AnvilChain, network: Network) -> None:
    FAULTS[question](anvil, network)
    failed = [f"{check.subject}: {check.question}" for check in checks(anvil, network) if not check.ok]
    assert any(line.startswith(question) for line in failed), failed


def test_a_sequencer_feed_has_to_say_up(anvil: AnvilChain, network: Network) -> None:
    (market,) = network.markets
    uptime = anvil.deploy(artifacts()["FeedProxyMock"], 0)
    on_l2 = replace(network, markets=(replace(market, oracle=replace(market.oracle, sequencer=uptime.address)),))
    uptime.send.push(0, anvil.timestamp - 10_000, anvil.timestamp)
    assert all(check.ok for check in checks(anvil, on_l2))
    uptime.send.push(1, anvil.timestamp, anvil.timestamp)
    failed = [check.question for check in checks(anvil, on_l2) if not check.ok]
    assert failed[0] == "answer (0 is up) is 0"


def test_a_feed_of_options_has_to_speak_as_often_as_its_file_says(anvil: AnvilChain, network: Network) -> None:
    (market,) = network.markets
    oracle = replace(market.oracle, heartbeat=60, max_age=120)
    with_options = replace(network, markets=(OptionsMarket(market.name, market.feed, oracle),))
    assert all(check.ok for check in checks(anvil, with_options))
    anvil.mine(1, 3_600)
    push(anvil, network, 2_000 * 10**8)  # fresh, an hour after the one before
    failed = [f"{check.question}: {check.answer}" for check in checks(anvil, with_options) if not check.ok]
    assert len(failed) == 1 and failed[0].startswith("its last two rounds are at most 120 s apart: 3,60")


def test_another_network(anvil: AnvilChain) -> None:
    check = check_chain(anvil, load("base-sepolia"))
    assert not check.ok and check.answer == "11,155,111"
