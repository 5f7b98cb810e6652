"""What cannot work ends with one sentence and an exit code that is not zero, and sends nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account

from bulkhead import deploy
from bulkhead.chain import AnvilChain
from bulkhead.cli import main
from bulkhead.keeper.command import KEY, RPC
from bulkhead.protocol.local import LocalProtocol
from tests.unit.protocol.test_objects import addresses_of

SECRET = "0x" + "61" * 32
POOR = Account.from_key(SECRET).address


@pytest.fixture(scope="module")
def here(deployed_protocol: LocalProtocol) -> LocalProtocol:
    chain = deployed_protocol.chain
    assert isinstance(chain, AnvilChain)
    chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))  # gas costs something, as elsewhere
    chain.mine()
    return deployed_protocol


@pytest.fixture
def node(here: LocalProtocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnvilChain]:
    """A node with a deployment, files of all kinds, and a key whose account has no coin; nothing may reach its pool."""
    chain = here.chain
    assert isinstance(chain, AnvilChain)
    good = {"chain_id": chain.chain_id, **addresses_of(here.market())}
    nowhere = json.loads(json.dumps(good))
    nowhere["markets"]["ETH"]["market"] = "0x" + "99" * 20
    contents = {
        "good": json.dumps(good),
        "elsewhere": json.dumps(good | {"chain_id": 10}),
        "nowhere": json.dumps(nowhere),
        "torn": json.dumps(good)[:-9],
        "list": "[1, 2]",
        "unfinished": json.dumps({"chain_id": chain.chain_id, "steps": {}}),
    }
    for name, text in contents.items():
        (tmp_path / f"{name}.json").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(RPC, chain.url)
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv(deploy.KEY, SECRET)
    before = chain.block_number
    yield chain
    assert chain.nonce(POOR, pending=True) == 0 and chain.block_number == before
    assert chain.rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    assert not (tmp_path / "deployments").exists()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("keeper good.json", "has nothing to pay gas with"),
        ("keeper elsewhere.json", "elsewhere.json is of chain 10, and the node of chain 31337"),
        ("keeper nowhere.json", "there is no such contract at 0x9999"),
        ("keeper torn.json", "torn.json is no deployment record"),
        ("keeper list.json", "list.json is no deployment record"),
        ("keeper unfinished.json", "names no markets: is the deployment complete?"),
        ("keeper missing.json", "missing.json cannot be read: No such file"),
        ("deploy local --rpc URL --yes", "check of deployer: holds "),
        ("deploy sepolia --rpc URL --yes", "is of chain 31,337, but sepolia's chain id is"),
        ("deploy local --rpc URL --yes --record torn.json", "torn.json is no deployment record: move it away"),
        ("deploy local --rpc URL --yes --record list.json", "list.json is no deployment record: move it away"),
        ("deploy local --rpc URL --yes --record unfinished.json", "is no deployment record of this version"),
        ("deploy local --rpc URL --yes --config missing.toml", "missing.toml cannot be read: No such file"),
    ],
)
def test_req49_bad_input(node: AnvilChain, capsys: pytest.CaptureFixture[str], command: str, sentence: str) -> None:
    more = ["--coin-price", "2000", "--once"] if command.startswith("keeper") else []
    code = main([*command.replace("URL", node.url).split(), *more])
    told = capsys.readouterr()
    assert code in (1, 2) and sentence in told.err and told.err.count("\n") == 1
    assert SECRET[2:] not in told.out + told.err


def test_req49_a_torn_ledger(here: LocalProtocol, node: AnvilChain, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is sent without knowing what was; the file stays for who wants to look at it."""
    with node.isolated():
        node.set_balance(POOR, 10**18)
        assert main(["keeper", "good.json", "--coin-price", "2000", "--once", "--state", "state"]) == 0
        (ledger,) = Path("state").glob("*.ledger")
        torn = ledger.read_bytes()[:-5_000]
        ledger.write_bytes(torn)
        capsys.readouterr()
        assert main(["keeper", "good.json", "--coin-price", "2000", "--once", "--state", "state"]) == 1
        told = capsys.readouterr()
        assert "is torn: move it away" in told.err and "what today has cost" in told.err and told.err.count("\n") == 1
        assert not told.out and ledger.read_bytes() == torn
        ledger.rename("away")
        assert main(["keeper", "good.json", "--coin-price", "2000", "--once", "--state", "state"]) == 0
