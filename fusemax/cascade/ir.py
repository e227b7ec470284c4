"""The cascade: ranks, tensors and Einsums in single assignment, all frozen.

A rank variable is the lower-case name of its rank: ``m1`` runs over rank ``M1``. Einsums stand in an order in which every
value is written before it is read, except for the previous generation of an iterative rank.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from fusemax.cascade.monoid import KNOWN, Monoid
from fusemax.errors import Place
from fusemax.language.syntax import (
    Access,
    Assignment,
    Binary,
    Call,
    Condition,
    Expression,
    Name,
    Negative,
    Number,
    Populate,
    Reduction,
    accesses,
    names,
    walk,
)


@dataclass(frozen=True, slots=True)
class Rank:
    """A rank: its name, and its size in terms of other sizes where the cascade fixes that (``M = M1*M0``)."""

    name: str
    size: Expression | None = None
    place: Place | None = field(default=None, compare=False, repr=False)

    @property
    def variable(self) -> str:
        """The rank variable that runs over this rank."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor: the names of its ranks, and the ranks over which it is generative, if any.

    A generative tensor over rank ``M1`` has generations 0 to M1, one more than the rank's size. In a *descending* one, each
    generation is made from the next.
    """

    name: str
    ranks: tuple[str, ...]
    generation: str | None = None
    place: Place | None = field(default=None, compare=False, repr=False)
    more_generations: tuple[str, ...] = ()  #: those of the loops inside the first one
    descending: tuple[str, ...] = ()

    @property
    def generations(self) -> tuple[str, ...]:
        """The ranks over which the tensor is generative, the outermost loop's first."""
        return () if self.generation is None else (self.generation, *self.more_generations)

    def is_earlier(self, access: Access, rank: str | None = None) -> bool:
        """Return whether *access* reads, inside the loop over *rank*, the generation that the step before wrote."""
        over = rank or self.generation or ""
        if over not in self.generations:
            return False
        here: Expression = Name(over.lower())
        earlier = Binary("+", here, Number(1)) if over in self.descending else here
        return access.indices[self.ranks.index(over)] == earlier


@dataclass(frozen=True, slots=True)
class Frame:
    """A loop around an Einsum: its variable, its number among the loops of the cascade, whether it runs down."""

    variable: str
    block: int = field(default=0, compare=False, repr=False)
    down: bool = False


@dataclass(frozen=True, slots=True)
class Einsum:
    """One extended Einsum.

    ``loop`` names the iterative rank variable whose (outermost) loop it stands in; ``block`` tells two loops over one rank
    apart. ``inner`` are the loops inside that one around it.
    """

    outputs: tuple[Access, ...]
    expression: Expression
    action: Reduction | Populate | None = None
    conditions: tuple[Condition, ...] = ()
    loop: str | None = None
    initial: bool = False
    place: Place | None = field(default=None, compare=False, repr=False)
    block: int = field(default=0, compare=False, repr=False)
    down: bool = False  #: whether the loop runs from the last coordinate to the first
    inner: tuple[Frame, ...] = ()
    #: Every access read, gathers inside indices included, left to right, each once.
    reads: tuple[Access, ...] = field(init=False, compare=False, repr=False)
    #: The lower-case names in the output's indices, each once.
    output_variables: tuple[str, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        inside = [access for output in self.outputs for index in output.indices for access in accesses(index)]
        reads = tuple(dict.fromkeys((*accesses(self.expression), *inside)))
        found = [name for index in self.output.indices for name in names(index)]
        variables = tuple(dict.fromkeys(name for name in found if is_variable(name)))
        object.__setattr__(self, "reads", reads)  # asked for often, and costly to gather each time
        object.__setattr__(self, "output_variables", variables)

    @property
    def name(self) -> str:
        """The name of the Einsum: that of the tensor that it writes; ``RM[0,p]`` for an initial value."""
        return str(self.outputs[0]) if self.initial else self.outputs[0].tensor

    @property
    def loops(self) -> tuple[Frame, ...]:
        """The loops around the Einsum, outermost first."""
        return () if self.loop is None else (Frame(self.loop, self.block, self.down), *self.inner)

    @property
    def loop_variables(self) -> tuple[str, ...]:
        """The variables of the loops around the Einsum, outermost first."""
        return tuple(frame.variable for frame in self.loops)

    @property
    def output(self) -> Access:
        """The (first) access written."""
        return self.outputs[0]

    @property
    def reduced(self) -> tuple[str, ...]:
        """The rank variables that the action folds away."""
        if isinstance(self.action, Reduction):
            return self.action.variables
        return (self.action.source,) if isinstance(self.action, Populate) else ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The rank variables of the iteration space: the output's, then the reduced ones."""
        return tuple(dict.fromkeys((*self.output_variables, *self.reduced)))

    def __str__(self) -> str:
        return str(Assignment(self.outputs, self.expression, self.action, self.conditions))


def is_variable(name: str) -> bool:
    """Return whether *name* is written like a rank variable (lower case) rather than a size (upper case)."""
    return name[0].islower()


def _by_tensor(touched: Iterable[tuple[Einsum, Iterable[str]]]) -> Mapping[str, tuple[Einsum, ...]]:
    """Return the Einsums by each tensor that they touch."""
    found: dict[str, list[Einsum]] = {}
    for einsum, tensors in touched:
        for tensor in dict.fromkeys(tensors):
            found.setdefault(tensor, []).append(einsum)
    return {tensor: tuple(einsums) for tensor, einsums in found.items()}


@dataclass(frozen=True, kw_only=True)
class Cascade:
    """A checked cascade.

    Attributes
    ----------
    batch
        Ranks that every tensor carries besides the written ones (``B``, ``H``); the Einsums are written without them.
    ranks
        All ranks by name, batch included.
    constants
        Declared scalar constants by name (``eps``).
    same
        Groups of ranks that are one sequence (``P`` and ``M`` of self-attention).
    sizes
        Declared sizes that are no rank, such as the width ``W`` of a window.
    defaults
        Sizes that a workload may leave out, with their values.
    reductions
        Reductions of the cascade's own, by name.
    """

    name: str
    title: str
    source: str
    batch: tuple[str, ...]
    ranks: Mapping[str, Rank]
    tensors: Mapping[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    einsums: tuple[Einsum, ...]
    constants: Mapping[str, float]
    same: tuple[tuple[str, ...], ...] = ()
    sizes: tuple[str, ...] = ()
    defaults: Mapping[str, int] = field(default_factory=dict[str, int])
    doc: str = ""
    file: str = "<text>"
    reductions: Mapping[str, Monoid] = field(default_factory=dict[str, Monoid])

    def monoid(self, name: str) -> Monoid | None:
        """Return the reduction of one's own that is called *name*, if there is one."""
        return self.reductions.get(name) or KNOWN.get(name)

    def __str__(self) -> str:
        rows: list[str] = []
        around: list[tuple[str, int]] = []
        for einsum in self.einsums:
            loops = [(frame.variable, frame.block) for frame in einsum.loops]
            shared = next((n for n, (a, b) in enumerate(zip(loops, around, strict=False)) if a != b), None)
            shared = min(len(loops), len(around)) if shared is None else shared
            rows += ["  " * n + f"loop {loops[n][0]}:" for n in range(shared, len(loops))]
            around = loops
            rows.append("  " * len(loops) + str(einsum))
        return "\n".join(rows)

    @cached_property
    def known(self) -> dict[Hashable, Any]:
        """What was worked out of this cascade before, for who asks again; each entry under a name of its own."""
        return {}

    @cached_property
    def computed(self) -> tuple[Einsum, ...]:
        """The Einsums without those that only set initial values."""
        return tuple(einsum for einsum in self.einsums if not einsum.initial)

    def unmappable(self) -> str | None:
        """Return why no mapping runs this cascade yet; None when one may."""
        nested = [einsum.name for einsum in self.computed if einsum.inner]
        if not nested:
            return None
        return (
            f"cascade {self.name} has a loop inside a loop ({nested[0]}): no mapping runs that yet; "
            "its values, its passes and its operations are known\n  hint: write one loop over the diagonals t = i + j, "
            "with all cells of a diagonal side by side, as loss/soft-dtw-diagonals does"
        )

    def producers(self, tensor: str) -> tuple[Einsum, ...]:
        """Return the Einsums that write *tensor*, initial values included."""
        return self._producers.get(tensor, ())

    def readers(self, tensor: str) -> tuple[Einsum, ...]:
        """Return the Einsums that read *tensor*."""
        return self._readers.get(tensor, ())

    def einsum(self, name: str) -> Einsum:
        """Return the Einsum called *name*."""
        return self._named[name]

    @cached_property
    def _named(self) -> Mapping[str, Einsum]:
        return {einsum.name: einsum for einsum in reversed(self.computed)}

    @cached_property
    def _producers(self) -> Mapping[str, tuple[Einsum, ...]]:
        return _by_tensor((e, [output.tensor for output in e.outputs]) for e in self.einsums)

    @cached_property
    def _readers(self) -> Mapping[str, tuple[Einsum, ...]]:
        return _by_tensor((e, [access.tensor for access in e.reads]) for e in self.einsums)

    def size_symbols(self) -> tuple[str, ...]:
        """Return the names of sizes that a workload has to give: ranks whose size nothing else fixes, and free sizes."""
        return self._size_symbols

    @cached_property
    def _size_symbols(self) -> tuple[str, ...]:
        fixed = {name for name, rank in self.ranks.items() if rank.size is not None}
        wanted = [name for name in self.ranks if name not in fixed]
        wanted += [name for rank in self.ranks.values() if rank.size is not None for name in names(rank.size)]
        for einsum in self.einsums:
            for node in _expressions(einsum):
                wanted += [n.name for n in walk(node) if isinstance(n, Name) and not is_variable(n.name)]
        return tuple(
            name for name in dict.fromkeys(wanted) if name not in fixed and name not in self.constants
        )

    @cached_property
    def fixed_places(self) -> tuple[tuple[Access, str, Expression], ...]:
        """Accesses with an index of numbers and sizes alone (``N[2,m]``), each with the rank and the index."""
        found = [
            (access, rank, index)
            for einsum in self.einsums
            for access in (*einsum.outputs, *einsum.reads)
            for rank, index in zip(self.tensors[access.tensor].ranks, access.indices, strict=True)
            if index != Number(0)
            and not any(is_variable(n) for n in names(index))
            and not any(accesses(index))
        ]
        return tuple(dict.fromkeys(found))

    def batched(self) -> Cascade:
        """Return the same cascade with the batch ranks written out in every access."""
        return self._batched if self.batch else self

    @cached_property
    def _batched(self) -> Cascade:
        lead = tuple(Name(rank.lower()) for rank in self.batch)
        tensors = {n: replace(t, ranks=(*self.batch, *t.ranks)) for n, t in self.tensors.items()}
        einsums = tuple(_with_lead(einsum, lead) for einsum in self.einsums)
        return replace(self, batch=(), tensors=tensors, einsums=einsums)


def _expressions(einsum: Einsum) -> Iterator[Expression]:
    yield from einsum.outputs
    yield einsum.expression
    for condition in einsum.conditions:
        yield condition.left
        yield condition.right


def _with_lead(einsum: Einsum, lead: tuple[Expression, ...]) -> Einsum:
    def add(access: Access) -> Access:
        inner = tuple(map_accesses(index, add) for index in access.indices)
        return Access(access.tensor, (*lead, *inner), access.place)

    outputs = tuple(Access(o.tensor, (*lead, *o.indices), o.place) for o in einsum.outputs)
    return replace(einsum, outputs=outputs, expression=map_accesses(einsum.expression, add))


def map_accesses(expression: Expression, change: Callable[[Access], Expression]) -> Expression:
    """Return *expression* with *change* applied to each of its outermost accesses."""
    if isinstance(expression, Access):
        return change(expression)
    if isinstance(expression, Call):
        return replace(expression, arguments=tuple(map_accesses(a, change) for a in expression.arguments))
    if isinstance(expression, Negative):
        return replace(expression, operand=map_accesses(expression.operand, change))
    if isinstance(expression, Binary):
        left, right = map_accesses(expression.left, change), map_accesses(expression.right, change)
        return replace(expression, left=left, right=right)
    return expression


Affine = tuple[Mapping[str, Expression | None], Expression | None]


def affine(expression: Expression) -> Affine | None:
    """Return ``({variable: coefficient}, constant)`` of an index that is affine in rank variables, else None.

    A coefficient of None stands for 1, a constant of None for 0; both may hold sizes (``m1*M0 + m0``).
    """
    if isinstance(expression, Number):
        return {}, None if expression.value == 0 else expression
    if isinstance(expression, Name):
        return ({expression.name: None}, None) if is_variable(expression.name) else ({}, expression)
    if isinstance(expression, Negative):
        inner = affine(expression.operand)
        if inner is None:
            return None
        terms = {v: Negative(c if c is not None else Number(1)) for v, c in inner[0].items()}
        return terms, None if inner[1] is None else Negative(inner[1])
    if isinstance(expression, Binary) and expression.operator in "+-":
        return _affine_sum(expression)
    if isinstance(expression, Binary) and expression.operator == "*":
        for scale, rest in ((expression.left, expression.right), (expression.right, expression.left)):
            inner = affine(rest)
            if inner is not None and not any(is_variable(name) for name in names(scale)):
                terms = {v: scale if c is None else Binary("*", scale, c) for v, c in inner[0].items()}
                return terms, None if inner[1] is None else Binary("*", scale, inner[1])
    return None


def _affine_sum(expression: Binary) -> Affine | None:
    left = affine(expression.left)
    right = affine(expression.right if expression.operator == "+" else Negative(expression.right))
    if left is None or right is None:
        return None
    terms = dict(left[0])
    for variable, coefficient in right[0].items():
        if variable in terms:
            one = Number(1)
            terms[variable] = Binary("+", terms[variable] or one, coefficient or one)
        else:
            terms[variable] = coefficient
    constants = [constant for constant in (left[1], right[1]) if constant is not None]
    if len(constants) == 2:
        return terms, Binary("+", constants[0], constants[1])
    return terms, constants[0] if constants else None
