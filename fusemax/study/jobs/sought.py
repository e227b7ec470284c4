"""What a job searches for at every point: the best mapping of a cascade, and how its sizes and figures follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError
from fusemax.language.figure import is_figure
from fusemax.language.syntax import Expression, names
from fusemax.language.value import is_size, value_of
from fusemax.library.digest import digest_of
from fusemax.machine import Machine
from fusemax.search.best import Wanted
from fusemax.search.facts import figure_values
from fusemax.study.spec.condition import Condition

#: Columns that only a search gives: by name, the field of :class:`~fusemax.search.best.Least`.
LEAST: Mapping[str, str] = {
    "least_latency_s": "latency_s", "least_traffic_B": "traffic_B", "least_energy_J": "energy_J", "covered": "covered",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What is searched for at every point of a job.

    Attributes
    ----------
    wanted
        What is to be least, and how to search.
    formulas
        Sizes and figures that follow from others.
    where
        The conditions that are decided point by point.
    length
        The size that the column ``seq_len`` shows.
    each
        Whether every point of a large grid is searched in full.
    """

    cascade: Cascade
    machine: Machine
    wanted: Wanted
    formulas: Mapping[str, Expression]
    where: tuple[Condition, ...]
    length: str
    each: bool = False

    def digest(self) -> str:
        """Return a hash of all that the rows depend on."""
        return digest_of(
            self.cascade,
            self.machine,
            self.wanted,
            self.formulas,
            [c.model_dump() for c in self.where],
            self.each,
        )


def solved(sought: Sought, given: Mapping[str, float]) -> dict[str, float]:
    """Return *given* with the formulas of the study worked out.

    Raises
    ------
    FusemaxError
        For a size that is no whole number, and names that nothing gives.
    """
    if not sought.formulas:
        return dict(given)
    figures = {name: value for name, value in given.items() if is_figure(name)}
    machine = figure_values(sought.cascade, sought.machine, figures)
    found = dict(given)
    waiting = dict(sought.formulas)
    while waiting:
        known = {**machine, **found}
        ready = [n for n, formula in waiting.items() if all(used in known for used in names(formula))]
        if not ready:
            raise FusemaxError(f"no value is given for what {', '.join(waiting)} needs")
        for name in ready:
            found[name] = value_of(waiting.pop(name), known)
            if not is_figure(name) and not is_size(found[name]):
                raise FusemaxError(f"{name} = {found[name]:g} is no whole number of at least 1")
    return found


def sizes_and_figures(
    cascade: Cascade, values: Mapping[str, float]
) -> tuple[dict[str, int], dict[str, float]]:
    """Return the sizes among *values* that *cascade* has, and the figures of the machine."""
    known = {*cascade.ranks, *cascade.size_symbols()}
    sizes = {name: int(value) for name, value in values.items() if name in known}
    return sizes, {name: value for name, value in values.items() if is_figure(name)}
