"""What an oracle may be set to, what a feed must be at its birth, and what it tells of it. Attack rows by number."""

from __future__ import annotations

from typing import Any

import pytest
from oracle_world import DAY, E8, E18, HEARTBEAT, NO_MAX, World, world


@pytest.mark.parametrize(
    ("validators", "changes", "name"),
    [
        (1, {}, "validators"),
        (3, {}, "validators"),
        (6, {}, "validators"),
        (0, {"quorum": 1}, "quorum"),
        (2, {"quorum": 0}, "quorum"),
        (2, {"quorum": 2}, "quorum"),
        (0, {"deviation": E18}, "deviation"),
        (2, {"spread": 0}, "spread"),
        (2, {"spread": E18}, "spread"),
        (0, {"jumpLimit": 0}, "jumpLimit"),
        (0, {"jumpLimit": E18}, "jumpLimit"),
        (0, {"maxAge": 0}, "maxAge"),
        (0, {"outageLimit": HEARTBEAT, "maxAge": HEARTBEAT}, "outageLimit"),
        (0, {"base": bytes(32)}, "base"),
        (0, {"quote": bytes(32)}, "quote"),
        (0, {"primary": {"heartbeat": 0}}, "heartbeat"),
        (0, {"primary": {"smallest": 5, "largest": 5}}, "largest"),
        (0, {"primary": {"largest": NO_MAX + 1}}, "largest"),
    ],
)
def test_setting_out_of_range(validators: int, changes: dict[str, Any], name: str) -> None:
    w = World(validators)
    w.all(2000)
    value = changes.get(name, validators)
    if "primary" in changes:
        value = changes["primary"][name]
        changes = {"primary": w.config(w.primary, **changes["primary"])}
    if isinstance(value, bytes):
        value = 0
    assert w.build_error(**changes) == ("SettingInvalid", (name.encode().ljust(32, b"\0"), value))


@pytest.mark.parametrize(
    ("validators", "changes"),
    [
        (2, {"jumpLimit": 0}),
        (2, {"jumpLimit": E18}),
        (0, {"spread": 0}),
        (0, {"spread": E18}),
        (0, {"grace": 0}),
    ],
)
def test_settings_that_nothing_goes_by_may_be_anything(validators: int, changes: dict[str, int]) -> None:
    w = world(validators, **changes)
    assert w.ask("latest") == (2000 * E18, w.now)


@pytest.mark.parametrize(
    ("validators", "changes"),
    [
        (0, {"deviation": 0, "jumpLimit": 1, "maxAge": 1, "outageLimit": 2}),
        (0, {"deviation": E18 - 1, "jumpLimit": E18 - 1, "maxAge": DAY - 1, "outageLimit": DAY}),
        (2, {"spread": 1, "quorum": 1}),
        (4, {"spread": E18 - 1, "quorum": 1}),
        (4, {"quorum": 3}),
        (0, {"sequencer": True, "grace": 1}),
    ],
)
def test_settings_at_the_ends_of_their_ranges_are_taken_and_told(validators: int, changes: dict[str, Any]) -> None:
    w = world(validators, **changes)
    told = {name: getattr(w.contract.call, name)() for name in changes if name != "sequencer"}
    assert told == {name: value for name, value in changes.items() if name != "sequencer"}
    assert w.ask("latest") == (2000 * E18, w.now)


def test_grace_is_needed_with_a_sequencer() -> None:
    assert World(sequencer=True).build_error(grace=0)[1][0].rstrip(b"\0") == b"grace"


@pytest.mark.parametrize("decimals", [0, 6, 9, 27])
def test_row_22_decimals_other_than_8_and_18_are_refused(decimals: int) -> None:
    assert World(decimals=decimals).build_error() == ("SettingInvalid", (b"decimals".ljust(32, b"\0"), decimals))


@pytest.mark.parametrize(("decimals", "declared"), [(8, 18), (18, 8), (8, 6)])
def test_row_22_a_feed_with_other_decimals_than_declared(decimals: int, declared: int) -> None:
    w = World(decimals=decimals)
    w.all(2000)
    config = w.config(w.primary, decimals=declared, largest=10**20)
    assert w.build_error(primary=config) == ("DecimalsDiffer", (w.primary.mock.address, declared, decimals))


@pytest.mark.parametrize("decimals", [8, 18])
def test_row_22_the_index_has_18_decimals_whatever_the_feed(decimals: int) -> None:
    assert world(decimals=decimals).ask("latest")[0] == 2000 * E18


def test_a_dead_feed_at_birth() -> None:
    w = World()
    w.all(2000)
    w.primary.fail()
    assert w.build_error() == ("DecimalsDiffer", (w.primary.mock.address, 8, 0))


def test_no_price_at_birth() -> None:
    w = World()
    assert w.build_error() == ("SourceSilent", (w.primary.mock.address,))
    w.primary.push(2000)  # the first of a phase: nothing confirms it
    assert w.build_error() == ("PriceInvalid", (2000 * E8,))


def test_settings_are_readable() -> None:
    w = world(2)
    read = w.contract.call
    assert (read.heartbeat(), read.deviation(), read.spread()) == (HEARTBEAT, E18 // 200, E18 // 100)
    assert (read.quorum(), read.validators(), read.maxAge()) == (1, 2, HEARTBEAT + 60)
    assert (read.jumpLimit(), read.grace(), read.outageLimit()) == (E18 // 10, 600, DAY)
