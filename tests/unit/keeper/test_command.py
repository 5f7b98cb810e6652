"""What cannot work is refused in one sentence, before anything is sent."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account

from bulkhead.cli import main, parser
from bulkhead.keeper import silverback_bot
from bulkhead.keeper.command import KEY, RPC, keeper_of
from bulkhead.protocol import Status
from bulkhead.protocol.config import camel
from bulkhead.protocol.local import LocalProtocol
from tests.addresses import SECRET


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = main(["keeper", *map(str, arguments)])
    told = capsys.readouterr()
    assert told.out == "" and SECRET[2:] not in told.err
    return code, told.err


def around(*events: str) -> list[str]:
    return ["started", *events, "stopped"]


def test_it_works_and_says_so_in_json(
    protocol: LocalProtocol, record: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert camel("margin_model") in json.loads(record.read_text())["markets"]["ETH"]["config"]
    position = protocol.market().open(1, 1_000, 500, sender=protocol.account("trader", tokens=1_000))
    protocol.set_price(2_000)
    arguments = ["keeper", str(record), "--once", "--state", str(tmp_path / "state")]
    assert main([*arguments, "--dry-run"]) == 0
    assert position.status is Status.PENDING
    protocol.chain.set_balance(Account.from_key(SECRET).address, 10**18)
    assert main([*arguments, "--coin-price", "2000", "--min-profit", "0.1"]) == 0
    assert position.status is Status.OPEN
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == [*around("would send"), *around("sent", "mined")]
    assert [line["done"] for line in lines if line["event"] == "mined"] == [[position.address]]


def test_without_feeds_it_says_that_nothing_can_be_proven(
    protocol: LocalProtocol, record: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    content = json.loads(record.read_text())
    del content["markets"]["ETH"]["feeds"]
    record.write_text(json.dumps(content))
    protocol.market().open(1, 1_000, 500, sender=protocol.account("trader", tokens=1_000))
    protocol.set_price(2_000)
    assert main(["keeper", str(record), "--once", "--dry-run", "--state", str(tmp_path)]) == 0
    _, line, _ = map(json.loads, capsys.readouterr().out.splitlines())
    assert line["event"] == "not now" and "feeds" in line["why"]


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"--coin-price": None}, 2, "--coin-price is missing"),
        ({"--coin-price": "much"}, 2, "--coin-price must be a number"),
        ({"--daily-budget": "-1"}, 2, "--daily-budget must be a number"),
        ({"--replay": "7 6"}, 2, "the earlier one first"),
        ({"--market": "BTC"}, 2, "There is no market BTC"),
        ({"--rpc": "http://127.0.0.1:1"}, 1, "No node answers"),
        ({}, 2, "has nothing to pay gas with"),
    ],
)
def test_wrong_arguments(
    record: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, str | None], code: int, sentence: str
) -> None:
    options = {"--coin-price": "2000", "--once": ""} | changes
    words = [word for name, value in options.items() if value is not None for word in (name, *value.split())]
    told = refusal(capsys, record, *words)
    assert told[0] == code and sentence in told[1] and told[1].count("\n") == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is no deployment record"),
        ("{}", "names no markets"),
        ('{"chain_id": 1, "markets": {"ETH": {}}}', "record.json is of chain 1, and the node of chain 31337"),
        ('{"markets": {"ETH": {"market": "0x00"}}}', "lack its oracle"),
    ],
)
def test_wrong_files(record: Path, capsys: pytest.CaptureFixture[str], content: str, sentence: str) -> None:
    record.write_text(content)
    told = refusal(capsys, record, "--coin-price", 1)
    assert told[0] == 2 and sentence in told[1] and told[1].count("\n") == 1


def test_a_command_line_loads_nothing_that_signs() -> None:
    heavy = ("eth_account", "web3", "bulkhead.keeper.runner")
    code = f"import sys, bulkhead.cli; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_of_several_markets_one_is_named(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads(record.read_text())
    content["markets"]["BTC"] = content["markets"]["ETH"]
    record.write_text(json.dumps(content))
    assert refusal(capsys, record, "--dry-run") == (
        2,
        "bulkhead: --market: There is more than one market: name one of ETH, BTC.\n",
    )


def test_nothing_stands_at_the_market_s_address(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads(record.read_text())
    content["markets"]["ETH"]["market"] = "0x" + "99" * 20
    record.write_text(json.dumps(content))
    code, told = refusal(capsys, record, "--coin-price", 1)
    assert code == 1 and "there is no such contract" in told


def test_a_market_of_other_parts_is_refused(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads(record.read_text())
    config = content["markets"]["ETH"]["config"]
    config["marginModel"] = config["instrument"]
    record.write_text(json.dumps(content))
    code, told = refusal(capsys, record, "--dry-run")
    assert code == 1 and "is no FixedMargin" in told


def test_nobody_can_sign(record: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET[:-2])
    assert "holds no private key" in refusal(capsys, record, "--coin-price", 1)[1]
    monkeypatch.delenv(KEY)
    assert "nobody can sign" in refusal(capsys, record, "--coin-price", 1)[1]
    monkeypatch.delenv(RPC)
    assert "no node" in refusal(capsys, record, "--coin-price", 1)[1]
    assert "cannot be read" in refusal(capsys, record.parent / "nothing.json", "--coin-price", 1)[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--place", "4/3"], "--place must be as 2/3"),
        (["--place", "0/3"], "--place must be as 2/3"),
        (["--place", "second"], "--place must be as 2/3"),
        (["--bundles"], "name it with --private URL"),
        (["--upkeep-budget", "-1"], "--upkeep-budget must be a number"),
        (["--cool-down", "day"], "--cool-down must be a number"),
        (["--fleet", "0x" + "44" * 20, "0x44"], "--fleet takes addresses"),
    ],
)
def test_options_that_do_not_fit(
    record: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    code, told = refusal(capsys, record, "--dry-run", *arguments)
    assert code == 2 and sentence in told and told.count("\n") == 1


def test_who_is_of_the_fleet_and_how_long_a_loss_cools_down(record: Path, tmp_path: Path) -> None:
    others = ["0x" + digit * 40 for digit in "67"]
    words = ["keeper", str(record), "--coin-price", "1", "--dry-run", "--cool-down", "0.5", "--fleet", *others]
    options = parser().parse_args([*words, "--state", str(tmp_path)])
    keeper = keeper_of(options)
    assert keeper.settings.fleet == set(others) and keeper.settings.cool_down == 1_800
    keeper.close()


def test_workers_of_a_bot_are_one_fleet(record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, other = [SECRET, "0x" + "55" * 32], "0x" + "66" * 20
    options = f"{record} --coin-price 1 --dry-run --state {tmp_path} --fleet {other}"
    monkeypatch.setenv(silverback_bot.OPTIONS, options)
    monkeypatch.setenv(silverback_bot.KEYS, ",".join(keys))
    worker = silverback_bot.Worker(None, "")
    assert worker.tick() == 0
    assert worker._keeper is not None
    assert worker._keeper.settings.fleet == {other, *(Account.from_key(key).address for key in keys)}
    worker.close()


def test_several_nodes_keys_and_keepers(
    protocol: LocalProtocol,
    record: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first node is gone, the first key has no funds, and its keeper is one of two."""
    monkeypatch.setenv(RPC, f"http://127.0.0.1:1,{protocol.chain.url}")  # type: ignore[attr-defined]
    monkeypatch.setenv(KEY, f"{SECRET}, 0x{'55' * 32}")
    trader = protocol.account("trader", tokens=10_000)
    positions = [protocol.market().open(1, 1_000, 500, sender=trader) for _ in range(8)]
    protocol.set_price(2_000)
    protocol.chain.set_balance(Account.from_key("0x" + "55" * 32).address, 10**18)
    arguments = ["keeper", str(record), "--once", "--coin-price", "2000", "--state", str(tmp_path / "state")]
    open_ = []
    for place in ("1/2", "2/2"):
        assert main([*arguments, "--place", place]) == 0
        open_.append(sum(position.status is Status.OPEN for position in positions))
    assert 0 < open_[0] < open_[1] == 8
    assert capsys.readouterr().err == ""
