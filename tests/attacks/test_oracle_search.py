"""Rows 1, 2, 10, 13, 17, 29, 32: what the best of many attacks on prices earns is printed, and is not positive."""

from __future__ import annotations

import pytest

from tests.attacks.oracle_search import NOTHING, STRADDLE, is_limit, measure, playbook, search
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
        if is_limit(variant, setting):
            continue
        found = search(attacker, setting, SEED, CLIMBS if setting is JUMP else 0)
        print(f"\n{variant.value}, {setting.name}: {found.gain:,.6f} USDC, the best of {found.tried} histories")
        assert found.tried >= len(playbook())
        assert found.gain <= 0, found.story()


def test_the_known_limit_needs_a_liar_beside_a_pool_that_lags(attacker: Attacker) -> None:
    """One of two validators lies, the other is a pool: prices that outrun its mean are disputed, liquidation pauses."""
    gain = measure(attacker, CRASH, STRADDLE)
    assert (gain > 0) == (attacker.world.variant is Variant.LAG), gain
    assert NOTHING < measure(attacker, CALM, STRADDLE) < 0
