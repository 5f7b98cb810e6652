"""Twin of Operators.sol: who may act for whom. Signatures are not checked here: `signed` says whether one is good."""

from __future__ import annotations

from typing import NamedTuple

from bulkhead.model.errors import ModelError
from bulkhead.model.interfaces.oracle import Block

NO_CAP = (1 << 128) - 1


class OutOfScope(ModelError):
    """trader, operator, action, expiry: no grant for this action now."""


class BudgetExceeded(ModelError):
    """operator, amount, budget: more than what is left of the cap."""


class SignatureExpired(ModelError):
    """deadline: over."""


class SignatureInvalid(ModelError):
    """trader, nonce: not signed by the trader, or the nonce is used."""


class Grant(NamedTuple):
    """expiry: last second; actions: bit set; budget: token units left, 2**128 - 1 is no cap."""

    expiry: int = 0
    actions: int = 0
    budget: int = 0


class Operators:
    """`sender` is the caller; addresses are any hashable."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.grants: dict[tuple[str, str, str], Grant] = {}
        self._nonces: dict[str, int] = {}

    def grant(self, market: str, operator: str, terms: Grant, *, sender: str) -> None:
        """Sets, replaces or (with expiry 0) revokes a grant of the caller."""
        self._grant(sender, market, operator, terms)

    def grant_by_signature(
        self, trader: str, market: str, operator: str, terms: Grant, deadline: int, signed: bool, *, sender: str = ""
    ) -> None:
        """The same by a signature, good if `signed`. Raises SignatureExpired, SignatureInvalid."""
        if self.block.timestamp > deadline:
            raise SignatureExpired(deadline)
        nonce = self.nonces(trader)
        if not signed:
            raise SignatureInvalid(trader, nonce)
        self._nonces[trader] = nonce + 1
        self._grant(trader, market, operator, terms)

    def revoke_nonce(self, *, sender: str) -> None:
        """Uses up the caller's next nonce."""
        self._nonces[sender] = self.nonces(sender) + 1

    def spend(self, trader: str, operator: str, action: int, amount: int, *, sender: str) -> None:
        """Called by a market, the sender. Raises OutOfScope, BudgetExceeded."""
        g = self.grant_of(trader, sender, operator)
        if self.block.timestamp > g.expiry or not g.actions >> min(action, 64) & 1:
            raise OutOfScope(trader, operator, action, g.expiry)
        if amount == 0 or g.budget == NO_CAP:
            return
        if amount > g.budget:
            raise BudgetExceeded(operator, amount, g.budget)
        self.grants[trader, sender, operator] = g._replace(budget=g.budget - amount)

    def grant_of(self, trader: str, market: str, operator: str) -> Grant:
        """What is left of a grant."""
        return self.grants.get((trader, market, operator), Grant())

    def nonces(self, trader: str) -> int:
        """The number the trader's next signature must carry."""
        return self._nonces.get(trader, 0)

    def _grant(self, trader: str, market: str, operator: str, terms: Grant) -> None:
        self.grants[trader, market, operator] = terms
