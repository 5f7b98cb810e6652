"""Configuration files: the shipped ones, and what is refused in which words."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bulkhead.model.oracles.oracle_settings import Composition
from bulkhead.model.oracles.source import Kind
from bulkhead.protocol import OptionMarginRates, OptionTerms
from bulkhead.protocol.networks import ConfigError, Network, OptionsMarket, PerpetualMarket, load, read, shipped
from bulkhead.protocol.options import OPTION_MARKET, PathTerms

GOOD = """
[network]
name = "mine"
chain_id = 11155111

[token]
symbol = "USDC"
decimals = 6
address = "0x1c7D4B196Cb0C7B01d743Fbc6116a902379C7238"
source = "https://developers.circle.com"

[terms]
open_fee = 0.001

[[markets]]
name = "ETH"
[markets.feed]
description = "ETH / USD"
address = "0x694AA1769357215DE4FAC081bf1f309aDC325306"
source = "https://docs.chain.link"
[markets.terms]
close_fee = 0.002
"""


#: A market of options after it, on a feed of a minute.
OPTIONS = """
[[markets]]
name = "ETH options"
[markets.feed]
description = "ETH / USD"
address = "0x694AA1769357215DE4FAC081bf1f309aDC325306"
source = "https://docs.chain.link"
[markets.oracle]
heartbeat = 60
[markets.instrument]
kind = "options"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.toml"
    file.write_text(text)
    return file


def test_the_shipped_networks() -> None:
    networks = {name: load(name) for name in shipped()}
    chains = {name: network.network.chain_id for name, network in networks.items()}
    assert chains == {"local": 31337, "sepolia": 11155111, "arbitrum-sepolia": 421614, "base-sepolia": 84532}
    for name, network in networks.items():
        assert network.name == name
        perpetuals = [market for market in network.markets if isinstance(market, PerpetualMarket)]
        assert [market.feed.description for market in perpetuals] == ["ETH / USD", "BTC / USD"]
        assert [market.name for market in network.markets if market not in perpetuals] == ["ETH options"] * (
            name == "local"
        )
        entries = [network.token, *(market.feed for market in network.markets)]
        assert all(entry.mock or entry.source.startswith("https://") for entry in entries)
        assert all(entry.mock == (name == "local") for entry in entries)
        assert name == "local" or str(network.network.chain_id) in network.network.explorer_api


def test_defaults_shared_tables_and_a_market_s_own(tmp_path: Path) -> None:
    (market,) = read(written(tmp_path, GOOD)).markets
    assert (market.terms.open_fee, market.terms.close_fee) == (Decimal("0.001"), Decimal("0.002"))
    assert market.terms.time_to_live == 3_900
    assert market.oracle.encoded(market.feed.address, 8)["maxAge"] == 3_600


def test_the_digest_is_of_what_ends_up_on_chain(tmp_path: Path) -> None:
    def digest(*change: str) -> str:
        return read(written(tmp_path, GOOD.replace(*change) if change else GOOD)).digest

    assert digest("https://docs.chain.link", "https://docs.chain.link/other") == digest()
    assert digest("close_fee = 0.002", "close_fee = 0.003") != digest()
    assert (
        digest("0x694AA1769357215DE4FAC081bf1f309aDC325306", "0x1b44F3514812d835EB1BDB0acB33d3fA3351Ee43") != digest()
    )


def test_a_market_of_options_has_defaults_of_its_own(tmp_path: Path) -> None:
    shared = '[instrument]\nskew_scale = 5\n[margin]\nkind = "volatility"\n'
    _, market = read(written(tmp_path, shared + GOOD + OPTIONS)).markets
    assert isinstance(market, OptionsMarket)
    assert market.terms == OPTION_MARKET
    assert (market.instrument, market.margin) == (OptionTerms(), OptionMarginRates())
    own = "spread = 0.5\n[markets.terms]\nopen_fee = 0.002\n"
    own += "[markets.instrument.path]\nfloor = 0.3\n[markets.instrument.feed]\nfloor = 0.1\n"
    _, market = read(written(tmp_path, GOOD + OPTIONS + own + "[markets.margin]\nmost = 2\n")).markets
    assert isinstance(market, OptionsMarket)
    assert market.terms == replace(OPTION_MARKET, open_fee=Decimal("0.002"))
    assert market.instrument.spread == Decimal("0.5") and market.instrument.slope == OptionTerms().slope
    assert market.instrument.path == PathTerms(floor=Decimal("0.3"))
    assert market.instrument.feed == replace(OptionTerms().feed, floor=Decimal("0.1"))  # a memory of 30 days still
    assert market.margin == OptionMarginRates(most=Decimal(2))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("skew_scale = 1", "market ETH options, instrument: unknown key 'skew_scale'; allowed are life, strike_step"),
        ("[markets.margin]\ninitial = true", "market ETH options, margin: initial must be a number, not True"),
        ('[markets.margin]\nkind = "fixed"', "market ETH options, margin: unknown key 'kind'"),
        (
            "[markets.instrument.path]\nlead = 300",
            "live for at most 300 seconds, for which marks are known",
        ),
        ("[markets.instrument.feed]\nstart = 'high'", "instrument, feed: start must be a number, not 'high'"),
        ("[markets.terms]\ntime_to_live = 3000", "market ETH options: an order must live for at most 900 seconds"),
    ],
)
def test_what_options_refuse(more: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read(written(tmp_path, GOOD + OPTIONS + more))


#: Two validators of the market of GOOD.
VALIDATED = """
[[markets.validators]]
kind = "pyth"
address = "0x2880aB155794e7179c9eE2e38200202908C17B43"
source = "https://docs.pyth.network"
id = "0xff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace"
[[markets.validators]]
kind = "uniswap"
address = "0x1b44F3514812d835EB1BDB0acB33d3fA3351Ee43"
source = "https://app.uniswap.org"
remember = 4000
inverted = true
"""


#: A validator more.
FEED = """
[[markets.validators]]
description = "ETH / USD"
address = "0x1b44F3514812d835EB1BDB0acB33d3fA3351Ee43"
source = "https://docs.chain.link"
"""


def test_validators_become_what_the_contract_takes(tmp_path: Path) -> None:
    (market,) = read(written(tmp_path, GOOD + VALIDATED)).markets
    pyth, pool = (one.encoded(one.address) for one in market.validators)
    settings = market.oracle.encoded(market.feed.address, 8, [pyth, pool])
    assert (settings["quorum"], settings["spread"]) == (1, 10**16)
    assert market.oracle.encoded(market.feed.address, 8)["spread"] == 0
    assert (pyth["kind"], pyth["heartbeat"], pyth["confidence"]) == (Kind.PYTH, 10, 10**7)
    assert pyth["id"].hex().startswith("ff61491a")
    assert (pool["kind"], pool["heartbeat"], pool["inverted"], pool["remember"]) == (Kind.UNISWAP, 60, True, 4_000)
    elsewhere = VALIDATED.replace("https://app.uniswap.org", "https://info.uniswap.org")
    assert read(written(tmp_path, GOOD + VALIDATED)).digest == read(written(tmp_path, GOOD + elsewhere)).digest
    longer = VALIDATED.replace("remember = 4000", "remember = 5000")
    assert read(written(tmp_path, GOOD + VALIDATED)).digest != read(written(tmp_path, GOOD + longer)).digest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"uniswap"', '"sushi"', "market ETH, validator 2: kind must be chainlink, pyth or uniswap, not 'sushi'"),
        ("remember = 4000", "", "market ETH, validator 2: remember is missing"),
        ("634fd0ace", "634fd0ac", "market ETH: id must be 0x and 64 hexadecimal digits, not '0xff61"),
        ("C17B43", "C17B44", "market ETH, validator 1: address: .* is mistyped"),
        ("https://docs.pyth", "docs.pyth", "market ETH, validator 1: source must be the https:// page"),
        ("remember", "mock_price", "validator 2: unknown key 'mock_price'; allowed are address, source, remember"),
        (
            VALIDATED,
            '[[markets.validators]]\ndescription = "BTC / USD"\nsource = "https://docs.chain.link"\n'
            'address = "0x1b44F3514812d835EB1BDB0acB33d3fA3351Ee43"',
            "market ETH: the oracle is for ETH / USD, its validator 1 is described as BTC / USD",
        ),
        (VALIDATED, "[markets.validators]\nkind = 1", "validators: each is a table of its own, .*markets.validators"),
        (
            'kind = "pyth"',
            'description = "ETH / USD"\nmock_price = 1 #',
            "market ETH, validator 1: unknown key 'id'; allowed are description, decimals, address",
        ),
    ],
)
def test_what_validators_refuse(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read(written(tmp_path, GOOD + VALIDATED.replace(old, new, 1)))


#: A second leg of the market of GOOD, whose first validator checks what comes of both.
COMPOSED = """
[markets.oracle]
quote = "USDC"
[markets.leg]
description = "USDC / USD"
address = "0x1b44F3514812d835EB1BDB0acB33d3fA3351Ee43"
source = "https://docs.chain.link"
heartbeat = 86400
lowest = 0.9
highest = 1.1
""" + VALIDATED.replace("remember", "composed = true\nremember")


def test_a_second_leg_becomes_what_the_contract_takes(tmp_path: Path) -> None:
    (market,) = read(written(tmp_path, GOOD + COMPOSED)).markets
    settings = market.settings({name: source.address for name, source in market.sources.items()})
    assert settings["composition"] is Composition.DIVIDE and settings["leg"]["heartbeat"] == 86_400
    assert (settings["leg"]["smallest"], settings["leg"]["largest"]) == (9 * 10**7, 11 * 10**7)
    assert settings["leg"]["at"] == "0x1b44F3514812d835EB1BDB0acB33d3fA3351Ee43"
    assert [validator["composed"] for validator in settings["validators"]] == [False, True]
    times = COMPOSED.replace("USDC / USD", "USD / USDC").replace(
        "[markets.leg]", '[markets.leg]\ncomposition = "multiply"'
    )
    (market,) = read(written(tmp_path, GOOD + times)).markets
    assert market.settings(dict.fromkeys(market.sources, ""))["composition"] is Composition.MULTIPLY
    elsewhere = COMPOSED.replace("https://docs.chain.link", "https://data.chain.link")
    assert read(written(tmp_path, GOOD + COMPOSED)).digest == read(written(tmp_path, GOOD + elsewhere)).digest


#: The market of GOOD on a price of Pyth.
PULLED = GOOD.replace(
    'description = "ETH / USD"\naddress = "0x694AA1769357215DE4FAC081bf1f309aDC325306"',
    'kind = "pyth"\nid = "0xff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace"\n'
    'address = "0x2880aB155794e7179c9eE2e38200202908C17B43"',
)


def test_a_primary_of_pyth_becomes_what_the_contract_takes(tmp_path: Path) -> None:
    more = "[markets.oracle]\nheartbeat = 5\nmax_age = 60" + VALIDATED
    (market,) = read(written(tmp_path, PULLED + more)).markets
    settings = market.settings(dict.fromkeys(market.sources, "0x"))
    primary = settings["primary"]
    assert (primary["kind"], primary["heartbeat"], primary["confidence"]) == (Kind.PYTH, 5, 10**7)
    assert primary["id"].hex().startswith("ff61491a") and settings["maxAge"] == 60 and market.has_pyth


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            COMPOSED.replace("USDC / USD", "USDT / USD"),
            "leg: a leg of USDT / USD to divide with gives no price in USDC",
        ),
        (
            COMPOSED.replace("USDC / USD", "USDC / EUR"),
            "the oracle is for ETH / EUR, its feed is described as ETH / USD",
        ),
        (COMPOSED.replace("USDC / USD", "USDC"), "leg: a leg of USDC to divide with gives no price in USDC"),
        (
            COMPOSED.replace("lowest", 'composition = "add"\nlowest'),
            "leg: composition must be divide or multiply, not 'add'",
        ),
        (COMPOSED.replace("lowest", "decimals = 6\nlowest"), "market ETH, leg: decimals must be 8 or 18, not 6"),
        (COMPOSED.replace("lowest", "cap"), "market ETH, leg: unknown key 'cap'; allowed are description, decimals"),
        ('[markets.leg]\ndescription = "USDC / USD"', "market ETH, leg: give address and source"),
        (
            VALIDATED + FEED + "composed = true",
            "market ETH, validator 3: composed is for a price with a second leg, and there is none",
        ),
        ('\n[keepers]\nreceiver = "0x1b44F3514812d835EB1BDB0acB33d3fA3351Ee44"', "keepers.: receiver: .* is mistyped"),
    ],
)
def test_what_legs_and_keepers_refuse(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read(written(tmp_path, GOOD + text))


def test_a_market_of_no_kind(tmp_path: Path) -> None:
    for kind in ('"futures"', "[1]"):
        with pytest.raises(ConfigError, match=r"instrument: kind must be perpetual or options, not "):
            read(written(tmp_path, GOOD + OPTIONS.replace('"options"', kind)))


BAD = {
    'symbol = "USDC"': ("symbl = 1", r"\[token\]: unknown key 'symbl'; allowed are symbol, decimals, address"),
    "[terms]": ("[term]", "the file: unknown key 'term'; allowed are network, token, markets, keepers, oracle, terms"),
    "close_fee = 0.002": ("heartbeat = 1", "market ETH, terms: unknown key 'heartbeat'; allowed are delay"),
    'name = "ETH"': ("", "market ?.*: name is missing"),
    "chain_id = 11155111": ('chain_id = "1"', "chain_id must be a whole number, not '1'"),
    "decimals = 6": ("decimals = 19", "decimals must be 0 to 18, not 19"),
    "open_fee = 0.001": ('open_fee = "0.1 %"', "open_fee must be a number, not '0.1 %'"),
    "close_fee": ("keeper_cap = -1 #", "keeper_cap must be 0 or more, not -1"),
    "0.001": ("0.0000000000000000001", "must have at most 18 decimals"),
    "0.002": ("nan", "must be a number"),
    "325306": ("325307", "address: 0x694AA1769357215DE4FAC081bf1f309aDC325307 is mistyped"),
    "9C7238": ("9C72", "is not an address"),
    'source = "https://docs.chain.link"': ("", "source must be the https:// page that names this address"),
    'description = "ETH / USD"': ('description = "ETH / USD"\nmock_price = 1', "mock_price is for a local chain only"),
    "ETH / USD": ("BTC / USD", "market ETH: the oracle is for ETH / USD, its feed is described as BTC / USD"),
    'address = "0x1c7D4B196Cb0C7B01d743Fbc6116a902379C7238"': ("", r"\[token\]: give address and source"),
    "[markets.feed]": ("[markets.feed]\ndecimals = 6", "decimals must be 8 or 18, not 6"),
    "[[markets]]": ("[markets]", "there is no market"),
    "[markets.terms]": ("", "market ETH, feed: unknown key 'close_fee'"),
    'name = "mine"': ("", r"\[network\]: name is missing"),
    "[[markets]]\n": ("markets = [1]\n[[others]]\n", "unknown key 'others'"),
    "[token]": ("[token", "is not valid TOML"),
}


@pytest.mark.parametrize("line", BAD)
def test_a_refusal_names_the_file_and_the_key(line: str, tmp_path: Path) -> None:
    replacement, message = BAD[line]
    file = written(tmp_path, GOOD.replace(line, replacement, 1))
    with pytest.raises(ConfigError, match=message) as caught:
        read(file)
    assert str(caught.value).startswith(str(file)) and "\n" not in str(caught.value)


def test_two_markets_of_one_name(tmp_path: Path) -> None:
    once = GOOD[GOOD.index("[[markets]]") :]
    with pytest.raises(ConfigError, match="two markets have the same name"):
        read(written(tmp_path, GOOD + once))


def test_files_that_are_not_there_or_for_another_network(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no network 'nowhere' is shipped; choose arbitrum-sepolia, base-sepolia"):
        load("nowhere")
    with pytest.raises(ConfigError, match=r"absent.toml cannot be read: No such file"):
        load("mine", tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="is for the network 'mine', not for 'sepolia'"):
        load("sepolia", written(tmp_path, GOOD))
    assert isinstance(load("mine", written(tmp_path, GOOD)), Network)
