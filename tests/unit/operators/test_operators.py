"""Every branch and every error of Operators.sol; the model is asked the same each time."""

from __future__ import annotations

import random
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkhead.build import artifacts
from bulkhead.chain import Revert, RevmChain
from bulkhead.model.errors import ModelError
from bulkhead.model.operators import NO_CAP, Grant, Operators

START = 1_800_000_000
TYPES = {
    "Grant": [
        {"name": name, "type": kind}
        for name, kind in (
            ("trader", "address"),
            ("market", "address"),
            ("operator", "address"),
            ("expiry", "uint64"),
            ("actions", "uint64"),
            ("budget", "uint128"),
            ("nonce", "uint256"),
            ("deadline", "uint256"),
        )
    ]
}
NAMES = {"revoke_nonce": "revokeNonce", "grant_of": "grantOf"}


class World:
    """The contract, its twin, and actors by role."""

    def __init__(self) -> None:
        self.chain = RevmChain(timestamp=START)
        self.timestamp = START
        self.contract = self.chain.deploy(artifacts()["Operators"])
        self.model = Operators(self)
        self.signer = Account.from_key(b"\7" * 32)
        self.trader = self.chain.new_account("trader")
        self.market = self.chain.new_account("market")
        self.other_market = self.chain.new_account("other market")
        self.operator = self.chain.new_account("operator")

    def at(self, time: int) -> None:
        self.timestamp = time
        self.chain.set_time(time)

    def do(self, name: str, *args: Any, sender: str) -> Any:
        """A transaction in both worlds; its events' names, or its error after comparison."""
        try:
            receipt = getattr(self.contract.send, NAMES.get(name, name))(*args, sender=sender)
            told: Any = [event.name for event in receipt.events]
        except Revert as revert:
            told = (revert.name, tuple(revert.values))
        try:
            getattr(self.model, name)(*args, sender=sender)
        except ModelError as error:
            assert told == (error.name, error.args)
        else:
            assert isinstance(told, list)
        return told

    def left(self, market: str | None = None, trader: str | None = None) -> Grant:
        key = (trader or self.trader, market or self.market, self.operator)
        told = Grant(*self.contract.call.grantOf(*key))
        assert told == self.model.grant_of(*key)
        return told

    def sign(self, terms: Grant, nonce: int, deadline: int, **changes: Any) -> bytes:
        domain = {
            "name": "Bulkhead Operators",
            "version": "1",
            "chainId": self.chain.chain_id,
            "verifyingContract": self.contract.address,
        }
        message = {
            "trader": self.signer.address,
            "market": self.market,
            "operator": self.operator,
            **terms._asdict(),
            "nonce": nonce,
            "deadline": deadline,
        } | changes
        signable = encode_typed_data(domain, TYPES, message)
        return bytes(self.signer.sign_message(signable).signature)

    def by_signature(
        self, terms: Grant, deadline: int, signature: bytes, trader: str | None = None, good: bool = True
    ) -> Any:
        trader = trader or self.signer.address
        args = (trader, self.market, self.operator, terms, deadline)
        try:
            told: Any = [event.name for event in self.contract.send.grantBySignature(*args, signature).events]
        except Revert as revert:
            told = (revert.name, tuple(revert.values))
        try:
            self.model.grant_by_signature(*args, good)
        except ModelError as error:
            assert told == (error.name, error.args)
        else:
            assert isinstance(told, list)
        assert self.contract.call.nonces(trader) == self.model.nonces(trader)
        return told


@pytest.fixture
def w() -> World:
    return World()


TERMS = Grant(START + 100, 0b101, 1000)


def test_grant_replace_revoke(w: World) -> None:
    assert w.do("grant", w.market, w.operator, TERMS, sender=w.trader) == ["Granted"]
    assert w.left() == TERMS
    replaced = Grant(START + 5, 1, 7)
    w.do("grant", w.market, w.operator, replaced, sender=w.trader)
    assert w.left() == replaced
    w.do("grant", w.market, w.operator, Grant(), sender=w.trader)
    told = w.do("spend", w.trader, w.operator, 0, 0, sender=w.market)
    assert told == ("OutOfScope", (w.trader, w.operator, 0, 0))


def test_scope_by_action_market_and_time(w: World) -> None:
    w.do("grant", w.market, w.operator, TERMS, sender=w.trader)
    for action in (0, 2):
        assert w.do("spend", w.trader, w.operator, action, 0, sender=w.market) == []
    for action in (1, 3, 63, 64, 66, 255, 256, 2**64, 2**256 - 1):
        told = w.do("spend", w.trader, w.operator, action, 0, sender=w.market)
        assert told == ("OutOfScope", (w.trader, w.operator, action, TERMS.expiry))
    for caller in (w.other_market, w.operator, w.trader):
        assert w.do("spend", w.trader, w.operator, 0, 1, sender=caller) == ("OutOfScope", (w.trader, w.operator, 0, 0))
    assert w.left() == TERMS
    w.at(TERMS.expiry)
    assert w.do("spend", w.trader, w.operator, 0, 0, sender=w.market) == []
    w.at(TERMS.expiry + 1)
    assert w.do("spend", w.trader, w.operator, 0, 0, sender=w.market)[0] == "OutOfScope"


def test_budget(w: World) -> None:
    w.do("grant", w.market, w.operator, TERMS, sender=w.trader)
    w.do("spend", w.trader, w.operator, 0, 999, sender=w.market)
    assert w.left().budget == 1
    assert w.do("spend", w.trader, w.operator, 0, 2, sender=w.market) == ("BudgetExceeded", (w.operator, 2, 1))
    assert w.do("spend", w.trader, w.operator, 0, 2**255, sender=w.market) == (
        "BudgetExceeded",
        (w.operator, 2**255, 1),
    )
    w.do("spend", w.trader, w.operator, 0, 1, sender=w.market)
    assert w.left().budget == 0
    assert w.do("spend", w.trader, w.operator, 0, 0, sender=w.market) == []


def test_no_cap_is_never_used_up(w: World) -> None:
    w.do("grant", w.market, w.operator, Grant(START, 1, NO_CAP), sender=w.trader)
    assert w.do("spend", w.trader, w.operator, 0, 2**255, sender=w.market) == []
    assert w.left().budget == NO_CAP


def test_signature_works_once(w: World) -> None:
    signature = w.sign(TERMS, 0, START)
    assert w.by_signature(TERMS, START, signature) == ["Granted"]
    assert w.left(trader=w.signer.address) == TERMS
    assert w.by_signature(TERMS, START, signature, good=False) == ("SignatureInvalid", (w.signer.address, 1))


def test_signature_deadline(w: World) -> None:
    signature = w.sign(TERMS, 0, START)
    w.at(START + 1)
    assert w.by_signature(TERMS, START, signature) == ("SignatureExpired", (START,))


@pytest.mark.parametrize(
    "change",
    [
        {"trader": "0x" + "11" * 20},
        {"market": "0x" + "11" * 20},
        {"operator": "0x" + "11" * 20},
        {"expiry": 1},
        {"actions": 1},
        {"budget": 1},
        {"nonce": 1},
        {"deadline": START + 1},
    ],
)
def test_every_field_is_signed(w: World, change: dict[str, Any]) -> None:
    signature = w.sign(TERMS, **{"nonce": 0, "deadline": START} | change)
    assert w.by_signature(TERMS, START, signature, good=False) == ("SignatureInvalid", (w.signer.address, 0))


def test_signature_of_another_or_of_nobody(w: World) -> None:
    signature = w.sign(TERMS, 0, START)
    assert w.by_signature(TERMS, START, signature, trader=w.trader, good=False) == ("SignatureInvalid", (w.trader, 0))
    zero = "0x" + "00" * 20
    assert w.by_signature(TERMS, START, b"\0" * 65, trader=zero, good=False) == ("SignatureInvalid", (zero, 0))
    assert w.by_signature(TERMS, START, b"", good=False)[0] == "SignatureInvalid"


def test_revoked_nonce(w: World) -> None:
    signature = w.sign(TERMS, 0, START)
    assert w.do("revoke_nonce", sender=w.signer.address) == ["NonceRevoked"]
    assert w.by_signature(TERMS, START, signature, good=False) == ("SignatureInvalid", (w.signer.address, 1))
    assert w.by_signature(TERMS, START, w.sign(TERMS, 1, START)) == ["Granted"]


def test_contract_wallet(w: World) -> None:
    wallet = w.chain.deploy(artifacts()["WalletMock"])
    told = w.by_signature(TERMS, START, b"any", trader=wallet.address, good=False)
    assert told == ("SignatureInvalid", (wallet.address, 0))
    domain = {
        "name": "Bulkhead Operators",
        "version": "1",
        "chainId": w.chain.chain_id,
        "verifyingContract": w.contract.address,
    }
    message = {"trader": wallet.address, "market": w.market, "operator": w.operator, **TERMS._asdict()}
    signable = encode_typed_data(domain, TYPES, message | {"nonce": 0, "deadline": START})
    assert signable.header == w.contract.call.domainSeparator()
    from bulkhead.chain import keccak

    wallet.send.accept(keccak(b"\x19" + signable.version + signable.header + signable.body))
    assert w.by_signature(TERMS, START, b"any", trader=wallet.address) == ["Granted"]


def test_events_say_who_allows_whom_where_and_what(w: World) -> None:
    granted = w.contract.send.grant(w.market, w.operator, TERMS, sender=w.trader).event("Granted").args
    assert (granted[:3], tuple(granted.grant)) == ((w.trader, w.market, w.operator), tuple(TERMS))
    for nonce in range(2):
        revoked = w.contract.send.revokeNonce(sender=w.trader).event("NonceRevoked").args
        assert revoked == (w.trader, nonce)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**64 - 1))
def test_contract_equals_model(seed: int) -> None:
    rng, w = random.Random(seed), World()
    traders, markets = (w.trader, w.signer.address), (w.market, w.other_market)
    for _ in range(60):
        kind = rng.choice(["grant", "spend", "spend", "spend", "wait"])
        trader, market = rng.choice(traders), rng.choice(markets)
        if kind == "grant":
            expiry = rng.choice([0, w.timestamp - 1, w.timestamp, w.timestamp + 100, 2**64 - 1])
            terms = Grant(expiry, rng.choice([0, 1, 0b10, 2**64 - 1]), rng.choice([0, 10, 1000, NO_CAP - 1, NO_CAP]))
            w.do("grant", market, w.operator, terms, sender=trader)
        elif kind == "spend":
            amount = rng.choice([0, 1, 10, 500, 1000, NO_CAP, 2**200])
            w.do("spend", trader, w.operator, rng.choice([0, 1, 63, 64]), amount, sender=market)
        else:
            w.at(w.timestamp + rng.choice([1, 100]))
        w.left(market, trader)
