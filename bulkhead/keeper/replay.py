"""What a keeper would have done at each block of a past stretch: the same engine, over reads of those blocks."""

from __future__ import annotations

from typing import Any

from bulkhead.chain.errors import ChainError
from bulkhead.keeper.copies import Onlooker, PastChain, on
from bulkhead.keeper.runner import Keeper, LogEvent

_WOULD = "would send"


def replay(keeper: Keeper, first: int, last: int, log: LogEvent) -> dict[str, int]:
    """Looks at every block from `first` to `last`, both included, as `keeper` would have; sends nothing.

    Nothing that it would have done is done in the past it looks at: what others left stays to be done, and is told
    again every half minute of the chain's time or at a new price. Every line has its block. Gives the blocks, and how
    many transactions it would have sent. Raises PastMissing, and ChainError for blocks that are not there yet.
    """
    head = keeper.follower.chain.block_number
    if last > head:
        raise ChainError(f"Block {last} is not there yet: the newest is {head}.")
    past, would = PastChain(keeper.follower.chain.url, first), 0

    def counted(event: str, facts: dict[str, Any]) -> None:
        nonlocal would
        would += event == _WOULD
        log(event, {"block": past.now, **facts})

    start, me = keeper.follower.start, Onlooker(keeper.sender.address)
    again = Keeper(on(past, keeper.market), me, keeper.settings, start=start, dry_run=True, log=counted)
    try:
        for past.now in range(first, last + 1):
            again.step()
    finally:
        again.close()
    found = {"from": first, "to": last, "would_send": would}
    log("replayed", found)
    return found
