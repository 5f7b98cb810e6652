"""A market whose margins follow volatility, from a configuration file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from bulkhead.chain import RevmChain
from bulkhead.protocol import FixedMarginRates, VolatilityMarginRates
from bulkhead.protocol.networks import ConfigError, Network, read
from bulkhead.protocol.plan import carry_out, rehearse
from tests.local_network import HEAD

LOCAL = f"""{HEAD}
[margin]
kind = "volatility"
initial_cap = 0.4
[margin.feed]
fast_time = 86400
[[markets]]
name = "ETH"
[markets.feed]
description = "ETH / USD"
mock_price = 2000
[[markets]]
name = "BTC"
[markets.feed]
description = "BTC / USD"
mock_price = 20000
[markets.oracle]
base = "BTC"
[markets.margin]
kind = "fixed"
initial = 0.1
"""


def network(folder: Path, text: str = LOCAL) -> Network:
    file = folder / "mine.toml"
    file.write_text(text)
    return read(file)


def test_each_market_has_the_margins_of_its_kind(tmp_path: Path) -> None:
    mine = network(tmp_path)
    eth, btc = (market.margin for market in mine.markets)
    assert isinstance(eth, VolatilityMarginRates) and isinstance(btc, FixedMarginRates)
    assert (eth.initial_cap, eth.feed.fast_time, eth.feed.slow_time) == (Decimal("0.4"), 86_400, 432_000)
    assert btc == FixedMarginRates(initial=Decimal("0.1"))
    markets = carry_out(mine, RevmChain())
    model = markets["ETH"].margin_model
    maintenance, target = model.call.maintenance(0, 2_000 * 10**18, 0, 10**18)
    # two and three deviations of an hour at 100 % a year
    assert maintenance / 1e18 == pytest.approx(2_000 * 2 / 8_760**0.5, rel=1e-12)
    assert target / 1e18 == pytest.approx(2_000 * 3 / 8_760**0.5, rel=1e-12)
    maintenance, target = markets["BTC"].margin_model.call.maintenance(0, 2_000 * 10**18, 0, 10**18)
    assert (maintenance, target) == (40 * 10**18, 60 * 10**18)


def test_the_plan_names_its_steps(tmp_path: Path) -> None:
    labels = [planned.step.label for planned in rehearse(network(tmp_path), 31337, None, 0, None)]
    eth = [label for label in labels if label.startswith("ETH")]
    assert eth == ["ETH feed", "ETH oracle", "ETH perpetual", "ETH volatility", "ETH margin", "ETH market"]
    assert "BTC volatility" not in labels


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('kind = "volatility"', 'kind = "implied"', "kind must be fixed or volatility, not 'implied'"),
        ("fast_time = 86400", "quick_time = 43200", "unknown key 'quick_time'"),
        ("fast_time = 86400", "fast_time = 4.5", "fast_time must be a whole number"),
        ("initial_cap = 0.4", "initial_cap = 0.0000000000000000001", "at most 18 decimals"),
        ("initial = 0.1", "initial_cap = 0.1", "unknown key 'initial_cap'"),
    ],
)
def test_what_a_file_gets_wrong(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        network(tmp_path, LOCAL.replace(old, new))


def test_what_the_contracts_refuse(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ETH margin: .* 40 % initial, 37.5 % target and 50 % maintenance"):
        rehearse(
            network(tmp_path, LOCAL.replace("[margin.feed]", "maintenance_cap = 0.5\n[margin.feed]")),
            31337,
            None,
            0,
            None,
        )
    with pytest.raises(ConfigError, match="ETH volatility: The slow_time must be within its bounds, not 432000"):
        rehearse(network(tmp_path, LOCAL.replace("86400", "432000")), 31337, None, 0, None)
