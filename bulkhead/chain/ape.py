"""A `Web3Chain` on the network and the accounts of an ape script (`ape run --network ...`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bulkhead.chain.address import Address, to_address
from bulkhead.chain.errors import ChainError, Rejected
from bulkhead.chain.web3 import Web3Chain


class ApeChain(Web3Chain):
    """The chain that ape is connected to; ape's accounts sign, with whatever confirmation they ask for.

    provider   ape's provider; None takes the connected one. Raises ChainError when there is none
    accounts   ape accounts to send from, the first by default; None takes ape's test accounts on a local network

    Reading goes straight to the provider's node: ape's own path costs five times as much.
    """

    def __init__(self, provider: Any = None, accounts: Sequence[Any] | None = None) -> None:
        import ape

        provider = provider if provider is not None else ape.networks.active_provider
        if provider is None:
            raise ChainError("ape is not connected to a network: run the script with `ape run NAME --network ...`.")
        self._ape = provider
        super().__init__(provider.web3.provider)
        self.url = str(getattr(provider, "uri", None) or provider.name)
        if accounts is None:
            accounts = list(ape.accounts.test_accounts) if provider.network.is_dev else ()
        for account in accounts:
            self._signers[to_address(account.address)] = account

    @property
    def accounts(self) -> Sequence[Address]:
        """The ape accounts given, in order."""
        return tuple(self._signers)

    def add_account(self, key: Any) -> Address:
        """Send from a further ape account from now on."""
        if not hasattr(key, "call"):
            raise ChainError("ApeChain signs with ape accounts: import the key by `ape accounts import` and load it.")
        self._signers[to_address(key.address)] = key
        return to_address(key.address)

    def new_account(self, label: str) -> Address:
        """A new test account of ape's, without a promise of ether; only on local networks."""
        import ape

        if not self._ape.network.is_dev:
            raise ChainError(f"No throw-away accounts on a live network: make {label} with `ape accounts generate`.")
        return self.add_account(ape.accounts.test_accounts.generate_test_account())

    def _submit(self, request: dict[str, Any], sender: Address) -> dict[str, Any]:
        from ape.exceptions import AccountsError

        signer = self._signers.get(sender)
        if signer is None:
            raise ChainError(f"ape was given no account {sender}: pass it to ApeChain(accounts=...) or add_account.")
        create = self._ape.network.ecosystem.create_transaction
        fields = {"data": request["data"], "value": int(request["value"], 16), "gas": int(request["gas"], 16)}
        if "to" in request:
            fields["receiver"] = request["to"]
        try:
            transaction = signer.prepare_transaction(create(**fields, chain_id=self.chain_id))
        except AccountsError as error:  # too little ether
            raise Rejected(" ".join(str(error).split())) from None
        signed = signer.sign_transaction(transaction)
        if signed is None:
            raise ChainError("The transaction was not signed.")
        raw = "0x" + bytes(signed.serialize_transaction()).hex()
        return self._mined(self.rpc("eth_sendRawTransaction", raw))
