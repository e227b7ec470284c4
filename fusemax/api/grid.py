"""A sweep of one design that is a value: a study of one part, without a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError
from fusemax.library.design import Design
from fusemax.library.given import document_of_values
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped
from fusemax.study.api import run_plan
from fusemax.study.designs import Designs
from fusemax.study.jobs import planned
from fusemax.study.spec import StudyPart
from fusemax.study.stream import keep_of

if TYPE_CHECKING:
    import polars

    from fusemax.study.stream import Progress


@dataclass
class _One(Designs):
    """The designs of a study that has one, whatever its names are."""

    design: Design | None = None

    def machine(self, name: str) -> Machine:
        """Return the machine of the design."""
        assert self.design is not None
        return self.design.machine

    def mapped(self, machine: str, mapping: str, changes: Mapping[str, Any]) -> Mapped:
        """Return the mapping of the design."""
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
    configuration = {"machine": machine, "mapping": mapping, "figures": dict(figures or {})}
    values = document_of_values(
        {
            "name": "sweep", "sizes": dict(sizes or {}), "grid": dict(grid), "zip": [list(group) for group in zip],
            "where": list(where), "outputs": list(outputs), "configurations": {mapping: configuration},
        },
        "sweep",
    ).data  # fmt: skip
    try:
        part = StudyPart.model_validate(values)
    except ValueError as error:
        raise FusemaxError(str(error)) from None
    keep = keep_of(",".join(pareto) if pareto else None, top, by)
    return run_plan(planned([part], keep, designs=_One(design=design)), progress)
