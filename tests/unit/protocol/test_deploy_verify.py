"""Verification of sources, against a small server that stands for the explorer."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bulkhead.build import SOLC, artifacts
from bulkhead.chain import AnvilChain
from bulkhead.cli import main
from bulkhead.protocol.networks import SHIPPED, load
from bulkhead.protocol.plan import carry_out
from bulkhead.protocol.record import Record
from bulkhead.protocol.verify import Published, VerificationError, compiler_version, published, verify

POOL = Published("PositionVault", "0x000000000000000000000000000000000000bEEF", bytes(96))


class Explorer(ThreadingHTTPServer):
    """Keeps what it is sent; gives its verdicts one by one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.api = f"http://127.0.0.1:{self.server_port}/v2/api?chainid=31337"
        self.posted: list[dict[str, str]] = []
        self.accepts = {"status": "1", "message": "OK", "result": "guid-7"}
        self.verdicts = ["Pending in queue", "Pass - Verified"]


class Answers(BaseHTTPRequestHandler):
    server: Explorer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {key: values[0] for key, values in parse_qs(body, keep_blank_values=True).items()}
        self.server.posted.append({**form, "query": urlsplit(self.path).query})
        self._answer(self.server.accepts)

    def do_GET(self) -> None:
        assert "guid=guid-7" in self.path and "apikey=secret" in self.path and "chainid=31337" in self.path
        self._answer({"status": "1", "message": "OK", "result": self.server.verdicts.pop(0)})

    def _answer(self, content: dict[str, str]) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def explorer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Explorer]:
    monkeypatch.setenv("ETHERSCAN_API_KEY", "secret")
    with Explorer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_source_is_handed_over_and_compiles_to_our_bytecode(explorer: Explorer) -> None:
    assert verify(explorer.api, POOL, pause=0.01) == "Pass - Verified"
    (form,) = explorer.posted
    assert form["query"] == "chainid=31337"
    assert form["contractaddress"] == POOL.address
    assert form["contractname"] == "contracts/PositionVault.sol:PositionVault"
    assert form["codeformat"] == "solidity-standard-json-input"
    assert form["compilerversion"] == f"v{compiler_version()}"
    assert form["constructorArguements"] == "00" * 96
    assert (form["apikey"], form["runs"], form["evmversion"], form["licenseType"]) == ("secret", "200", "prague", "3")
    compiled = subprocess.run(
        [str(SOLC), "--standard-json"], input=form["sourceCode"], capture_output=True, text=True, check=True
    )
    contract = json.loads(compiled.stdout)["contracts"]["contracts/PositionVault.sol"]["PositionVault"]
    assert contract["evm"]["bytecode"]["object"] == artifacts()["PositionVault"].bytecode.hex()


def test_verified_before_is_well(explorer: Explorer) -> None:
    explorer.verdicts = ["Already Verified"]
    assert verify(explorer.api, POOL, pause=0.01) == "Already Verified"
    explorer.accepts = {"status": "0", "message": "NOTOK", "result": "Contract source code already verified"}
    assert "already verified" in verify(explorer.api, POOL, pause=0.01)


def test_a_refusal_names_the_contract(explorer: Explorer) -> None:
    explorer.verdicts = ["Fail - Unable to verify"]
    with pytest.raises(VerificationError, match=f"refused PositionVault at {POOL.address}: Fail - Unable to verify"):
        verify(explorer.api, POOL, pause=0.01)
    explorer.accepts = {"status": "0", "message": "NOTOK", "result": "Invalid API Key"}
    with pytest.raises(VerificationError, match=r"refused PositionVault at .*: .*Invalid API Key"):
        verify(explorer.api, POOL, pause=0.01)


def test_an_explorer_that_never_decides_or_does_not_answer(explorer: Explorer) -> None:
    explorer.verdicts = ["Pending in queue"] * 9
    with pytest.raises(VerificationError, match="still waits for the explorer"):
        verify(explorer.api, POOL, pause=0.01, patience=0)
    with pytest.raises(VerificationError, match="could not be asked about PositionVault"):
        verify("http://127.0.0.1:9/api", POOL)


def test_the_command_hands_over_every_source(
    explorer: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = (SHIPPED / "local.toml").read_text()
    config = shipped.replace("chain_id = 31337", f'chain_id = 31337\nexplorer_api = "{explorer.api}"')
    (tmp_path / "mine.toml").write_text(config)
    explorer.verdicts = ["Pass - Verified"] * 30
    assert main(["deploy", "local", "--config", "mine.toml", "--verify"]) == 0
    steps = json.loads((tmp_path / "deployments" / "local.json").read_text())["steps"]
    wanted = {contract.address for contract in published(steps)}
    assert {form["contractaddress"] for form in explorer.posted} == wanted and len(wanted) == 28
    assert capsys.readouterr().out.count(": Pass - Verified") == 28
    assert main(["deploy", "local", "--verify"]) == 1
    assert "local has no explorer_api in its configuration" in capsys.readouterr().err


def test_no_key_no_verification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ETHERSCAN_API_KEY", raising=False)
    with pytest.raises(VerificationError, match=r"put yours into \$ETHERSCAN_API_KEY"):
        verify("http://127.0.0.1:9/api", POOL)


def test_arguments_of_every_contract_give_the_code_on_chain(tmp_path: Path) -> None:
    network, sources = load("local"), artifacts()
    with AnvilChain() as anvil:
        record = Record(tmp_path / "record.json", anvil, anvil.accounts[0], "local", network.digest, "0")
        carry_out(network, anvil, anvil.accounts[0], record)
        contracts = list(published(record.steps))
        made = [contract.contract for contract in contracts]
        assert [made.count(name) for name in ("Market", "Pool", "PositionVault", "Factory", "Oracle")] == [
            3,
            3,
            3,
            1,
            3,
        ]
        for contract in contracts:
            if contract.contract in ("Operators", "FeedProxyMock"):  # their code depends on where they are created
                continue
            creation = sources[contract.contract].bytecode + contract.encoded
            code = anvil.rpc("eth_call", {"data": "0x" + creation.hex(), "gas": hex(30_000_000)}, "latest")
            assert code == "0x" + anvil.code(contract.address).hex(), contract.contract
