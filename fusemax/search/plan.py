"""Plans, which are whole mappings, and a search for them under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from fusemax.search.bound import Bound, bound_of, moving_s
from fusemax.search.candidate import Candidate, Tally
from fusemax.search.clock import Clock
from fusemax.search.facts import Facts
from fusemax.search.phase import NEAR


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole mapping: its phases with their tiles, in order."""

    phases: tuple[Candidate, ...]

    @property
    def latency_s(self) -> float:
        """The sum of the phases' times."""
        return sum(phase.latency_s for phase in self.phases)

    @property
    def energy_J(self) -> float:  # noqa: N802 - the unit is a joule
        """The sum of the phases' energies."""
        return sum(phase.energy_J for phase in self.phases)

    @property
    def traffic_B(self) -> float:  # noqa: N802
        """The sum of the phases' words outside, in bytes."""
        return sum(phase.traffic_B for phase in self.phases)

    def measure(self, objective: str) -> float:
        """Return the value of *objective*."""
        if objective == "edp":
            return self.latency_s * self.energy_J
        return {"latency": self.latency_s, "energy": self.energy_J, "traffic": self.traffic_B}[objective]

    def order(self, objective: str) -> tuple[float, ...]:
        """Return what plans are sorted by."""
        return (
            float(f"{self.measure(objective):.6g}"),
            float(f"{self.latency_s:.4g}"),
            self.traffic_B,
            self.energy_J,
            self.latency_s,
        )


@dataclass
class Search:
    """A search under way: what is looked for, until when, and what has been seen."""

    facts: Facts
    objective: str
    bound: Bound
    clock: Clock = field(default_factory=Clock)
    effort: int = 2
    tally: Tally = field(default_factory=Tally)
    found: dict[tuple[tuple[str, ...], tuple[tuple[str, int], ...], int], Candidate | None] = field(
        default_factory=dict
    )

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.clock.over(found=True)

    def near(self, plan: Plan) -> bool:
        """Return whether *plan* is so near to the bound that no more is looked for."""
        return self.proof(plan).of(self.objective) >= NEAR * plan.measure(self.objective)

    @cached_property
    def full(self) -> Bound:
        """The bound with what is read again; it takes a moment, and is only asked for where the other is not enough."""
        return bound_of(self.facts, again=True)

    def proof(self, plan: Plan) -> Bound:
        """Return the bound to be claimed for *plan*: the full one, if it was needed and may be higher.

        No bound of words is above those that a plan moves: where even those take less time than the units do, it cannot be.
        """
        enough = self.bound.of(self.objective) >= NEAR * plan.measure(self.objective)
        hidden = self.objective == "latency" and self.bound.units_s >= moving_s(self.facts, plan.traffic_B)
        return self.bound if enough or hidden else self.full


Strategy = Callable[[Search], Iterator[Plan]]
