"""A keeper that is seen: figures, a verdict over its health, alerts over real HTTP, a journal."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import requests
from eth_account import Account
from prometheus_client.parser import text_string_to_metric_families

from bulkhead.cli import main
from bulkhead.keeper import Job, Keeper, Settings
from bulkhead.keeper.alerts import MOST_WAITING, Alerts, When
from bulkhead.keeper.follower import Header
from bulkhead.keeper.journal import Journal
from bulkhead.keeper.metrics import Metrics
from bulkhead.keeper.policy import Clock, Held, Price, State
from bulkhead.keeper.pulse import FIRST, Pulse, PulseServer
from bulkhead.model.interfaces.market import MarketConfig, Order, Position
from bulkhead.protocol.local import LocalProtocol
from tests.addresses import SECRET

CONFIG = MarketConfig(**dict.fromkeys(MarketConfig.__dataclass_fields__, 0))  # type: ignore[arg-type]
PRICE = Price(2_000 * 10**18, 990)


def state(price: Price | None = PRICE, sick: tuple[str, ...] = (), unpriced_since: int = 1_000, **more: Any) -> State:
    held = [Held(vault, Position(), Order()) for vault in sick]  # type: ignore[arg-type]
    facts: dict[str, Any] = {"phase": 1, "ended": False, "clock": Clock(0, 0, 86_400), "liquidatable": held}
    return State(1_000, CONFIG, price, unpriced_since, **facts | more)


def head(number: int, time: int = 1_000) -> Header:
    return Header(number, f"{number:#x}", time)


class Watch:
    """Hands that only move when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Receiver:
    """A real HTTP server that keeps what it is sent; `failing` answers refuse, `gate` holds answers up."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.failing, self.gate = 0, Event()
        self.gate.set()
        own = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                own.gate.wait(10)
                own.failing -= 1
                if own.failing < 0:
                    assert self.headers["Content-Type"] == "application/json"
                    own.got.append(json.loads(body))
                self.send_response(503 if own.failing >= 0 else 204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.gate.set()
    made.server.shutdown()
    made.server.server_close()


class Told(list[tuple[str, dict[str, Any]]]):
    def __call__(self, event: str, facts: dict[str, Any]) -> None:
        self.append((event, facts))

    def events(self) -> list[str]:
        return [event for event, _ in self]


# ---------------------------------------------------------------- alerts


def test_each_kind_of_alert_arrives_once_and_says_what_is_wrong(receiver: Receiver) -> None:
    watch, told = Watch(), Told()
    alerts = Alerts(receiver.url, {"market": "ETH", "keeper": "0xk"}, told, When(blocks=2), watch)
    mined = {"job": "liquidate", "done": (), "missed": ("0xa",), "paid": 0, "wei": 7}
    for _ in range(2):
        alerts.on_event("trouble", {"why": "no answer"})
        watch.now += 60
        alerts.on_event("trouble", {"why": "no answer"})
        alerts.on_event("over budget", {"job": "execute", "why": "all spent"})
        alerts.on_event("mined", mined)
        alerts.on_state(head(1, 1_600), state(None))
        for number in (10, 12, 13):
            alerts.on_state(head(number), state(sick=("0xa", "0xb")))
    alerts.close()
    assert [one["alert"] for one in receiver.got] == [
        "trouble",
        "over budget",
        "failing transaction",
        "no price",
        "unhealthy",
    ]
    assert all(one["market"] == "ETH" and one["keeper"] == "0xk" and one["why"] for one in receiver.got)
    assert receiver.got[-1]["positions"] == ["0xa", "0xb"] and receiver.got[-1]["block"] == 13
    assert told.events() == ["alert"] * 5


def test_nothing_is_said_of_what_is_well_or_passes(receiver: Receiver) -> None:
    watch = Watch()
    alerts = Alerts(receiver.url, {}, Told(), When(blocks=2), watch)
    for number in range(10):
        alerts.on_event("trouble", {"why": "no answer"})
        alerts.on_event("mined", {"job": "liquidate", "done": ("0xa",), "missed": ("0xb",), "paid": 1, "wei": 7})
        watch.now += 59
        sick = ("0xa",) if number % 3 else ()  # liquidated within two blocks, each time
        alerts.on_state(head(number, 1_599), state(None if number % 2 else PRICE, sick))
    alerts.on_state(head(20, 9_999), state(None, ended=True))
    alerts.close()
    assert receiver.got == []


def test_after_its_cool_down_an_alert_is_sent_again(receiver: Receiver) -> None:
    watch = Watch()
    alerts = Alerts(receiver.url, {}, Told(), When(cool_down=100), watch)
    for now in (0, 99, 100, 150, 200):
        watch.now = now
        alerts.on_event("over budget", {"job": "execute", "why": str(now)})
    alerts.close()
    assert [one["why"] for one in receiver.got] == ["0", "100", "200"]


def test_a_receiver_that_hangs_holds_nothing_up(receiver: Receiver) -> None:
    """More alerts than can wait, to somebody who does not answer: all are taken at once, the last ones dropped."""
    receiver.gate.clear()
    told = Told()
    alerts = Alerts(receiver.url, {}, told, When(cool_down=0))
    for _ in range(MOST_WAITING + 10):
        alerts.on_event("over budget", {"job": "execute", "why": "all spent"})
    assert receiver.got == []  # and yet here we are
    dropped = told.events().count("alert not delivered")
    assert 9 <= dropped <= 10 and told.events().count("alert") == MOST_WAITING + 10
    receiver.gate.set()
    deadline = time.monotonic() + 30
    while len(receiver.got) < MOST_WAITING and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(receiver.got) == MOST_WAITING + 10 - dropped


def test_a_delivery_that_fails_is_tried_again_and_then_given_up(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bulkhead.keeper.alerts.time.sleep", lambda _: None)
    for failing, delivered in ((2, True), (3, False)):
        receiver.failing, told = failing, Told()
        receiver.got.clear()
        alerts = Alerts(receiver.url, {}, told)
        alerts.on_event("over budget", {"job": "execute", "why": "all spent"})
        alerts.close()
        assert bool(receiver.got) == delivered
        assert ("alert not delivered" in told.events()) != delivered
        assert receiver.url not in str(told)


# ---------------------------------------------------------------- health and metrics


def test_the_verdict_follows_looks_and_blocks() -> None:
    watch = Watch()
    pulse = Pulse(fresh=30, moving=100, clock=watch)
    assert pulse.verdict() == (True, "starting")
    watch.now = FIRST + 1  # the first look reads everything
    assert pulse.verdict() == (False, f"no look at the chain for {watch.now:.0f} s")
    pulse.on_state(head(7), state())
    watch.now += 31
    pulse.on_event("trouble", {"why": "No node answers."})
    assert pulse.verdict() == (False, "no look at the chain for 31 s: No node answers.")
    for _ in range(3):
        pulse.on_state(head(7), state())
        assert pulse.verdict() == (True, "block 7")
        watch.now += 25
    pulse.on_state(head(7), state())
    assert pulse.verdict() == (False, "no new block after 7 for 106 s")
    pulse.on_state(head(8), state())
    assert pulse.verdict() == (True, "block 8")


def figures(text: str) -> dict[str, float]:
    return {
        " ".join([sample.name, *(value for name, value in sample.labels.items() if name != "market" and value)]): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_a_keeper_has_done_is_what_its_figures_say(protocol: LocalProtocol) -> None:
    market, told = protocol.market(), Told()
    keeper = Keeper(market, "0x" + "31" * 32, Settings(coin=2_000 * 10**6), log=told)
    protocol.chain.set_balance(keeper.sender.address, 10**18)
    watch = Watch()
    pulse, metrics = Pulse(fresh=30, clock=watch), Metrics(keeper)
    keeper.observers += [pulse, metrics, Journal(told)]
    server = PulseServer(pulse, metrics.registry, 0)
    base = f"http://127.0.0.1:{server.port}"
    trader = protocol.account("trader", tokens=10_000)
    for _ in range(3):
        market.open(1, 120, 500, sender=trader)
    protocol.set_price(2_000)
    done = keeper.once()
    shown = figures(requests.get(f"{base}/metrics", timeout=5).text)
    prefix = "bulkhead_keeper_"
    assert shown[prefix + "targets_done_total execute"] == 3 == shown[prefix + "events_total mined execute"]
    assert shown[prefix + "open_positions"] == 3 and shown[prefix + "waiting_orders"] == 0
    assert shown[prefix + "price"] == 2_000
    assert shown[prefix + "head_number"] == protocol.chain.block_number
    spent = 10**18 - protocol.chain.balance(keeper.sender.address)
    assert round(shown[prefix + "spent_coins_total"] * 10**18) == spent == sum(one.wei for one in done) > 0
    assert round(shown[prefix + "committed_coins"] * 10**18) == spent
    paid = market.token.contract.call.balanceOf(keeper.sender.address)
    assert round(shown[prefix + "paid_tokens_total"] * 10**6) == paid > 0

    answer = requests.get(f"{base}/healthz", timeout=5)
    assert answer.status_code == 200 and answer.json()["healthy"] is True
    watch.now = 31
    answer = requests.get(f"{base}/healthz", timeout=5)
    assert answer.status_code == 503 and "no look" in answer.json()["why"]
    assert requests.get(f"{base}/", timeout=5).status_code == 404
    guide = (Path(__file__).parents[3] / "docs" / "keepers.md").read_text()
    for family in metrics.registry.collect():
        assert f"| `{family.name.removeprefix(prefix)}" in guide, family.name
    server.close()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{base}/healthz", timeout=5)


# ---------------------------------------------------------------- the journal


def test_the_journal_has_a_line_where_something_changes() -> None:
    told = Told()
    journal = Journal(told)
    journal.on_state(head(1), state())
    for _ in range(2):
        journal.on_event("trouble", {"why": "no answer"})
    for number, price in ((2, PRICE), (3, None), (4, None), (5, PRICE)):
        journal.on_state(head(number), state(price))
    journal.on_state(head(6), state(None, ended=True))
    journal.on_state(head(7), state(None, ended=True))
    assert told == [
        ("recovered", {"troubles": 2, "block": 2}),
        ("no price", {"block": 3, "since": 1_000}),
        ("price again", {"block": 5}),
        ("market ended", {"block": 6, "positions": 0}),
    ]


# ---------------------------------------------------------------- the command


def test_the_command_serves_and_alerts(
    protocol: LocalProtocol,
    record: Path,
    receiver: Receiver,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """A budget of nothing: the transaction is not sent, and somebody hears of it."""
    protocol.market().open(1, 1_000, 500, sender=protocol.account("trader", tokens=1_000))
    protocol.set_price(2_000)
    protocol.chain.set_balance(Account.from_key(SECRET).address, 10**18)
    arguments = ["keeper", record, "--once", "--state", tmp_path, "--coin-price", 1, "--daily-budget", 0]
    arguments += ["--listen", "0", "--alert", receiver.url]
    assert main(list(map(str, arguments))) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["listening", "started", "over budget", "alert", "stopped"]
    (alert,) = receiver.got
    assert alert["alert"] == "over budget" and alert["job"] == Job.EXECUTE and alert["market"] == "ETH"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--listen", "here"], "--listen must end in a port"),
        (["--listen", "99999"], "--listen must end in a port"),
        (["--listen", "{taken}"], "in use"),
        (["--alert", "mail"], "--alert must be a URL"),
    ],
)
def test_what_cannot_be_served_is_refused(
    record: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: list[str],
    sentence: str,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = [word.format(taken=taken.getsockname()[1]) for word in words]
        assert main(["keeper", str(record), "--dry-run", "--once", "--state", str(tmp_path), *words]) == 2
    told = capsys.readouterr()
    assert sentence in told.err and told.err.count("\n") == 1 and told.out == ""
