"""README is true: its session runs, its gas is what was measured, its links and targets exist."""

import json
import re
import runpy
import time
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from bulkhead import Protocol
from bulkhead.chain import AnvilChain
from bulkhead.model.interfaces.market import ExitKind
from tests.unit.protocol.test_objects import addresses_of

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_session_runs_and_ends_in_a_liquidation() -> None:
    session, _ = BLOCKS
    scope: dict[str, Any] = {}
    exec(compile(session, "README.md", "exec"), scope)
    assert scope["exited"].kind is ExitKind.LIQUIDATION
    assert scope["position"].size == 10 - scope["exited"].size


def test_req49_the_keeper_earns_by_executing_and_liquidating(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user's script as it stands, on a node; while it sleeps the market moves."""
    _, script = BLOCKS
    assert len([line for line in script.splitlines() if line]) <= 15
    monkeypatch.chdir(tmp_path)
    with AnvilChain() as chain:
        local = Protocol.local(chain)
        keeper, trader = Account.from_key("0x" + "51" * 32), local.account("trader", tokens=1_000)
        chain.set_balance(keeper.address, 10**18)
        (tmp_path / "deployments").mkdir()
        (tmp_path / "deployments" / "sepolia.json").write_text(json.dumps(addresses_of(local.market())))
        monkeypatch.setenv("RPC_URL", chain.url)
        monkeypatch.setenv("KEEPER_KEY", keeper.key.hex())
        position = local.market().open(size=10, margin=1_000, sender=trader)
        prices = iter((2_000, 1_930, None))

        def sleep(seconds: float, *, really: Any = time.sleep) -> None:
            if seconds < 12:  # the chain's own, between two looks for a receipt
                really(seconds)
            elif (price := next(prices)) is None:
                raise KeyboardInterrupt
            else:
                local.set_price(price)

        monkeypatch.setattr(time, "sleep", sleep)
        with pytest.raises(KeyboardInterrupt):
            exec(compile(script, "README.md", "exec"), {})
        earned, left = local.market().token.balance(keeper.address), position.size
    waits, opened, liquidated = capsys.readouterr().out.splitlines()
    assert "The feed has no price after" in waits and opened.startswith("Opened at 2,001 ")
    assert liquidated.startswith("[<Exited: Liquidated: ") and 0 < left < 10 and earned > 5


def test_gas_is_what_was_measured() -> None:
    """Every row has its figures and targets; what is above its target is in bold, and counted."""
    measured = json.loads((ROOT / "benchmarks" / "gas.json").read_text())
    table = []
    for title, path, targets, _ in runpy.run_path(str(ROOT / "benchmarks" / "gas.py"))["ROWS"]:
        if targets is None:
            continue
        cells = [title.strip()]
        for oracle, target in zip(("one", "three"), targets, strict=True):
            gas = measured[oracle]
            for key in path.split("."):
                gas = gas[key]
            cells += [f"**{gas:,}**" if gas > target else f"{gas:,}", f"{target:,}"]
        table.append(f"| {' | '.join(cells)} |")
    assert re.findall(r"^\| .*\d,\d{3}.*\|$", README, flags=re.MULTILINE) == table, "\n" + "\n".join(table)
    assert f"{sum(row.count('**') // 2 for row in table)} of {2 * len(table)} figures" in README


def test_gas_of_options_is_what_was_measured() -> None:
    """Of both benchmarks: the limit of a leg is 1.1 times a perpetual's."""
    benchmarks = ROOT / "benchmarks"
    gas = json.loads((benchmarks / "option_gas.json").read_text())
    limit = json.loads((benchmarks / "gas.json").read_text())["one"]["open"]["total"] * 11 // 10
    assert f"costs {gas['open']:,} to open (limit {limit:,}" in README
    assert f"executed together, {gas['open_two_legs']:,}" in README.replace("\n", " ")
    assert f"settled {gas['settle_each']:,} (limit" in README
    page = (ROOT / "docs" / "options.md").read_text()
    assert [name for name, figure in {**gas, "limit": limit}.items() if f"{figure:,}" not in page] == []


def test_targets_of_make_exist() -> None:
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", README)) <= there


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))])
def test_links_lead_somewhere(page: str) -> None:
    file = ROOT / page
    for link in re.findall(r"\]\(([^)#]+)", file.read_text()):
        assert link.startswith("https://") or (file.parent / link).exists(), link
