"""What a study of kind ``models`` says, read and checked: models, where they run, phases, and the columns of its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fusemax.errors import FusemaxError
from fusemax.findings import Findings
from fusemax.model.config import load_model
from fusemax.model.parallel import ALONE, Parallel, parallel_of
from fusemax.model.price import Prices, Widths
from fusemax.model.shape import Model
from fusemax.model.system import System, load_system
from fusemax.quantity import quantity
from fusemax.shipped import find_machine, from_beside
from fusemax.source import Document, KeyPath
from fusemax.study.jobs import shown
from fusemax.study.pictures import column_mistakes, figure_mistakes
from fusemax.study.values import reading
from fusemax.table.column import LENGTH, LENGTH_HEADING, measure, piece, remark, size, text, truth
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
        weights_B=study.words.weights, cache_B=study.words.cache, activations_B=study.words.activations
    )
    for name, where in study.systems.items():
        with found.at("systems", name):
            places.append(_place(name, where, folder, widths, prices))
            files[shown(find_machine(places[-1].machine))] = find_machine(places[-1].machine)
    _refuse_figures(found, study)
    _refuse_empty(found, study)
    found.raise_if_any()
    return ModelsPlan(study=study, models=models, places=places, files=files)


def _place(
    name: str, where: Where, folder: Path, widths: Widths, known: dict[tuple[str, bool], Prices]
) -> Place:
    """Return where models run; paths are looked up in the *folder* of the study first."""
    if (where.machine is None) == (where.system is None):
        raise FusemaxError("say 'machine' or 'system', one of them")
    system = None if where.system is None else load_system(from_beside(where.system, folder))
    parallel = _parallel(where, system)
    machine = system.chip if system is not None else from_beside(str(where.machine), folder)
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


def _refuse_empty(found: Findings, study: ModelsFile) -> None:
    places: list[KeyPath] = [(key,) for key in ("models", "systems", "phases") if not getattr(study, key)]
    for place in places:
        found.say(place, "expected at least one")
    for number, phase in enumerate(study.phases):
        for key in ("B", "length"):
            if not getattr(phase, key):
                found.say(("phases", number, key), "expected at least one value")


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
    for mistake in mistakes or column_mistakes(study, columns, values):
        found.say(*mistake)
