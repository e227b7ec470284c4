"""What a study of kind ``models`` says, read and checked: models, where they run, phases, and the columns of its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.findings import Findings
from fusemax.model.config import load_model
from fusemax.model.engine import Engine, engine_of, host_of
from fusemax.model.parallel import ALONE, Parallel, parallel_of
from fusemax.model.predict import refuse_engine
from fusemax.model.price import Prices, Widths
from fusemax.model.shape import Model
from fusemax.model.system import System, load_system
from fusemax.shipped import find_machine, from_beside
from fusemax.source import Document, KeyPath
from fusemax.study.jobs.job import shown
from fusemax.study.kinds.models_file import BREAKDOWN, RESULTS, UNKNOWN, ModelsFile, Where
from fusemax.study.pictures import column_mistakes, figure_mistakes, undrawable
from fusemax.table.column import LENGTH
from fusemax.table.table import Tables, table_of_rows
from fusemax.typed import typed_so_far


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a model runs, read and checked; ``prices`` are kept from one model to the next."""

    name: str
    machine: str
    parallel: Parallel
    system: System | None
    prices: Prices
    engine: Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsPlan:
    """A study with its models and machines, read and checked."""

    study: ModelsFile
    models: Mapping[str, Model]
    places: Sequence[Place]
    files: Mapping[str, Path]


def plan(document: Document, options: Mapping[str, Any]) -> ModelsPlan:
    """Return what the study in *document* asks; raise ProblemsError with every mistake, of models and machines too."""
    del options
    study, document, problems = typed_so_far(document, ModelsFile)
    found, folder = Findings(document, problems), Path(document.file).parent
    files = {Path(document.file).name: Path(document.file)}
    models: dict[str, Model] = {}
    for name, path in study.models.items():
        with found.at("models", name):
            models[name] = load_model(folder / path)
            files[path] = folder / path if (folder / path).is_file() else folder / path / "config.json"
    places: list[Place] = []
    prices: dict[tuple[str, bool], Prices] = {}  # one machine's serve all places that have it
    widths = Widths(
        weights_B=study.words.weights,
        cache_B=study.words.cache,
        activations_B=study.words.activations,
        attention_B=study.words.attention,
    )
    for name, where in study.systems.items():
        with found.at("systems", name):
            places.append(_place(name, where, folder, widths, prices))
            files[shown(find_machine(places[-1].machine))] = find_machine(places[-1].machine)
        for read, said in ((engine_of, where.engine), (host_of, where.host)):
            with found.at("systems", name):  # where the machine is wrong, they are told too
                read(said)
    _refuse_points(found, study)
    if len(models) == len(study.models) and not found.document.lost:
        _refuse_sources(found, study, any(model.encoder is not None for model in models.values()))
    _refuse_figures(found, study)
    found.raise_if_any()
    return ModelsPlan(study=study, models=models, places=places, files=files)


def _place(
    name: str, where: Where, folder: Path, widths: Widths, known: dict[tuple[str, bool], Prices]
) -> Place:
    """Return where models run; paths are looked up in the *folder* of the study first."""
    if (where.machine is None) == (where.system is None):
        raise FusemaxError("say 'machine' or 'system', one of them")
    system = None if where.system is None else load_system(from_beside(where.system, folder))
    machine = system.chip if system is not None else from_beside(str(where.machine), folder)
    key = machine, where.search
    prices = known.setdefault(key, Prices(machine, widths, search=where.search))
    assert prices.described.levels, "the machine is read now, so that its mistakes are told"
    parallel = _parallel(where, system)
    engine = replace(engine_of(where.engine), host=host_of(where.host))
    refuse_engine(engine, system, prices)
    return Place(name=name, machine=machine, parallel=parallel, system=system, prices=prices, engine=engine)


def _parallel(where: Where, system: System | None) -> Parallel:
    """Return how chips share a model at *where*; all of a system's share every layer if nothing is said."""
    if system is None:
        if where.chips not in (None, 1) or where.parallel:
            raise FusemaxError("several chips need a 'system' with links between them")
        return ALONE
    if where.chips is not None and where.parallel is not None:
        raise FusemaxError("say 'chips' or 'parallel', one of them")
    tensor = where.chips or system.chips
    parallel = Parallel(tensor=tensor) if where.parallel is None else parallel_of(where.parallel)
    if parallel.chips > system.chips:
        said = f"parallel: {parallel}: {where.system}" if where.parallel else f"chips: {where.system}"
        raise FusemaxError(f"{said} has {system.chips}, got {parallel.chips}")
    return parallel


def _refuse_points(found: Findings, study: ModelsFile) -> None:
    places: list[KeyPath] = [(key,) for key in ("models", "systems", "phases") if not getattr(study, key)]
    for place in places:
        found.say(place, "expected at least one")
    known: set[tuple[str, int, int]] = set()
    for number, phase in enumerate(study.phases):
        for key in ("B", "length"):
            if not getattr(phase, key):
                found.say(("phases", number, key), "expected at least one value")
        points = [(phase.phase, batch, length) for batch in phase.B for length in phase.length]
        twice = [one for n, one in enumerate(points) if one in known or one in points[:n]]
        if twice:
            said = "{} of {} sequences of {} tokens stands here twice".format(*twice[0])
            found.say(("phases", number), said, "take it out of one of the lists")
        known |= set(points)


def _refuse_sources(found: Findings, study: ModelsFile, encoder: bool) -> None:
    """Note phases that lack the tokens of a source which a model with an *encoder* needs, or say them for nothing."""
    for number, phase in enumerate(study.phases):
        if phase.source is not None and (phase.phase == "prefill" or not encoder):
            said = "prefill reads 'length' tokens" if encoder else "no model here has an encoder"
            found.say(("phases", number, "source"), said, "leave it out")
        elif phase.source is None and phase.phase == "decode" and encoder:
            said = "a model with an encoder has read tokens of a source"
            found.say(("phases", number), said, "say how many, such as source: 1500")


def _refuse_figures(found: Findings, study: ModelsFile) -> None:
    """Note what is wrong with figures, and what they ask for that the tables will not have."""
    mistakes = list(figure_mistakes(study))
    columns = {
        "results": [column.name for column in RESULTS],
        "breakdown": [column.name for column in BREAKDOWN],
    }
    values = {
        "model": list(study.models), "system": list(study.systems), "phase": [one.phase for one in study.phases],
        "B": [value for one in study.phases for value in one.B], LENGTH: [n for one in study.phases for n in one.length],
    }  # fmt: skip
    mistakes += column_mistakes(study, columns, values)
    for mistake in mistakes or ([] if found.problems else undrawable(study, _laid_out(study), UNKNOWN)):
        found.say(*mistake)


def _laid_out(study: ModelsFile) -> Tables:
    """Return tables with the rows that there will be, every measure a number that no other row has; one work of each."""
    points = [(one.phase, batch, length) for one in study.phases for batch in one.B for length in one.length]
    rows: list[dict[str, Any]] = []
    for number, (model, system, (phase, batch, length)) in enumerate(
        product(study.models, study.systems, points)
    ):
        told = {"model": model, "system": system, "phase": phase, "B": batch, LENGTH: length, "work": "work"}
        measures = {
            c.name: number + 1.0
            for c in (*RESULTS, *BREAKDOWN)
            if c.role == "measure" and c.name not in UNKNOWN
        }
        rows.append({**measures, "limit": "work", "reason": None, "fits": True, **told})
    return Tables(
        folder=Path(),
        tables={"results": table_of_rows(rows, RESULTS), "breakdown": table_of_rows(rows, BREAKDOWN)},
    )
