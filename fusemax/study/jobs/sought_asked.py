"""What a configuration asks of a search: the cascade, the space, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator

from fusemax.cascade.ir import Cascade
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError, ProblemsError
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped
from fusemax.search.best import Wanted
from fusemax.source import KeyPath, document_of
from fusemax.study.jobs.asked import Asked
from fusemax.study.jobs.limit import LIMIT
from fusemax.study.jobs.measures import columns_of, totals_of
from fusemax.study.spec.choice import Searched
from fusemax.study.spec.file import Configuration


def columns_on(machine: Machine, cascade: Cascade, totals: bool = False) -> list[str]:
    """Return the columns of results that mappings on *machine* have, or the totals of them."""
    nothing = Mapped(name="", title="", cascade=cascade, nests=(), bind={}, spill={}, in_place=())
    program = derive(nothing, machine, ())
    if totals:
        return list(totals_of(program))
    times = [f"time_{place}_s" for place in (*machine.units, *machine.level_names)]
    found = [name for name in columns_of(program) if name != LIMIT]
    return [*found, *times, LIMIT]


def mistakes_of_search(
    asked: Asked, configuration: Configuration, machine: Machine
) -> Iterator[tuple[KeyPath, FusemaxError]]:
    """Yield what is wrong with a mapping that is to be searched for and with keys that go with one, by their keys."""
    mapping = configuration.mapping
    if not isinstance(mapping, Searched):
        if configuration.cascade is not None:
            hint = "'cascade' goes with 'mapping: best'"
            yield ("cascade",), FusemaxError(f"a mapping file names its own cascade\n  hint: {hint}")
        return
    if configuration.changes:
        hint = "'within:' narrows what is searched"
        yield (
            ("changes",),
            FusemaxError(f"a mapping that is searched for has no file to change\n  hint: {hint}"),
        )
    try:
        cascade = cascade_for(asked, configuration)
    except FusemaxError as error:
        yield ("cascade" if configuration.cascade else "mapping",), error
        return
    try:
        wanted_of(mapping, cascade, machine)
    except ProblemsError as error:
        for one in error.problems:
            hint = f"\n  hint: {one.hint}" if one.hint else ""
            yield ("mapping", "within"), FusemaxError(f"{one.text}{hint}")


def cascade_for(asked: Asked, configuration: Configuration) -> Cascade:
    """Return the cascade that *configuration* searches a mapping for; raise FusemaxError where none is named."""
    assert isinstance(configuration.mapping, Searched)
    name = configuration.mapping.cascade or configuration.cascade
    if name is None:
        raise FusemaxError(
            "a mapping that is searched for needs a cascade\n  hint: add 'cascade: attention/1-pass', say"
        )
    return asked.designs.cascade(name)


def wanted_of(mapping: Searched, cascade: Cascade, machine: Machine) -> Wanted:
    """Return what the search is for; raise FusemaxError for a space that names what is not there."""
    from fusemax.search.within import within_of
    from fusemax.search.write import mapping_text

    within = None
    if mapping.within:
        within = within_of(document_of(mapping_text(mapping.within), "within"), cascade, machine)
    return Wanted(
        objective=mapping.objective, absorb=tuple(mapping.absorb), seconds=mapping.seconds, search=mapping.search,
        within=within,
    )  # fmt: skip
