"""Sources for a block explorer, through the client that ape-etherscan ships.

ape's own `publish` compiles a contract again with ape's settings, whose bytecode ends in a metadata hash that ours does
not have: no explorer would match it. So its client is given the compiler input that our bytecode was made from.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bulkhead.build import SETTINGS, artifacts, compiler_version, standard_json
from bulkhead.chain import ChainError
from bulkhead.chain.address import address_bytes

#: ape-etherscan reads the key from this environment variable.
KEY = "ETHERSCAN_API_KEY"

MIT = 3
"""Etherscan's number for the licence of our sources."""


class VerificationError(ChainError):
    """The explorer did not accept a source, or could not be asked."""


@dataclass(frozen=True)
class Published:
    """A contract whose source an explorer can show: `encoded` are its constructor's arguments."""

    contract: str
    address: str
    encoded: bytes


def published(steps: dict[str, dict[str, Any]]) -> Iterator[Published]:
    """All contracts of a record that have a source, those included that the factory made."""
    sources = artifacts()
    for entry in steps.values():
        encoded = bytes.fromhex(entry["encoded"].removeprefix("0x"))
        if entry["contract"] == "Market":
            config = encoded  # the struct is static: as an argument it looks the same everywhere
            token = config[:32]
            market, pool, vault = (_word(entry[key]) for key in ("address", "pool", "vault"))
            yield Published("Market", entry["address"], config + pool + vault)
            yield Published("Pool", entry["pool"], market + config)
            yield Published("PositionVault", entry["vault"], market + pool + token)
        elif entry["contract"] in sources:
            yield Published(entry["contract"], entry["address"], encoded)


def verify(api: str, contract: Published, pause: float = 3, patience: float = 300) -> str:
    """Hands one source to the explorer and gives its verdict, asked for every `pause` seconds, for `patience` seconds.

    Raises VerificationError.
    """
    if not os.environ.get(KEY):
        raise VerificationError(f"An explorer takes sources from holders of a key only: put yours into ${KEY}.")
    import requests

    try:
        from ape_etherscan.exceptions import EtherscanResponseError
    except ImportError:
        raise VerificationError("ape-etherscan is not installed: run `make setup`.") from None

    try:
        verdict = _ask(_client(api, contract.address), contract, pause, patience)
    except EtherscanResponseError as error:
        verdict = str(error)
    except requests.RequestException as error:
        raise VerificationError(f"The explorer could not be asked about {contract.contract}: {error}") from None
    if not any(word in verdict.lower() for word in ("pass", "already verified")):
        raise VerificationError(f"The explorer refused {contract.contract} at {contract.address}: {verdict}")
    return verdict


def _ask(client: Any, contract: Published, pause: float, patience: float) -> str:
    source = artifacts()[contract.contract].source
    guid = client.verify_source_code(
        standard_json(source),
        compiler_version(),
        contract_name=f"{source}:{contract.contract}",
        optimization_used=SETTINGS["optimizer"]["enabled"],
        optimization_runs=SETTINGS["optimizer"]["runs"],
        constructor_arguments=contract.encoded.hex(),
        evm_version=SETTINGS["evmVersion"],
        license_type=MIT,
        via_ir=SETTINGS["viaIR"],
    )
    deadline = time.monotonic() + patience
    while "pending" in (verdict := str(client.check_verify_status(guid))).lower():
        if time.monotonic() > deadline:
            raise VerificationError(f"{contract.contract} still waits for the explorer: ask again later.")
        time.sleep(pause)
    return verdict


def _word(address: str) -> bytes:
    return address_bytes(address).rjust(32, b"\0")


def _client(api: str, address: str) -> Any:
    from ape_etherscan.client import ContractClient
    from ape_etherscan.types import EtherscanInstance

    class Client(ContractClient):
        """The same, but for two numbers that it would ask a connected ape for."""

        _rate_limit = 5
        _retries = 5

    return Client(EtherscanInstance("ethereum", "", api, api), address)
