"""The bounds of the instrument and of the margin model: good on them, refused one beyond."""

from __future__ import annotations

from typing import Any

import pytest

from bulkhead.chain import Revert
from tests.world import ONE, World

GOOD = {
    "skewScale": 10_000 * ONE,
    "maxFunding": ONE,
    "borrowBase": ONE // 50,
    "borrowKink": ONE // 5,
    "borrowFull": ONE,
    "kink": ONE * 4 // 5,
    "borrowRamp": ONE // 5,
}


def refusal(world: World, name: str, *args: Any) -> tuple[Any, ...]:
    with pytest.raises(Revert) as caught:
        world.deployment.deploy(name, *args)
    return caught.value.name, *caught.value.values


@pytest.mark.parametrize(
    ("field", "beyond", "last"),
    [
        ("skewScale", 0, 1),
        ("skewScale", 2**128, 2**128 - 1),
        ("kink", 0, 1),
        ("kink", ONE, ONE - 1),
        ("borrowKink", ONE // 50 - 1, ONE // 50),
        ("borrowFull", ONE // 5 - 1, ONE // 5),
        ("borrowFull", 10 * ONE + 1, 10 * ONE),
        ("maxFunding", 10 * ONE + 1, 10 * ONE),
    ],
)
def test_parameters_of_the_perpetual(world: World, field: str, beyond: int, last: int) -> None:
    assert refusal(world, "Perpetual", {**GOOD, field: beyond}) == ("ParameterInvalid", field, beyond)
    world.deployment.deploy("Perpetual", {**GOOD, field: last})


def test_the_steepest_perpetual_has_rates_that_a_series_can_keep(world: World) -> None:
    """1,000 % a year of each, at full skew and with all of the pool in use."""
    steep = {"maxFunding": 10 * ONE, "borrowKink": 10 * ONE, "borrowFull": 10 * ONE, "borrowBase": 10 * ONE}
    perpetual = world.deployment.deploy("Perpetual", {**GOOD, **steep})
    for long, short in ((10**30, 0), (0, 10**30)):
        snapshot = (0, ONE, 0, long, short, 1, 0)
        funding, borrow = perpetual.call.carry(snapshot, 0, 0)
        assert abs(funding) == borrow == 10 * ONE // (365 * 86_400)
        assert abs(funding) < 2**39 and borrow < 2**40


def test_of_an_empty_pool_nothing_is_in_use(world: World) -> None:
    empty = (0, ONE, 0, 0, 0, 0, 0)
    assert world.perpetual.instrument.call.carry(empty, 0, 0) == (0, ONE // 50 // (365 * 86_400))


@pytest.mark.parametrize(
    "rates",
    [(ONE + 1, ONE // 2, ONE // 4), (ONE // 4, ONE // 2, ONE // 8), (ONE, ONE // 2, ONE // 2), (ONE, ONE // 2, 0)],
)
def test_rates_of_the_margin_model(world: World, rates: tuple[int, int, int]) -> None:
    assert refusal(world, "FixedMargin", *rates) == ("RatesInvalid", *rates)
    world.deployment.deploy("FixedMargin", ONE, ONE, ONE - 1)
