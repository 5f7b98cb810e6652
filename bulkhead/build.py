"""Compiles `contracts/` with `tools/solc` and hands out the result: `artifacts()["Market"].bytecode`.

A file is compiled from exactly its own import closure, so its bytecode is the same in a full and in an incremental
build, and the closure is what a block explorer wants for verification. Only files whose closure, settings or compiler
changed are compiled, spread over one node process per core. Everything lands in `.build/`:

    artifacts/NAME.json      one per contract
    index.json               source -> hash of its closure, and the contracts that came from it
    build-info/bulkhead.json the syntax trees of the whole project, in the form slither reads

Run as `python -m bulkhead.build`; standard library only.

An installed package has neither sources nor a compiler. It reads `bulkhead/manifest/NAME.json`, which `--manifest`
writes, with the compiler's version in `bulkhead/manifest/compiler`, and a test compares with the sources. The files are
committed, so that installing from a checkout or from git takes no Node; one a contract and as text, so that git keeps
only what changed, and that changes in two contracts do not meet.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: builds at the same time are then the caller's business
    fcntl = None  # type: ignore[assignment]

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
SOLC = ROOT / "tools" / "solc"
MANIFEST = Path(__file__).resolve().parent / "manifest"
#: The file in it that names the compiler.
COMPILER = "compiler"

# Test doubles of others that no file of ours has to inherit to be deployable in tests.
EXTRA_SOURCES = (
    "@chainlink/contracts/src/v0.8/shared/mocks/MockV3Aggregator.sol",
    "@pythnetwork/pyth-sdk-solidity/MockPyth.sol",
)

SETTINGS: dict[str, Any] = {
    "viaIR": True,  # without it the market's functions run out of stack
    "optimizer": {"enabled": True, "runs": 200},  # more runs save under 2,000 gas a call and cost 4.8 kB
    "evmVersion": "prague",
    "metadata": {"bytecodeHash": "none"},  # comments must not move an address that CREATE2 derives from the code
}
OUTPUTS = ["abi", "evm.bytecode.object", "evm.bytecode.linkReferences", "evm.deployedBytecode.object"]
OUTPUTS += ["evm.methodIdentifiers", "storageLayout"]

# Test doubles that ship: `Protocol.local` and `bulkhead drive` deploy them.
SHIPPED_MOCKS = ("TokenMock", "FeedProxyMock")

# Warnings that no change could silence: transient storage is what we mean.
MEANT = {"2394"}

CODE_LIMIT = 24_576  # EIP-170
INIT_CODE_LIMIT = 49_152  # EIP-3860
OWN_LIMITS = {"Market": 24_000}  # room for a fix after an audit

# Comments are matched first so that an import inside one is not taken for an import.
_IMPORT = re.compile(
    r"""//[^\n]*|/\*.*?\*/|^\s*import\b[^;"']*["']([^"']+)["'][^;]*;""",
    re.DOTALL | re.MULTILINE,
)


class BuildError(Exception):
    """The contracts cannot be built; the message says why, or what to do."""


@dataclass(frozen=True)
class Artifact:
    """One compiled contract. `bytecode` is creation code without constructor arguments."""

    name: str
    source: str
    abi: list[dict[str, Any]] = field(repr=False)
    bytecode: bytes = field(repr=False)
    deployed_size: int
    deployed: bytes = field(repr=False)  # immutables are zero in it
    methods: dict[str, str] = field(repr=False)  # "open(uint256)" -> selector as eight hex digits
    storage_layout: dict[str, Any] = field(repr=False)
    links: dict[str, list[int]]  # library -> offsets in `bytecode` where its address would go: no contract has any


@functools.cache
def artifacts() -> dict[str, Artifact]:
    """Every contract by name, once a process: of `contracts/`, compiled first if stale, or else of the manifest."""
    if not is_checkout():
        return read_manifest()
    build()
    return load()


def is_checkout() -> bool:
    """Are the sources here, or only what an installed package has of them?"""
    return (ROOT / "contracts" / "Market.sol").exists()


def read_manifest() -> dict[str, Artifact]:
    """What ships with the package: ABIs and creation code; no deployed code, no storage layout.

    Raises BuildError where there is none.
    """
    stored = [json.loads(file.read_text()) for file in sorted(MANIFEST.glob("*.json"))]
    if not stored:
        raise BuildError("no contracts/ and no bulkhead/manifest/ here: the package is not complete")
    return {
        entry["name"]: Artifact(
            **entry | {"bytecode": bytes.fromhex(entry["bytecode"])},
            deployed_size=0,
            deployed=b"",
            methods={},
            storage_layout={},
            links={},
        )
        for entry in stored
    }


@functools.cache
def compiler_version() -> str:
    """What made the bytecode, as explorers name it: 0.8.34+commit.80d5c536."""
    if not is_checkout():
        return (MANIFEST / COMPILER).read_text().strip()
    return _asked_version()


def _asked_version() -> str:
    output = subprocess.run([str(SOLC), "--version"], capture_output=True, text=True, check=True).stdout
    return output.rpartition("Version: ")[2].split()[0].split(".Emscripten")[0]


def manifest() -> dict[str, str]:
    """The manifest as it should be, of the last build: name -> the text of its file."""
    return {
        name: json.dumps(_shipped(artifact), separators=(",", ":")) + "\n"
        for name, artifact in load().items()
        if artifact.source.startswith("contracts/")
        and ("/mocks/" not in artifact.source or name in SHIPPED_MOCKS)
        and artifact.abi  # libraries without errors and events have nothing to tell
    }


def write_manifest() -> None:
    """Brings `bulkhead/manifest/` up to the last build."""
    MANIFEST.mkdir(exist_ok=True)
    texts = manifest()
    for file in MANIFEST.glob("*.json"):
        if file.stem not in texts:
            file.unlink()
    for name, text in texts.items():
        (MANIFEST / f"{name}.json").write_text(text)
    (MANIFEST / COMPILER).write_text(_asked_version() + "\n")


def _shipped(artifact: Artifact) -> dict[str, Any]:
    # An internal library's code is never deployed.
    code = b"" if "/libraries/" in artifact.source else artifact.bytecode
    return {"name": artifact.name, "source": artifact.source, "abi": artifact.abi, "bytecode": code.hex()}


def load() -> dict[str, Artifact]:
    """The contracts of the last build as they are, stale or not."""
    index = _read_index()
    found: dict[str, Artifact] = {}
    for entry in index.values():
        for name in entry["contracts"]:
            found[name] = Artifact(**_decoded(json.loads((BUILD / "artifacts" / f"{name}.json").read_text())))
    return dict(sorted(found.items()))


def ast() -> dict[str, Any]:
    """Source name -> the compiler's syntax tree (`nodeType: SourceUnit`), of the project and of all it imports."""
    output = _build_info()["output"]
    return {name: source["ast"] for name, source in output["sources"].items()}


def standard_json(source: str) -> dict[str, Any]:
    """The compiler's input for one file of ours, as block explorers ask for it."""
    return _input(_closure(source), {source: {"*": OUTPUTS}})


def build(force: bool = False) -> list[str]:
    """Compiles what is stale and returns the sources that were compiled. Safe for processes at the same time."""
    _check_tools()
    with _lock():
        sources = [*_own_sources(), *EXTRA_SOURCES]
        closures = {source: _closure(source) for source in sources}
        keys = {source: _key(closure) for source, closure in closures.items()}
        index = {} if force else _read_index()
        stale = [source for source in sources if index.get(source, {}).get("key") != keys[source]]
        gone = index.keys() - keys.keys()
        if not stale and not gone:
            return []

        if sys.stderr.isatty():  # it can take half a minute, and says nothing else to whoever waits
            print(f"compiling {len(stale)} files ...", file=sys.stderr)
        # Each result is kept as it comes: an error in one file does not make the others compile again.
        (BUILD / "artifacts").mkdir(parents=True, exist_ok=True)
        warnings, errors = dict[str, None](), dict[str, None]()
        for source in [*gone, *stale]:
            index.pop(source, None)
        # The longest first, so that no core is left alone with the market at the end.
        stale.sort(key=lambda source: -_cost(source, closures[source]))
        for source, output in _compile({source: standard_json(source) for source in stale}):
            messages, is_error = _diagnostics(source, output)
            if is_error:
                errors |= dict.fromkeys(messages)
                continue
            warnings |= dict.fromkeys(messages)
            contracts = output.get("contracts", {}).get(source, {})
            for name, contract in contracts.items():
                other = next((s for s, entry in index.items() if name in entry["contracts"]), None)
                if other is not None:
                    raise BuildError(f"two contracts are named {name}: in {other} and in {source}")
                _write(BUILD / "artifacts" / f"{name}.json", _encoded(name, source, contract))
            index[source] = {"key": keys[source], "contracts": sorted(contracts)}
            _write(BUILD / "index.json", index)
        _write(BUILD / "index.json", index)
        live = {f"{name}.json" for entry in index.values() for name in entry["contracts"]}
        for file in (BUILD / "artifacts").glob("*.json"):
            if file.name not in live:
                file.unlink()

    if errors:
        raise BuildError("\n".join(errors))
    if warnings:
        print("\n".join(warnings), file=sys.stderr)
    return stale


# ------------------------------------------------------------------ sources


def _own_sources() -> list[str]:
    folder = ROOT / "contracts"
    if not folder.is_dir():
        raise BuildError("no contracts/ here: compiling needs a checkout of the project, not an installed package")
    names = (file.relative_to(ROOT).as_posix() for file in folder.rglob("*.sol"))
    return sorted(name for name in names if "/." not in name)  # ape leaves copies of its dependencies in .cache


@functools.lru_cache(maxsize=4096)
def _parse(file: Path, mtime: int, size: int) -> tuple[str, tuple[str, ...]]:
    text = file.read_text(encoding="utf-8")
    return text, tuple(match[1] for match in _IMPORT.finditer(text) if match[1])


def _closure(source: str) -> dict[str, str]:
    """Name -> text of a source and of all that it imports, sorted. Packages of npm keep their import name."""
    found: dict[str, str] = {}
    todo = [source]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        file = ROOT / name if name.startswith("contracts/") else ROOT / "node_modules" / name
        try:
            stat = file.stat()
        except FileNotFoundError:
            raise BuildError(f"{name}: no such file (reached from {source})") from None
        found[name], imports = _parse(file, stat.st_mtime_ns, stat.st_size)
        for target in imports:
            if target.startswith("."):
                target = os.path.normpath(PurePosixPath(name).parent / target).replace(os.sep, "/")
            todo.append(target)
    return dict(sorted(found.items()))


def _key(closure: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps([SETTINGS, OUTPUTS, _compiler_version()]).encode())
    for name, text in closure.items():
        digest.update(f"\0{name}\0{len(text)}\0{text}".encode())
    return digest.hexdigest()


def _cost(source: str, closure: dict[str, str]) -> int:
    """What compiling takes, roughly: code that ends up in this contract; interfaces give none."""
    return len(closure[source]) + sum(len(t) for name, t in closure.items() if "/interfaces/" not in name) // 4


@functools.cache
def _compiler_version() -> str:
    # Read from the package, not asked: starting the compiler takes longer than a build with nothing to do.
    version: str = json.loads((ROOT / "node_modules" / "solc" / "package.json").read_text())["version"]
    return version


# ----------------------------------------------------------------- compiler


def _check_tools() -> None:
    if shutil.which("node") is None:
        raise BuildError("node is missing: install Node 20 or later, then run `make setup`")
    if not (ROOT / "node_modules" / "solc").is_dir():
        raise BuildError("node_modules is missing or incomplete: run `make setup`")


def _input(sources: dict[str, str], selection: dict[str, Any]) -> dict[str, Any]:
    return {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": {**SETTINGS, "outputSelection": selection},
    }


def _compile(inputs: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields each output as it is ready. A compiler process serves many inputs: loading it takes half a second."""
    todo: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, dict[str, Any] | BaseException]] = queue.SimpleQueue()
    count = min(len(inputs), os.cpu_count() or 1)
    for name in [*inputs, *[None] * count]:
        todo.put(name)

    def work() -> None:
        name: str | None = ""
        try:
            with subprocess.Popen(
                ["node", str(SOLC), "--standard-json-lines"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            ) as process:
                assert process.stdin is not None and process.stdout is not None
                while (name := todo.get()) is not None:
                    process.stdin.write(json.dumps(inputs[name]) + "\n")
                    process.stdin.flush()
                    done.put((name, json.loads(process.stdout.readline())))
        except BaseException as error:
            done.put((name or "", error))

    for _ in range(count):
        threading.Thread(target=work, daemon=True).start()
    for _ in inputs:
        name, result = done.get()
        if isinstance(result, BaseException):
            raise BuildError(f"{name}: the compiler process died ({result})") from result
        yield name, result


def _diagnostics(source: str, output: dict[str, Any]) -> tuple[list[str], bool]:
    """Messages to show, and whether one is an error. Warnings of a file of ours are shown when it is compiled."""
    shown, is_error = [], False
    for problem in output.get("errors", []):
        error = problem["severity"] == "error"
        is_error |= error
        own = source.startswith("contracts/") and problem.get("sourceLocation", {}).get("file") == source
        if error or (own and problem["errorCode"] not in MEANT):
            shown.append(problem["formattedMessage"].rstrip() + "\n")
    return shown, is_error


def _build_info() -> dict[str, Any]:
    """Syntax trees of the whole project from one analysis without code generation, kept until a source changes."""
    _check_tools()
    path = BUILD / "build-info" / "bulkhead.json"
    with _lock():
        sources: dict[str, str] = {}
        for source in [*_own_sources(), *EXTRA_SOURCES]:
            sources |= _closure(source)
        sources = dict(sorted(sources.items()))
        key = _key(sources)
        if path.exists():
            info: dict[str, Any] = json.loads(path.read_text())
            if info["id"] == key:
                return info
        request = _input(sources, {"*": {"": ["ast"], "*": ["abi"]}})
        ((_, output),) = _compile({"all": request})
        messages, is_error = _diagnostics("", output)
        if is_error:
            raise BuildError("\n".join(dict.fromkeys(messages)))
        for contracts in output["contracts"].values():
            for contract in contracts.values():  # slither wants the keys; what it checks is in the trees
                empty = {"object": "", "sourceMap": ""}
                contract["evm"] = {"bytecode": empty, "deployedBytecode": empty}
        output.pop("errors", None)
        info = {"id": key, "solcVersion": _compiler_version(), "input": {**request, "sources": {}}, "output": output}
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, info)
        return info


# -------------------------------------------------------------------- files


def _encoded(name: str, source: str, contract: dict[str, Any]) -> dict[str, Any]:
    creation = contract["evm"]["bytecode"]
    references = creation.get("linkReferences", {})
    return {
        "name": name,
        "source": source,
        "abi": contract["abi"],
        "bytecode": _unlinked(creation["object"]),
        "deployed": _unlinked(contract["evm"]["deployedBytecode"]["object"]),
        "methods": contract["evm"].get("methodIdentifiers", {}),
        "storage_layout": contract.get("storageLayout", {}),
        "links": {lib: [r["start"] for r in refs] for libs in references.values() for lib, refs in libs.items()},
    }


def _unlinked(code: str) -> str:
    return re.sub(r"__\$[0-9a-f]{34}\$__", "0" * 40, code)


def _decoded(stored: dict[str, Any]) -> dict[str, Any]:
    deployed = bytes.fromhex(stored["deployed"])
    bytecode = bytes.fromhex(stored["bytecode"])
    return {**stored, "bytecode": bytecode, "deployed": deployed, "deployed_size": len(deployed)}


def _read_index() -> dict[str, Any]:
    try:
        index: dict[str, Any] = json.loads((BUILD / "index.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return index


def _write(path: Path, value: Any) -> None:
    """Replaces at once: a build that is interrupted leaves no half-written file."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value))
    part.replace(path)


@contextmanager
def _lock() -> Iterator[None]:
    """One build at a time, so that parallel test workers wait for the first instead of compiling alongside."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "lock").open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# ------------------------------------------------------------- command line


def size_table(found: Mapping[str, Artifact]) -> tuple[str, bool]:
    """Sizes of the contracts that ship, largest first, and whether all are within their limits."""
    lines, within = [f"{'contract':<28}{'code':>8}{'limit':>8}{'creation':>10}"], True
    shipped = [a for a in found.values() if a.source.startswith("contracts/") and "/mocks/" not in a.source]
    for artifact in sorted(shipped, key=lambda a: -a.deployed_size):
        limit, creation = OWN_LIMITS.get(artifact.name, CODE_LIMIT), len(artifact.bytecode)
        if creation < 200:  # interfaces, and libraries that are inlined
            continue
        over = artifact.deployed_size > limit or creation > INIT_CODE_LIMIT
        within &= not over
        mark = "  TOO LARGE" if over else ""
        lines.append(f"{artifact.name:<28}{artifact.deployed_size:>8,}{limit:>8,}{creation:>10,}{mark}")
    return "\n".join(lines), within


def main() -> int:
    """The command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bulkhead.build", description="Compile contracts/ and print sizes.")
    parser.add_argument("--force", action="store_true", help="compile everything, not only what is stale")
    parser.add_argument("--ast", action="store_true", help="write the syntax trees for slither, too")
    parser.add_argument("--sizes", action="store_true", help="exit 1 if a contract is over its limit")
    parser.add_argument(
        "--manifest", action="store_true", help="write bulkhead/manifest/, which an installed package reads"
    )
    parser.add_argument("--quiet", action="store_true", help="print no sizes unless one is over its limit")
    options = parser.parse_args()
    try:
        compiled = build(force=options.force)
        if options.ast:
            _build_info()
        if options.manifest:
            write_manifest()
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    table, within = size_table(load())
    if not options.quiet or not within:
        print(f"{table}\n{len(compiled)} files compiled")
    return 0 if within or not options.sizes else 1


if __name__ == "__main__":
    sys.exit(main())
