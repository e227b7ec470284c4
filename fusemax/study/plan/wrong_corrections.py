"""What is wrong with corrections: names that a study lacks, values that files cannot have, an order that is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fusemax.errors import FusemaxError, Problem
from fusemax.findings import problems_from
from fusemax.language.figure import figure_value
from fusemax.machine import figures
from fusemax.nearest import meant
from fusemax.quantity import QuantityError
from fusemax.source import Document, KeyPath
from fusemax.study.designs import Designs
from fusemax.study.spec.cases import mappings_of
from fusemax.study.spec.choice import BestOf
from fusemax.study.spec.file import Corrected, StudyPart


def correction_problems(
    study: Corrected, parts: Iterable[StudyPart], document: Document, designs: Designs
) -> Iterator[Problem]:
    """Yield what is wrong with the corrections in *document*: names that *parts* lack, values that files cannot have."""
    yield from _order_problems(study, document)
    configurations = {name: entry for part in parts for name, entry in part.configurations.items()}
    machines = dict.fromkeys(entry.machine for entry in configurations.values())
    uses = {(entry.machine, name) for entry in configurations.values() for name in mappings_of(entry)}
    searches = [(c, n, best) for c in study.corrections for n, best in c.search.items()]
    uses |= {
        (configurations[n].machine, mapping)
        for _, n, best in searches if n in configurations and isinstance(best, BestOf)
        for mapping in best.mappings
    }  # fmt: skip
    mappings = dict.fromkeys(mapping for _, mapping in uses)
    readable = {name for name in machines if not _tried(lambda n=name: designs.machine(n), document, ())}
    uses = {(machine, mapping) for machine, mapping in uses if machine in readable}
    for number, correction in enumerate(study.corrections):
        at: KeyPath = ("corrections", number)
        named = (
            ("search", configurations),
            ("machines", machines),
            ("figures", machines),
            ("changes", mappings),
        )
        for key, known in named:
            for name in getattr(correction, key):
                if name not in known:
                    what = {"search": "configuration", "changes": "mapping"}.get(key, "machine")
                    text = f"no {what} of the study is called {name!r}"
                    yield document.problem((*at, key, name), text, meant(name, known), key=True)
        for name, values in correction.machines.items():
            if name in readable:
                yield from _tried(
                    lambda n=name, v=values: designs.machine(n, v), document, (*at, "machines", name)
                )
        for name, given in correction.figures.items():
            for figure, value in given.items() if name in readable else ():
                place = (*at, "figures", name, figure)
                yield from _tried(
                    lambda n=name, f=figure, v=value: _figure(designs, n, f, v), document, place
                )
        for mapping, values in correction.changes.items():
            for machine in [m for m, used in uses if used == mapping]:
                yield from _tried(
                    lambda m=machine, n=mapping, v=values: designs.mapped(designs.machine(m), n, v),
                    document,
                    (*at, "changes", mapping),
                )


def _order_problems(study: Corrected, document: Document) -> Iterator[Problem]:
    """Yield two corrections of one name, and what ``together`` and ``ends`` name that is none, or name twice."""
    names = [correction.name for correction in study.corrections]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield document.problem(("corrections", number, "name"), f"two corrections are called {name!r}")
    for key in ("together", "ends"):
        for number, name in enumerate(getattr(study, key)):
            if name not in names:
                hint = meant(name, names) if names else None
                yield document.problem((key, number), f"no correction is called {name!r}", hint)
            elif name in getattr(study, key)[:number] or (key == "ends" and name in study.together):
                yield document.problem((key, number), f"{name!r} is made already")


def _figure(designs: Designs, machine: str, name: str, value: Any) -> None:
    """Raise FusemaxError where the figure *name* of *machine* cannot have that value."""
    known = figures(designs.machine(machine))
    if name not in known:
        raise FusemaxError(f"{name!r} is no figure of machine {machine}\n  hint: {meant(name, known)}")
    try:
        figure_value(name, value)
    except QuantityError as error:
        raise FusemaxError(str(error)) from None


def _tried(read: Any, document: Document, place: KeyPath) -> list[Problem]:
    try:
        read()
    except FusemaxError as error:
        return problems_from(FusemaxError(str(error)), document, place)
    return []
