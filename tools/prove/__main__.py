"""Proves the lemmas of proofs/ with halmos, a line for each; docs/proofs.md must list these and no others."""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ".build/proofs"  # as foundry.toml has it
DOCS = ROOT / "docs" / "proofs.md"
LOOPS = "130"  # rounds of a loop that are followed; a lemma that needs more fails
# Called for each path that may break a lemma; it limits itself.
SOLVER = f"{sys.executable} {Path(__file__).with_name('solver.py')}"
OUTCOMES = {"PASS": "passed", "FAIL": "failed", "TIMEOUT": "timed out", "ERROR": "failed"}
VALUE = re.compile(r"\s+p_\w+ = ")  # of a counterexample
CUT_SHORT = re.compile(r"WARNING\s+check_(\w+)\(")  # halmos has not followed every path
RESULT = re.compile(r"\[(PASS|FAIL|TIMEOUT|ERROR)\]\S* check_(\w+)\(.*time: ([\d.]+)s")


@dataclass(frozen=True)
class Lemma:
    """One function of a contract in proofs/: what its NatSpec says."""

    name: str
    contract: str
    sentence: str
    bounds: str

    def row(self) -> str:
        """As docs/proofs.md lists it."""
        return f"| `{self.name}` | {self.sentence} | {self.bounds} |"


def built_lemmas() -> list[Lemma]:
    """Every lemma of the last build, in the order of the sources."""
    lemmas = []
    for source in sorted((ROOT / "proofs").glob("*Proof.sol")):
        built = json.loads((ROOT / BUILD / source.name / f"{source.stem}.json").read_text())["metadata"]["output"]
        text = source.read_text()
        found = []
        for signature, notes in built["userdoc"]["methods"].items():
            name = signature.partition("(")[0]
            if name.startswith("check_"):
                bounds = built["devdoc"]["methods"][signature]["custom:bounds"]
                found.append(Lemma(name.removeprefix("check_"), source.stem, notes["notice"], bounds))
        lemmas += sorted(found, key=lambda lemma: text.index(f"check_{lemma.name}("))
    return lemmas


def documentation_gaps(lemmas: list[Lemma]) -> list[str]:
    """Where docs/proofs.md and the sources differ, a sentence each."""
    text = DOCS.read_text()
    listed = set(re.findall(r"^\| `(\w+)` \|.*\|.*\|$", text, re.MULTILINE))
    rows = set(text.splitlines())
    gaps = [f"docs/proofs.md lists {name}, which no contract has" for name in listed - {lemma.name for lemma in lemmas}]
    gaps += [f"docs/proofs.md lacks this row: {lemma.row()}" for lemma in lemmas if lemma.row() not in rows]
    if f"{len(lemmas)} lemmas" not in text:
        gaps.append(f"docs/proofs.md does not say that there are {len(lemmas)} lemmas")
    return sorted(gaps)


def prove(names: list[str]) -> dict[str, str]:
    """Runs halmos, prints a line for each lemma as it comes, and answers with the outcome of each."""
    environment = os.environ | {"FOUNDRY_PROFILE": "proofs", "HOME": str(ROOT / ".build"), "NO_COLOR": "1"}
    environment["PATH"] = os.pathsep.join([str(ROOT / "tools"), str(Path(sys.executable).parent), environment["PATH"]])
    command = ["halmos", "--root", str(ROOT), "--forge-build-out", BUILD, "--no-status", "--loop", LOOPS]
    command += ["--solver-command", SOLVER, "--solver-threads", "1", "--solver-timeout-assertion", "0"]
    command += ["--match-test", f"^check_({'|'.join(names)})\\b" if names else "^check_"]
    outcomes = {}
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as halmos:
        assert halmos.stdout is not None
        for line in halmos.stdout:
            if found := RESULT.search(line):
                outcomes[found[2]] = OUTCOMES[found[1]]
                print(f"{OUTCOMES[found[1]]:9}  {found[2]}  {float(found[3]):.1f} s", flush=True)
            elif found := CUT_SHORT.search(line):
                outcomes[found[1]] = "failed"
                print(f"failed     {found[1]}: halmos did not follow every path", flush=True)
            elif "Counterexample" in line or VALUE.match(line):
                print(line.rstrip(), flush=True)
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.prove", description=__doc__)
    parser.add_argument("lemma", nargs="*", help="prove only these; without one, all")
    parser.add_argument("--table", action="store_true", help="print the rows of docs/proofs.md from the last build")
    arguments = parser.parse_args()
    if arguments.table:
        print("\n".join(lemma.row() for lemma in built_lemmas()))
        return 0

    began = time.monotonic()
    outcomes = prove(arguments.lemma)
    lemmas = [lemma.name for lemma in built_lemmas() if not arguments.lemma or lemma.name in arguments.lemma]
    unknown = sorted(set(arguments.lemma) - set(lemmas))
    missing = [f"{name} was not proven: halmos did not come to it" for name in lemmas if name not in outcomes]
    missing += [f"{name} is no lemma: the ids stand in docs/proofs.md" for name in unknown]
    gaps = missing if arguments.lemma else missing + documentation_gaps(built_lemmas())
    for gap in gaps:
        print(gap)
    passed = list(outcomes.values()).count("passed")
    print(f"{passed} of {len(lemmas)} lemmas passed in {time.monotonic() - began:.0f} s")
    return 0 if passed == len(lemmas) > 0 and not gaps else 1


if __name__ == "__main__":
    sys.exit(main())
