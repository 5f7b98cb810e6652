"""Oracles of several sources by their configuration file: Chainlink feeds, a pool of Uniswap, a price of Pyth."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from bulkhead import Protocol
from bulkhead.build import artifacts
from bulkhead.chain import AnvilChain
from bulkhead.cli import main
from bulkhead.protocol import Status
from bulkhead.protocol.events import Opened
from tests.local_network import HEAD, provide
from tests.public_network import place_feed
from tests.uniswap import Uniswap

ID = "0x" + "e7" * 32
E8 = 10**8
PAGE = 'source = "https://example.org"'


class Sources:
    """All at 2,000; two pools, for ether is the first token of the one and the second of the other."""

    def __init__(self, chain: AnvilChain) -> None:
        self.chain = chain
        made = artifacts()
        self.feed = place_feed(chain, "0x00000000000000000000000000000000C0FFEE01", "ETH / USD")
        self.pyth = chain.deploy(made["MockPyth"], 3_600, 1)
        exchange = Uniswap(chain)  # type: ignore[arg-type]
        self.pools = []
        for decimals, price in (((18, 6), Fraction(2_000)), ((6, 18), Fraction(1, 2_000))):
            pool = exchange.pool(*exchange.tokens(*decimals), price)
            pool.provide(10**18)
            self.pools.append(pool.age(cardinality=100, seconds=600))
        self.say(2_000)
        self.say(2_000)

    def say(self, price: int) -> None:
        now = self.chain.timestamp
        self.feed.send.push(price * E8, now, now)
        update = self.pyth.call.createPriceFeedUpdateData(bytes.fromhex(ID[2:]), price * E8, 0, -8, 0, 0, now, now - 1)
        self.pyth.send.updatePriceFeeds([update], value=1)

    def file(self, **changes: str) -> str:
        """The feed above is primary of a market of its own and validates another's mock."""
        text = f"""{HEAD}
[[markets]]
name = "mocked"
[markets.feed]
description = "ETH / USD"
mock_price = 2000
[[markets.validators]]
description = "ETH / USD"
address = "{self.feed.address}"
{PAGE}
[[markets.validators]]
description = "ETH / USD"
decimals = 18
mock_price = 2001

[[markets]]
name = "real"
[markets.feed]
description = "ETH / USD"
address = "{self.feed.address}"
{PAGE}
[markets.oracle]
spread = 0.02
lowest = 100
[[markets.validators]]
kind = "pyth"
address = "{self.pyth.address}"
{PAGE}
id = "{ID}"
[[markets.validators]]
kind = "uniswap"
address = "{self.pools[0].address}"
{PAGE}
remember = 600
[[markets.validators]]
kind = "uniswap"
address = "{self.pools[1].address}"
{PAGE}
remember = 600
inverted = true
lowest = 200
[[markets.validators]]
kind = "chainlink"
description = "ETH / USD"
address = "{self.feed.address}"
{PAGE}
"""
        for old, new in changes.values():
            assert old in text
            text = text.replace(old, new)
        return text


@pytest.fixture(scope="module")
def running() -> Iterator[Sources]:
    with AnvilChain() as chain:
        yield Sources(chain)


@pytest.fixture
def sources(running: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sources]:
    monkeypatch.chdir(tmp_path)
    with running.chain.isolated():
        yield running


def deploy(sources: Sources, *more: str, **changes: str) -> int:
    Path("mine.toml").write_text(sources.file(**changes))
    return main(["deploy", "mine", "--config", "mine.toml", "--rpc", sources.chain.url, "--yes", *more])


def test_from_the_file_to_a_trade(sources: Sources, capsys: pytest.CaptureFixture[str]) -> None:
    chain = sources.chain
    assert deploy(sources) == 0
    told = capsys.readouterr().out
    assert "real validator 2" in told and "real oracle: its constructor" not in told
    assert deploy(sources) == 0  # compares each contract's code with the rehearsal's: pinned decimals, too
    assert "0 transactions sent, 19 found done" in capsys.readouterr().out

    protocol = Protocol.connect(chain, "deployments/mine.json")
    market = protocol.market("real")
    oracle = market.oracle.contract.call
    assert (oracle.validators(), oracle.quorum(), oracle.spread()) == (4, 2, 2 * 10**16)
    places = [feed and feed.contract.address for feed in market.oracle.feeds]
    assert places == [sources.feed.address, None, None, None, sources.feed.address]
    assert market.oracle.latest().price == protocol.market("mocked").oracle.latest().price == 2_000

    provide(market, 400_000)
    position = market.open(1, 500, 1_000)
    chain.set_time(chain.timestamp + 60)
    sources.say(2_001)
    assert isinstance(market.execute(position), Opened) and position.status is Status.OPEN


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("inverted = true", "inverted = true\nquote_decimals = 8"),
            "validator 3: quote_decimals is 8? The answer is 6",
        ),
        ((f'id = "{ID}"', f'id = "{ID}"\ndecimals = 6'), "real validator 1: decimals is 6? The answer is 8"),
        ((f'id = "{ID}"', f'id = "0x{"11" * 32}"'), "check of real validator 1: decimals is 8?"),
        (
            ("remember = 600\ninverted", "remember = 5000\ninverted"),
            "real oracle: its constructor accepts its sources?",
        ),
        (("lowest = 100", "lowest = 3000"), "check of real feed: its price is positive and within its bounds?"),
    ],
)
def test_what_the_chain_does_not_confirm(
    change: tuple[str, str], sentence: str, sources: Sources, capsys: pytest.CaptureFixture[str]
) -> None:
    nonce = sources.chain.nonce(sources.chain.accounts[0])
    code = deploy(sources, change=change)  # type: ignore[arg-type]
    told = capsys.readouterr()
    print(code, told.err)
    assert code in (1, 2) and sentence in told.err and told.err.count("\n") == 1
    assert sources.chain.nonce(sources.chain.accounts[0]) == nonce and not Path("deployments").exists()
