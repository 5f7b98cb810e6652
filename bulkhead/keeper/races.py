"""Who was faster, where a transaction came too late: a keeper of one's own fleet, or a stranger?

A race lost within the fleet is no loss: the fleet was paid, and who has won may be gone the next time. A stranger may
be a trader, who does the work on himself in front of keepers so that they pay gas for nothing. What tells them apart
is whom the token has paid, not who has sent: an adapter pays its receiver, whoever calls it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set

from bulkhead.chain import Web3Chain
from bulkhead.keeper.ledger import Flight
from bulkhead.keeper.mined import Mined
from bulkhead.keeper.policy import FIRST_EXIT
from bulkhead.keeper.settings import Job
from bulkhead.model.interfaces.market import ExitKind
from bulkhead.protocol.market import Market

#: Blocks back from a transaction that was mined in which a faster one is looked for, at most.
LOOK_BACK = 1_000
#: What the market tells of an order that was carried out and ended nothing.
_EXECUTED = ("Opened", "OrderVoided", "ReserveRaised")
#: By which job a position, or a part of it, ended.
_ENDED_BY = {
    ExitKind.CLOSE: Job.EXECUTE,
    ExitKind.LIQUIDATION: Job.LIQUIDATE,
    ExitKind.AT_RESERVE: Job.CLOSE_AT_RESERVE,
    ExitKind.SETTLEMENT: Job.SETTLE,
}


class Races:
    """Of a keeper in a market. `fleet` are the addresses that its operator's keepers are paid at."""

    def __init__(self, market: Market, chain: Web3Chain, fleet: Set[str]) -> None:
        self._market, self._chain, self._fleet = market, chain, fleet

    def within_fleet(self, flight: Flight, block: int) -> set[str]:
        """Targets of a transaction that the fleet was paid for since it was tried out, until it was mined at `block`.

        An exit counts whoever was faster: the next request is another one.
        """
        intent = flight.intent
        first = min(max(flight.block + 1, block - LOOK_BACK), block)  # a reorganisation may have put it further back
        blocks = {"from_block": first, "to_block": block}
        if intent.job is Job.EXIT:
            exits = self._market.pool.contract.events("ExitPaid", "ExitRenewed", "ExitVoid", **blocks)
            return {FIRST_EXIT} if exits else set()
        done = defaultdict[str, set[str]](set)
        for event in self._market.contract.events(*_EXECUTED, "Exited", **blocks):
            job = _ENDED_BY[event.args.kind] if event.name == "Exited" else Job.EXECUTE
            if job is intent.job and event.args.position in intent.targets:
                done[event.tx_hash].add(event.args.position)
        return set[str]().union(*(targets for tx_hash, targets in done.items() if self._has_paid(tx_hash)))

    def _has_paid(self, tx_hash: str) -> bool:
        """Has the token paid to the fleet all that was the keeper's?"""
        receipt = self._chain.rpc("eth_getTransactionReceipt", tx_hash)
        if receipt is None:  # by now on a branch that is gone
            return False
        mined = Mined(self._market, receipt)
        return 0 < mined.due <= mined.paid(self._fleet)
