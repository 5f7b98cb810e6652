"""Every refusal has a class and a sentence; on a chain the refused call raises it, and nothing has changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, get_type_hints

import pytest
from eth_account import Account

from bulkhead.build import ROOT, artifacts
from bulkhead.chain import Abi, Registry, Revert
from bulkhead.chain.abi import ErrorType
from bulkhead.model.interfaces.market import Action, Status
from bulkhead.protocol import (
    Deployment,
    FixedMarginRates,
    MarketTerms,
    OptionMarginRates,
    OptionTerms,
    OracleTerms,
    PerpetualTerms,
    VolatilityMarginRates,
    VolatilityTerms,
    errors,
)
from bulkhead.protocol.errors import Refused, TypedContract, typed
from bulkhead.protocol.units import snake, to_datetime
from tests.unit.protocol.conftest import Door

#: OpenZeppelin's that no call can bring about: the core clones one small vault, without ether, its names are short, and
#: the keys of its checkpoints are times of blocks.
UNREACHABLE = {
    "CheckpointUnorderedInsertion",
    "CloneArgumentsTooLong",
    "FailedDeployment",
    "InsufficientBalance",
    "InvalidShortString",
    "StringTooLong",
}


def core() -> dict[str, ErrorType]:
    """Every error that a contract of the project declares or inherits, test doubles left out."""
    found: dict[str, ErrorType] = {}
    for artifact in artifacts().values():
        if artifact.source.startswith("contracts/") and not artifact.source.startswith("contracts/mocks/"):
            found |= {error.name: error for error in Abi(artifact.abi).errors}
    return {name: error for name, error in found.items() if name not in UNREACHABLE}


def sample(type_: str) -> Any:
    if type_ == "string":
        return "openFee"
    return {"address": "0x" + "ab" * 20, "bytes32": b"quorum".ljust(32, b"\0"), "uint8": 2}.get(type_, 1_234_567)


def test_every_error_of_the_core_has_a_class_and_no_class_is_left_over() -> None:
    assert set(core()) == set(Refused.kinds)


@pytest.mark.parametrize("name", sorted(core()))
def test_sentence(name: str) -> None:
    error, kind = core()[name], Refused.kinds[name]
    declared = [snake(field) for field in error.inputs.fields]
    # `Revert.name` is the error's own name.
    assert list(kind.units) == ["parameter" if name == "ParameterInvalid" and f == "name" else f for f in declared]

    abi: list[Any] = [e for a in artifacts().values() for e in a.abi if e["type"] == "error" and e["name"] == name][:1]
    revert = Revert(error.encode(*(sample(type_.name) for type_ in error.inputs.items)), registered(abi))
    for told in (str(typed(revert, 6)), str(revert)):
        assert told[0].isupper() or told[0].isdigit() or told.startswith("0x"), told
        assert told.endswith("."), told
        assert not re.search(r"[{}]|\b0x\w{9,}", told), told
    refused = typed(revert, 6)
    assert type(refused) is kind and refused.name == name and refused.values == revert.values


def registered(abi: list[Any]) -> Registry:
    registry = Registry()
    registry.add(Abi(abi))
    return registry


def test_decimals_unknown_or_known() -> None:
    error = core()["MarginBelowMinimum"]
    registry = registered(artifacts()["Market"].abi)
    revert = Revert(error.encode(50_500_000, 100_000_000), registry, where="Market.requestOpen")
    assert str(revert).startswith("Market.requestOpen: A margin of 50500000 token units is below")
    refused = typed(revert, 6)
    assert str(refused) == (
        "A margin of 50.5 tokens is below this market's minimum of 100 tokens: leave or put in at least that much."
    )
    assert refused.margin == Decimal("50.5") and refused.values.margin == 50_500_000  # type: ignore[attr-defined]
    assert typed(refused, 18) is refused


def test_an_error_of_the_same_name_elsewhere_is_left_alone() -> None:
    abi = [{"type": "error", "name": "NotMarket", "inputs": []}]
    revert = Revert(ErrorType(abi[0]).selector, registered(abi))
    assert typed(revert, 6) is revert
    assert str(revert) == "NotMarket()"
    assert typed(Revert(b""), 6).name == "Empty"


# ---------------------------------------------------------------- on a chain

Case = tuple[Callable[[Door], Callable[[], Any]], type[Refused], dict[str, Any]]
NOWHERE = "0x" + "12" * 20


def everything(door: Door) -> Any:
    """All that a refused call could have changed."""
    market, chain = door.market, door.protocol.chain
    accounts = [door.trader, door.other, door.keeper, door.stranger, door.protocol.provider, market.pool.address]
    vaults = [event.args.position for event in market.contract.events("OpenRequested")]
    return (
        [market.token.balance(account) for account in (*accounts, *vaults)],
        [market.token.allowance(account, market) for account in accounts],
        [market.pool.shares(account) for account in accounts],
        [market.contract.call.positionOf(vault) for vault in vaults],
        [market.contract.call.orderOf(vault) for vault in vaults],
        [market.contract.call.claimable(vault) for vault in vaults],
        market.pool.liquidity,
        market.pool.due_exits,
        market.oracle.contract.call.clock(),
        [door.token.call.balanceOf(account) for account in accounts],
        len(chain.logs()),
        chain.block_number,
    )


def ask(**terms: Any) -> Callable[[Door], Callable[[], Any]]:
    """A refused request to open."""
    return lambda door: lambda: door.request(**terms)


def unknown(door: Door) -> Callable[[], Any]:
    return lambda: door.market.position(NOWHERE).close(sender=door.trader)


def pending(door: Door) -> Callable[[], Any]:
    return door.request().close


def over(door: Door) -> Callable[[], Any]:
    return closed(door).close


def executed_when_over(door: Door) -> Callable[[], Any]:
    position = closed(door)
    return lambda: door.market.execute(position)


def closed(door: Door) -> Any:
    position = door.open()
    position.close()
    door.protocol.set_price(2_000)
    door.market.execute(position)
    return position


def small_rest(door: Door) -> Callable[[], Any]:
    position = door.open()
    return lambda: position.close("9.995")


def twice(door: Door) -> Callable[[], Any]:
    position = door.open()
    position.close()
    return position.close


def no_order(door: Door) -> Callable[[], Any]:
    position = door.open()
    return lambda: door.market.execute(position)


def order_due(door: Door) -> Callable[[], Any]:
    position = door.open()
    position.close()
    door.protocol.set_price(2_000)
    return lambda: door.market.close_at_reserve(position)


def not_reached(door: Door) -> Callable[[], Any]:
    position = door.open()
    door.protocol.set_price(2_100)
    return lambda: door.market.close_at_reserve(position)


def not_later(door: Door) -> Callable[[], Any]:
    position = door.open()
    return lambda: door.market.close_at_reserve(position)


def no_claim(door: Door) -> Callable[[], Any]:
    return door.open().claim


def kept(door: Door) -> Any:
    """A closed position whose payment the token refused."""
    position = door.open()
    door.token.send.setBlocked(door.trader, True)
    position.close()
    door.protocol.set_price(2_000)
    door.market.execute(position)
    return position


def not_trader(door: Door) -> Callable[[], Any]:
    position = kept(door)
    return lambda: position.claim(door.other, sender=door.other)


def too_much_out(door: Door) -> Callable[[], Any]:
    position = door.open()
    return lambda: position.remove_margin(900)


def unsafe_out(door: Door) -> Callable[[], Any]:
    position = door.open()
    return lambda: position.remove_margin(300)


def fee_on_transfer(door: Door) -> Callable[[], Any]:
    door.token.send.setFee(5)
    return door.request


def by_request(door: Door) -> Callable[[], Any]:
    door.open()
    return lambda: door.market.pool.redeem(1, sender=door.protocol.provider)


def shares_missing(door: Door) -> Callable[[], Any]:
    return lambda: door.market.pool.request_redeem(1_000, sender=door.stranger)


def silent(door: Door) -> Callable[[], Any]:
    position = door.open()
    door.protocol.wait(4_000)
    return lambda: door.market.liquidate([position])


def wild(answer: int) -> Callable[[Door], Callable[[], Any]]:
    def case(door: Door) -> Callable[[], Any]:
        position = door.open()
        door.push(answer)
        return lambda: door.market.liquidate([position])

    return case


def wrong_proof(door: Door) -> Callable[[], Any]:
    position = door.request()
    door.protocol.set_price(2_000)
    return lambda: door.market.execute(position, proof=(1 << 64 | 1).to_bytes(32, "big"))


def too_early(door: Door) -> Callable[[], Any]:
    position = door.request()
    return lambda: door.market.execute(position)


def after_the_end(door: Door) -> Callable[[], Any]:
    end(door)
    return door.market.oracle.latest


def end(door: Door) -> None:
    """A day without a price."""
    for pause in (4_000, 86_400):
        door.protocol.wait(pause)
        door.market.oracle.check_outage()
    assert door.market.oracle.final() is not None


def no_grant(door: Door) -> Callable[[], Any]:
    return lambda: door.request(trader=door.trader, sender=door.other)


def over_budget(door: Door) -> Callable[[], Any]:
    assert door.market.operators is not None
    expiry = door.protocol.chain.timestamp + 100
    door.market.operators.grant(door.market, door.other, [Action.OPEN], expiry=expiry, budget=999, sender=door.trader)
    return lambda: door.request(trader=door.trader, sender=door.other)


def no_allowance(door: Door) -> Callable[[], Any]:
    door.market.token.approve(door.market, "999.5", sender=door.trader)
    return door.request


def no_money(door: Door) -> Callable[[], Any]:
    return lambda: door.request(sender=door.stranger)


CASES: dict[str, Case] = {
    "unknown position": (unknown, errors.UnknownPosition, {"position": "0x" + "12" * 20}),
    "close what is over": (over, errors.UnknownPosition, {}),
    "execute what is over": (executed_when_over, errors.UnknownPosition, {}),
    "close while pending": (pending, errors.WrongStatus, {"status": Status.PENDING, "wanted": Status.OPEN}),
    "dust": (ask(size="0.001"), errors.SizeTooSmall, {"size": Decimal("0.001"), "minimum": Decimal("0.01")}),
    "no size": (ask(size=0), errors.SizeTooSmall, {"size": 0}),
    "dust would stay": (small_rest, errors.SizeTooSmall, {"size": Decimal("0.005")}),
    "no lots": (
        ask(size="10.000000001"),
        errors.SizeNotInLots,
        {"size": Decimal("10.000000001"), "lot": Decimal("0.00000001")},
    ),
    "far too large": (ask(size=10**16), errors.AmountTooLarge, {"amount": 10**34}),
    "margin below minimum": (ask(margin="99.999999"), errors.MarginBelowMinimum, {"margin": Decimal("99.999999")}),
    "margin taken out": (too_much_out, errors.MarginBelowMinimum, {"minimum": 100}),
    "leverage": (ask(margin=500), errors.MarginTooSmall, {"required": Decimal("808.000001")}),
    "unsafe removal": (unsafe_out, errors.MarginTooSmall, {}),
    "reserve": (ask(reserve=1), errors.ReserveOutOfBounds, {"reserve": 1, "lowest": 1_010, "highest": 20_200}),
    "premium": (ask(max_premium="0.0001"), errors.PremiumAboveLimit, {"premium": Decimal("0.0005")}),
    "band": (ask(band=(2_000, 1_990)), errors.BandInvalid, {"low": 2_000, "high": 1_990}),
    "order pending": (twice, errors.OrderPending, {}),
    "no order": (no_order, errors.NoOrder, {}),
    "order due": (order_due, errors.OrderDue, {}),
    "reserve not reached": (not_reached, errors.ReserveNotReached, {"reserve": 5_000}),
    "price not later": (not_later, errors.PriceNotLater, {}),
    "nothing to claim": (no_claim, errors.NothingToClaim, {}),
    "claim by another": (not_trader, errors.NotTrader, {}),
    "fee on transfer": (fee_on_transfer, errors.TransferShort, {"received": Decimal("999.999995"), "wanted": 1_000}),
    "unknown series": (ask(series=7), errors.SeriesNotOpen, {"series": 7}),
    "no liquidity": (
        ask(size=1_000, margin=200_000, reserve=1_500_000, max_premium="0.1"),
        errors.LiquidityShort,
        {"asked": 1_500_000, "free": 1_000_000},
    ),
    "utilisation": (
        ask(size=1_000, margin=200_000, reserve=950_000, max_premium="0.1"),
        errors.UtilisationAboveCap,
        {"utilisation": Decimal("0.95"), "cap": Decimal("0.9")},
    ),
    "exit at once": (by_request, errors.ExitByRequest, {}),
    "empty line": (lambda door: door.market.pool.execute_exit, errors.NothingToRedeem, {}),
    "nothing kept": (lambda door: door.market.pool.claim_exit, errors.NothingToRedeem, {}),
    "dear shares": (
        lambda door: lambda: door.market.pool.deposit(1, least_shares="1.1", sender=door.protocol.provider),
        errors.SharesBelowLeast,
        {"shares": 1, "least": Decimal("1.1")},
    ),
    "few shares": (
        lambda door: lambda: door.market.pool.request_redeem("0.5", sender=door.protocol.provider),
        errors.SharesTooFew,
        {"shares": Decimal("0.5")},
    ),
    "no shares": (shares_missing, errors.ERC20InsufficientBalance, {"balance": 0, "needed": 1_000}),
    "stale": (silent, errors.PriceStale, {"max_age": 3_600}),
    "negative": (wild(-1), errors.PriceInvalid, {"answer": -1}),
    "jump": (wild(2_300 * 10**8), errors.PriceJumped, {"index": 2_300, "previous": 2_000}),
    "wrong proof": (wrong_proof, errors.ProofInvalid, {"round": 1 << 64 | 1}),
    "too early": (too_early, errors.PriceNotThereYet, {}),
    "ended": (after_the_end, errors.OracleEnded, {}),
    "no grant": (no_grant, errors.OutOfScope, {"action": Action.OPEN, "expiry": to_datetime(0)}),
    "over budget": (over_budget, errors.BudgetExceeded, {"amount": 1_000, "budget": 999}),
    "no allowance": (no_allowance, errors.ERC20InsufficientAllowance, {"allowance": Decimal("999.5"), "needed": 1_000}),
    "no money": (no_money, errors.ERC20InsufficientBalance, {"balance": 0, "needed": 1_000}),
    "to nobody": (
        lambda door: lambda: door.market.token.transfer("0x" + "00" * 20, 1, sender=door.trader),
        errors.ERC20InvalidReceiver,
        {"receiver": "0x" + "00" * 20},
    ),
    "to nobody else": (
        lambda door: lambda: door.market.token.approve("0x" + "00" * 20, 1, sender=door.trader),
        errors.ERC20InvalidSpender,
        {},
    ),
    "not the market": (
        lambda door: lambda: door.market.pool.contract.send.collectClaim(1, sender=door.stranger),
        errors.NotMarket,
        {},
    ),
}


def refuse(door: Door, case: str) -> None:
    arrange, kind, values = CASES[case]
    call = arrange(door)
    before = everything(door)
    with pytest.raises(kind) as refused:
        call()
    assert {name: getattr(refused.value, name) for name in values} == values
    assert not re.search(r"[{}]|(?<![.\d])\d{9}", str(refused.value)), str(refused.value)
    assert everything(door) == before


@pytest.mark.parametrize("case", CASES)
def test_refused_calls_raise_their_class_and_change_nothing(door: Door, case: str) -> None:
    refuse(door, case)


@pytest.mark.parametrize("case", ["dust", "leverage", "premium", "stale", "over budget", "no shares"])
def test_the_same_from_a_node(anvil_door: Door, case: str) -> None:
    with anvil_door.protocol.chain.isolated():
        refuse(anvil_door, case)


def test_sentences_say_what_to_do(door: Door) -> None:
    def told(case: str) -> str:
        with door.protocol.chain.isolated():
            arrange, kind, _ = CASES[case]
            call = arrange(door)
            with pytest.raises(kind) as refused:
                call()
        return str(refused.value)

    assert told("premium") == (
        "The premium is 0.05 % of notional, above your limit of 0.01 %: raise max_premium, or trade a smaller size."
    )
    assert told("no liquidity") == (
        "The pool has 1,000,000 tokens free, and a reserve of 1,500,000 tokens was asked for:"
        " ask for less, or wait for more liquidity."
    )
    trader, other = (f"{address[:6]}…{address[-4:]}" for address in (door.trader, door.other))
    assert told("no grant") == f"{other} may not open for {trader}: the trader has granted it nothing."
    market = f"{door.market.address[:6]}…{door.market.address[-4:]}"
    assert told("no allowance") == f"{market} may take 999.5, and 1,000 are needed: approve it first."


# ---------------------------------------------------------------- creation


def sentence_of(call: Callable[[], Any]) -> tuple[str, str]:
    """Name and sentence of what plain contracts of a deployment refuse."""
    with pytest.raises(Revert) as refused:
        call()
    return refused.value.name, refused.value.sentence()


@pytest.fixture
def deployment(door: Door) -> Deployment:
    return Deployment(door.protocol.chain)


def test_parts_with_wrong_parameters(door: Door, deployment: Deployment) -> None:
    name, told = sentence_of(lambda: deployment.deploy("FixedMargin", *FixedMarginRates(target=Decimal(2)).encoded()))
    assert (name, told[:55]) == ("RatesInvalid", "Margin rates of 4 % initial, 200 % target and 2 % mainten"[:55])
    terms = PerpetualTerms(skew_scale=Decimal(0)).encoded()
    name, told = sentence_of(lambda: deployment.deploy("Perpetual", terms))
    assert (name, told) == (
        "ParameterInvalid",
        "The skew_scale must be within its bounds, not 0.",
    )
    terms_of_oracle = OracleTerms(jump_limit=Decimal(2))
    name, told = sentence_of(lambda: deployment.oracle(door.feed.address, terms_of_oracle))
    assert (name, told) == (
        "SettingInvalid",
        "The oracle's jump_limit must be within its bounds, not 200 %.",
    )


def test_market_terms_in_their_units(door: Door) -> None:
    made = door.market.contract.chain.logs(names=["MarketCreated"])[-1]
    config, chain = made.args.config, door.protocol.chain
    factory = TypedContract(chain, "Factory", made.address, 6)
    with pytest.raises(errors.MarketExists) as exists:
        factory.send.createMarket(config)
    assert exists.value.market == door.market.address
    for field, value, told in (
        ("timeToLive", 10, "The market's time_to_live must be at least 3613, not 10."),
        ("openFee", 10**17, "The market's open_fee must be at most 1 %, not 10 %."),
        ("minMargin", 10**6, "The market's min_margin must be at least 80 tokens, not 1 token."),
    ):
        with pytest.raises(errors.ConfigInvalid) as invalid:
            factory.send.createMarket(config._replace(**{field: value}))
        assert (invalid.value.field, invalid.value.value, str(invalid.value)) == (field, value, told)


def test_no_market_without_a_price(door: Door, deployment: Deployment) -> None:
    oracle = deployment.oracle(door.feed.address)
    door.protocol.wait(4_000)
    name, told = sentence_of(lambda: deployment.perpetual_market(door.token, oracle))
    assert name == "PriceStale" and told.endswith("wait for the feed's next round.")


def test_every_term_that_can_be_refused_has_its_unit() -> None:
    """A new rate or amount would otherwise be printed as an integer of 18 decimals."""
    texts = [file.read_text() for file in (ROOT / "contracts").rglob("*.sol")]
    refused = {name for text in texts for name in re.findall(r'(?:Parameter|Setting)Invalid\("(\w+)"', text)}
    parts = (OracleTerms, PerpetualTerms, VolatilityTerms, VolatilityMarginRates, OptionTerms, OptionMarginRates)
    decimal = {name for terms in parts for name, kind in get_type_hints(terms).items() if kind is Decimal}
    market = {name for name, kind in get_type_hints(MarketTerms).items() if kind is Decimal}
    wanted = market | ({snake(name) for name in refused} & decimal)
    assert "jump_limit" in wanted and wanted <= set(errors._TERMS), wanted - set(errors._TERMS)


def test_signatures(door: Door) -> None:
    market, now = door.market, door.protocol.chain.timestamp
    operators, signer = market.operators, Account.from_key(b"\7" * 32)
    assert operators is not None
    permit = operators.permit(signer.address, market, door.other, [Action.CLOSE], expiry=now + 9, deadline=now + 5)
    with pytest.raises(errors.SignatureInvalid) as invalid:
        operators.submit(permit, b"\0" * 65)
    assert (invalid.value.trader, invalid.value.nonce) == (signer.address, 0)
    door.protocol.wait(6)
    with pytest.raises(errors.SignatureExpired) as expired:
        operators.submit(permit, permit.sign(signer))
    assert expired.value.deadline == to_datetime(now + 5)


def test_grace_of_a_sequencer(door: Door, deployment: Deployment) -> None:
    chain, uptime = door.protocol.chain, deployment.deploy("FeedProxyMock", 8)
    uptime.send.push(0, chain.timestamp - 10_000, chain.timestamp - 10_000)
    oracle = deployment.oracle(door.feed.address, OracleTerms(sequencer=uptime.address))
    bound = TypedContract(chain, "Oracle", oracle.address)
    bound.call.latest()
    uptime.send.push(1, chain.timestamp, chain.timestamp)
    with pytest.raises(errors.InGrace, match="sequencer is down"):
        bound.call.latest()
    door.protocol.wait(10)
    uptime.send.push(0, chain.timestamp, chain.timestamp)
    with pytest.raises(errors.InGrace, match=r"count again from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\.") as grace:
        bound.call.latest()
    assert grace.value.until == to_datetime(chain.timestamp + 600)


def test_no_field_hides_what_every_exception_has() -> None:
    reserved = {"data", "reason", "where", "selector", "name", "values", "args", "decimals", "units", "kinds", "said"}
    for name, kind in Refused.kinds.items():
        assert not reserved & set(kind.units), name
