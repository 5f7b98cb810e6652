"""Any node, through a web3 provider.

web3.py carries the requests and eth_account signs; the requests are plain JSON-RPC, because web3's own formatting
costs three times as much as an anvil call. Nothing is sent that the node's simulation has refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bulkhead.chain.address import Address, to_address, to_bytes
from bulkhead.chain.base import AddressLike, BaseChain
from bulkhead.chain.errors import ChainError, NodeError, NodeUnreachable, Rejected, Revert
from bulkhead.chain.receipt import Event, Log, Receipt, decode_logs

#: Spare gas over the node's estimate, as a fraction: state may move before the transaction is mined.
GAS_MARGIN = (6, 5)

#: Phrases of nodes (geth, anvil, reth, erigon, nethermind) for "this ran and was undone".
_REVERTED = (
    "revert",
    "vm execution error",
    "evm error",
    "out of gas",
    "invalid opcode",
    "outofgas",
    "opcode",
)

#: Phrases for "no block would take this".
_REFUSED = (
    "insufficient funds",
    "intrinsic gas",
    "nonce too",
    "underpriced",
    "less than block base fee",
    "exceeds block gas",
    "gas limit",
    "initcode",
)


class Web3Chain(BaseChain):
    """A chain behind a node.

    node      a URL (http, https, ws, wss), or any web3 provider (something with `make_request`)
    keys      private keys (0x strings or bytes) or eth_account accounts to sign with here
    timeout   seconds to wait for a transaction to be mined

    Senders are these accounts first, then those the node itself has unlocked.
    """

    #: Sent with every transaction: an empty price lets the node's or the signer's default stand.
    _price: int | None = None

    def __init__(self, node: Any, keys: Iterable[Any] = (), timeout: float = 120) -> None:
        super().__init__()
        self._provider = _connect(node) if isinstance(node, str) else node
        self.url = str(node if isinstance(node, str) else getattr(node, "endpoint_uri", node))
        self.timeout = timeout
        self._signers: dict[Address, Any] = {}
        self._unlocked: list[Address] | None = None
        self._chain_id: int | None = None
        for key in keys:
            self.add_account(key)

    # --- what a chain tells

    def rpc(self, method: str, *params: Any) -> Any:
        """One JSON-RPC request's result. Raises NodeUnreachable, or NodeError when the node answers with an error."""
        try:
            answer = self._provider.make_request(method, list(params))
        except (OSError, TimeoutError) as error:
            raise NodeUnreachable(self.url, type(error).__name__) from None
        except Exception as error:
            if type(error).__module__.split(".")[0] in ("requests", "urllib3", "websockets"):
                raise NodeUnreachable(self.url, type(error).__name__) from None
            raise
        problem = answer.get("error")
        if isinstance(problem, dict):
            message, code = str(problem.get("message", "")), int(problem.get("code", 0))
            raise NodeError(method, message, code, problem.get("data"))
        if problem is not None:
            raise NodeError(method, str(problem))
        return answer["result"]

    @property
    def chain_id(self) -> int:
        """The chain's id, asked once."""
        if self._chain_id is None:
            self._chain_id = int(self.rpc("eth_chainId"), 16)
        return self._chain_id

    @property
    def block_number(self) -> int:
        """The latest block."""
        return int(self.rpc("eth_blockNumber"), 16)

    @property
    def timestamp(self) -> int:
        """The latest block's time, seconds."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    @property
    def accounts(self) -> Sequence[Address]:
        """Addresses to send from: local signers, then the node's unlocked accounts."""
        if self._unlocked is None:
            try:
                self._unlocked = [to_address(a) for a in self.rpc("eth_accounts")]
            except NodeError:  # public nodes don't offer the method
                self._unlocked = []
        return (*self._signers, *(a for a in self._unlocked if a not in self._signers))

    def balance(self, address: AddressLike) -> int:
        """Wei, at the latest block."""
        return int(self.rpc("eth_getBalance", to_address(address), "latest"), 16)

    def nonce(self, address: AddressLike, *, pending: bool = False) -> int:
        """Transactions sent from an address and mined; with those still waiting if `pending`."""
        return int(self.rpc("eth_getTransactionCount", to_address(address), "pending" if pending else "latest"), 16)

    def code(self, address: AddressLike) -> bytes:
        """Deployed code, b"" for none."""
        return to_bytes(self.rpc("eth_getCode", to_address(address), "latest"))

    def storage(self, address: AddressLike, slot: int) -> int:
        """The word in a slot, at the latest block."""
        return int(self.rpc("eth_getStorageAt", to_address(address), hex(slot), "latest"), 16)

    def logs(
        self,
        address: AddressLike = None,
        names: Iterable[str] = (),
        *,
        from_block: int = 0,
        to_block: int | None = None,
    ) -> list[Event]:
        """Decoded events of an address (None: of all) with these names (none: all), oldest first, blocks inclusive.

        Raises ChainError for a name of no registered ABI; NodeError where the node finds the range too long.
        """
        query: dict[str, Any] = {
            "fromBlock": hex(from_block),
            "toBlock": "latest" if to_block is None else hex(to_block),
        }
        if address is not None:
            query["address"] = to_address(address)
        if topics := self.registry.topics(names):
            query["topics"] = [["0x" + topic.hex() for topic in topics]]
        try:
            raw_logs = self.rpc("eth_getLogs", query)
        except NodeError:  # some nodes refuse a range that begins after their latest block: it is merely empty
            if from_block > self.block_number:
                return []
            raise
        return decode_logs([_log(raw) for raw in raw_logs], self.registry)

    # --- accounts

    def new_account(self, label: str) -> Address:
        """A new key, kept in this process only and without ether. The label is not part of it."""
        from eth_account import Account

        return self.add_account(Account.create(label))

    def add_account(self, key: Any) -> Address:
        """Sign with a private key (0x string or bytes) or an eth_account account from now on.

        Raises ChainError for an account of ape's, which signs on ape's providers only.
        """
        if hasattr(key, "prepare_transaction"):
            raise ChainError("An account of ape's signs on ape's providers only: connect by one of these.")
        if not hasattr(key, "sign_transaction"):
            from eth_account import Account

            key = Account.from_key(key)
        self._signers[to_address(key.address)] = key
        return to_address(key.address)

    def _from(self, sender: AddressLike) -> Address:
        return self.add_account(sender) if hasattr(sender, "sign_transaction") else super()._from(sender)

    # --- calls and transactions

    def call(
        self,
        to: AddressLike,
        data: bytes,
        *,
        sender: AddressLike = None,
        value: int = 0,
        block: int | None = None,
        gas: int | None = None,
    ) -> bytes:
        """The bytes a call returns, at the end of `block` (default: the latest). Raises Revert."""
        request = {"to": to_address(to), "data": "0x" + data.hex()}
        if sender is not None:
            request["from"] = to_address(sender)
        if value:
            request["value"] = hex(value)
        if gas is not None:
            request["gas"] = hex(gas)
        return self._simulate(request, "latest" if block is None else hex(block))

    def send(
        self,
        to: AddressLike,
        data: bytes = b"",
        *,
        sender: AddressLike = None,
        value: int = 0,
        gas: int | None = None,
    ) -> Receipt:
        """Simulate, send, wait until mined. Raises Revert (mostly before anything is sent) or Rejected."""
        return self._transact({"to": to_address(to), "data": "0x" + data.hex()}, self._from(sender), value, gas)

    def _create(self, init_code: bytes, sender: Address, value: int) -> Receipt:
        receipt = self._transact({"data": "0x" + init_code.hex()}, sender, value, None)
        receipt.return_data = None
        return receipt

    def _transact(self, request: dict[str, Any], sender: Address, value: int, gas: int | None) -> Receipt:
        request = {**request, "from": sender, "value": hex(value)}
        if gas is not None:
            request["gas"] = hex(gas)
        returned = self._simulate(request, "latest")
        if gas is None:
            request["gas"] = hex(self._gas(request))
        mined = self._asked("eth_sendTransaction", lambda: self._submit(request, sender))
        receipt = self._read(mined)
        if int(mined["status"], 16) == 0:
            raise self._why_failed(request, receipt)
        receipt.return_data = returned
        return receipt

    def _simulate(self, request: dict[str, Any], block: str) -> bytes:
        return to_bytes(self._asked("eth_call", lambda: self.rpc("eth_call", request, block)))

    def estimate(self, data: bytes, *, to: AddressLike = None, sender: AddressLike = None) -> int:
        """Gas of a transaction (without `to`: of a creation) as the node reckons it, unsent. Raises Revert."""
        request = {"data": "0x" + data.hex()}
        if to is not None:
            request["to"] = to_address(to)
        if sender is not None:
            request["from"] = to_address(sender)
        return self._estimate(request)

    def _estimate(self, request: dict[str, Any]) -> int:
        return int(self._asked("eth_estimateGas", lambda: self.rpc("eth_estimateGas", request)), 16)

    def _gas(self, request: dict[str, Any]) -> int:
        return self._estimate(request) * GAS_MARGIN[0] // GAS_MARGIN[1]

    def _submit(self, request: dict[str, Any], sender: Address) -> dict[str, Any]:
        """Hand the transaction over and wait for the mined receipt, as the node words it."""
        signer = self._signers.get(sender)
        if signer is None:
            price = {} if self._price is None else {"gasPrice": hex(self._price)}
            return self._mined(self.rpc("eth_sendTransaction", {**request, **price}))
        signed = signer.sign_transaction(self._fill(request, sender))
        return self._mined(self.rpc("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex()))

    def _fill(self, request: dict[str, Any], sender: Address) -> dict[str, Any]:
        """Nonce and fees: the base fee may double before a block takes it; the tip is what the node suggests."""
        filled: dict[str, Any] = {key: request[key] for key in ("to", "data", "value", "gas") if key in request}
        filled["nonce"] = self.nonce(sender, pending=True)
        filled["chainId"] = self.chain_id
        base = self.rpc("eth_getBlockByNumber", "latest", False).get("baseFeePerGas")
        if self._price is not None or base is None:
            price = self._price if self._price is not None else int(self.rpc("eth_gasPrice"), 16)
            return {**filled, "gasPrice": price}
        tip = int(self.rpc("eth_maxPriorityFeePerGas"), 16)
        return {**filled, "maxPriorityFeePerGas": tip, "maxFeePerGas": 2 * int(base, 16) + tip}

    def _mined(self, tx_hash: str) -> dict[str, Any]:
        deadline, pause = time.monotonic() + self.timeout, 0.002
        while True:
            found: dict[str, Any] | None = self.rpc("eth_getTransactionReceipt", tx_hash)
            if found is not None and found.get("blockNumber") is not None:
                return found
            if time.monotonic() > deadline:
                raise ChainError(f"Transaction {tx_hash} was not mined within {self.timeout:g} s; it may still be.")
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    def _read(self, raw: dict[str, Any]) -> Receipt:
        stamp = raw.get("blockTimestamp")  # anvil's answer has it, other nodes' have not
        if stamp is None:
            stamp = self.rpc("eth_getBlockByNumber", raw["blockNumber"], False)["timestamp"]
        made = raw.get("contractAddress")
        return Receipt(
            tx_hash=raw["transactionHash"],
            block_number=int(raw["blockNumber"], 16),
            timestamp=stamp if isinstance(stamp, int) else int(stamp, 16),
            gas_used=int(raw["gasUsed"], 16),
            logs=[_log(log) for log in raw["logs"]],
            registry=self.registry,
            contract_address=to_address(made) if made else None,
        )

    def _why_failed(self, request: dict[str, Any], receipt: Receipt) -> ChainError:
        """A mined transaction failed: ask the block before it, where the same call mostly fails in the same way."""
        try:
            self._simulate(request, hex(receipt.block_number - 1))
        except Revert as revert:
            return revert
        except ChainError:
            pass
        return Revert(reason=f"transaction {receipt.tx_hash} failed when mined, though its simulation passes")

    def _asked(self, method: str, ask: Callable[[], Any]) -> Any:
        """A node's errors told apart: Revert with its data, Rejected, or NodeError as it was."""
        try:
            return ask()
        except NodeError as error:
            data = _revert_data(error.data)
            if data is None:
                data = b""
            text = error.message.lower()
            if data or error.code == 3:
                raise Revert(data, self.registry) from None
            if any(phrase in text for phrase in _REFUSED):
                raise Rejected(error.message) from None
            if any(phrase in text for phrase in _REVERTED):
                empty = "revert" in text and "opcode" not in text
                raise Revert(data, self.registry, "" if empty else error.message) from None
            raise


def _connect(url: str) -> Any:
    import web3

    if url.startswith(("ws://", "wss://")):
        return web3.LegacyWebSocketProvider(url)
    # Retries would repeat a transaction whose answer got lost, and make a missing node take seconds to notice.
    return web3.HTTPProvider(url, exception_retry_configuration=None)


def _log(raw: dict[str, Any]) -> Log:
    topics = tuple(to_bytes(topic) for topic in raw["topics"])
    block, index = int(raw["blockNumber"], 16), int(raw["logIndex"], 16)
    return Log(to_address(raw["address"]), topics, to_bytes(raw["data"]), block, raw["transactionHash"], index)


def _revert_data(data: Any) -> bytes | None:
    """Nodes put it as a string, with a prefix ("Reverted 0x..."), or inside an object."""
    if isinstance(data, dict):
        return next((found for value in data.values() if (found := _revert_data(value)) is not None), None)
    if isinstance(data, str) and "0x" in data:
        return to_bytes(data[data.index("0x") :])
    return None
