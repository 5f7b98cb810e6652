"""The ape door: `ape compile`, `ape test` and `ape run`, as a user types them, without the internet."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APE = str(Path(sys.executable).with_name("ape"))
HOURS = [f"{1_700_000_000 + 3_600 * hour},200,201,190,195" for hour in range(3)]
PRICES = "\n".join(["unix,open,high,low,close", *HOURS])


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """A user whose home folder is empty, whose PATH has no anvil and no solc, and whose every download fails."""
    path = [str(Path(program).parent) for name in ("node", "sh") if (program := shutil.which(name))]
    dead = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    near = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    home = tmp_path / "home"
    home.mkdir()
    # A port of its own, so that runs side by side do not meet on ape's usual one.
    return {"HOME": str(home), "PATH": os.pathsep.join(path), "APE_FOUNDRY_HOST": "auto", **dead, **near}


def run(*command: str, env: dict[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=300)


def test_ape_compile(tmp_path: Path, surroundings: dict[str, str]) -> None:
    project = tmp_path / "project"  # the same configuration, one contract with a dependency: the market takes a minute
    (project / "contracts").mkdir(parents=True)
    (project / "node_modules").symlink_to(ROOT / "node_modules")
    shutil.copy(ROOT / "ape-config.yaml", project)
    shutil.copy(ROOT / "contracts" / "mocks" / "TokenMock.sol", project / "contracts")
    done = run(APE, "compile", env=surroundings, cwd=project)
    assert done.returncode == 0, done.stderr
    assert '"TokenMock"' in (project / ".build" / "__local__.json").read_text()


def test_ape_test(surroundings: dict[str, str]) -> None:
    done = run(APE, "test", "tests/ape", "-q", env=surroundings)
    assert done.returncode == 0, done.stdout + done.stderr
    written = sum(file.read_text().count("\ndef test_") for file in (ROOT / "tests" / "ape").glob("test_*.py"))
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) >= written > 0


def test_ape_run_drive(tmp_path: Path, surroundings: dict[str, str]) -> None:
    prices, out = tmp_path / "eth.csv", tmp_path / "out"
    prices.write_text(PRICES)
    options = ("--engine", "revm", "--prices", str(prices), "--out", str(out))
    done = run(APE, "run", "drive", *options, env=surroundings)
    assert done.returncode == 0, done.stderr
    assert "conserved" in done.stdout
    assert (out / "equity.png").exists()


def test_ape_lists_the_scripts(surroundings: dict[str, str]) -> None:
    listed = run(APE, "run", "--help", env=surroundings).stdout
    scripts = [script.stem for script in (ROOT / "scripts").glob("*.py")]
    assert scripts and all(re.search(rf"^  {name} +\w", listed, re.MULTILINE) for name in scripts), listed


@pytest.mark.parametrize("door", [(APE, "run", "drive"), (sys.executable, "scripts/drive.py")], ids=["ape", "python"])
def test_options_are_those_of_the_command(door: tuple[str, ...], surroundings: dict[str, str]) -> None:
    asked = run(*door, "--help", env=surroundings)
    assert asked.returncode == 0 and asked.stdout.startswith("usage: bulkhead drive")
    refused = run(*door, "--", "--event", "never", env=surroundings)
    assert refused.returncode == 2 and "invalid choice: 'never'" in refused.stderr
