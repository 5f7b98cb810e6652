"""Who may act for a trader, in which market, until when, and for how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bulkhead.chain import Address, Chain, Receipt, to_address
from bulkhead.chain.base import AddressLike
from bulkhead.model.interfaces.market import Action
from bulkhead.protocol.errors import TypedContract
from bulkhead.protocol.units import Number, short, to_integer

if TYPE_CHECKING:
    from bulkhead.protocol.market import Market

#: The budget that is never used up.
_NO_CAP = 2**128 - 1


@dataclass(frozen=True)
class Grant:
    """What an operator may do until its last second, `expiry`; `budget` tokens are left to spend, None: no cap."""

    actions: frozenset[Action]
    expiry: int
    budget: Decimal | None


@dataclass(frozen=True)
class Permit:
    """A grant for its trader to sign; `typed_data` is what any EIP-712 wallet takes, `args` what the contract takes."""

    typed_data: dict[str, Any]
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
        raw = self.contract.call.grantOf(trader, market, operator)
        actions = frozenset(action for action in Action if raw.actions >> action & 1)
        return Grant(actions, raw.expiry, None if raw.budget == _NO_CAP else market.token.amount(raw.budget))

    def grant(
        self,
        market: Market,
        operator: AddressLike,
        actions: Iterable[Action],
        *,
        expiry: int,
        budget: Number | None = None,
        sender: AddressLike = None,
    ) -> Receipt:
        """The sender lets an operator act, until `expiry` (unix seconds); replaces what was granted before."""
        return self.contract.send.grant(market, operator, _terms(market, actions, expiry, budget), sender=sender)

    def revoke(self, market: Market, operator: AddressLike, *, sender: AddressLike = None) -> Receipt:
        """The sender takes a grant back."""
        return self.contract.send.grant(market, operator, (0, 0, 0), sender=sender)

    def permit(
        self,
        trader: AddressLike,
        market: Market,
        operator: AddressLike,
        actions: Iterable[Action],
        *,
        expiry: int,
        deadline: int,
        budget: Number | None = None,
    ) -> Permit:
        """A grant to be signed by the trader, good once and until `deadline`, for anyone to hand in by `submit`."""
        terms = _terms(market, actions, expiry, budget)
        parties = tuple(to_address(party) for party in (trader, market, operator))
        names = [*_GRANT]
        nonce = self.contract.call.nonces(parties[0])
        message = dict(zip(names, (*parties, *terms, nonce, deadline), strict=True))
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
        return Permit(typed_data, (*parties, terms, deadline))

    def submit(self, permit: Permit, signature: bytes, *, sender: AddressLike = None) -> Receipt:
        """Sets the grant that a trader has signed. Anyone may. Raises SignatureExpired, SignatureInvalid."""
        return self.contract.send.grantBySignature(*permit.args, signature, sender=sender)

    def revoke_nonce(self, *, sender: AddressLike = None) -> Receipt:
        """Makes the sender's signed but unused permit worthless."""
        return self.contract.send.revokeNonce(sender=sender)

    def __repr__(self) -> str:
        return f"<Operators at {short(self.address)}>"


def _terms(market: Market, actions: Iterable[Action], expiry: int, budget: Number | None) -> tuple[int, int, int]:
    spend = _NO_CAP if budget is None else market.token.units(budget, "budget")
    return to_integer(expiry, 0, "expiry"), sum(1 << action for action in set(actions)), spend


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
