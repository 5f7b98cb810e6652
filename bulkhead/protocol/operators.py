"""Who may act for a trader, in which market, until when, and for how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from bulkhead.chain import Address, Chain, Receipt, to_address
from bulkhead.chain.base import AddressLike
from bulkhead.model.interfaces.market import Action
from bulkhead.protocol.errors import TypedContract
from bulkhead.protocol.events import ContractEvent
from bulkhead.protocol.units import (
    Account,
    Moment,
    Number,
    Unit,
    plain,
    short,
    to_datetime,
    to_decimal,
    to_seconds,
)

if TYPE_CHECKING:
    from bulkhead.protocol.market import Market

#: The budget that is never used up.
_NO_CAP = 2**128 - 1


@dataclass(frozen=True)
class Grant:
    """What an operator may do until its last second, `expiry`; `budget` tokens are left to spend, None: no cap."""

    actions: frozenset[Action]
    expiry: datetime
    budget: Decimal | None

    @classmethod
    def of(cls, raw: Any, decimals: int) -> Grant:
        """From the contract's own; `decimals` are the token's."""
        actions = frozenset(action for action in Action if raw.actions >> action & 1)
        budget = None if raw.budget == _NO_CAP else to_decimal(raw.budget, decimals)
        return cls(actions, to_datetime(raw.expiry), budget)

    def __str__(self) -> str:
        actions = ", ".join(sorted(action.name.lower().replace("_", " ") for action in self.actions)) or "nothing"
        budget = "without a cap" if self.budget is None else f"up to {plain(self.budget)}"
        return f"{actions} until {self.expiry:%Y-%m-%d %H:%M:%S} UTC, {budget}"


class OperatorEvent(ContractEvent):
    """Base of the events of the registry."""


class Granted(OperatorEvent):
    """A trader has said what an operator may do in a market; it replaces what was said before."""

    said = "{trader} lets {operator} act in {market}: {grant}."
    trader: Account
    market: Account
    operator: Account
    grant: Annotated[
        Grant,
        Unit(
            lambda raw, decimals: Grant.of(raw, decimals or 0), lambda raw, decimals: str(Grant.of(raw, decimals or 0))
        ),
    ]


class NonceRevoked(OperatorEvent):
    """The permit of `nonce` is worthless now."""

    said = "{trader} has used up nonce {nonce}."
    trader: Account
    nonce: int


@dataclass(frozen=True)
class Permit:
    """A grant for its trader to sign; `typed_data` is what any EIP-712 wallet takes, `args` what the contract takes."""

    typed_data: dict[str, Any]
    market: Market
    args: tuple[Any, ...]

    def sign(self, account: Any) -> bytes:
        """Signs with an eth_account account that holds the trader's key."""
        return bytes(account.sign_typed_data(full_message=self.typed_data).signature)


class Operators:
    """The registry of a market's operators. A grant is for one market; its budget is in that market's tokens."""

    def __init__(self, chain: Chain, address: AddressLike) -> None:
        self.chain = chain
        self.contract = TypedContract(chain, "Operators", address)

    @property
    def address(self) -> Address:
        """Where it is."""
        return self.contract.address

    def grant_of(self, trader: AddressLike, market: Market, operator: AddressLike) -> Grant:
        """What an operator may do for a trader; nothing is an empty set of actions, or an expiry gone by."""
        return Grant.of(self.contract.call.grantOf(trader, market, operator), market.token.decimals)

    def grant(
        self,
        market: Market,
        operator: AddressLike,
        actions: Iterable[Action],
        *,
        expiry: Moment,
        budget: Number | None = None,
        sender: AddressLike = None,
    ) -> Granted:
        """The sender lets an operator act until `expiry`, and spend `budget` tokens (None: no cap).

        Replaces what was granted before. Raises TypeError, ValueError for numbers and times that do not fit.
        """
        terms = _terms(market, actions, expiry, budget)
        return self._granted(self.contract.send.grant(market, operator, terms, sender=sender), market)

    def revoke(self, market: Market, operator: AddressLike, *, sender: AddressLike = None) -> Granted:
        """The sender takes a grant back."""
        return self._granted(self.contract.send.grant(market, operator, (0, 0, 0), sender=sender), market)

    def permit(
        self,
        trader: AddressLike,
        market: Market,
        operator: AddressLike,
        actions: Iterable[Action],
        *,
        expiry: Moment,
        deadline: Moment,
        budget: Number | None = None,
    ) -> Permit:
        """A grant to be signed by the trader, good once and until `deadline`, for anyone to hand in by `submit`."""
        terms = _terms(market, actions, expiry, budget)
        parties = tuple(to_address(party) for party in (trader, market, operator))
        names = [*_GRANT]
        nonce, last = self.contract.call.nonces(parties[0]), to_seconds(deadline, "deadline")
        message = dict(zip(names, (*parties, *terms, nonce, last), strict=True))
        domain = {
            "name": "Bulkhead Operators",
            "version": "1",
            "chainId": self.chain.chain_id,
            "verifyingContract": self.address,
        }
        types = {
            "EIP712Domain": [{"name": name, "type": kind} for name, kind in _DOMAIN.items()],
            "Grant": [{"name": name, "type": kind} for name, kind in _GRANT.items()],
        }
        typed_data = {"types": types, "primaryType": "Grant", "domain": domain, "message": message}
        return Permit(typed_data, market, (*parties, terms, last))

    def submit(self, permit: Permit, signature: bytes, *, sender: AddressLike = None) -> Granted:
        """Sets the grant that a trader has signed. Anyone may. Raises SignatureExpired, SignatureInvalid."""
        return self._granted(self.contract.send.grantBySignature(*permit.args, signature, sender=sender), permit.market)

    def revoke_nonce(self, *, sender: AddressLike = None) -> NonceRevoked:
        """Makes the sender's signed but unused permit worthless."""
        (event,) = NonceRevoked.of(self.contract.send.revokeNonce(sender=sender).events, self.address, 0)
        return event

    def _granted(self, receipt: Receipt, market: Market) -> Granted:
        return Granted.of(receipt.events, self.address, market.token.decimals)[-1]

    def __repr__(self) -> str:
        return f"<Operators at {short(self.address)}>"


def _terms(market: Market, actions: Iterable[Action], expiry: Moment, budget: Number | None) -> tuple[int, int, int]:
    spend = _NO_CAP if budget is None else market.token.units(budget, "budget")
    return to_seconds(expiry, "expiry"), sum(1 << action for action in set(actions)), spend


_DOMAIN = {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address"}
_GRANT = {
    "trader": "address",
    "market": "address",
    "operator": "address",
    "expiry": "uint64",
    "actions": "uint64",
    "budget": "uint128",
    "nonce": "uint256",
    "deadline": "uint256",
}
