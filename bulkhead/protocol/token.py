"""The collateral of a market, or any other ERC-20."""

from __future__ import annotations

from decimal import Decimal

from bulkhead.chain import Address, Chain, Receipt
from bulkhead.chain.base import AddressLike
from bulkhead.protocol.errors import TypedContract
from bulkhead.protocol.units import Number, short, to_decimal, to_integer


class Token:
    """An ERC-20 at an address; amounts are whole tokens."""

    def __init__(self, chain: Chain, address: AddressLike) -> None:
        # A pool's shares are an ERC-20, so that a pool's interface has all of one.
        self.contract = TypedContract(chain, "IPool", address)
        self.decimals: int = self.contract.call.decimals()
        self.contract.decimals = self.decimals

    @property
    def address(self) -> Address:
        """Where it is."""
        return self.contract.address

    def balance(self, account: AddressLike) -> Decimal:
        """Tokens of an account."""
        return self.amount(self.contract.call.balanceOf(account))

    def allowance(self, owner: AddressLike, spender: AddressLike) -> Decimal:
        """Tokens of `owner` that `spender` may take."""
        return self.amount(self.contract.call.allowance(owner, spender))

    def approve(self, spender: AddressLike, amount: Number, *, sender: AddressLike = None) -> Receipt:
        """Lets a market or a pool take up to `amount` of the sender's tokens."""
        return self.contract.send.approve(spender, self.units(amount), sender=sender)

    def transfer(self, to: AddressLike, amount: Number, *, sender: AddressLike = None) -> Receipt:
        """Sends tokens of the sender. Raises ERC20InsufficientBalance."""
        return self.contract.send.transfer(to, self.units(amount), sender=sender)

    def units(self, amount: Number, what: str = "amount") -> int:
        """Whole tokens as the token's smallest units; exact. Raises TypeError, ValueError."""
        return to_integer(amount, self.decimals, what)

    def amount(self, units: int) -> Decimal:
        """The token's smallest units as whole tokens."""
        return to_decimal(units, self.decimals)

    def __repr__(self) -> str:
        return f"<Token {self.contract.call.symbol()} at {short(self.address)}>"
