"""An installed package stands alone: no sources, no compiler, no checkout above it."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from bulkhead import Protocol
from bulkhead.build import ROOT, compiler_version
from bulkhead.chain import AnvilChain
from bulkhead.protocol.local import LocalProtocol
from bulkhead.protocol.networks import load, shipped
from bulkhead.protocol.plan import rehearse
from bulkhead.protocol.record import Record
from tests.public_network import public
from tests.unit.protocol.test_objects import addresses_of

#: What a stranger types: reads the record, quotes, trades with a key of its own, meets a refusal.
SCRIPT = """
import sys
from bulkhead import Protocol, build
from bulkhead.protocol.errors import MarginTooSmall

assert not build.is_checkout() and "site-packages" in build.__file__, build.__file__
protocol = Protocol.connect(sys.argv[1], sys.argv[2], accounts=[sys.argv[3]])
market = protocol.market("ETH")
market.token.approve(market, 1_000)
quote = market.quote(10, 1_000)
try:
    market.open(10, quote.smallest_margin / 2)
except MarginTooSmall as refused:
    print(refused.required > 0)
print(quote.refusal, market.open(10, 1_000))

local = Protocol.local()  # the same, deployed anew in that process
print(local.market().quote(10).smallest_margin == quote.smallest_margin)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what git would hand out of the tree: the package and its project file."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "bulkhead", tree / "bulkhead", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    shutil.copy(ROOT / "README.md", tree)
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "-q", "-w"]
    surroundings = {**os.environ, "PATH": "/nowhere"}  # without node
    made = subprocess.run([*command, "dist"], cwd=tree, env=surroundings, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    (file,) = (tree / "dist").glob("bulkhead-*.whl")
    return file


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment outside the tree with the wheel, and what it depends on from ours."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "-q"]
    subprocess.run([*install, "--ignore-installed", str(wheel)], check=True, capture_output=True)
    return python


def test_req49_a_wheel_holds_the_manifest_and_no_sources(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    manifest = {Path(name).stem for name in names if name.startswith("bulkhead/manifest/")}
    assert manifest == {file.stem for file in (ROOT / "bulkhead" / "manifest").glob("*")} > {"Market", "compiler"}
    assert not [name for name in names if name.endswith(".sol")]
    assert wheel.stat().st_size < 1_000_000


def test_req49_a_script_of_a_stranger_runs(python: Path, protocol: LocalProtocol, tmp_path: Path) -> None:
    record, key = tmp_path / "deployment.json", "0x" + "41" * 32
    record.write_text(json.dumps(addresses_of(protocol.market())))
    chain = protocol.chain
    assert isinstance(chain, AnvilChain)
    account = chain.add_account(key)
    chain.set_balance(account, 10**18)
    protocol.fund(account, 1_000)
    surroundings = {"PATH": "/nowhere", "HOME": str(tmp_path)}
    done = subprocess.run(
        [python, "-c", SCRIPT, chain.url, record, key], cwd=tmp_path, env=surroundings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    refused, opened, same = done.stdout.splitlines()
    assert (refused, same) == ("True", "True")
    assert opened.startswith("None <Position 0x") and ": pending, long 10, margin 1,000, reserve " in opened


def bulkhead(python: Path, folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The installed command, with neither node nor anvil."""
    return subprocess.run(
        [python, "-m", "bulkhead.cli", *arguments],
        cwd=folder,
        env={"PATH": "/nowhere", "HOME": str(folder), **more},
        capture_output=True,
        text=True,
    )


def test_req49_an_installed_package_deploys_what_ships_with_it(python: Path, wheel: Path, tmp_path: Path) -> None:
    """By name, through somebody else's node; the checkout finds the very deployment that it would have made."""
    names = zipfile.ZipFile(wheel).namelist()
    shipped_ = {Path(name).stem for name in names if name.startswith("bulkhead/networks/")}
    assert shipped_ == set(shipped()) >= {"local", "sepolia"}
    key = "0x" + "41" * 32
    with public(load("sepolia")) as chain:
        account = chain.add_account(key)
        chain.set_balance(account, 10**18)
        surroundings = {"SEPOLIA_RPC_URL": chain.url, "BULKHEAD_DEPLOYER_KEY": key}
        done = bulkhead(python, tmp_path, "deploy", "sepolia", "--yes", **surroundings)
        assert done.returncode == 0, done.stderr
        assert "15 transactions sent, 0 found done. Record: deployments/sepolia.json" in done.stdout
        file = tmp_path / "deployments" / "sepolia.json"
        record = json.loads(file.read_text())
        assert record["compiler"]["version"] == compiler_version()
        network = load("sepolia")
        here = Record(file, chain, account, "sepolia", network.digest, compiler_version())
        assert all(planned.there for planned in rehearse(network, chain.chain_id, account, 15, here))
        assert Protocol.connect(chain, record).market("BTC").oracle.latest().price == 60_000


def test_req49_what_an_installed_package_cannot_do_is_one_sentence(python: Path, tmp_path: Path) -> None:
    for arguments, code, sentence in (
        ("local --verify", 2, "--verify takes a checkout of the project: an installed package has no sources"),
        ("local", 1, "anvil was not found"),
        ("nowhere", 2, "no network 'nowhere' is shipped; choose arbitrum-sepolia, base-sepolia, local, sepolia"),
    ):
        done = bulkhead(python, tmp_path, "deploy", *arguments.split())
        assert (done.returncode, done.stdout) == (code, "") and sentence in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1
