"""What ships in place of the sources is what the sources make."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkhead import build
from bulkhead.build import BuildError, artifacts, read_manifest


def test_req49_the_manifest_is_fresh() -> None:
    artifacts()
    kept = {file.stem: file.read_text() for file in build.MANIFEST.glob("*.json")}
    fresh = build.manifest()
    stale = sorted(name for name in kept.keys() | fresh.keys() if kept.get(name) != fresh.get(name))
    assert not stale, f"stale: {', '.join(stale)}; run `python -m bulkhead.build --manifest`"
    assert (build.MANIFEST / build.COMPILER).read_text() == f"{build.compiler_version()}\n"


def test_a_manifest_gives_what_a_build_gives() -> None:
    built, shipped = artifacts(), read_manifest()
    for name, artifact in shipped.items():
        assert artifact.abi == built[name].abi and artifact.links == built[name].links == {}
        assert artifact.bytecode in (built[name].bytecode, b"")
    codeless = {name for name, artifact in shipped.items() if not artifact.bytecode}
    assert all("/libraries/" in built[name].source or not built[name].bytecode for name in codeless)


def test_it_is_small() -> None:
    assert sum(file.stat().st_size for file in build.MANIFEST.glob("*.json")) < 1_000_000


def test_a_stale_manifest_is_brought_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "MANIFEST", tmp_path)
    monkeypatch.setattr(build, "ROOT", tmp_path)  # an installed package: no sources
    with pytest.raises(BuildError, match="the package is not complete"):
        artifacts.__wrapped__()
    (tmp_path / "Gone.json").write_text("{}")
    build.write_manifest()
    assert build.compiler_version.__wrapped__() == build._asked_version()
    assert not (tmp_path / "Gone.json").exists()
    assert artifacts.__wrapped__().keys() == read_manifest().keys() >= {"Market", "Lens", "TokenMock", "IMarket"}
