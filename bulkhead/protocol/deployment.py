"""One deployment class for scripts, fixtures, the fuzzer and the demo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bulkhead.build import artifacts
from bulkhead.chain import ZERO, Address, Chain, Contract, Receipt, as_abi
from bulkhead.protocol.config import (
    FixedMarginRates,
    MarginRates,
    MarketTerms,
    OracleTerms,
    PerpetualTerms,
    VolatilityTerms,
)

PIECE = 24_000
"""Bytes of creation code per holding contract; a contract may hold 24,576."""


@dataclass(frozen=True)
class RawCode:
    """Creation code without an ABI, deployable like an artifact."""

    name: str
    bytecode: bytes
    abi: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """One transaction of a deployment.

    label     unique in the deployment
    contract  the name of what is made
    code      creation code, or the selector of a call; `encoded` are the arguments after it, `args` the same to read
    address   of what is made, where it follows from the arguments; None for a creation from the sender's next nonce
    """

    label: str
    contract: str
    code: bytes = field(repr=False)
    encoded: bytes = field(repr=False)
    args: tuple[Any, ...] = ()
    address: Address | None = None

    @property
    def data(self) -> bytes:
        """What the transaction carries."""
        return self.code + self.encoded


class Journal:
    """What a deployment asks before it creates a contract, and tells around every transaction. This one forgets all."""

    def found(self, step: Step) -> Address | None:
        """Where this contract is already, or None."""
        return None

    def begins(self, step: Step) -> None:
        """The transaction is about to be sent."""

    def done(self, step: Step, address: Address, receipt: Receipt | None, **facts: str) -> None:
        """What the step makes is at `address`. No receipt: a transaction before this run has made it."""


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

    `sender` pays; None is the chain's first account. With a `journal` that remembers, what is there is not made again.
    Labels name the transactions in it. Errors are those of the chain.
    """

    def __init__(self, chain: Chain, sender: str | None = None, journal: Journal | None = None) -> None:
        self.chain = chain
        self.sender = sender
        self._journal = journal or Journal()
        self._artifacts = artifacts()
        chain.register(*self._artifacts.values())
        pieces = [self._hold(name) for name in ("Market", "Pool", "PositionVault")]
        self.operators = self.deploy("Operators")
        self.factory = self.deploy("Factory", *pieces)

    def deploy(self, name: str, *args: Any, label: str = "") -> Contract:
        """Deploys one contract of the project by its name."""
        return self._create(label or name, self._artifacts[name], *args)

    def at(self, name: str, address: str) -> Contract:
        """A contract of the project that is already on the chain."""
        return self.chain.contract(self._artifacts[name], address)

    def oracle(
        self,
        feed: str,
        terms: OracleTerms | None = None,
        decimals: int = 8,
        label: str = "",
        validators: Sequence[dict[str, Any]] = (),
    ) -> Contract:
        """An oracle on one feed that answers with `decimals`, with `validators` as the contract's SourceConfig."""
        return self.deploy("Oracle", (terms or OracleTerms()).encoded(feed, decimals, validators), label=label)

    def volatility_feed(self, oracle: Contract, terms: VolatilityTerms | None = None, label: str = "") -> Contract:
        """A feed of volatility on an oracle's prices."""
        return self.deploy("VolatilityFeed", (terms or VolatilityTerms()).encoded(oracle.address), label=label)

    def perpetual_market(
        self,
        token: Contract,
        oracle: Contract,
        terms: MarketTerms | None = None,
        instrument: PerpetualTerms | None = None,
        margin: MarginRates | None = None,
        label: str = "",
    ) -> MarketContracts:
        """A market of perpetuals on an oracle, in a token; with fixed margins unless these are others."""
        perpetual = self.deploy(
            "Perpetual", (instrument or PerpetualTerms()).encoded(), label=f"{label} perpetual".strip()
        )
        model = self.margin_model(token, oracle, margin or FixedMarginRates(), label)
        return self.market(token, oracle, perpetual, model, terms, label=f"{label} market".strip())

    def margin_model(self, token: Contract, oracle: Contract, margin: MarginRates, label: str = "") -> Contract:
        """A margin model, with a feed of volatility of its own where it follows that."""
        named = f"{label} margin".strip()
        if isinstance(margin, FixedMarginRates):
            return self.deploy("FixedMargin", *margin.encoded(), label=named)
        volatility = self.volatility_feed(oracle, margin.feed, label=f"{label} volatility".strip())
        terms = margin.encoded(volatility.address, ZERO, token.call.decimals())
        return self.deploy("VolatilityMargin", terms, label=named)

    def market(
        self,
        token: Contract,
        oracle: Contract,
        instrument: Contract,
        margin_model: Contract,
        terms: MarketTerms | None = None,
        label: str = "market",
    ) -> MarketContracts:
        """The market of these parts; created through the factory unless it is there, at a valid price of the oracle."""
        config = (terms or MarketTerms()).encoded(
            token.call.decimals(),
            token=token.address,
            oracle=oracle.address,
            instrument=instrument.address,
            margin_model=margin_model.address,
            operators=self.operators.address,
        )
        market, pool, vault = self.factory.call.marketOf(config)
        data = self.factory.encode.createMarket(config)
        step = Step(label, "Market", data[:4], data[4:], (config,), market)
        receipt = None
        if not self.factory.call.isMarket(market):
            self._journal.begins(step)
            receipt = self.factory.send.createMarket(config, sender=self.sender)
        self._journal.done(step, market, receipt, pool=pool, vault=vault)
        return MarketContracts(
            market=self.at("Market", market),
            pool=self.at("Pool", pool),
            oracle=oracle,
            instrument=instrument,
            margin_model=margin_model,
            token=token,
            config=config,
        )

    def _create(self, label: str, artifact: Any, *args: Any) -> Contract:
        step = Step(label, artifact.name, artifact.bytecode, as_abi(artifact).encode_constructor(*args), args)
        if (there := self._journal.found(step)) is not None:
            return self.chain.contract(artifact, there)
        self._journal.begins(step)
        contract = self.chain.deploy(artifact, *args, sender=self.sender)
        self._journal.done(step, contract.address, contract.deployment)
        return contract

    def _hold(self, name: str) -> list[str]:
        """Puts the creation code of a contract on the chain, in pieces that a factory reads."""
        code = self._artifacts[name].bytecode
        held: list[str] = []
        for start in range(0, len(code), PIECE):
            piece = code[start : start + PIECE]
            # PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE (0), CODECOPY, RETURNDATASIZE, RETURN: return what follows
            loader = bytes.fromhex(f"61{len(piece):04x}80600a3d393df3")
            raw = RawCode(f"{name} code", loader + piece)
            held.append(self._create(f"{name} code {len(held) + 1}", raw).address)
        return held
