"""The keeper as a Silverback bot: alone, and spread over workers by a real Redis."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from bulkhead import Protocol
from bulkhead.chain import AnvilChain
from bulkhead.protocol import Status
from bulkhead.protocol.local import LocalProtocol
from tests.addresses import parts_of

ROOT = Path(__file__).parents[2]
SILVERBACK = ROOT / ".venv-silverback" / "bin" / "silverback"
KEYS = ["0x" + digit * 64 for digit in "56"]
ADDRESSES = [Account.from_key(key).address for key in KEYS]
BOT = "bulkhead.keeper.silverback_bot:bot"
PATIENCE = 120  # seconds, for processes that take ten to start


def wait_for(what: Any, why: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(0.1)


@contextmanager
def running(*command: object, cwd: Path, name: str, env: dict[str, str] | None = None) -> Iterator[Any]:
    """A process and the file that it writes to."""
    log = cwd / f"{name}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            list(map(str, command)), cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield process, log
    finally:
        process.kill()
        process.wait()


def events(*logs: Path) -> list[dict[str, Any]]:
    """Lines of the keepers' own log."""
    lines = [line for log in logs for line in log.read_text().splitlines()]
    return [json.loads(line) for line in lines if line.startswith('{"time"')]


def mined(log: Path) -> list[dict[str, Any]]:
    """What a keeper has done, as it tells."""
    return [event for event in events(log) if event["event"] == "mined"]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this test's own; its URL."""
    program = subprocess.check_output([ROOT / "tools" / "redis.sh", ROOT / ".redis"], text=True).strip()
    folder = tmp_path_factory.mktemp("redis")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with running(program, "--port", port, "--bind", "127.0.0.1", "--save", "", cwd=folder, name="redis") as (_, log):
        wait_for(lambda: "Ready to accept connections" in log.read_text(), "Redis does not start")
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def protocol() -> Iterator[LocalProtocol]:
    with AnvilChain() as chain:
        made = Protocol.local(chain)
        for address in ADDRESSES:
            chain.set_balance(address, 10**18)
        yield made


@pytest.fixture
def env(protocol: LocalProtocol, tmp_path: Path) -> dict[str, str]:
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"chain_id": 31_337, "markets": {"ETH": parts_of(protocol.market())}}))
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "BULKHEAD_KEEPER_OPTIONS": f"{record} --coin-price 2000 --state {tmp_path / 'state'}",
        "BULKHEAD_KEEPER_KEYS": ",".join(KEYS),
        "HOME": str(tmp_path),  # where ape keeps its files
    }


def over(redis: str) -> dict[str, str]:
    """Silverback's own settings of a broker."""
    return {
        "SILVERBACK_BROKER_CLASS": "taskiq_redis:ListQueueBroker",
        "SILVERBACK_BROKER_KWARGS": json.dumps({"url": redis}),
        "SILVERBACK_RESULT_BACKEND_CLASS": "taskiq_redis:RedisAsyncResultBackend",
        "SILVERBACK_RESULT_BACKEND_KWARGS": json.dumps({"redis_url": redis}),
    }


def network(protocol: LocalProtocol) -> list[str]:
    return ["--network", f"ethereum:local:{protocol.chain.url}"]  # type: ignore[attr-defined]


def test_alone_it_executes_and_liquidates(protocol: LocalProtocol, env: dict[str, str], tmp_path: Path) -> None:
    position = protocol.market().open(10, 1_000, 5_000, sender=protocol.account("trader", tokens=1_000))
    with running(SILVERBACK, "run", BOT, *network(protocol), cwd=tmp_path, env=env, name="run") as (process, log):
        wait_for(lambda: "Startup complete" in log.read_text(), f"no start: {log}")
        protocol.set_price(2_000)
        wait_for(lambda: position.status is Status.OPEN or process.poll() is not None, "not opened")
        protocol.set_price(1_930)
        wait_for(lambda: position.margin < 800 or process.poll() is not None, "not liquidated")
        wait_for(lambda: len(mined(log)) > 1 or process.poll() is not None, "what it did is not told")
        assert process.poll() is None, log.read_text()
    assert [event["job"] for event in mined(log)][:2] == ["execute", "liquidate"]
    assert all(event["done"] for event in mined(log))
    assert [protocol.chain.nonce(address) > 0 for address in ADDRESSES] == [True, False]  # type: ignore[attr-defined]


def test_workers_share_the_work_and_do_nothing_twice(
    protocol: LocalProtocol, redis: str, env: dict[str, str], tmp_path: Path
) -> None:
    """Two workers with a key each, until both have worked; then one is killed, and the other goes on."""
    chain, market = protocol.chain, protocol.market()
    trader, opened = protocol.account("trader", tokens=100_000), []

    def nonces() -> list[int]:
        return [chain.nonce(address) for address in ADDRESSES]  # type: ignore[attr-defined]

    def a_round() -> None:
        position = market.open(1, 200, 500, sender=trader)
        opened.append(position)
        protocol.set_price(2_000)
        wait_for(lambda: position.status is Status.OPEN, "an order is left alone")

    env |= over(redis)
    words = [BOT, *network(protocol)]
    with (
        running(SILVERBACK, "worker", "-w", 1, *words, cwd=tmp_path, env=env, name="one") as (first, log1),
        running(SILVERBACK, "worker", "-w", 1, *words, cwd=tmp_path, env=env, name="two") as (_, log2),
        running(SILVERBACK, "run", *words, cwd=tmp_path, env=env, name="run") as (_, log),
    ):
        wait_for(lambda: "Startup complete" in log.read_text(), f"no start: {log}")
        while not all(nonces()) and len(opened) < 60:
            a_round()
        assert all(nonces()), "one worker did nothing"
        assert sum(nonces()) == len(opened)  # a transaction for each order: none was sent twice
        first.send_signal(signal.SIGKILL)
        first.wait()
        before = len(opened)
        for _ in range(2):
            # What is in the queue's hands when a worker dies is lost; the next block's task finds the work again.
            a_round()
    assert len(opened) == before + 2 and sum(nonces()) == len(opened)
    told = events(log1, log2)
    started = {event["keeper"] for event in told if event["event"] == "started"}
    assert started == set(ADDRESSES)
    assert not [event for event in told if event["event"] in ("lost", "not sent")]
    assert not [event for event in told if event["event"] == "mined" and event["missed"]]


SHARING = """
import sys, time
from redis import Redis
from bulkhead.keeper.board import CLAIM, LEASE, Keys, RedisBoard
from bulkhead.keeper.policy import Intent
from bulkhead.keeper.settings import Job

redis = Redis.from_url(sys.argv[1])
one, two, other = RedisBoard(redis, "0xm"), RedisBoard(redis, "0xm"), RedisBoard(redis, "0xother")
batch = Intent(Job.LIQUIDATE, ("0xa", "0xb", "0xc"), 30)
assert one.claim(Intent(Job.LIQUIDATE, ("0xb",), 10)).targets == ("0xb",)
rest = two.claim(batch)
assert (rest.targets, rest.pay) == (("0xa", "0xc"), 20)  # what is left, and what that pays
assert one.claim(batch).targets == () and two.claim(batch).pay == 0  # not even its own a second time
assert other.claim(batch) == batch  # another market
two.release(["0xa"])
assert one.claim(batch).targets == ("0xa",)
assert all(0 < redis.ttl(name) <= CLAIM for name in redis.keys("bulkhead:0xm:*"))

first, second, third = (Keys(redis, ["0x1", "0x2"]) for _ in range(3))
assert (first.hold(), second.hold(), third.hold()) == ("0x1", "0x2", None)
assert 0 < redis.ttl("bulkhead:key:0x1") <= LEASE
redis.pexpire("bulkhead:key:0x1", 1)  # the first one hangs for longer than its lease
time.sleep(0.01)
assert third.hold() == "0x1" and second.hold() == "0x2" and third.hold() == "0x1"
assert first.hold() is None
"""


def test_a_claim_and_a_key_are_one_worker_s(redis: str, env: dict[str, str], tmp_path: Path) -> None:
    """In the environment that has a client of Redis."""
    python = SILVERBACK.with_name("python")
    ended = subprocess.run([python, "-c", SHARING, redis], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_without_its_redis_it_says_so_in_a_sentence(
    protocol: LocalProtocol, env: dict[str, str], tmp_path: Path
) -> None:
    env |= over("redis://127.0.0.1:1/0")
    for kind in ("run", "worker"):
        words = [SILVERBACK, kind, BOT, *network(protocol)]
        ended = subprocess.run(list(map(str, words)), cwd=tmp_path, env=env, capture_output=True, text=True)
        assert ended.returncode == 2
        said = [line for line in ended.stderr.splitlines() if line.startswith("bulkhead: ")]
        assert len(said) == 1 and "no Redis answers" in said[0] and "Traceback" not in ended.stderr + ended.stdout
    assert [protocol.chain.nonce(address) for address in ADDRESSES] == [0, 0]  # type: ignore[attr-defined]
