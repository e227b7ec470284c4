"""A mapping set against its cascade: ranks as digits of loops, nests as bodies with everything around them.

A *root* is a rank that is cut into *digits*, outermost first: ``p = (p2*P1 + p1)*P0 + p0``. A digit is a loop, a spatial
dimension, or left to run inside its body. A *body* is a list of Einsums executed together, tile by tile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fusemax.cascade.ir import Cascade, Einsum
from fusemax.language.syntax import Expression
from fusemax.mapping.spec import Deal, Fit, Schedule

Outline = tuple[tuple[str, str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Digit:
    """One digit of a root. ``rule`` gives its size; the outermost digit has none: it takes what is left."""

    name: str
    rule: Expression | Fit | None

    @property
    def size_name(self) -> str:
        """The name of the digit's size, e.g. ``P1``."""
        return self.name.upper()


@dataclass(frozen=True, slots=True)
class Root:
    """A whole rank and its digits, outermost first; an uncut rank has one digit, its own variable.

    ``as_long_as`` are the variables of other ranks whose sizes the cascade multiplies to its size (``i0`` for ``J0: I0``).
    """

    name: str
    digits: tuple[Digit, ...]
    as_long_as: tuple[str, ...] = ()

    @property
    def size_name(self) -> str:
        """The name of the rank's size, e.g. ``P``."""
        return self.name.upper()

    def inner_to(self, digit: str) -> tuple[Digit, ...]:
        """Return the digits inside *digit*, outermost first."""
        names = [d.name for d in self.digits]
        return self.digits[names.index(digit) + 1 :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Residence:
    """A tensor kept (or only staged on its way) at a level inside the loops of one node.

    ``node`` is the path of the node in the tree of nests, ``loops`` all loops around the kept tile.
    """

    tensor: str
    level: str
    node: tuple[int, ...]
    loops: tuple[str, ...]
    buffers: int
    staged: bool = False

    def covers(self, node: tuple[int, ...]) -> bool:
        """Return whether *node* is the residence's own node or one below it."""
        return node[: len(self.node)] == self.node


def together(dimensions: Iterable[str]) -> str:
    """Return several dimensions of a unit as one, over which a digit runs.

    >>> together(["arrays", "rows"]), sides(together(["arrays", "rows"])), sides("rows")
    ('arrays*rows', ('arrays', 'rows'), ('rows',))
    """
    return "*".join(dimensions)


def sides(dimension: str) -> tuple[str, ...]:
    """Return the dimensions that *dimension* is made of, as :func:`together` joined them."""
    return tuple(dimension.split("*"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Einsums executed together inside loops.

    ``opened`` holds the loops that each node on the way down opens; ``spatial`` gives, per unit, the dimension that a digit
    runs over (several together as :func:`together` joins them).
    """

    node: tuple[int, ...]
    opened: tuple[tuple[str, ...], ...]
    spatial: Mapping[str, Mapping[str, str]]
    einsums: tuple[str, ...]
    loops: tuple[str, ...] = field(init=False, repr=False, compare=False)  #: all around it, outermost first

    def __post_init__(self) -> None:
        object.__setattr__(self, "loops", tuple(loop for opened in self.opened for loop in opened))

    def shared_with(self, other: Body) -> tuple[str, ...]:
        """Return the loops that this body and *other* run inside together."""
        depth = 0
        while depth < min(len(self.node), len(other.node)) and self.node[depth] == other.node[depth]:
            depth += 1
        return tuple(loop for opened in self.opened[:depth] for loop in opened)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nest:
    """A phase: one top-level nest, run to its end before the next begins.

    ``beside`` are those loops of ``spread`` that run side by side on the cores of a group.
    """

    name: str
    roots: Mapping[str, Root]
    bodies: tuple[Body, ...]
    residences: tuple[Residence, ...]
    schedule: Schedule
    spread: tuple[str, ...] = ()
    deal: Deal = "longest_first"
    beside: tuple[str, ...] = ()
    owners: Mapping[str, Root] = field(init=False, repr=False, compare=False)  #: the root of each digit
    #: how ranks are cut: each root by the name under which it stands, its own and those of its digits
    outline: Outline = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        owners: dict[str, Root] = {}
        for root in self.roots.values():
            for digit in root.digits:
                owners.setdefault(digit.name, root)
        object.__setattr__(self, "owners", owners)
        roots = self.roots.items()
        outline = tuple((name, root.name, tuple(d.name for d in root.digits)) for name, root in roots)
        object.__setattr__(self, "outline", outline)

    def root_of(self, digit: str) -> Root:
        """Return the root that *digit* belongs to."""
        return self.owners[digit]

    def digits_of(self, variables: Iterable[str]) -> frozenset[str]:
        """Return the digits of rank *variables*: all of a whole rank, the one of a part."""
        found: set[str] = set()
        for variable in variables:
            root = self.roots.get(variable)
            found |= {digit.name for digit in root.digits} if root is not None else {variable}
        return frozenset(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A cascade on a machine: the legal result of reading a mapping.

    Attributes
    ----------
    cascade
        Batch ranks written out, views and absorbed Einsums gone.
    bind
        Unit of each ``(einsum, operation index)``.
    spill
        Tensors that may overflow a level, by level.
    in_place
        Groups of tensors that share one allocation.
    words
        Size in bytes of a word of a tensor, where it is not the machine's.
    offload
        By Einsum and operation: the parts of it that other units do than the one that the Einsum is bound to.
    when
        By Einsum: the part of its iterations in which it is done at all.
    """

    name: str
    title: str
    cascade: Cascade
    nests: tuple[Nest, ...]
    bind: Mapping[tuple[str, int], str]
    spill: Mapping[str, tuple[str, ...]]
    in_place: tuple[tuple[str, ...], ...]
    words: Mapping[str, Expression] = field(default_factory=dict[str, Expression])
    offload: Mapping[tuple[str, str], Mapping[str, Expression]] = field(
        default_factory=dict[tuple[str, str], Mapping[str, Expression]]
    )
    when: Mapping[str, Expression] = field(default_factory=dict[str, Expression])

    def einsum(self, name: str) -> Einsum:
        """Return the Einsum called *name*."""
        return self.cascade.einsum(name)

    def nest_of(self, einsum: str) -> Nest:
        """Return the nest in which *einsum* is executed."""
        return next(n for n in self.nests if any(einsum in body.einsums for body in n.bodies))

    def task_loops(self, nest: Nest) -> tuple[str, ...]:
        """Return the loops that number the tasks of *nest*: those in ``spread``, or else the outermost one around all of it.

        None, when generations follow each other in that one: then the nest is one task.
        """
        outermost = nest.bodies[0].opened[0][:1]
        generations = {self.einsum(name).loop for body in nest.bodies for name in body.einsums}
        roots = {nest.root_of(loop).name for loop in outermost}
        return nest.spread or (() if generations & {*outermost, *roots} else outermost)

    def body_of(self, einsum: str) -> Body:
        """Return the body in which *einsum* is executed."""
        return next(b for n in self.nests for b in n.bodies if einsum in b.einsums)
