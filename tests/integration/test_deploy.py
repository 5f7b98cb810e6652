"""`bulkhead deploy` on real nodes: dry, in full, interrupted at every step, and wrong in every way a user can be."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from bulkhead import deploy
from bulkhead.build import ROOT
from bulkhead.chain import AnvilChain, Web3Chain, to_address
from bulkhead.cli import main
from bulkhead.protocol.networks import SHIPPED, Network, OptionsMarket, load
from bulkhead.protocol.plan import carry_out, rehearse
from bulkhead.protocol.record import Record, RecordError
from tests.public_network import public

KEY = "0x" + "12" * 32
DEPLOYER = Account.from_key(KEY).address
STEPS = 26
"""Transactions of the shipped local network."""


@pytest.fixture(scope="module")
def running() -> Iterator[AnvilChain]:
    with AnvilChain(timestamp=int(time.time())) as anvil:
        yield anvil


@pytest.fixture
def anvil(running: AnvilChain) -> Iterator[AnvilChain]:
    with running.isolated():
        yield running


@pytest.fixture(scope="module")
def one_market() -> Network:
    network = load("local")
    return replace(network, markets=network.markets[:1])


@pytest.fixture(scope="module")
def only_options() -> Network:
    network = load("local")
    return replace(network, markets=tuple(one for one in network.markets if isinstance(one, OptionsMarket)))


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("LOCAL_RPC_URL", "SEPOLIA_RPC_URL", deploy.KEY, deploy.PASSPHRASE, "ETHERSCAN_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def recorded(file: str = "deployments/local.json") -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(file).read_text())
    return content


# --- in full


def test_local_on_a_node_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "local"]) == 0
    shown = capsys.readouterr().out
    assert "Plan for local" in shown and "Checked on chain" in shown
    assert "BTC: the index is the price of BTC in USD" in shown
    assert f"{STEPS} transactions sent, 0 found done. Record: deployments/local.json" in shown
    record = recorded()
    assert record["chain_id"] == 31337 and record["compiler"]["version"].startswith("0.8.")
    assert set(record["markets"]) == {"ETH", "BTC", "ETH options"}
    for entry in record["steps"].values():
        assert entry["status"] == "done" and entry["tx"] and entry["block"] and entry["data_hash"]
    assert main(["deploy", "local"]) == 0  # the record of a local node that is gone is no obstacle


def test_a_public_network_with_a_key(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    network = load("sepolia")
    with public(network) as anvil:
        anvil.set_balance(DEPLOYER, 10**18)
        monkeypatch.setenv("SEPOLIA_RPC_URL", anvil.url)

        assert main(["deploy", "sepolia", "--dry-run"]) == 0
        assert "deployer not named" in capsys.readouterr().out
        assert main(["deploy", "sepolia", "--yes"]) == 1
        assert "nobody can sign: put a private key into $BULKHEAD_DEPLOYER_KEY" in capsys.readouterr().err

        monkeypatch.setenv(deploy.KEY, KEY)
        before = anvil.block_number
        assert main(["deploy", "sepolia", "--dry-run"]) == 0
        assert "Dry run: 15 transactions would be sent; none was." in capsys.readouterr().out
        assert (anvil.block_number, anvil.nonce(DEPLOYER)) == (before, 0)
        assert not Path("deployments").exists()

        monkeypatch.setattr("sys.stdin", io.StringIO())
        assert main(["deploy", "sepolia"]) == 1
        assert "nobody is there to agree: say --yes" in capsys.readouterr().err
        assert anvil.nonce(DEPLOYER) == 0

        assert main(["deploy", "sepolia", "--yes"]) == 0
        record = recorded("deployments/sepolia.json")
        assert record["deployer"] == DEPLOYER and anvil.nonce(DEPLOYER) == 15
        eth = record["markets"]["ETH"]
        assert eth["token"] == network.token.address
        assert record["steps"]["ETH oracle"]["arguments"][0]["primary"]["at"] == network.markets[0].feed.address
        assert "https://sepolia.etherscan.io/address/0x" in capsys.readouterr().out

        assert main(["deploy", "sepolia", "--yes", "--verify"]) == 1
        shown = capsys.readouterr()
        assert "0 transactions sent, 15 found done." in shown.out
        assert "put yours into $ETHERSCAN_API_KEY" in shown.err
        assert anvil.nonce(DEPLOYER) == 15

        anvil.mine(1, 4_000)
        assert main(["deploy", "sepolia", "--dry-run"]) == 1
        failure = capsys.readouterr().err
        assert failure.startswith("FAILED: check of ETH feed: its price is not older than 3,900 s? The answer is ")
        assert "(and 1 more)" in failure and failure.count("\n") == 1


def test_a_key_file(anvil: AnvilChain, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("key.json").write_text(json.dumps(Account.encrypt(KEY, "open sesame", iterations=2)))
    monkeypatch.setenv(deploy.PASSPHRASE, "wrong")
    arguments = ["deploy", "local", "--rpc", anvil.url, "--keyfile", "key.json", "--yes"]
    assert main(arguments) == 2
    assert "key.json is no key file, or the passphrase is wrong" in capsys.readouterr().err
    monkeypatch.setenv(deploy.PASSPHRASE, "open sesame")
    anvil.set_balance(DEPLOYER, 10**18)
    assert main(arguments) == 0
    assert recorded()["deployer"] == DEPLOYER and anvil.nonce(DEPLOYER) == STEPS


def test_the_ape_door(tmp_path: Path) -> None:
    """ape's own node and test accounts; then an account of ape's, through a node of ours."""
    (tmp_path / ".ape" / "accounts").mkdir(parents=True)
    (tmp_path / ".ape" / "accounts" / "me.json").write_text(json.dumps(Account.encrypt(KEY, "sesame", iterations=2)))
    env = {**os.environ, "HOME": str(tmp_path), "APE_FOUNDRY_HOST": "auto", "APE_ACCOUNTS_me_PASSPHRASE": "sesame"}
    ape = [str(Path(sys.executable).with_name("ape")), "run", "deploy", "--yes", "--record", str(tmp_path / "a.json")]

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*ape, *options], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)

    own = run("--network", "ethereum:local:foundry")
    assert own.returncode == 0 and f"{STEPS} transactions sent" in own.stdout, own.stderr
    (tmp_path / "a.json").unlink()
    with public(load("sepolia")) as anvil:
        anvil.set_balance(DEPLOYER, 10**18)
        ours = run("sepolia", "--rpc", anvil.url, "--account", "me")
        assert ours.returncode == 0 and anvil.nonce(DEPLOYER) == 15, ours.stderr
        nobody = run("sepolia", "--rpc", anvil.url, "--account", "nobody")
        assert nobody.returncode == 2 and "ape has no account 'nobody'" in nobody.stderr


# --- interrupted


class Dying(Web3Chain):
    """Dies at the sending of one transaction: just before it, or after it was mined and before anybody was told."""

    def __init__(self, url: str, at: int, after: bool) -> None:
        super().__init__(url)
        self.left, self.after = at, after

    def _submit(self, request: dict[str, Any], sender: Any) -> dict[str, Any]:
        self.left -= request["from"] == self.accounts[0]  # the mock feed speaks from another account
        if self.left < 0 and not self.after:
            raise KeyboardInterrupt
        mined = super()._submit(request, sender)
        if self.left < 0:
            raise KeyboardInterrupt
        return mined


def carried_out(chain: Web3Chain, network: Network, file: Path) -> dict[str, str]:
    """One run of the command's own steps; gives the address of each step."""
    record = Record(file, chain, chain.accounts[0], network.name, network.digest, "0")
    rehearse(network, chain.chain_id, record.sender, chain.nonce(chain.accounts[0]), record)
    carry_out(network, chain, record.sender, record)
    return {label: entry["address"] for label, entry in record.steps.items()}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(13))
def test_an_interrupted_deployment_goes_on(
    step: int, after: bool, anvil: AnvilChain, one_market: Network, tmp_path: Path
) -> None:
    plan = rehearse(one_market, anvil.chain_id, anvil.accounts[0], 0, None)
    assert len(plan) == 13
    with pytest.raises(KeyboardInterrupt):
        carried_out(Dying(anvil.url, step, after), one_market, tmp_path / "record.json")
    assert anvil.nonce(anvil.accounts[0]) == step + after
    done = carried_out(Web3Chain(anvil.url), one_market, tmp_path / "record.json")
    assert done == {planned.step.label: planned.address for planned in plan}
    assert anvil.nonce(anvil.accounts[0]) == 13
    assert all(anvil.code(address) for address in done.values())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(9, 16))
def test_an_interrupted_deployment_of_options_goes_on_an_hour_later(
    step: int, after: bool, anvil: AnvilChain, only_options: Network, tmp_path: Path
) -> None:
    """From the mock feed on: what is before it is the same. Its price is too old by then."""
    plan = rehearse(only_options, anvil.chain_id, anvil.accounts[0], 0, None)
    assert len(plan) == 16 and plan[9].step.label == "ETH options feed"
    with pytest.raises(KeyboardInterrupt):
        carried_out(Dying(anvil.url, step, after), only_options, tmp_path / "record.json")
    anvil.mine(1, 3_600)
    done = carried_out(Web3Chain(anvil.url), only_options, tmp_path / "record.json")
    assert done == {planned.step.label: planned.address for planned in plan}
    assert anvil.nonce(anvil.accounts[0]) == 16


def test_killed_and_started_again(anvil: AnvilChain) -> None:
    """The whole program, killed three times."""
    command = [sys.executable, "-m", "bulkhead.cli", "deploy", "local", "--rpc", anvil.url, "--yes"]
    file = Path("deployments/local.json")
    for steps in (2, 7, 12):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while process.poll() is None and (not file.exists() or len(recorded()["steps"]) < steps):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert anvil.nonce(anvil.accounts[0]) == STEPS
    places = [entry["address"] for entry in recorded()["steps"].values()]
    assert len(set(places)) == STEPS and all(anvil.code(place) for place in places)


def test_a_transaction_that_fails_is_sent_again(anvil: AnvilChain, one_market: Network, tmp_path: Path) -> None:
    """It used up its nonce, so what follows moves on by one."""
    with pytest.raises(KeyboardInterrupt):
        carried_out(Dying(anvil.url, 6, after=False), one_market, tmp_path / "record.json")
    anvil.send(anvil.accounts[1])
    assert anvil.nonce(anvil.accounts[0]) == 7
    done = carried_out(Web3Chain(anvil.url), one_market, tmp_path / "record.json")
    assert anvil.nonce(anvil.accounts[0]) == 14 and len(done) == 13


def test_a_market_that_somebody_else_has_created(anvil: AnvilChain, one_market: Network, tmp_path: Path) -> None:
    """Anybody may, at our factory too: it is the same market."""
    with pytest.raises(KeyboardInterrupt):
        carried_out(Dying(anvil.url, 12, after=False), one_market, tmp_path / "record.json")
    (planned,) = [p for p in rehearse(one_market, 31337, anvil.accounts[0], 0, None) if p.step.contract == "Market"]
    content = json.loads((tmp_path / "record.json").read_text())
    del content["steps"]["ETH market"]
    (tmp_path / "record.json").write_text(json.dumps(content))
    anvil.send(content["steps"]["Factory"]["address"], planned.step.data, sender=anvil.accounts[5])
    for _ in range(2):
        done = carried_out(Web3Chain(anvil.url), one_market, tmp_path / "record.json")
        assert done["ETH market"] == planned.address and anvil.nonce(anvil.accounts[0]) == 12


# --- records that do not fit


@pytest.fixture
def half_done(anvil: AnvilChain, one_market: Network, tmp_path: Path) -> Path:
    file = tmp_path / "record.json"
    with pytest.raises(KeyboardInterrupt):
        carried_out(Dying(anvil.url, 6, after=True), one_market, file)
    return file


def test_another_configuration(half_done: Path, anvil: AnvilChain) -> None:
    with pytest.raises(RecordError, match="was made with a different configuration: use that one again"):
        carried_out(anvil, load("local"), half_done)


def test_other_bytecode(half_done: Path, anvil: AnvilChain, one_market: Network) -> None:
    content = json.loads(half_done.read_text())
    content["steps"]["Operators"]["data_hash"] = "0x" + "00" * 32
    half_done.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=r"was made with other bytecode \(Operators differs\)"):
        carried_out(anvil, one_market, half_done)


def test_other_code_on_the_chain(half_done: Path, anvil: AnvilChain, one_market: Network) -> None:
    place = json.loads(half_done.read_text())["steps"]["Factory"]["address"]
    anvil.set_code(place, anvil.code(place)[:-1] + b"\x01")
    with pytest.raises(RecordError, match=f"The code at {place} is not our Factory"):
        carried_out(anvil, one_market, half_done)


def test_another_deployer(half_done: Path, anvil: AnvilChain, one_market: Network) -> None:
    with pytest.raises(RecordError, match=f"was begun by {anvil.accounts[0]}: go on with that account"):
        Record(half_done, anvil, anvil.accounts[1], "local", one_market.digest, "0")


def test_transactions_that_wait(half_done: Path, anvil: AnvilChain, one_market: Network) -> None:
    anvil.automine(False)
    try:
        anvil.queue(anvil.accounts[1])
        with pytest.raises(RecordError, match="wait to be mined: run this again when they have been"):
            carried_out(anvil, one_market, half_done)
    finally:
        anvil.mine()
        anvil.automine(True)


def test_another_chain_and_no_record_at_all(anvil: AnvilChain, tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    content = {"version": 1, "chain_id": 1, "genesis": "0x", "configuration": "", "deployer": None, "steps": {}}
    file.write_text(json.dumps(content))
    with pytest.raises(RecordError, match="is of another chain: move it away, or name another --record"):
        Record(file, anvil, None, "local", "", "0")
    for text in ("[]", "{", '{"version": 0}'):
        file.write_text(text)
        with pytest.raises(RecordError, match="is no deployment record"):
            Record(file, anvil, None, "local", "", "0")


# --- wrong arguments, dead nodes


WRONG = {
    "": "name a network: arbitrum-sepolia, base-sepolia, local, sepolia",
    "nowhere": "no network 'nowhere' is shipped",
    "sepolia": "no node for sepolia: put its URL into $SEPOLIA_RPC_URL, or give --rpc URL",
    "local --config absent.toml": "absent.toml cannot be read: No such file or directory",
    "local --port 0": "--port must be 1 to 65535, not 0",
    "sepolia --port 8545": "--port is for a local node that is started here: leave it out",
    "local --network ethereum:local --rpc http://127.0.0.1:1": "--network and --rpc both name a node: give one",
    "local --account me --keyfile key.json": "--account and --keyfile both name a deployer: give one",
    "local --network ethereum:local --keyfile key.json": "with --network ape signs",
    "local --account me": "on a local chain give --network ethereum:local:foundry with it",
    "sepolia --network base:sepolia:node": "which ape calls ethereum:sepolia",
    "--network base:mainnet:node": "no shipped network is 'base:mainnet:node' in ape",
    "local --rpc http://127.0.0.1:1 --keyfile absent.json": "absent.json cannot be read: No such file or directory",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_arguments_are_one_line_and_exit_code_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith("bulkhead: ") and WRONG[arguments] in error and error.count("\n") == 1


def test_a_key_that_is_none_is_not_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(deploy.KEY, "0xsecret")
    assert main(["deploy", "sepolia", "--rpc", "http://127.0.0.1:1"]) == 2
    error = capsys.readouterr().err
    assert f"${deploy.KEY} holds no private key" in error and "secret" not in error


def test_terms_that_the_factory_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    text = (SHIPPED / "local.toml").read_text()
    Path("mine.toml").write_text(text + "\n[terms]\ntime_to_live = 3000\n")
    assert main(["deploy", "local", "--config", "mine.toml"]) == 2
    error = capsys.readouterr().err
    assert error == "bulkhead: ETH market: The market's time_to_live must be at least 3613, not 3000.\n"


def test_a_dead_node_a_taken_port_and_another_chain(anvil: AnvilChain, capsys: pytest.CaptureFixture[str]) -> None:
    failures = {
        "local --rpc http://127.0.0.1:1": "No node answers at http://127.0.0.1:1",
        f"local --port {anvil.url.rsplit(':', 1)[1]}": "is in use: choose another",
        f"sepolia --rpc {anvil.url} --dry-run": "is of chain 31,337, but sepolia's chain id is 11,155,111",
    }
    for arguments, sentence in failures.items():
        assert main(["deploy", *arguments.split()]) == 1
        error = capsys.readouterr().err
        assert error.startswith("FAILED: ") and sentence in error and error.count("\n") == 1


def test_a_missing_program() -> None:
    command = [sys.executable, "-m", "bulkhead.cli", "deploy", "local"]
    for env, sentence in (
        ({"PATH": "/nowhere"}, "node is missing: install Node 20"),
        ({"PATH": os.environ["PATH"], "ANVIL": "/nowhere/anvil"}, "anvil was not found: run `make setup`"),
    ):
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and done.stderr.startswith("FAILED: ") and done.stderr.count("\n") == 1
        assert sentence in done.stderr


def test_a_node_that_stays_until_it_is_told_to_go(tmp_path: Path) -> None:
    with AnvilChain() as free:
        port = free.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "bulkhead.cli", "deploy", "local", "--port", port]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("The node stays up at" in line for line in process.stdout)
        chain = Web3Chain(f"http://127.0.0.1:{port}")
        assert chain.code(to_address(recorded()["markets"]["ETH"]["market"]))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
