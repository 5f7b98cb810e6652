"""A folder with a few small contracts in place of the project's, for tests of the tools."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bulkhead import build


@contextmanager
def project(folder: Path, **sources: str) -> Iterator[None]:
    """The build works on these contracts in a folder, for a while."""
    with pytest.MonkeyPatch.context() as patch:
        (folder / "node_modules").symlink_to(build.ROOT / "node_modules")
        for name, source in sources.items():
            file = folder / "contracts" / f"{name}.sol"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source)
        patch.setattr(build, "SETTINGS", build.SETTINGS)
        patch.setattr(build, "EXTRA_SOURCES", ())
        patch.setattr(build, "ROOT", folder)
        patch.setattr(build, "BUILD", folder / ".build")
        yield
