"""What a mapping file says, typed but not yet set against its cascade and machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from fusemax.errors import FusemaxError
from fusemax.language.formula import formula
from fusemax.language.syntax import Call, Expression, Name, Number
from fusemax.machine import Bytes, Seconds
from fusemax.nearest import nearest
from fusemax.quantity import QuantityError
from fusemax.shipped import find_mapping
from fusemax.source import Document, read_yaml
from fusemax.typed import FilePart, typed

FIT_KINDS = ("any", "divisors", "power_of_two")


def _expression(value: Any, fits: bool = False) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected a number or a formula such as '2d.rows', got {value!r}")
    try:
        return formula(value, "1", fits=fits)
    except QuantityError as error:
        raise ValueError(str(error)) from None


IN_FILE = WithJsonSchema({"type": ["string", "number"], "description": "a number or a formula"})
Formula = Annotated[Any, BeforeValidator(lambda value: _expression(value)), IN_FILE]


def _sides(value: Any) -> Any:
    names = cast("Sequence[Any]", value if isinstance(value, list | tuple) else (value,))
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"expected a dimension such as rows, or several: [arrays, rows]; got {value!r}")
    return tuple(names)


#: The dimensions of a unit over which a digit runs, the outermost first.
Sides = Annotated[
    Any,
    BeforeValidator(_sides),
    WithJsonSchema(
        {"type": ["string", "array"], "items": {"type": "string"}, "description": "dimensions of the unit"}
    ),
]


class Fit(FilePart):
    """A tile as large as a level allows: ``fit(L3)`` of any size, ``fit(L3, divisors)``, ``fit(L3, power_of_two)``."""

    level: str
    kind: Literal["any", "divisors", "power_of_two"] = "any"


def _tile(value: Any) -> Any:
    expression = _expression(value, fits=True)
    if not (isinstance(expression, Call) and expression.function == "fit"):
        return expression
    names = [a.name if isinstance(a, Name) else str(a) for a in expression.arguments]
    names = [
        *names[:1],
        *("divisors" if name == "divisor" else name for name in names[1:]),
    ]  # its name before
    if not 1 <= len(names) <= 2 or (len(names) == 2 and names[1] not in FIT_KINDS):
        raise ValueError(f"expected fit(LEVEL) or fit(LEVEL, {' | '.join(FIT_KINDS)}), got {value!r}")
    return Fit(level=names[0], kind=names[1] if len(names) == 2 else "any")  # type: ignore[arg-type]


Tile = Annotated[Any, BeforeValidator(_tile), IN_FILE]


class Kept(FilePart):
    """A tensor kept at a level: in how many buffers (2: the next tile is loaded behind the current one; 0: not budgeted)."""

    tensor: str
    buffers: int = Field(default=1, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"tensor": data} if isinstance(data, str) else data


class Stall(FilePart):
    """A wait of so many cycles in every epoch, e.g. for a value to ripple through an array."""

    stall: Formula


MOST_GROUPS = 12  #: groups of threads that take turns: more are as good as all units overlapped


class Overlap(FilePart):
    """Units that overlap in part; each task begins with a serial epoch.

    ``groups`` of threads take turns on the units, one epoch each, and meet by chance (``cycles_in_turns``): one is as if
    ``serial``, many as if ``overlapped``; ``wait`` is the cycles of an epoch in which a group is on no unit (latencies). Or
    ``overlap`` says the part itself: 1 as if ``overlapped``, 0 as if ``serial``. ``groups`` may be a formula, as many as a
    core has room for: it is rounded down, to 1 at least and ``MOST_GROUPS`` at most.

    ``start`` is the time from the launch of a task on its core to its first useful cycle. The memories inside a core count as
    units but for those named in ``hidden``, which work behind the units as the outer levels do. ``reached`` is the part of the
    outermost level's bandwidth that its accesses get, by their pattern.
    """

    overlap: Formula | None = None
    groups: Formula | None = None
    wait: Formula = Number(0.0)
    start: Seconds = Number(0.0)
    reached: float = Field(default=1.0, ge=0.01, le=1)
    hidden: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _part_of_one(self) -> Overlap:
        if (self.overlap is None) == (self.groups is None):
            raise ValueError(
                "expected 'groups' or 'overlap': how many groups take turns, or a part from 0 to 1"
            )
        if self.groups is None and self.wait != Number(0.0):
            raise ValueError("'wait' goes with 'groups': of what overlaps by a part nobody knows who waits")
        if isinstance(self.groups, Number) and self.groups.value not in range(1, MOST_GROUPS + 1):
            raise ValueError(f"expected 1 to {MOST_GROUPS} groups, got {self.groups}")
        if isinstance(self.overlap, Number) and not 0 <= self.overlap.value <= 1:
            raise ValueError(f"expected an overlap from 0 (serial) to 1 (overlapped), got {self.overlap}")
        return self


def _form(value: Any) -> str:
    """Return which of several forms a value has, so that mistakes are told of that form alone."""
    if isinstance(value, dict):
        return "<stall>" if "stall" in value else "<keys>"
    return "<list>" if isinstance(value, list) else "<name>" if isinstance(value, str) else "<keys>"


def _bodies(value: Any) -> str:
    nests = isinstance(value, list) and any(
        isinstance(entry, dict | Node) for entry in cast("list[Any]", value)
    )
    return "<nests>" if nests else "<names>"


Step = Annotated[
    Annotated[dict[str, list[str]], Tag("<keys>")] | Annotated[Stall, Tag("<stall>")],
    Discriminator(
        lambda value: "<stall>" if isinstance(value, Stall) or _form(value) == "<stall>" else "<keys>"
    ),
]
Schedule = Annotated[
    Annotated[Literal["overlapped", "serial", "auto"], Tag("<name>")]
    | Annotated[list[Step], Tag("<list>")]
    | Annotated[Overlap, Tag("<keys>")],
    Discriminator(lambda value: _form(value).replace("<stall>", "<keys>")),
]
#: How unequal tasks of a spread nest come to cores.
Deal = Literal["longest_first", "in_order"]


class Node(FilePart):
    """A loop nest: loops, what is kept inside them, and what is done there (nests, or Einsums that make one body)."""

    loops: list[str] = Field(default_factory=list, alias="for")
    name: str | None = None
    tiles: dict[str, Tile] = Field(default_factory=dict)
    spread: list[str] = Field(default_factory=list)
    side_by_side: list[str] = Field(default_factory=list)
    deal: Deal | None = None
    keep: dict[str, list[Kept]] = Field(default_factory=dict)
    stage: dict[str, list[Kept]] = Field(default_factory=dict)
    spatial: dict[str, dict[str, Sides]] = Field(default_factory=dict)
    schedule: Schedule | None = None
    do: Annotated[
        Annotated[list[str], Tag("<names>")] | Annotated[list[Node], Tag("<nests>")], Discriminator(_bodies)
    ]


class MappingFile(FilePart):
    """What a mapping file in ``arch/<machine>/`` holds.

    ``operands`` is the width of a number for which its kernel is: whoever chooses among mappings takes it for no other.
    """

    title: str
    source: str
    cascade: str
    doc: str = ""
    absorb: list[str] = Field(default_factory=list)
    tiles: dict[str, Tile] = Field(default_factory=dict)
    nests: list[Node]
    bind: dict[str, list[str]]
    offload: dict[str, dict[str, Formula]] = Field(default_factory=dict)
    when: dict[str, Formula] = Field(default_factory=dict)
    schedule: Schedule = "overlapped"
    spill: dict[str, list[str]] = Field(default_factory=dict)
    in_place: list[list[str]] = Field(default_factory=list)
    words: dict[str, Bytes] = Field(default_factory=dict)
    operands: Bytes | None = None


def load_mapping_file(name: str, machine_path: Path) -> tuple[MappingFile, Document]:
    """Return the mapping called *name*: beside the machine's file, in the folders of ``arch/`` whose mappings the machine
    takes too, anywhere in ``arch/``, or the user's own path."""
    shared = read_yaml(machine_path).data.get("mappings", ())
    document = read_yaml(find_mapping(name, machine_path, shared))
    return mapping_file_of(document), document


def mapping_file_of(document: Document) -> MappingFile:
    """Return the mapping file in *document*; raise ProblemsError with every mistake of form."""
    return typed(document, MappingFile)


def with_changes(document: Document, changes: Mapping[str, Any]) -> Document:
    """Return *document* with the values at dotted paths replaced (``nests.0.keep.L3: [Q, K]``), before it is typed.

    Raises
    ------
    FusemaxError
        For a path that leads nowhere; only its last step may be a new key.
    """
    from copy import deepcopy
    from dataclasses import replace

    data = deepcopy(document.data)
    for path, value in changes.items():
        steps = path.split(".")
        inside = data
        for number in range(len(steps) - 1):
            inside = inside[_place(document, steps, number, inside)]
        last = len(steps) - 1
        inside[_place(document, steps, last, inside)] = value
    return replace(document, data=data)


def _place(document: Document, steps: list[str], number: int, inside: Any) -> str | int:
    """Return the key or position in *inside* that a step of a path means."""
    step, path = steps[number], ".".join(steps)
    new = number == len(steps) - 1  # an unknown one is refused when the document is typed
    where = f" in {'.'.join(steps[:number])}" if number else ""
    if isinstance(inside, dict):
        keys = list(cast("dict[Any, Any]", inside))
        if step in keys or new:
            return step
        near = nearest(step, list(map(str, keys)))
        hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(map(str, keys))}"
        raise FusemaxError(f"changes: {path}: {document.file} has no {step!r}{where}\n  hint: {hint}")
    if isinstance(inside, list):
        count = len(cast("list[Any]", inside))
        if step.isdigit() and int(step) < count:
            return int(step)
        text = f"expected a number from 0 to {count - 1}{where}, got {step!r}"
        raise FusemaxError(f"changes: {path}: {document.file}: {text}")
    raise FusemaxError(f"changes: {path}: {document.file}: {'.'.join(steps[:number])} has nothing inside")


Rule = Expression | Fit
