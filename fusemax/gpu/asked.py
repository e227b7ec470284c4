"""What a study of published times says: cards, kernels with their mappings, cascades, time of hosts; checked name by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fusemax.errors import FusemaxError
from fusemax.findings import Findings
from fusemax.gpu.predict import ELEMENT_B
from fusemax.gpu.published import Published
from fusemax.gpu.shape import Direction, Shape
from fusemax.library.load import Library
from fusemax.machine import Seconds, load_machine
from fusemax.mapping.spec import mapping_file_of
from fusemax.shipped import Mappings, UnknownNameError, from_beside, mappings_for
from fusemax.source import Document, KeyPath, read_yaml
from fusemax.typed import FilePart, typed_so_far

Mask = Literal["all", "causal", "window"]
#: Masks by what they leave: what is hidden by one is hidden by those after it.
MASKS: tuple[Mask, ...] = ("all", "causal", "window")
PARTS = ("forward", "backward", "decode")  #: of the work, each with a mapping


class Masked(FilePart):
    """The mapping and the cascade of a kernel's forward pass under a mask, where it does more there than the mask asks for."""

    forward: str
    cascade: str


class KernelEntry(FilePart):
    """Which mappings predict a kernel of the published table, and ``also`` others; the first entry that fits a row counts.

    ``dtypes``, ``machines``, ``source`` (a part of a row's source: a version), ``implementation`` (a part of what the
    row's source calls it) and ``wider_than`` (the widths above so many, for which a kernel has other code) narrow an
    entry; ``widths`` are those that a kernel is built for, to the next of which it fills others up; ``cascade`` replaces
    the cascade that the mask asks for (a kernel that does all the work under any mask); ``causal`` and ``window`` say
    what it does forward under these masks, where that is other code; ``skips`` says by part (``backward``) of which mask
    a kernel leaves out what it hides, where that is less than the row's: ``all`` (of none), ``causal``; ``fused`` says
    that the kernel is one of those that the study is about; ``because`` why a part of the work has no mapping.
    """

    kernel: str
    also: list[str] = Field(default_factory=list)
    forward: str | None = None
    backward: str | None = None
    decode: str | None = None
    dtypes: list[str] = Field(default_factory=lambda: list(ELEMENT_B))
    machines: list[str] | None = None
    source: str = ""
    implementation: str = ""
    wider_than: int = Field(default=0, ge=0)
    widths: list[int] = Field(default_factory=list)
    cascade: str | None = None
    causal: Masked | None = None
    window: Masked | None = None
    skips: dict[Literal["forward", "backward"], Mask] = Field(default_factory=dict)
    fused: bool = True
    because: str = ""

    @property
    def masked(self) -> dict[str, Masked | None]:
        """What the kernel does forward under each mask that may be other code."""
        return {"causal": self.causal, "window": self.window}

    def worked(self, shape: Shape) -> Shape:
        """Return *shape* as the kernel works on it: widths are filled up to the next of its own, if it has some."""
        own = [
            next((own for own in sorted(self.widths) if own >= w), w)
            for w in (shape.head_dim, shape.head_dim_v)
        ]
        return replace(shape, head_dim=own[0], head_dim_v=own[1])


class Cascades(FilePart):
    """The cascades of one direction of work, by mask."""

    all: str
    causal: str
    window: str


class NotFitted(FilePart):
    """Rows that calibrate nothing, by their card or by a part of their source, and why."""

    gpu: str = ""
    source: str = ""
    because: str

    def holds(self, row: Published) -> bool:
        """Return whether *row* is one of them."""
        return row.gpu == self.gpu if self.gpu else self.source in row.source


class Host(FilePart):
    """Time of the host in every call of a source whose clock runs while the device waits for the call.

    One time for each direction of an *implementation* that is called in the same way, whatever the shape.
    """

    source: str
    implementations: list[str]
    forward: Seconds
    backward: Seconds
    because: str

    def of(self, row: Published) -> bool:
        """Return whether *row* holds this time."""
        return self.source in row.source and row.implementation in self.implementations

    def time_s(self, direction: Direction) -> float:
        """Return the seconds in a call of one direction."""
        return float((self.backward if direction == "bwd" else self.forward).value)


class GpuStudy(FilePart):
    """What a study of kind ``gpu`` holds; the rows of ``unfitted``, a second table, calibrate nothing and all judge."""

    kind: Literal["gpu"]
    title: str
    source: str
    doc: str = ""
    published: str
    unfitted: str | None = None
    machines: dict[str, str]
    forward: Cascades
    backward: Cascades
    decode: str
    kernels: list[KernelEntry]
    not_fitted: list[NotFitted] = Field(default_factory=list)
    host: list[Host] = Field(default_factory=list)


def study_file(path: Path) -> GpuStudy:
    """Return the study in the file at *path*; what it names is looked up beside it first.

    Raises
    ------
    ProblemsError
        With its mistakes: of form, and every machine, cascade, mapping and number format that does not exist or is wrong.
    """
    return study_of(read_yaml(path))


def study_of(document: Document) -> GpuStudy:
    """Return the study in *document*, as :func:`study_file` does."""
    study, found = study_so_far(document)
    found.raise_if_any()
    return study


def study_so_far(document: Document) -> tuple[GpuStudy, Findings]:
    """Return the study in *document* as far as it can be read, and what is wrong with it."""
    study, document, problems = typed_so_far(document, GpuStudy)
    found, study = Findings(document, problems), _beside(study, Path(document.file).parent)
    shelves: dict[str, Mappings] = {}
    for gpu, name in study.machines.items():
        with found.at("machines", gpu):
            machine, path = load_machine(name)
            shelves[name] = mappings_for(path, machine.mappings)
    library, read = Library(), cache(lambda path: mapping_file_of(read_yaml(path)))
    for at, name in _cascades(study).items():
        with found.at(*at):
            library.cascade(name)
    for number, entry in enumerate(study.kernels):
        _refuse_entry(found, entry, ("kernels", number), shelves, read)
    return study, found


def _beside(study: GpuStudy, folder: Path) -> GpuStudy:
    """Return *study* with the paths of what lies in its *folder*."""

    def own(given: Any) -> Any:
        return from_beside(given, folder) if isinstance(given, str) else given

    kernels = [
        entry.model_copy(
            update={name: own(getattr(entry, name)) for name in (*PARTS, "cascade")}
            | {"machines": entry.machines and [own(name) for name in entry.machines]}
            | {
                mask: one and Masked(**{name: own(part) for name, part in one})
                for mask, one in entry.masked.items()
            }
        )
        for entry in study.kernels
    ]
    masked = {
        name: Cascades(**{mask: own(one) for mask, one in getattr(study, name)})
        for name in ("forward", "backward")
    }
    machines = {gpu: own(name) for gpu, name in study.machines.items()}
    return study.model_copy(
        update={**masked, "machines": machines, "decode": own(study.decode), "kernels": kernels}
    )


def _cascades(study: GpuStudy) -> dict[KeyPath, str]:
    """Return the cascades that *study* names, by their places."""
    names: dict[KeyPath, str] = {
        (part, mask): name
        for part, cascades in (("forward", study.forward), ("backward", study.backward))
        for mask, name in cascades
    }
    for number, entry in enumerate(study.kernels):
        if entry.cascade is not None:
            names["kernels", number, "cascade"] = entry.cascade
        names |= {
            ("kernels", number, mask, "cascade"): one.cascade for mask, one in entry.masked.items() if one
        }
    return {**names, ("decode",): study.decode}


def _refuse_entry(
    found: Findings, entry: KernelEntry, at: KeyPath, shelves: Mapping[str, Mappings], read: Callable[[Path], object]
) -> None:  # fmt: skip
    """Note the number formats and machines of *entry* that are none, and mappings that none of its machines has."""
    for position, dtype in enumerate(entry.dtypes):
        if dtype not in ELEMENT_B:
            text = f"number format {dtype!r} is not known; there are: {', '.join(ELEMENT_B)}"
            found.say((*at, "dtypes", position), text)
    for position, name in enumerate(entry.machines or ()):
        if name not in shelves:
            text = f"{name!r} is no machine of this study: {', '.join(shelves)}"
            found.say((*at, "machines", position), text)
    mine = [shelf for name, shelf in shelves.items() if entry.machines is None or name in entry.machines]
    named: dict[KeyPath, str | None] = {(part,): getattr(entry, part) for part in PARTS}
    named |= {(mask, "forward"): one and one.forward for mask, one in entry.masked.items()}
    for part, mapping in named.items():
        files = [_file(shelf, mapping) for shelf in mine] if mapping is not None else []
        lacking = [error for error in files if isinstance(error, FusemaxError)]
        with found.at(*at, *part):
            if lacking and len(lacking) == len(files):
                raise lacking[0]
            for path in dict.fromkeys(path for path in files if isinstance(path, Path)):
                read(path)


def _file(shelf: Mappings, mapping: str) -> Path | UnknownNameError:
    """Return the file of a mapping for one machine, or why there is none."""
    try:
        return shelf.find(mapping)
    except UnknownNameError as error:
        return error
