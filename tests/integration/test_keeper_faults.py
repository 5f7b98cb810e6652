"""A few random instants of each kind of fault; `make faults-keeper` runs 200."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.keeper_faults import KINDS, Line, Scene, staged, survive

#: Of each kind; seeds are 0, 1, 2...
INSTANTS = 2


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with staged() as scene:
        yield scene


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_everything_is_done_once(scene: Scene, kind: type[Line], tmp_path: Path) -> None:
    at_work = [survive(scene, kind, seed, tmp_path / str(seed)) for seed in range(INSTANTS)]
    assert any(at_work)
