"""Nodes: signing locally, one block for many, and plain sentences when something is missing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from bulkhead.chain import (
    AnvilChain,
    ChainError,
    NodeUnreachable,
    PortInUse,
    ProgramMissing,
    Revert,
    Web3Chain,
)

from .conftest import probe_on

KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # anvil's published first test key
OTHER = "0x00000000000000000000000000000000DeaDBeef"


def test_signed_transactions_reach_a_plain_node(anvil: AnvilChain, artifact: Any) -> None:
    with anvil.isolated():
        chain = Web3Chain(anvil.url, keys=[KEY])
        probe = probe_on(chain, artifact)
        assert chain.accounts[0] == anvil.accounts[0] and len(chain.accounts) == len(anvil.accounts)
        receipt = probe.send.transfer(OTHER, 5)
        assert receipt.event("Transfer").args.amount == 5
        assert receipt.tx_hash is not None and receipt.tx_hash.startswith("0x")
        guest = chain.new_account("guest")
        chain.send(guest, value=10**18)
        with pytest.raises(Revert, match="TooMuch"):
            probe.send.transfer(OTHER, 5, sender=guest)
        chain.send(OTHER, value=5, sender=guest)
        assert chain.balance(OTHER) == 5
        anvil.mine()
        assert probe.call.balanceOf(OTHER, block=receipt.block_number - 1) == 0


def test_a_transaction_that_fails_only_when_mined_says_why(anvil: AnvilChain, artifact: Any) -> None:
    with anvil.isolated():
        probe = probe_on(anvil, artifact)
        anvil.automine(False)
        try:
            anvil.queue(probe, probe.encode.transfer(OTHER, 10**24))  # takes everything before the next one runs
            with pytest.raises(Revert, match="failed when mined"):
                probe.send.transfer(OTHER, 1)
        finally:
            anvil.automine(True)


def test_a_contract_can_be_the_sender(anvil: AnvilChain, artifact: Any) -> None:
    with anvil.isolated():
        probe = probe_on(anvil, artifact)
        probe.send.transfer(probe, 1)
        probe.send.transfer(OTHER, 1, sender=probe)
        assert probe.call.balanceOf(OTHER) == 1


def test_many_transactions_share_a_block(anvil: AnvilChain, artifact: Any) -> None:
    with anvil.isolated():
        probe = probe_on(anvil, artifact)
        anvil.automine(False)
        try:
            for _ in range(20):
                anvil.queue(probe, probe.encode["bump()"]())
            assert probe.call.counter() == 0
            number = anvil.block_number
            anvil.mine()
        finally:
            anvil.automine(True)
        assert (probe.call.counter(), anvil.block_number) == (20, number + 1)


def test_attaching_leaves_the_node_running(anvil: AnvilChain) -> None:
    with AnvilChain(anvil.url) as second:
        assert second.chain_id == 31337
    assert anvil.chain_id == 31337
    assert anvil.block_number >= 0


def test_missing_things_are_said_plainly(monkeypatch: pytest.MonkeyPatch, anvil: AnvilChain) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(NodeUnreachable, match=f"No node answers at http://127.0.0.1:{port} .*: start one there"):
        _ = Web3Chain(f"http://127.0.0.1:{port}").block_number
    with pytest.raises(NodeUnreachable, match=r"at localhost:1 \(it begins with neither http:// nor https://\)"):
        _ = Web3Chain("localhost:1").block_number
    with pytest.raises(NodeUnreachable):
        AnvilChain(f"http://127.0.0.1:{port}")
    with pytest.raises(PortInUse, match="is in use"):
        AnvilChain(port=int(anvil.url.rsplit(":", 1)[1]))
    monkeypatch.setenv("ANVIL", "/nowhere/anvil")
    with pytest.raises(ProgramMissing, match="run `make setup`"):
        AnvilChain()
    monkeypatch.setenv("ANVIL", "/bin/false")
    with pytest.raises(ChainError, match="anvil ended at once with exit code"):
        AnvilChain()


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/status") as status:
            return "zombie" not in status.read()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    "end", ["raise SystemExit(3)", "1 / 0", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
)
def test_anvil_ends_with_its_python(end: str) -> None:
    code = f"from bulkhead.chain import AnvilChain\nc = AnvilChain()\nprint(c._process.pid, flush=True)\n{end}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    pid = int(run.stdout)

    deadline = time.monotonic() + 10
    while (alive := _runs(pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    if alive:
        os.kill(pid, signal.SIGKILL)
    assert not alive


def test_an_interrupted_block_is_undone_on_a_node_that_lives() -> None:
    """Ctrl-C reaches every process of the terminal: the answer must be the interruption, not a node that is gone."""
    code = (
        "import time\nfrom bulkhead.chain import AnvilChain\n"
        "with AnvilChain() as chain, chain.isolated():\n    print(flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "\n"
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert told.endswith("KeyboardInterrupt\n") and "NodeUnreachable" not in told


def test_importing_loads_no_engine_and_asks_nobody() -> None:
    code = (
        "import sys, bulkhead.chain; print([m for m in ('ape', 'web3', 'pyrevm', 'eth_account') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
