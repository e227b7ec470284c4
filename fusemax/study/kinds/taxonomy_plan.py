"""What a study of kind ``taxonomy`` says, read and checked: mechanisms by the cascades of their forms, kernels, sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fusemax.analysis.passes import Analysis, analyse
from fusemax.analysis.traffic import Traffic, traffic_bound
from fusemax.findings import Findings
from fusemax.language.value import is_size
from fusemax.library.load import Library
from fusemax.quantity import quantity
from fusemax.source import Document, KeyPath
from fusemax.study.jobs.job import shown
from fusemax.study.spec.values import bytes_value, reading
from fusemax.typed import FilePart, typed_so_far

FORMS = ("written", "deferred", "online")

Number = Annotated[float, reading(lambda value: quantity(value, "1"))]
Bytes = Annotated[float, reading(bytes_value)]


class Kernel(FilePart):
    """A published kernel, the cascade that it runs, and the passes that its class says."""

    kernel: str
    cascade: str
    passes: int


class Mechanism(FilePart):
    """A mechanism by the cascades of its forms, and the rank over which passes are counted."""

    name: str
    rank: str
    written: str | None = None
    deferred: str | None = None
    online: str | None = None


class TaxonomyFile(FilePart):
    """What a study of kind ``taxonomy`` holds."""

    kind: Literal["taxonomy"]
    title: str
    source: str
    sizes: dict[str, Number] = Field(default_factory=dict)
    tile: dict[str, Number] = Field(default_factory=dict)
    lengths: list[Number]
    buffers: list[Bytes]
    word: Bytes
    traffic: list[str]
    kernels: list[Kernel]
    mechanisms: list[Mechanism]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxonomyPlan:
    """A study, and the analysis of every cascade that it names."""

    study: TaxonomyFile
    analyses: Mapping[str, Analysis]
    files: Mapping[str, Path]


def plan(document: Document, options: Mapping[str, Any]) -> TaxonomyPlan:
    """Return what the study in *document* asks; raise ProblemsError with every mistake, of the cascades too."""
    del options
    study, document, problems = typed_so_far(document, TaxonomyFile)
    path = Path(document.file)
    found, library = Findings(document, problems), Library(path.parent)
    analyses: dict[str, Analysis] = {}
    files = {path.name: path}
    _numbers(found, study)
    for place, name, rank in _named(study):
        with found.at(*place):
            if name not in analyses:
                cascade = library.cascade(name)
                analyses[name] = analyse(cascade)
                files[shown(Path(cascade.file))] = Path(cascade.file)
            analyses[name].rank(rank)
    if not any(path[0] in ("sizes", "tile", "traffic") for path in found.document.left_out):
        _sizes(found, study, analyses)
    found.raise_if_any()
    return TaxonomyPlan(study=study, analyses=analyses, files=files)


def _named(study: TaxonomyFile) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield the place and the name of every cascade of *study*, with the rank that it must have."""
    yield from ((("traffic", number), name, "M") for number, name in enumerate(study.traffic))
    yield from (
        (("kernels", number, "cascade"), kernel.cascade, "M") for number, kernel in enumerate(study.kernels)
    )
    for number, mechanism in enumerate(study.mechanisms):
        for form in FORMS:
            name = getattr(mechanism, form)
            if name is not None:
                yield ("mechanisms", number, form), name, mechanism.rank


def _sizes(found: Findings, study: TaxonomyFile, analyses: Mapping[str, Analysis]) -> None:
    """Note the cascades whose traffic cannot be bounded, for a size that is not given or a rank that is not theirs."""
    known = {*study.sizes, *(f"{rank}0" for rank in study.tile), "M", "P", "S"}
    for number, name in enumerate(study.traffic):
        if name not in analyses or "M" not in analyses[name].cascade.ranks:
            continue  # told already
        with found.at("traffic", number):
            bound = bound_of(study, analyses[name])
            needed = {str(symbol) for one in (bound.words, bound.compulsory) for symbol in one.free_symbols}
            if needed - known:
                text = f"cascade {name} needs a size for {', '.join(sorted(needed - known))}"
                found.say(("sizes",), text, "give it under sizes")


def _numbers(found: Findings, study: TaxonomyFile) -> None:
    """Note sizes that are none, and memories without room."""
    given = [((key, name), value) for key in ("sizes", "tile") for name, value in getattr(study, key).items()]
    given += [(("lengths", number), value) for number, value in enumerate(study.lengths)]
    for place, value in given:
        if not is_size(value):
            found.say(place, f"expected a whole number of at least 1, got {value:g}")
    for number, value in enumerate(study.buffers):
        if value < 1:
            found.say(("buffers", number), f"expected at least 1 byte, got {value:g}")
    for key in ("lengths", "buffers"):
        if study.traffic and not getattr(study, key):
            found.say((key,), "an empty list leaves nothing to bound the traffic for")
    for key in ("lengths", "buffers", "traffic"):
        found.refuse_twice((key,), getattr(study, key))
    for key, name in (("kernels", "kernel"), ("mechanisms", "name")):
        found.refuse_twice((key,), [getattr(entry, name) for entry in getattr(study, key)], name)
    if study.word <= 0:
        found.say(("word",), f"expected more than zero, got {study.word:g}")


def bound_of(study: TaxonomyFile, analysis: Analysis) -> Traffic:
    """Return the bound on the traffic of groups of queries of the study's tile."""
    return traffic_bound(analysis, "M", {rank: f"{rank}0" for rank in study.tile})
