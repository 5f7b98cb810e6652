"""Rows 1, 2, 10, 13, 17, 29, 32: what the best of many attacks on prices earns is printed, and is not positive."""

from __future__ import annotations

import pytest

from tests.attacks.oracle_search import NOTHING, STRADDLE, measure, playbook, search
from tests.attacks.oracle_search_attacker import CALM, CRASH, JUMP, SETTINGS, Attacker
from tests.attacks.oracle_search_world import Variant

SEED = 4
#: After the playbook, in the setting with the fewest paths; the other settings are climbed by `make profit-oracle`.
CLIMBS = 1


@pytest.fixture(scope="module", params=Variant, ids=lambda variant: variant.name.lower())
def attacker(request: pytest.FixtureRequest) -> Attacker:
    return Attacker(request.param)


def test_no_sizes_and_timings_profit_from_prices(attacker: Attacker) -> None:
    """Against the real pool and sources; -s prints it."""
    variant = attacker.world.variant
    for setting in SETTINGS:
        found = search(attacker, setting, SEED, CLIMBS if setting is JUMP else 0)
        print(f"\n{variant.value}, {setting.name}: {found.gain:,.6f} USDC, the best of {found.tried} histories")
        assert found.tried >= len(playbook())
        assert found.gain <= 0, found.story()


def test_a_straddle_beside_a_liar_and_a_pool_that_lags_earns_nothing(attacker: Attacker) -> None:
    """Prices ahead of a pool's mean are disputed; margins that grow with size leave nothing of it."""
    assert NOTHING < measure(attacker, CRASH, STRADDLE) < 0
    assert NOTHING < measure(attacker, CALM, STRADDLE) < 0
