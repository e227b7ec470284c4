"""The study of kind ``models``: what whole models take on machines and systems, by phase, batch and length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fusemax.errors import FusemaxError, Problem, raise_if_any
from fusemax.model.config import load_model
from fusemax.model.parallel import ALONE, Parallel, parallel_of
from fusemax.model.passed import Passed
from fusemax.model.predict import Predictor
from fusemax.model.price import Prices, Widths
from fusemax.model.shape import Model
from fusemax.model.system import System, load_system
from fusemax.quantity import format_quantity, quantity
from fusemax.report.study import Short
from fusemax.shipped import find_machine
from fusemax.source import Document
from fusemax.study.jobs import shown
from fusemax.study.kind import About, Kind, Outcome, Progress
from fusemax.study.load import problems_from
from fusemax.study.pictures import column_mistakes, figure_mistakes, specs_of
from fusemax.study.values import reading
from fusemax.table.column import LENGTH, LENGTH_HEADING, measure, piece, remark, size, text, truth
from fusemax.table.table import table_of_rows
from fusemax.typed import FilePart, typed_so_far


def _whole(value: Any) -> int:
    number = quantity(value, "1")
    if number != int(number) or number < 1:
        raise ValueError(f"expected a whole number of at least 1, got {value}")
    return int(number)


Whole = Annotated[int, reading(_whole)]
Bytes = Annotated[float, reading(lambda value: quantity(value, "B"))]


class Where(FilePart):
    """Where models run: one machine, or chips that share a model; whether to ``search`` before taking shipped mappings.

    ``chips`` share every layer; ``parallel`` says degrees by name instead.
    """

    machine: str | None = None
    system: str | None = None
    chips: Whole | None = None
    parallel: dict[str, float] | None = None
    search: bool = False


class Phase(FilePart):
    """What is run: prompts of ``B`` sequences of ``length`` tokens, or one token more for each, ``length`` in the cache."""

    phase: Literal["prefill", "decode"]
    B: list[Whole]
    length: list[Whole]


class Words(FilePart):
    """Widths of numbers."""

    weights: Bytes = 2.0
    cache: Bytes = 2.0
    activations: Bytes = 2.0


class ModelsFile(FilePart):
    """What a study of kind ``models`` holds: models, machines and phases, all crossed."""

    kind: Literal["models"]
    title: str
    source: str
    doc: str = ""
    models: dict[str, str]
    systems: dict[str, Where]
    phases: list[Phase]
    words: Words = Field(default_factory=Words)
    figures: list[dict[str, Any]] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a model runs, read and checked; ``prices`` are kept from one model to the next."""

    name: str
    machine: str
    parallel: Parallel
    system: System | None
    prices: Prices


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsPlan:
    """A study with its models and machines, read and checked."""

    study: ModelsFile
    models: Mapping[str, Model]
    places: Sequence[Place]
    files: Mapping[str, Path]


TOKENS = replace(measure("tokens_per_s", "tokens read or made", unit="1/s"), heading="tokens per second")
RESULTS = (
    text("model"), text("system", "the machine, or chips that share every layer"),
    text("phase", "prefill: all tokens of the prompts are read; decode: one token more for each sequence"),
    size("B", "sequences"), size(LENGTH, "tokens of each sequence", heading=LENGTH_HEADING),
    truth("fits", "whether weights, cache and activations have room on a chip; empty where its memory is not said"),
    measure("latency_s", "of one pass", adds="sum"), TOKENS,
    measure("latency_per_token_s", "of one pass, over its new tokens"),
    measure("traffic_B", "through the outermost level of a chip", adds="sum"),
    measure("energy_J", "of all chips", adds="sum"), measure("weights_B", "on a chip"), measure("cache_B", "on a chip"),
    measure("memory_B", "weights, cache and activations on a chip"), remark("limit", "the kind of work that takes longest"),
    remark("reason", "why there is no value"),
)  # fmt: skip
BREAKDOWN = (
    *RESULTS[:5], piece("work", "kind of work"), measure("time_s", "of all its steps", adds="sum"),
    measure("share", "of the pass", unit="1", shown="%"),
)  # fmt: skip

Row = dict[str, Any]


def plan(document: Document, options: Mapping[str, Any]) -> ModelsPlan:
    """Return what the study in *document* asks; raise ProblemsError with every mistake, of models and machines too."""
    del options
    study, document, problems = typed_so_far(document, ModelsFile)
    folder = Path(document.file).parent
    files = {Path(document.file).name: Path(document.file)}
    problems += [document.problem(place, said, hint) for place, said, hint in figure_mistakes(study)]
    models: dict[str, Model] = {}
    for name, path in study.models.items():
        try:
            models[name] = load_model(folder / path)
            files[path] = folder / path if (folder / path).is_file() else folder / path / "config.json"
        except FusemaxError as error:
            problems += problems_from(error, document, ("models", name))
    places: list[Place] = []
    prices: dict[tuple[str, bool], Prices] = {}  # one machine's serve all places that have it
    widths = Widths(
        weights_B=study.words.weights, cache_B=study.words.cache, activations_B=study.words.activations
    )
    for name, where in study.systems.items():
        try:
            places.append(_place(name, where, widths, prices))
            files[shown(find_machine(places[-1].machine))] = find_machine(places[-1].machine)
        except FusemaxError as error:
            problems += problems_from(error, document, ("systems", name))
    problems += _figure_problems(document, study)
    problems += _empty(document, study)
    raise_if_any(dict.fromkeys(problems))
    return ModelsPlan(study=study, models=models, places=places, files=files)


def _place(name: str, where: Where, widths: Widths, known: dict[tuple[str, bool], Prices]) -> Place:
    if (where.machine is None) == (where.system is None):
        raise FusemaxError("say 'machine' or 'system', one of them")
    system = None if where.system is None else load_system(where.system)
    parallel = _parallel(where, system)
    machine = system.chip if system is not None else str(where.machine)
    key = machine, where.search
    prices = known.setdefault(key, Prices(machine, widths, search=where.search))
    assert prices.described.levels, "the machine is read now, so that its mistakes are told"
    return Place(name=name, machine=machine, parallel=parallel, system=system, prices=prices)


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


def _empty(document: Document, study: ModelsFile) -> Iterator[Problem]:
    for key in ("models", "systems", "phases"):
        if not getattr(study, key):
            yield document.problem((key,), "expected at least one")
    for number, phase in enumerate(study.phases):
        for key in ("B", "length"):
            if not getattr(phase, key):
                yield document.problem(("phases", number, key), "expected at least one value")


def _figure_problems(document: Document, study: ModelsFile) -> Iterator[Problem]:
    if any(True for _ in figure_mistakes(study)):
        return
    columns = {
        "results": [column.name for column in RESULTS],
        "breakdown": [column.name for column in BREAKDOWN],
    }
    values = {
        "model": list(study.models), "system": list(study.systems), "phase": [one.phase for one in study.phases],
        "B": [value for one in study.phases for value in one.B], LENGTH: [n for one in study.phases for n in one.length],
    }  # fmt: skip
    for place, said, hint in column_mistakes(study, columns, values):
        yield document.problem(place, said, hint)


def tables(plan: ModelsPlan, out: Path, progress: Progress) -> Outcome:
    """Return ``results`` and ``breakdown``: a row for each model, place and point, and for each kind of its work."""
    del out
    results: list[Row] = []
    breakdown: list[Row] = []
    points = [
        (one.phase, batch, length) for one in plan.study.phases for batch in one.B for length in one.length
    ]
    total = len(plan.models) * len(plan.places) * len(points)
    for name, model in plan.models.items():
        for place in plan.places:
            for phase, batch, length in points:
                progress(len(results), total, f"{name} on {place.name}, {phase} of {length}")
                row = {"model": name, "system": place.name, "phase": phase, "B": batch, LENGTH: length}
                found, parts = _point(model, place, phase, batch, length)
                results.append({**row, **found})
                breakdown += [{**row, **part} for part in parts]
    return Outcome(
        tables={"results": table_of_rows(results, RESULTS), "breakdown": table_of_rows(breakdown, BREAKDOWN)},
        short=tuple(_short(plan, results, one) for one in dict.fromkeys(phase for phase, _, _ in points)),
    )


def _point(model: Model, place: Place, phase: str, batch: int, length: int) -> tuple[Row, list[Row]]:
    """Return the values of one point, or the reason why there are none; and its times by kind of work."""
    predictor = Predictor(
        model, place.machine, place.prices.widths, place.system, place.parallel, shared=place.prices
    )
    try:
        memory = predictor.memory(batch, length, length if phase == "prefill" else 1)
        kept = {
            "fits": memory.fits, "weights_B": memory.weights_B, "cache_B": memory.cache_B, "memory_B": memory.total_B,
        }  # fmt: skip
        if memory.fits is False:
            return {**kept, "reason": f"does not fit: {memory}"}, []
        passed = (predictor.prefill if phase == "prefill" else predictor.decode)(batch, length)
    except FusemaxError as error:
        return {"reason": str(error).splitlines()[0]}, []
    return {**kept, **_measures(passed, batch * (length if phase == "prefill" else 1))}, _works(passed)


def _measures(passed: Passed, tokens: int) -> Row:
    works = passed.by_work()
    return {
        "latency_s": passed.time_s, "tokens_per_s": tokens / passed.time_s, "latency_per_token_s": passed.time_s / tokens,
        "traffic_B": passed.traffic_B, "energy_J": passed.energy_J if isfinite(passed.energy_J) else None,
        "limit": max(works, key=works.__getitem__),
    }  # fmt: skip


def _works(passed: Passed) -> list[Row]:
    return [
        {"work": work, "time_s": time_s, "share": time_s / passed.time_s}
        for work, time_s in passed.by_work().items()
    ]


def _short(plan: ModelsPlan, rows: Sequence[Row], phase: str) -> Short:
    """Return the table for a screen: the time of a pass at the longest sequence, by model and place."""
    mine = [row for row in rows if row["phase"] == phase]
    length = max(row[LENGTH] for row in mine)
    batch = min(row["B"] for row in mine)
    found = {
        (row["model"], row["system"]): row for row in mine if row[LENGTH] == length and row["B"] == batch
    }
    lines = [(name, *(_cell(found[name, place.name]) for place in plan.places)) for name in plan.models]
    title = f"{phase}: time of a pass, {batch} sequences of {length} tokens"
    return Short(
        title=title, headings=("model", *(place.name for place in plan.places)), rows=tuple(lines), texts=1
    )


def _cell(row: Row) -> str:
    if row.get("latency_s") is not None:
        return format_quantity(row["latency_s"], "s")
    return "too large" if row.get("fits") is False else "-"


KIND = Kind(
    plan=plan,
    about=lambda plan: About(title=plan.study.title, source=plan.study.source, doc=plan.study.doc),
    files=lambda plan: plan.files,
    tables=tables,
    specs=lambda plan: specs_of(plan.study),
)
