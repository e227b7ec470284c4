"""A sweep of one design that is a value: a study of one part, without a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusemax.library import values
from fusemax.library.design import Design
from fusemax.library.given import document_of_values
from fusemax.library.load import Library
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped
from fusemax.study.api import run_plan
from fusemax.study.designs import Changes, Designs
from fusemax.study.jobs.keep import keep_of
from fusemax.study.load import study_of
from fusemax.study.plan.whole import planned

if TYPE_CHECKING:
    import polars

    from fusemax.study.execute.stream import Progress


@dataclass
class _One(Designs):
    """The designs of a study that has one, whatever its names are."""

    design: Design | None = None

    def machine(self, name: str, changes: Changes | None = None) -> Machine:
        """Return the machine of the design."""
        del name, changes
        assert self.design is not None
        return self.design.machine

    def mapped(self, machine: Machine, mapping: str, changes: Changes) -> Mapped:
        """Return the mapping of the design."""
        del machine, mapping, changes
        assert self.design is not None
        return self.design.mapped


def swept(
    design: Design, grid: Mapping[str, Any], *, sizes: Mapping[str, Any] | None = None,
    figures: Mapping[str, Any] | None = None, zip: Sequence[Sequence[str]] = (), where: Sequence[str] = (),
    outputs: Sequence[str] = (), pareto: Sequence[str] = (), top: int | None = None, by: str | None = None,
    progress: bool | Callable[[Progress], None] = False,
) -> polars.DataFrame:  # fmt: skip
    """Return the table of all points of *grid*, as :func:`fusemax.sweep` does."""
    _, machine, mapping = design.names
    configuration = {
        "machine": machine,
        "mapping": {
            "best_of": [mapping],
            "by": "latency_s",
        },  # by itself, a mapping called 'best' would be searched for
        "figures": dict(values.entries(figures, "figures")),
    }
    part = {
        "name": "sweep", "sizes": dict(values.entries(sizes, "sizes")), "grid": dict(values.entries(grid, "grid")),
        "zip": [list(group) for group in values.groups(zip, "zip")], "where": list(values.names(where, "where")),
        "outputs": list(values.names(outputs, "outputs")), "configurations": {mapping: configuration},
    }  # fmt: skip
    head = {"kind": "sweep", "title": "sweep", "source": "Python", "length": ""}
    document = document_of_values({**head, "parts": [part]}, "sweep")
    front = ",".join(values.names(pareto, "pareto")) or None
    count = None if top is None else values.whole(top, "top", 1)
    keep = keep_of(front, count, None if by is None else values.name(by, "by"))
    designs = _One(Library(), design=design)
    return run_plan(planned(study_of(document), document, keep, designs, most_whole=0), progress)
