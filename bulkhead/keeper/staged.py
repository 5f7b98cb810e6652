"""Prices to come, on a local copy of a chain: Chainlink feeds go on from where they are, in rounds, to any price."""

from __future__ import annotations

from math import ceil, log

from bulkhead.build import artifacts
from bulkhead.chain import AnvilChain, Revert, keccak
from bulkhead.chain.address import to_bytes
from bulkhead.protocol.errors import TypedContract
from bulkhead.protocol.oracle import Oracle

#: As StagedFeed.sol has it.
SLOT = int.from_bytes(keccak(b"bulkhead.staged.feed"), "big") & ~0xFF
#: Of the jump that an oracle takes between neighbouring rounds, the part that a staged round makes.
STEP = 0.9
#: Seconds before the first of them: longer than any market's delay, so that orders find their prices.
PAUSE = 60
_LATEST = [
    {
        "type": "function",
        "stateMutability": "view",
        "name": "latestRoundData",
        "inputs": [],
        "outputs": [
            {"type": kind, "name": name}
            for kind, name in (
                ("uint80", "id"),
                ("int256", "answer"),
                ("uint256", "startedAt"),
                ("uint256", "updatedAt"),
                ("uint80", "answeredIn"),
            )
        ],
    }
]


class Stage:
    """The feeds of an oracle on a local copy, under a hand that moves them. Raises LookupError where they are no feeds.

    The proxies' code is replaced by one that answers staged rounds itself and everything else as before. All feeds move
    alike, but for a second leg, which speaks again and stays: so validators agree, and the index moves as the primary.
    """

    def __init__(self, chain: AnvilChain, oracle: Oracle) -> None:
        self._chain, self._oracle = chain, oracle
        terms = TypedContract(chain, "Oracle", oracle.address).call
        self._jump = int(terms.jumpLimit()) / 10**18 * STEP
        self._has_leg = len(oracle.feeds) > 1 + int(terms.validators())
        self._feeds = [feed for feed in oracle.feeds if feed is not None]
        if not self._feeds or len(self._feeds) < len(oracle.feeds):
            raise LookupError("The feeds of its oracle are not known, or not all Chainlink's: no price can be staged.")
        code = chain.code(chain.deploy(artifacts()["StagedFeed"]).address)
        self._answers, self._real = [], []
        for feed in self._feeds:
            address = feed.contract.address
            own = keccak(b"the own code of a staged feed" + to_bytes(address))[:20]
            try:
                round_ = chain.contract(_LATEST, address).call.latestRoundData()
            except Revert:
                raise LookupError(
                    f"{address} is no Chainlink feed, or is silent: its price cannot be staged."
                ) from None
            self._answers.append(int(round_.answer))
            self._real.append(int(round_.id))
            if chain.code(address) != code:  # one feed may serve twice
                chain.set_code("0x" + own.hex(), chain.code(address))
                chain.set_storage(address, SLOT + 1, int.from_bytes(own, "big"))
                chain.set_code(address, code)

    def present(self) -> int:
        """The index, 18 decimals, once every feed has spoken again at what it says now."""
        self._move(1.0)
        return int(self._oracle.contract.call.latest()[0])

    def move(self, index: int, now: int) -> int:
        """On to an index from `now` on, which is the present; gives what it has become: feeds have few decimals."""
        self._move(index / now)
        return int(self._oracle.contract.call.latest()[0])

    def _move(self, ratio: float) -> None:
        """In as many rounds as it takes to be believed, a second apart; the last but one is the goal already."""
        chain, steps = self._chain, 1
        if ratio != 1.0:
            steps = ceil(abs(log(ratio)) / -log(1 - self._jump)) if 0 < self._jump < 1 else 1
        start = chain.timestamp + PAUSE
        leg = len(self._answers) - 1 if self._has_leg else -1
        for number, (feed, answer, real) in enumerate(zip(self._feeds, self._answers, self._real, strict=True)):
            ways = [1.0 if number == leg else ratio ** (step / steps) for step in range(1, steps + 1)]
            for step, way in enumerate([*ways, ways[-1]]):
                moved = max(round(answer * way), 1)
                chain.set_storage(feed.contract.address, SLOT + 2 + step, moved | (start + step) << 192)
            head = (steps + 1) | (real & (2**64 - 1)) << 64 | (real >> 64) << 128
            chain.set_storage(feed.contract.address, SLOT, head)
        chain.set_time(start + steps + 1)
