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


def told(covered: float, ended: str, seconds: float) -> str:
    """Return in a line how good the best mapping found in so many *seconds* of work is, and how to look for a better one.

    >>> told(0.8, "time", 3.0)
    'the best mapping found in 3 s of work: its latency is at most 1.25 times the least; --mapping best searches for 12 s'
    >>> told(0.8, "time", 12.0)
    'the best mapping found in 12 s of work: its latency is at most 1.25 times the least; --seconds 48 searches longer'
    >>> told(0.8, "done", 3.0)
    'the best mapping found: its latency is at most 1.25 times the least; more time finds no better one'
    """
    from fusemax.search.best import Wanted

    most = (
        f"its latency is at most {1 / covered:.4g} times the least" if covered else "no bound of it is known"
    )
    if ended != "time":
        return f"the best mapping found: {most}; more time finds no better one"
    longer = Wanted().seconds
    how = f"--mapping best searches for {longer:g} s"
    if seconds >= longer:
        how = f"--seconds {4 * seconds:g} searches longer"
    return f"the best mapping found in {seconds:g} s of work: {most}; {how}"


def quantity_of(value: float, objective: str) -> str:
    """Return the *value* of an *objective*, in SI, as people read it."""
    from fusemax.quantity import format_quantity

    if objective == "edp":
        return f"{value:.5g} J s"
    return format_quantity(value, {"latency": "s", "energy": "J", "traffic": "B"}[objective], 5)
