"""A Chainlink proxy with phases, as an oracle sees it: what a call returns, or None where it fails."""

from __future__ import annotations

from dataclasses import dataclass, field

#: roundId, answer, startedAt, updatedAt, answeredInRound
RoundData = tuple[int, int, int, int, int]


@dataclass
class FeedProxy:
    """Twin of FeedProxyMock.sol. `phases`: rounds (answer, startedAt, updatedAt) by phase, from number 1 on."""

    decimals: int
    phases: dict[int, list[tuple[int, int, int]]] = field(default_factory=lambda: {1: []})
    failing: bool = False

    def new_phase(self) -> None:
        """The proxy moves to a new aggregator, which has no round yet."""
        self.phases[max(self.phases) + 1] = []

    def push(self, answer: int, started_at: int, updated_at: int) -> None:
        """A round of the current phase."""
        self.push_to(max(self.phases), answer, started_at, updated_at)

    def push_to(self, phase: int, answer: int, started_at: int, updated_at: int) -> None:
        """A round of any phase: a retired aggregator goes on."""
        self.phases[phase].append((answer, started_at, updated_at))

    def phase_id(self) -> int | None:
        """The current phase."""
        return None if self.failing else max(self.phases)

    def latest_round_data(self) -> RoundData | None:
        """The newest round of the current phase."""
        phase = max(self.phases)
        return self.get_round_data(phase << 64 | len(self.phases[phase]))

    def get_round_data(self, round_id: int) -> RoundData | None:
        """A round by its id."""
        rounds, number = self.phases.get(round_id >> 64, []), round_id & (1 << 64) - 1
        if self.failing or not 1 <= number <= len(rounds):
            return None
        answer, started_at, updated_at = rounds[number - 1]
        return round_id, answer, started_at, updated_at, round_id
