"""An ERC-20 token as the contracts see one, and as TokenMock.sol is: blocked addresses, a fee on transfer."""

from __future__ import annotations

from typing import Any

from bulkhead.model.errors import ModelError
from bulkhead.model.integers import MAX_UINT256
from bulkhead.model.state import atomic


class Blocked(ModelError):
    """account: neither sends nor receives."""


class ERC20InsufficientBalance(ModelError):
    """sender, balance, needed."""


class ERC20InsufficientAllowance(ModelError):
    """spender, allowance, needed."""


class Token:
    """Balances by address; `address` is the token's own, where fees on transfer go."""

    def __init__(self, decimals: int, address: str = "token") -> None:
        self.decimals, self.address = decimals, address
        self.balances: dict[str, int] = {}
        self.allowances: dict[tuple[str, str], int] = {}
        self.blocked: set[str] = set()
        self.total_supply = 0
        self.fee = 0

    def places(self) -> list[tuple[Any, str]]:
        """Where its state lies."""
        return [(self, name) for name in ("balances", "allowances", "total_supply")]

    def balance_of(self, account: str) -> int:
        """Token units of an account."""
        return self.balances.get(account, 0)

    def mint(self, to: str, amount: int) -> None:
        """Out of nothing. Raises Blocked."""
        self._refuse_blocked(to)
        self.total_supply += amount
        self.balances[to] = self.balance_of(to) + amount

    def burn(self, account: str, value: int) -> None:
        """Into nothing. Raises ERC20InsufficientBalance."""
        self._take(account, value)
        self.total_supply -= value

    def approve(self, spender: str, value: int, *, sender: str) -> None:
        """Lets `spender` spend; 2**256 - 1 is without end."""
        self.allowances[sender, spender] = value

    @atomic
    def transfer(self, to: str, value: int, *, sender: str) -> None:
        """Raises Blocked, ERC20InsufficientBalance."""
        self._refuse_blocked(sender, to)
        self._move(sender, to, value)
        if self.fee:
            self._take_fee(sender, to, value)

    @atomic
    def transfer_from(self, owner: str, to: str, value: int, *, sender: str) -> None:
        """Raises ERC20InsufficientAllowance, Blocked, ERC20InsufficientBalance."""
        self.spend_allowance(owner, sender, value)
        self.transfer(to, value, sender=owner)

    def try_transfer(self, to: str, value: int, *, sender: str) -> bool:
        """The same as `transfer`, telling instead of raising."""
        try:
            self.transfer(to, value, sender=sender)
        except ModelError:
            return False
        return True

    def spend_allowance(self, owner: str, spender: str, value: int) -> None:
        """Raises ERC20InsufficientAllowance."""
        allowance = self.allowances.get((owner, spender), 0)
        if allowance == MAX_UINT256:
            return
        if allowance < value:
            raise ERC20InsufficientAllowance(spender, allowance, value)
        self.allowances[owner, spender] = allowance - value

    def _refuse_blocked(self, *accounts: str) -> None:
        for account in accounts:
            if account in self.blocked:
                raise Blocked(account)

    def _move(self, sender: str, to: str, value: int) -> None:
        self._take(sender, value)
        self.balances[to] = self.balance_of(to) + value

    def _take_fee(self, sender: str, to: str, value: int) -> None:
        try:
            self._move(to, self.address, self.fee)
        except ERC20InsufficientBalance:
            self._move(to, sender, value)  # `try_transfer` goes on from here
            raise

    def _take(self, account: str, value: int) -> None:
        balance = self.balance_of(account)
        if balance < value:
            raise ERC20InsufficientBalance(account, balance, value)
        self.balances[account] = balance - value
