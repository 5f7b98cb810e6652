"""One deployment class for scripts, fixtures, the fuzzer and the demo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bulkhead.build import artifacts
from bulkhead.chain import Chain, Contract
from bulkhead.protocol.config import FixedMarginRates, MarketTerms, PerpetualTerms

PIECE = 24_000
"""Bytes of creation code per holding contract; a contract may hold 24,576."""


@dataclass(frozen=True)
class RawCode:
    """Creation code without an ABI, deployable like an artifact."""

    name: str
    bytecode: bytes
    abi: list[Any] = field(default_factory=list)


@dataclass
class MarketContracts:
    """A market and the parts it was created with."""

    market: Contract
    pool: Contract
    oracle: Contract
    instrument: Contract
    margin_model: Contract
    token: Contract
    config: dict[str, Any]


class Deployment:
    """Deploys the factory and its parts on a chain, and markets from it.

    `sender` pays; None is the chain's first account. Errors are those of the chain.
    """

    def __init__(self, chain: Chain, sender: str | None = None) -> None:
        self.chain = chain
        self.sender = sender
        self._artifacts = artifacts()
        chain.register(*self._artifacts.values())
        pieces = [self._hold(name) for name in ("Market", "Pool", "PositionVault")]
        self.operators = self.deploy("Operators")
        self.factory = self.deploy("Factory", *pieces)

    def deploy(self, name: str, *args: Any) -> Contract:
        """Deploys one contract of the project by its name."""
        return self.chain.deploy(self._artifacts[name], *args, sender=self.sender)

    def at(self, name: str, address: str) -> Contract:
        """A contract of the project that is already on the chain."""
        return self.chain.contract(self._artifacts[name], address)

    def perpetual_market(
        self,
        token: Contract,
        oracle: Contract,
        terms: MarketTerms | None = None,
        instrument: PerpetualTerms | None = None,
        margin: FixedMarginRates | None = None,
    ) -> MarketContracts:
        """A market of perpetuals with fixed margins on an oracle, in a token."""
        perpetual = self.deploy("Perpetual", (instrument or PerpetualTerms()).encoded())
        model = self.deploy("FixedMargin", *(margin or FixedMarginRates()).encoded())
        return self.market(token, oracle, perpetual, model, terms)

    def market(
        self,
        token: Contract,
        oracle: Contract,
        instrument: Contract,
        margin_model: Contract,
        terms: MarketTerms | None = None,
    ) -> MarketContracts:
        """Creates the market of these parts through the factory."""
        config = (terms or MarketTerms()).encoded(
            token.call.decimals(),
            token=token.address,
            oracle=oracle.address,
            instrument=instrument.address,
            margin_model=margin_model.address,
            operators=self.operators.address,
        )
        created = self.factory.send.createMarket(config, sender=self.sender).event("MarketCreated")
        return MarketContracts(
            market=self.at("Market", created.args.market),
            pool=self.at("Pool", created.args.pool),
            oracle=oracle,
            instrument=instrument,
            margin_model=margin_model,
            token=token,
            config=config,
        )

    def _hold(self, name: str) -> list[str]:
        """Puts the creation code of a contract on the chain, in pieces that a factory reads."""
        code = self._artifacts[name].bytecode
        held: list[str] = []
        for start in range(0, len(code), PIECE):
            piece = code[start : start + PIECE]
            # PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE (0), CODECOPY, RETURNDATASIZE, RETURN: return what follows
            loader = bytes.fromhex(f"61{len(piece):04x}80600a3d393df3")
            raw = RawCode(f"{name} code", loader + piece)
            held.append(self.chain.deploy(raw, sender=self.sender).address)
        return held
