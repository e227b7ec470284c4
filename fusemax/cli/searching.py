"""What is shown while a mapping is searched for."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusemax.search.plan import Plan, Search


class Progress:
    """A line on standard error while a search runs, on a terminal only."""

    def __init__(self, objective: str, said: str = "searching") -> None:
        from rich.console import Console

        self.objective, self.said, self.least = objective, said, inf
        console = Console(stderr=True)
        self.status = console.status(said) if console.is_terminal else None

    def __enter__(self) -> Progress:
        if self.status is not None:
            self.status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.status is not None:
            self.status.stop()

    def watch(self, search: Search, plan: Plan) -> None:
        if self.status is not None:
            value = self.least = min(self.least, plan.measure(self.objective))
            part = search.bound.of(self.objective) / value if value else 1.0
            self.status.update(
                f"{self.said}: {quantity_of(value, self.objective)}, the bound is {part:.1%} of it; "
                f"{search.tally.structures:,} structures, {search.tally.tilings:,} tilings"
            )


def quantity_of(value: float, objective: str) -> str:
    """Return the *value* of an *objective*, in SI, as people read it."""
    from fusemax.quantity import format_quantity

    if objective == "edp":
        return f"{value:.5g} J s"
    return format_quantity(value, {"latency": "s", "energy": "J", "traffic": "B"}[objective], 5)
