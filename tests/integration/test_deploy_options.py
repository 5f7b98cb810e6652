"""A market of options from its configuration file to its settlement, by the commands and the record alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bulkhead import Protocol
from bulkhead.build import artifacts
from bulkhead.chain import AnvilChain
from bulkhead.cli import main
from bulkhead.keeper.command import KEY, RPC
from bulkhead.protocol import Market, OptionLeg, OptionMarket, Status, WrongDeployment
from bulkhead.protocol.events import Opened
from tests.local_network import HEAD, provide

SECRET = "0x" + "51" * 32
MINUTE, HOUR = 60, 3_600
#: Friday, 8 January 2027, 08:00 UTC.
EXPIRY = 1_799_395_200
#: One market of perpetuals, one of options; a step of strikes of its own shows that the file is what counts.
FILE = f"""{HEAD}
[[markets]]
name = "ETH"
[markets.feed]
description = "ETH / USD"
mock_price = 2000

[[markets]]
name = "weekly"
[markets.feed]
description = "ETH / USD"
mock_price = 2000
[markets.oracle]
heartbeat = 60
max_age = 120
[markets.instrument]
kind = "options"
strike_step = 100
"""


class Deployed:
    """What the command has deployed, found again by its record."""

    def __init__(self, chain: AnvilChain) -> None:
        self.chain, self.record = chain, Path("deployments/mine.json")
        Path("mine.toml").write_text(FILE)
        assert main(["deploy", "mine", "--config", "mine.toml", "--rpc", chain.url, "--yes"]) == 0
        self.protocol = Protocol.connect(chain, self.record)
        self.market = self.protocol.options()
        feed = self.market.oracle.feeds[0].contract.address
        self.feed = chain.contract(artifacts()["FeedProxyMock"], feed)
        self.trader = chain.accounts[3]
        provide(self.market, 500_000, self.trader)

    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.record.read_text())
        return content

    def round(self, time: int, price: int = 2_000) -> None:
        self.chain.set_time(time)
        self.feed.send.push(price * 10**8, time, time)

    def keeper(self) -> None:
        """A turn of the command."""
        arguments = ["keeper", str(self.record), "--market", "weekly", "--coin-price", "2000", "--once"]
        assert main(arguments) == 0

    def run(self, until: int) -> None:
        """A round after each hour, near the expiry after each five minutes; the keeper at each."""
        while (now := self.chain.timestamp) < until:
            grid = HOUR if now < EXPIRY - HOUR else 5 * MINUTE
            self.round(min((now - MINUTE) // grid * grid + grid + MINUTE, until))
            self.keeper()


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    monkeypatch.chdir(tmp_path)
    with AnvilChain(timestamp=EXPIRY - 6 * HOUR) as chain:
        monkeypatch.setenv(RPC, chain.url)
        monkeypatch.setenv(KEY, SECRET)
        chain.set_balance(chain.add_account(SECRET), 10**18)
        yield Deployed(chain)


def test_from_the_file_to_the_settlement(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    market, chain = deployed.market, deployed.chain
    assert type(deployed.protocol.market("ETH")) is Market and type(market) is OptionMarket
    assert deployed.protocol.market("weekly") is deployed.protocol.options("weekly") is market
    parts = deployed.content()["markets"]["weekly"]
    assert parts["volatility"] == market.volatility.address and parts["fixing"] == market.fixing.address
    assert parts["instrument"] == market.instrument.address
    assert set(deployed.content()["markets"]["ETH"]) == set(parts) - {"volatility", "fixing"}

    deployed.run(chain.timestamp + 2 * HOUR + MINUTE)
    due = market.volatility.due()
    assert not due.update and due.time.timestamp() == EXPIRY - 3 * HOUR  # the keeper has taken each point
    assert market.expiries()[0] == EXPIRY and market.instrument.call.terms().strikeStep == 100 * 10**18
    put, call = market.trade(
        [OptionLeg(leg.series, leg.size) for leg in market.straddle(-5, 2_000, EXPIRY)], sender=deployed.trader
    )
    deployed.round(chain.timestamp + MINUTE)
    assert isinstance(market.execute(put), Opened)
    deployed.keeper()
    assert (put.status, call.status) == (Status.OPEN, Status.OPEN)

    capsys.readouterr()
    assert main(["monitor", str(deployed.record), "--market", "weekly", "--once"]) == 0
    assert "2 open positions" in capsys.readouterr().out
    assert main(["options", "sell:put:2000", "sell:call:2100:2", "--record", str(deployed.record)]) == 0
    told = capsys.readouterr().out
    mark = market.look(market.series("put", 2_000, EXPIRY))
    assert mark is not None and f" {mark.mark:.4g} " in told
    assert f"volatility {market.volatility.fast:.1%} fast" in told and "call 2100 up to 4200" in told

    deployed.run(EXPIRY + 2 * MINUTE)
    assert market.settlement_price(EXPIRY) == 2_000
    assert (put.status, call.status) == (Status.NONE, Status.NONE)
    assert market.pool.liquidity.committed == 0


def test_what_the_command_for_options_cannot_price(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    record = ["--record", str(deployed.record)]
    for arguments, code, sentence in (
        (["sell:put:2050", *record], 1, "strikes multiples of the step"),
        (["sell:put:2000", *record, "--market", "ETH"], 2, "There is no market ETH options: there are weekly."),
        (["sell:put:2000", *record, "--days", "50"], 2, "weekly has no expiry after 50 days."),
        (["sell:put:2000", "--record", "none.json"], 2, "none.json cannot be read"),
        (["sell:put:2000", *record, "--rpc", "http://127.0.0.1:1"], 1, "No node answers at http://127.0.0.1:1"),
    ):
        assert main(["options", *arguments]) == code
        error = capsys.readouterr().err
        assert sentence in error and error.count("\n") == 1
    deployed.chain.set_time(deployed.chain.timestamp + HOUR)
    assert main(["options", "sell:put:2000", *record]) == 1
    assert "FAILED: " in capsys.readouterr().err


def test_a_deployment_written_by_hand(deployed: Deployed) -> None:
    """A lens of options is what makes a market one of options; without the terms of its creation it is none."""
    content, market = deployed.content(), deployed.market
    steps = {label: step["address"] for label, step in content["steps"].items()}
    parts = content["markets"]["weekly"] | {"options_lens": steps["OptionsLens"]}
    with pytest.raises(WrongDeployment, match="Market weekly is of options: name its lens, factory and config, too"):
        Protocol.connect(deployed.chain, {"markets": {"weekly": parts}})
    origin = market.need_origin()
    parts |= {"lens": steps["Lens"], "factory": steps["Factory"], "config": origin.config, "feeds": [deployed.feed]}
    by_hand = Protocol.connect(deployed.chain, {"markets": {"weekly": parts}}).options()
    assert by_hand.expiries() == market.expiries()
