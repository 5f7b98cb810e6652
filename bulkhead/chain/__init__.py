"""One small protocol for all chains, and its backends. Importing it touches no network and no environment.

RevmChain   in this process, for tests and fuzzing: 50,000 transactions a second and more
Web3Chain   any node, through web3's providers
AnvilChain  a Web3Chain on an anvil of one's own, with time, snapshots and funding
ApeChain    a Web3Chain on the network and accounts of an `ape run` script
"""

from bulkhead.chain.abi import Abi, Artifact, Function, Registry, as_abi
from bulkhead.chain.address import ZERO, Address, keccak, to_address
from bulkhead.chain.anvil import AnvilChain
from bulkhead.chain.ape import ApeChain
from bulkhead.chain.base import BLOCK_SECONDS, Chain, LocalChain
from bulkhead.chain.connect import connect
from bulkhead.chain.contract import Contract
from bulkhead.chain.errors import (
    ChainError,
    DecodingError,
    EncodingError,
    NoContract,
    NodeError,
    NodeUnreachable,
    PortInUse,
    ProgramMissing,
    Rejected,
    Revert,
    SnapshotLost,
    describe,
)
from bulkhead.chain.receipt import Event, Log, Receipt
from bulkhead.chain.revm import RevmChain
from bulkhead.chain.web3 import Web3Chain

__all__ = [
    "BLOCK_SECONDS",
    "ZERO",
    "Abi",
    "Address",
    "AnvilChain",
    "ApeChain",
    "Artifact",
    "Chain",
    "ChainError",
    "Contract",
    "DecodingError",
    "EncodingError",
    "Event",
    "Function",
    "LocalChain",
    "Log",
    "NoContract",
    "NodeError",
    "NodeUnreachable",
    "PortInUse",
    "ProgramMissing",
    "Receipt",
    "Registry",
    "Rejected",
    "Revert",
    "RevmChain",
    "SnapshotLost",
    "Web3Chain",
    "as_abi",
    "connect",
    "describe",
    "keccak",
    "to_address",
]
