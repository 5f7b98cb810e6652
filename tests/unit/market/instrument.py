"""An instrument that says what it is told to: constant answers, as code without a compiler."""

from __future__ import annotations

from bulkhead.chain import keccak
from bulkhead.protocol import MarketContracts
from tests.world import PRICE, World

SNAPSHOT = "(uint24,uint256,uint256,uint256,uint256,uint256,uint256)"
SIGNATURES = {
    "isOpen": "isOpen(uint24,uint256)",
    "mark": "mark(uint24,uint256,uint256)",
    "cap": "cap(uint24)",
    "premium": f"premium({SNAPSHOT},int256)",
    "carry": f"carry({SNAPSHOT},uint256,uint256)",
    "hasCarry": "hasCarry()",
    "finalMark": "finalMark(uint24)",
}
ADDRESS = "0x" + "1357" * 10


def code_of(answers: dict[str, tuple[int, ...]]) -> bytes:
    """Compares the selector with each, and returns the words that belong to it."""
    code = bytes.fromhex("5f3560e01c")  # the selector
    for name, words in answers.items():
        told = b""
        for i, word in enumerate(words):
            told += b"\x7f" + (word % 2**256).to_bytes(32, "big") + b"\x60" + bytes([32 * i]) + b"\x52"  # MSTORE
        told += b"\x60" + bytes([32 * len(words)]) + b"\x5f\xf3"  # RETURN
        beyond = len(code) + 11 + len(told)
        # DUP1, PUSH4 selector, XOR, PUSH2 beyond, JUMPI
        code += b"\x80\x63" + keccak(SIGNATURES[name].encode())[:4] + b"\x18\x61" + beyond.to_bytes(2, "big") + b"\x57"
        code += told + b"\x5b"
    return code + b"\x5f\x5f\xfd"


def market_of(world: World, **answers: tuple[int, ...]) -> MarketContracts:
    """A market of such an instrument, with liquidity: else always open, without premium or carry, at one price."""
    said = {"isOpen": (1,), "mark": (PRICE,), "cap": (2**256 - 1,), "premium": (0,), "carry": (0, 0), "hasCarry": (0,)}
    world.chain.set_code(ADDRESS, code_of({**said, "finalMark": (0, 0, 0), **answers}))
    instrument = world.deployment.at("DatedCall", ADDRESS)
    market = world.deployment.market(world.token, world.oracle, instrument, world.perpetual.margin_model)
    for spender in (market.market.address, market.pool.address):
        world.token.send.approve(spender, 2**256 - 1, sender=world.trader)
    market.pool.send.deposit(1_000_000 * world.unit, world.trader, sender=world.trader)
    return market
