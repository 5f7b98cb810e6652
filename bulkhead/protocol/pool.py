"""A market's pool: liquidity in at once, out by request."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from bulkhead.chain import Address, Chain, Receipt, to_address
from bulkhead.chain.base import AddressLike
from bulkhead.protocol.errors import TypedContract
from bulkhead.protocol.events import ExitKept, ExitPaid, ExitRenewed, ExitVoid, PoolEvent
from bulkhead.protocol.oracle import Oracle
from bulkhead.protocol.token import Token
from bulkhead.protocol.units import SHARE_OFFSET, Number, short, to_decimal, to_integer


class Liquidity(NamedTuple):
    """Tokens in vaults and set aside for orders, and those that are free."""

    committed: Decimal
    idle: Decimal


class Exit(NamedTuple):
    """A request to leave for `least` tokens or more; so many are `ahead` of it in the line."""

    owner: Address
    shares: Decimal
    least: Decimal
    ahead: int


class Pool:
    """The pool of a market: an ERC-4626 vault whose exits are by request.

    Amounts are whole tokens, shares whole shares. Senders are as the chain's: None is its first account. Every refusal
    is an exception of `bulkhead.protocol.errors`.
    """

    def __init__(self, chain: Chain, address: AddressLike, token: Token, oracle: Oracle) -> None:
        self.chain, self.token, self.oracle = chain, token, oracle
        self.contract = TypedContract(chain, "Pool", address, token.decimals)
        self._decimals = token.decimals + SHARE_OFFSET

    @property
    def address(self) -> Address:
        """Where it is; providers approve it."""
        return self.contract.address

    # ---------------------------------------------------------------- looking

    @property
    def total_assets(self) -> Decimal:
        """Its worth at the newest price; where there is none, what it holds before gains."""
        return self.token.amount(self.contract.call.totalAssets())

    @property
    def liquidity(self) -> Liquidity:
        """Committed and free."""
        return Liquidity(*map(self.token.amount, self.contract.call.liquidity()))

    @property
    def due_exits(self) -> Decimal:
        """What the line of exits may still ask of the free liquidity."""
        return self.token.amount(self.contract.call.dueExits())

    def shares(self, account: AddressLike) -> Decimal:
        """Shares of an account."""
        return self._shares(self.contract.call.balanceOf(account))

    def preview_deposit(self, assets: Number) -> Decimal:
        """Shares for tokens now."""
        return self._shares(self.contract.call.previewDeposit(self.token.units(assets, "assets")))

    def preview_mint(self, shares: Number) -> Decimal:
        """Tokens for shares now."""
        return self.token.amount(self.contract.call.previewMint(self._units(shares)))

    def preview_redeem(self, shares: Number) -> Decimal:
        """Tokens for shares given back now. Raises ExitByRequest."""
        return self.token.amount(self.contract.call.previewRedeem(self._units(shares)))

    def preview_withdraw(self, assets: Number) -> Decimal:
        """Shares to give back for tokens now. Raises ExitByRequest."""
        return self._shares(self.contract.call.previewWithdraw(self.token.units(assets, "assets")))

    def exit(self, id: int) -> Exit | None:
        """A request to leave; None where it is paid, or never was."""
        told, first = self.contract.call.exitOf(id)
        if not told.shares:
            return None
        least = self.token.amount(told.least)
        return Exit(to_address(told.owner), self._shares(told.shares), least, id - first)

    # ---------------------------------------------------------------- in and out

    def deposit(
        self, assets: Number, *, least_shares: Number = 0, sender: AddressLike = None, receiver: AddressLike = None
    ) -> Decimal:
        """Brings tokens, at once; gives the shares. The sender must have approved the pool.

        Raises the oracle's refusals while there is no valid price and something is open, SharesBelowLeast,
        ERC20InsufficientAllowance, ERC20InsufficientBalance, ERC4626ExceededMaxDeposit.
        """
        owner, units = self._sender(sender), self.token.units(assets, "assets")
        receipt = self.contract.send.depositAtLeast(units, receiver or owner, self._units(least_shares), sender=sender)
        return self._shares(self._own(receipt, "Deposit").shares)

    def mint(self, shares: Number, *, sender: AddressLike = None, receiver: AddressLike = None) -> Decimal:
        """Brings what so many shares cost, at once; gives the tokens. The sender must have approved the pool."""
        owner = self._sender(sender)
        receipt = self.contract.send.mint(self._units(shares), receiver or owner, sender=sender)
        return self.token.amount(self._own(receipt, "Deposit").assets)

    def redeem(self, shares: Number, *, sender: AddressLike = None, receiver: AddressLike = None) -> Decimal:
        """Gives shares back at once, while nothing is open; gives the tokens. Raises ExitByRequest."""
        owner = self._sender(sender)
        receipt = self._of_shares.send.redeem(self._units(shares), receiver or owner, owner, sender=sender)
        return self.token.amount(self._own(receipt, "Withdraw").assets)

    def withdraw(self, assets: Number, *, sender: AddressLike = None, receiver: AddressLike = None) -> Decimal:
        """Takes tokens out at once, while nothing is open; gives the shares it cost. Raises ExitByRequest."""
        owner, units = self._sender(sender), self.token.units(assets, "assets")
        receipt = self._of_shares.send.withdraw(units, receiver or owner, owner, sender=sender)
        return self._shares(self._own(receipt, "Withdraw").shares)

    def request_redeem(self, shares: Number, *, least_assets: Number = 0, sender: AddressLike = None) -> int:
        """Asks to leave with shares; gives the id of the request. Then `execute_exit`. Raises SharesTooFew.

        Where they would bring less than `least_assets` after the keeper's fee, the shares come back, less what pays
        the keeper; of a part that liquidity reaches for, as large a part is asked.
        """
        least = self.token.units(least_assets, "least_assets")
        receipt = self._of_shares.send.requestRedeem(self._units(shares), least, sender=sender)
        return int(self._own(receipt, "ExitRequested").id)

    def execute_exit(
        self, *, proof: bytes | None = None, sender: AddressLike = None
    ) -> list[ExitPaid | ExitRenewed | ExitVoid | ExitKept]:
        """Pays the first request in line as far as free liquidity reaches; finds the proof itself. Anyone may.

        Raises PriceNotThereYet before the first price after the request, NothingToRedeem.
        """
        if proof is None:
            proof = self.oracle.prove(self.contract.call.executeExit)
        told = PoolEvent.of(
            self.contract.send.executeExit(proof, sender=sender).events, self.address, self.token.decimals
        )
        return [event for event in told if isinstance(event, ExitPaid | ExitRenewed | ExitVoid | ExitKept)]

    def claim_exit(self, to: AddressLike = None, *, sender: AddressLike = None) -> Decimal:
        """Pays what the token once refused, to where its owner directs it; gives the tokens. Raises NothingToRedeem."""
        receipt = self.contract.send.claimExit(to or self._sender(sender), sender=sender)
        return self.token.amount(receipt.events_of("Transfer", self.token.address)[0].args.value)

    # ---------------------------------------------------------------- numbers

    @property
    def _of_shares(self) -> TypedContract:
        """The same contract where the amounts in a token's refusal are shares."""
        return TypedContract(self.chain, "Pool", self.address, self._decimals)

    def _sender(self, sender: AddressLike) -> Address:
        return to_address(sender or self.chain.accounts[0])

    def _own(self, receipt: Receipt, name: str) -> Any:
        return receipt.events_of(name, self.address)[0].args

    def _shares(self, units: int) -> Decimal:
        return to_decimal(units, self._decimals)

    def _units(self, shares: Number) -> int:
        return to_integer(shares, self._decimals, "shares")

    def __repr__(self) -> str:
        return f"<Pool at {short(self.address)}>"
