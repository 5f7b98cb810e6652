"""Addresses: checksummed strings outside, 20 bytes or a left-padded word inside."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NewType, cast

from eth_hash.auto import keccak as _keccak

from bulkhead.chain.errors import EncodingError

#: A checksummed (EIP-55) address, "0x" and 40 hexadecimal digits.
Address = NewType("Address", str)

ZERO = Address("0x" + "0" * 40)


def keccak(data: bytes | str) -> bytes:
    """Keccak-256 of bytes, or of a string's UTF-8: 32 bytes."""
    return bytes(_keccak(data.encode() if isinstance(data, str) else data))


@lru_cache(maxsize=1 << 16)
def checksum(raw: bytes) -> Address:
    """The EIP-55 form of 20 bytes, or of a 32-byte word's last 20. Cached: a keccak costs more than the rest."""
    digits = raw[-20:].hex()
    if len(digits) != 40:
        raise EncodingError(f"An address has 20 bytes, not {len(digits) // 2}.")
    mask = keccak(digits).hex()
    return Address("0x" + "".join(c.upper() if m > "7" else c for c, m in zip(digits, mask, strict=False)))


@lru_cache(maxsize=1 << 16)
def _parse(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 20:
        raise EncodingError(f"{text!r} is not an address: it takes 0x and 40 hexadecimal digits.")
    return raw


def address_bytes(value: Any) -> bytes:
    """The 20 bytes of a string, of bytes, or of anything with an `.address` (a contract, an account).

    Capitals are not checked as a checksum. Raises EncodingError for anything else.
    """
    if isinstance(value, str):
        return _parse(value)
    if isinstance(value, bytes) and len(value) == 20:
        return bytes(value)
    inner = getattr(value, "address", None)
    if inner is None:
        raise EncodingError(f"{value!r} is not an address: give a 0x string, 20 bytes or an object with .address.")
    return address_bytes(inner)


def to_address(value: Any) -> Address:
    """The checksummed address of anything `address_bytes` takes."""
    return checksum(address_bytes(value))


def labelled(label: str) -> Address:
    """An address nobody holds a key of, the same for the same label everywhere: keccak(label)'s last 20 bytes."""
    return checksum(keccak(f"bulkhead account {label}"))


def to_bytes(value: Any) -> bytes:
    """Bytes of a hexadecimal string (with or without 0x) or of bytes."""
    if isinstance(value, str):
        try:
            return bytes.fromhex(value.removeprefix("0x"))
        except ValueError:
            raise EncodingError(f"{value[:20]!r}... is not hexadecimal.") from None
    return bytes(cast(bytes, value))
