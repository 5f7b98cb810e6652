"""Markets on prices that somebody has to bring, and on composed ones: from a configuration file to a keeper's work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from eth_account import Account

from bulkhead import Protocol
from bulkhead.build import artifacts
from bulkhead.chain import AnvilChain, to_address
from bulkhead.cli import main
from bulkhead.keeper import prices
from bulkhead.keeper.command import KEY, PRICES_KEY, RPC
from bulkhead.keeper.prices import NoPrices, PriceService
from bulkhead.protocol import Market, Position, Status
from bulkhead.protocol.units import WAD, to_decimal
from tests.local_network import HEAD, provide
from tests.public_network import place_feed
from tests.unit.periphery.test_keeper_adapter import decoded, encoded

ID = "0x" + "e7" * 32
E8 = 10**8
PASSWORD = "let me in"
SECRET = "0x" + "61" * 32
RECEIVER = "0x000000000000000000000000000000000000bEEF"


class Service:
    """A price service on a port of this machine: it serves every update that was ever made, as Hermes does."""

    def __init__(self) -> None:
        self.published: list[tuple[int, bytes]] = []
        self.asked: list[int] = []
        self.answer: tuple[int, bytes] | None = None  # to whatever is asked
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                code, body = service.answer or service.look(self.path, self.headers.get("Authorization", ""))
                self.send_response(code)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def look(self, path: str, authorization: str) -> tuple[int, bytes]:
        if authorization != f"Bearer {PASSWORD}":
            return 401, b"who are you?"
        asked = urlsplit(path)
        *where, since = asked.path.split("/")
        assert where == ["", "v2", "updates", "price"]
        assert parse_qs(asked.query) == {"ids[]": [ID], "encoding": ["hex"]}
        self.asked.append(int(since))
        found = [update.hex() for time, update in self.published if time >= int(since)][:1]
        return (200, json.dumps({"binary": {"encoding": "hex", "data": found}}).encode()) if found else (404, b"none")


class Place:
    """An anvil with Pyth's contract for tests, and a service that has its updates."""

    def __init__(self, chain: AnvilChain) -> None:
        self.chain, self.service = chain, Service()
        self.pyth = chain.deploy(artifacts()["MockPyth"], 3_600, 1)
        self.feeds = [to_address(f"0x{0xC0FFEE00 + number:040x}") for number in (1, 2)]
        for at in self.feeds:
            feed = place_feed(chain, at, "ETH / USD")
            for _ in range(2):
                feed.send.push(2_000 * E8, chain.timestamp, chain.timestamp)

    def publish(self, price: int, stored: bool = False) -> None:
        """Off chain at this moment; `stored`: in the contract as well. A second on."""
        now = self.chain.timestamp
        before = self.service.published[-1][0] if self.service.published else now - 1
        terms = (bytes.fromhex(ID[2:]), price * E8, 0, -8, 0, 0, now, before)
        update = bytes(self.pyth.call.createPriceFeedUpdateData(*terms))
        self.service.published.append((now, update))
        if stored:
            self.pyth.send.updatePriceFeeds([update], value=1)
        self.chain.mine(seconds=1)

    def speak(self, market: Market, answers: dict[int, int]) -> None:
        """Rounds of the mocks among a market's Chainlink feeds, by their place. A second on."""
        now = self.chain.timestamp
        for number, answer in answers.items():
            at = market.oracle.feeds[number].contract.address  # type: ignore[union-attr]
            self.chain.contract(artifacts()["FeedProxyMock"], at).send.push(answer, now, now)
        self.chain.mine(seconds=1)

    def opened(self, market: Market) -> Position:
        """An order by somebody with tokens; the pool has some, too."""
        provide(market, 400_000)
        return market.open(1, 500, 1_000)


MARKETS = """
[keepers]
receiver = "{receiver}"

[[markets]]
name = "pulled"
[markets.feed]
kind = "pyth"
address = "{pyth}"
source = "https://example.org"
id = "{id}"
[markets.oracle]
heartbeat = 10
max_age = 3600
[[markets.validators]]
description = "ETH / USD"
address = "{first}"
source = "https://example.org"
[[markets.validators]]
description = "ETH / USD"
address = "{second}"
source = "https://example.org"

[[markets]]
name = "composed"
[markets.feed]
description = "ETH / USD"
mock_price = 2000
[markets.leg]
description = "USDC / USD"
mock_price = 1
lowest = 0.9
highest = 1.1
[markets.oracle]
quote = "USDC"
"""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Path]]:
    folder = tmp_path_factory.mktemp("pulled")
    with AnvilChain() as chain:
        place = Place(chain)
        for _ in range(2):
            place.publish(2_000, stored=True)
        file, record = folder / "mine.toml", folder / "mine.json"
        first, second = place.feeds
        markets = MARKETS.format(receiver=RECEIVER, pyth=place.pyth.address, id=ID, first=first, second=second)
        file.write_text(HEAD + markets)
        options = ["deploy", "mine", "--config", str(file), "--rpc", chain.url, "--yes", "--record", str(record)]
        assert main(options) == 0
        before = chain.block_number
        assert main(options) == 0 and chain.block_number == before  # the code of all is what the rehearsal says
        yield place, record
        place.service.server.shutdown()
        place.service.server.server_close()


@pytest.fixture
def place(deployed: tuple[Place, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    place, _ = deployed
    monkeypatch.setenv(RPC, place.chain.url)
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv(PRICES_KEY, PASSWORD)
    published = list(place.service.published)
    with place.chain.isolated():
        place.chain.set_balance(Account.from_key(SECRET).address, 10**18)
        yield place
    place.service.published, place.service.answer = published, None
    place.service.asked.clear()


@pytest.fixture
def record(deployed: tuple[Place, Path]) -> Path:
    return deployed[1]


def keep(record: Path, market: str, tmp_path: Path, *more: str) -> int:
    options = ["--coin-price", "1", "--once", "--state", str(tmp_path), "--jobs", "execute", *more]
    return main(["keeper", str(record), "--market", market, *options])


def index_of(market: Market) -> Decimal:
    """At which its only position was opened."""
    (opened,) = market.contract.events("Opened")
    return to_decimal(opened.args.index, WAD)


def test_orders_on_a_price_of_pyth_are_executed_with_updates_fetched_by_http(
    place: Place, record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market = Protocol.connect(place.chain, record).market("pulled")
    position = place.opened(market)
    place.chain.mine(seconds=60)
    place.speak(market, {1: 2_002 * E8, 2: 2_002 * E8})
    service = ["--prices", place.service.url + "/"]
    assert keep(record, "pulled", tmp_path, *service) == 0
    assert position.status is Status.PENDING and place.service.asked  # nothing published after it yet
    place.publish(2_002)
    place.publish(2_020)
    assert keep(record, "pulled", tmp_path, *service) == 0
    assert position.status is Status.OPEN and index_of(market) == 2_002, "it takes the first"
    assert place.service.asked[-1] == place.service.asked[0]
    assert '"event": "mined"' in capsys.readouterr().out


def test_a_service_that_fails_is_told_and_costs_nothing(
    place: Place,
    record: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = Protocol.connect(place.chain, record).market("pulled")
    position = place.opened(market)
    place.chain.mine(seconds=60)
    place.publish(2_000)
    balance = place.chain.balance(Account.from_key(SECRET).address)
    monkeypatch.setenv(PRICES_KEY, "guessed")
    assert keep(record, "pulled", tmp_path, "--prices", place.service.url) == 0
    assert "401" in capsys.readouterr().out
    assert keep(record, "pulled", tmp_path, "--prices", "http://127.0.0.1:1") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ["does not help: ConnectionError" in one.get("why", "") for one in told if one["event"] == "not now"]
    assert keep(record, "pulled", tmp_path) == 2
    assert "name a service with --prices URL" in capsys.readouterr().err
    assert position.status is Status.PENDING and place.chain.balance(Account.from_key(SECRET).address) == balance


@pytest.mark.parametrize("answer", [b"no JSON", b"[]", b'{"binary": {"data": ["xyz"]}}', b'{"binary": 5}'])
def test_what_is_no_answer_of_a_price_service(place: Place, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    service = PriceService(place.service.url, PASSWORD)
    place.service.answer = (200, answer)
    with pytest.raises(NoPrices, match="does not help"):
        service(bytes.fromhex(ID[2:]), 5)
    place.service.answer = None
    with pytest.raises(NoPrices, match="a moment ago"):  # what waits for it is not to hold everything else up
        service(bytes.fromhex(ID[2:]), 5)
    monkeypatch.setattr(prices.time, "monotonic", lambda: 10**9)
    assert service(bytes.fromhex(ID[2:]), 5) == [place.service.published[0][1]]
    assert service(bytes.fromhex(ID[2:]), 2**40) == []


def test_a_rehearsal_on_prices_of_pyth_is_refused_in_one_sentence(
    place: Place, record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keeper", str(record), "--market", "pulled", "--rehearse", "--coin-price", "1"]) == 1
    told = capsys.readouterr()
    assert "whose prices are signed: none to come can be staged" in told.err and told.err.count("\n") == 1


def test_a_composed_price_from_the_file_to_an_order_and_a_rehearsal(
    place: Place, record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market = Protocol.connect(place.chain, record).market("composed")
    assert (market.oracle.base, market.oracle.quote) == ("ETH", "USDC") and len(market.oracle.feeds) == 2
    assert market.oracle.latest().price == 2_000
    position = place.opened(market)
    place.chain.mine(seconds=60)
    place.speak(market, {1: E8 * 98 // 100})
    place.chain.mine(seconds=60)
    place.speak(market, {0: 1_960 * E8})
    assert keep(record, "composed", tmp_path) == 0
    assert position.status is Status.OPEN and index_of(market) == 2_000, "1,960 / 0.98"
    capsys.readouterr()
    assert main(["keeper", str(record), "--market", "composed", "--rehearse", "--coin-price", "1"]) == 0
    assert '"event": "rehearsed"' in capsys.readouterr().out


def test_adapters_of_the_record_look_after_their_markets(place: Place, record: Path) -> None:
    content = json.loads(record.read_text())
    adapters = {name: content["markets"][name]["adapter"] for name in ("pulled", "composed")}
    assert "Upkeep" in content["steps"]
    for name, address in adapters.items():
        market = Protocol.connect(place.chain, record).market(name)
        adapter = place.chain.contract(artifacts()["KeeperAdapter"], address)
        assert (adapter.call.MARKET(), adapter.call.RECEIVER()) == (market.address, RECEIVER)
    market = Protocol.connect(place.chain, record).market("composed")
    position = place.opened(market)
    place.chain.mine(seconds=60)
    place.speak(market, {0: 2_000 * E8, 1: E8})
    needed, data = adapter.call.checkUpkeep(encoded("Check", ([], 1, 5)))
    assert needed and set(decoded(bytes(data))[0]) == {position.address}
    adapter.send.performUpkeep(data, sender=place.chain.accounts[3])
    assert position.status is Status.OPEN
    token = place.chain.contract(artifacts()["TokenMock"], market.token.address)
    assert token.call.balanceOf(RECEIVER) >= 10**6
