"""An instrument that says what it is told to: constant answers, as code without a compiler."""

from __future__ import annotations

from bulkhead.chain import Contract, keccak
from bulkhead.protocol import MarketContracts, MarketTerms
from tests.world import PRICE, World

SNAPSHOT = "(uint24,uint256,uint256,uint256,uint256,uint256,uint256)"
SIGNATURES = {
    "isOpen": "isOpen(uint24,uint256)",
    "mark": "mark(uint24,uint256,uint256)",
    "cap": "cap(uint24)",
    "premium": f"premium({SNAPSHOT},int256)",
    "carry": f"carry({SNAPSHOT},uint256,uint256)",
    "hasCarry": "hasCarry()",
    "isLinear": "isLinear()",
    "looksAtMarket": "looksAtMarket()",
    "finalMark": "finalMark(uint24)",
    "initial": f"initial({SNAPSHOT},uint256,int256)",
    "maintenance": "maintenance(uint24,uint256,uint256,int256)",
}
ADDRESS, MODEL = "0x" + "1357" * 10, "0x" + "2468" * 10


def code_of(answers: dict[str, tuple[int, ...] | bytes]) -> bytes:
    """Compares the selector with each, and returns the words that belong to it, or goes on with the code.

    Functions are named as above, or by their whole signature.
    """
    code = bytes.fromhex("5f3560e01c")  # the selector
    for name, words in answers.items():
        if isinstance(words, bytes):
            told = words
        else:
            told = b""
            for i, word in enumerate(words):
                told += b"\x7f" + (word % 2**256).to_bytes(32, "big") + b"\x60" + bytes([32 * i]) + b"\x52"  # MSTORE
            told += b"\x60" + bytes([32 * len(words)]) + b"\x5f\xf3"  # RETURN
        beyond = len(code) + 11 + len(told)
        # DUP1, PUSH4 selector, XOR, PUSH2 beyond, JUMPI
        code += (
            b"\x80\x63"
            + keccak(SIGNATURES.get(name, name).encode())[:4]
            + b"\x18\x61"
            + beyond.to_bytes(2, "big")
            + b"\x57"
        )
        code += told + b"\x5b"
    return code + b"\x5f\x5f\xfd"


def sum_of_words(weights: dict[int, int], divisor: int = 1) -> bytes:
    """Code that answers with a weighted sum of the call's words, rounded down, and with a second word, 0."""
    code = b"\x67" + divisor.to_bytes(8, "big") + b"\x5f"
    for place, weight in weights.items():  # CALLDATALOAD, PUSH8 weight, MUL, ADD
        code += b"\x61" + (4 + 32 * place).to_bytes(2, "big") + b"\x35\x67" + weight.to_bytes(8, "big") + b"\x02\x01"
    return code + bytes.fromhex("04" + "5f52" + "60405ff3")  # DIV, MSTORE, RETURN


def say(world: World, **answers: tuple[int, ...] | bytes) -> None:
    """What the instrument answers from now on: else always open, without premium or carry, at one price."""
    said = {"isOpen": (1,), "mark": (PRICE,), "cap": (2**256 - 1,), "premium": (0,), "carry": (0, 0), "hasCarry": (0,)}
    world.chain.set_code(ADDRESS, code_of({**said, "isLinear": (0,), "finalMark": (0, 0, 0), **answers}))


def market_of(world: World, terms: MarketTerms | None = None, **answers: tuple[int, ...] | bytes) -> MarketContracts:
    """A market of such an instrument, with liquidity."""
    say(world, **answers)
    return _liquid(world, world.deployment.at("DatedCall", ADDRESS), world.perpetual.margin_model, terms)


def say_margin(world: World, initial: bytes, looks: bool = True) -> None:
    """What the margin model answers from now on: nothing to stay open, and what this code says to open."""
    answers: dict[str, tuple[int, ...] | bytes] = {"looksAtMarket": (int(looks),), "initial": initial}
    world.chain.set_code(MODEL, code_of({**answers, "maintenance": (1, 2)}))


def market_held_to(world: World, initial: bytes, looks: bool = True) -> MarketContracts:
    """A perpetual market whose initial margin is what this code answers, with liquidity."""
    say_margin(world, initial, looks)
    return _liquid(world, world.perpetual.instrument, world.deployment.at("FixedMargin", MODEL))


def _liquid(
    world: World, instrument: Contract, margin_model: Contract, terms: MarketTerms | None = None
) -> MarketContracts:
    market = world.deployment.market(world.token, world.oracle, instrument, margin_model, terms)
    for spender in (market.market.address, market.pool.address):
        world.token.send.approve(spender, 2**256 - 1, sender=world.trader)
    market.pool.send.deposit(1_000_000 * world.unit, world.trader, sender=world.trader)
    return market
