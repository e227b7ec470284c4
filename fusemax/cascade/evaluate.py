"""What a cascade means: its values on numpy arrays.

This is the definition against which everything else is checked, so it is plain and general rather than quick: each
Einsum is evaluated over its whole (dense) iteration space, one generation at a time inside a loop.

A rank that is read in mixed radix (``K[e, m1*M0+m0]``) may be ragged: points past its end do not exist. A point that does
not exist contributes the reduction's identity. An element that a condition leaves out of a map is 0, as the empty value of a
tensor is in EDGE; one past the end of a ragged rank holds NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import prod

import numpy as np

from fusemax.cascade.gather import apart, put
from fusemax.cascade.ir import Cascade, Einsum
from fusemax.cascade.monoid import Monoid, parts_in
from fusemax.cascade.sizes import SizeError, resolve_sizes
from fusemax.language.functions import FUNCTIONS
from fusemax.language.syntax import (
    Access,
    Binary,
    Call,
    Condition,
    Expression,
    Name,
    Negative,
    Number,
    Populate,
    Reduction,
    names,
)
from fusemax.language.value import value_of

Array = np.ndarray
IDENTITY: Mapping[str, float] = {
    "sum": 0.0, "max": -np.inf, "min": np.inf, "prod": 1.0, "or": 0.0, "and": 1.0, "any": 0.0,
}  # fmt: skip
REDUCE: Mapping[str, Callable[..., Array]] = {
    "sum": np.sum, "max": np.max, "min": np.min, "prod": np.prod, "or": np.max, "and": np.min, "any": np.max,
}  # fmt: skip
BINARY: Mapping[str, Callable[[Array, Array], Array]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power,
}  # fmt: skip
COMPARE: Mapping[str, Callable[[Array, Array], Array]] = {
    "<=": np.less_equal, "<": np.less, ">=": np.greater_equal,
    ">": np.greater, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip


def evaluate(
    cascade: Cascade, inputs: Mapping[str, Array], sizes: Mapping[str, int] | None = None
) -> dict[str, Array]:
    """Return every tensor of *cascade* by name, for the given *inputs*.

    Parameters
    ----------
    inputs
        float64 arrays by tensor name, one axis per rank, the batch ranks first.
    sizes
        Sizes that the shapes of the inputs do not tell, e.g. the tile ``M0``.

    Raises
    ------
    SizeError
        When an input is missing, has the wrong shape, or a size is not known, or is another than the shape of an input says.
    """
    cascade = cascade.batched()
    of_inputs = _sizes_of_inputs(cascade, inputs)
    _refuse_others(cascade, of_inputs, sizes or {})
    known = resolve_sizes(cascade, {**of_inputs, **(sizes or {})})
    values = {name: np.asarray(inputs[name], dtype=np.float64) for name in cascade.inputs}
    for name, tensor in cascade.tensors.items():
        if name not in values:
            shape = [known[rank] + (rank in tensor.generations) for rank in tensor.ranks]
            values[name] = np.full(shape, np.nan)
    run = _Run(cascade, known, values)
    with np.errstate(all="ignore"):
        run.all(cascade.einsums, {})
    return values


def _sizes_of_inputs(cascade: Cascade, inputs: Mapping[str, Array]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    mistakes: list[str] = []
    for name in cascade.inputs:
        ranks = cascade.tensors[name].ranks
        if name not in inputs:
            mistakes.append(f"input {name}[{', '.join(ranks)}] is missing")
            continue
        shape = np.shape(inputs[name])
        if len(shape) != len(ranks):
            mistakes.append(f"input {name} needs {len(ranks)} axes [{', '.join(ranks)}], got shape {shape}")
            continue
        for rank, size in zip(ranks, shape, strict=True):
            if sizes.setdefault(rank, size) != size:
                mistakes.append(f"input {name} has {rank}={size}, but another input has {rank}={sizes[rank]}")
    mistakes += [
        f"{name} is no input of cascade {cascade.name}" for name in inputs if name not in cascade.inputs
    ]
    if mistakes:
        raise SizeError("; ".join(mistakes))
    return sizes


def _refuse_others(cascade: Cascade, of_inputs: Mapping[str, int], sizes: Mapping[str, int]) -> None:
    """Raise SizeError where *sizes* say another size of a rank than the shapes of the inputs do, *of_inputs*."""
    mistakes: list[str] = []
    for rank, size in sizes.items():
        if rank in of_inputs and of_inputs[rank] != size:
            tensor = next(name for name in cascade.inputs if rank in cascade.tensors[name].ranks)
            mistakes.append(f"input {tensor} has {rank}={of_inputs[rank]}, but sizes say {rank}={size}")
    if mistakes:
        raise SizeError("; ".join(mistakes) + "\n  hint: leave out sizes that the shapes of the inputs tell")


class _Run:
    """Evaluates single Einsums into the arrays of one run."""

    def __init__(self, cascade: Cascade, sizes: Mapping[str, int], values: dict[str, Array]) -> None:
        self.cascade, self.sizes, self.values = cascade, sizes, values
        self.ragged = [
            (name, rank.size, sizes[name], tuple(n.lower() for n in names(rank.size)))
            for name, rank in cascade.ranks.items()
            if rank.size is not None
        ]

    def all(self, einsums: Iterable[Einsum], fixed: Mapping[str, int]) -> None:
        """Evaluate *einsums*, which stand in loops over the variables in *fixed*, held at their values there."""
        depth = len(fixed)

        def loop_of(einsum: Einsum) -> tuple[str, int, bool] | None:
            frames = einsum.loops[depth : depth + 1]
            return (frames[0].variable, frames[0].block, frames[0].down) if frames else None

        for loop, members in groupby(einsums, key=loop_of):
            body = tuple(members)
            if loop is None:
                for einsum in body:
                    self.einsum(einsum, fixed)
                continue
            variable, _, down = loop
            steps = range(self.sizes[variable.upper()])
            for step in reversed(steps) if down else steps:
                self.all(body, {**fixed, variable: step})

    def einsum(self, einsum: Einsum, fixed: Mapping[str, int]) -> None:
        """Evaluate *einsum* with the loop variable held at its value in *fixed*."""
        variables = [v for v in einsum.variables if v not in fixed and v in self._running(einsum)]
        if isinstance(einsum.action, Populate):
            variables = [v for v in variables if v != einsum.action.target]
        grid = dict(fixed)
        space = _Space(self, {v: self.sizes[v.upper()] for v in variables}, grid)
        exists = space.exists(einsum.conditions, einsum.reads)
        monoid = self.cascade.monoid(einsum.action.operator) if isinstance(einsum.action, Reduction) else None
        if monoid is not None:
            self._join(einsum, space, monoid, exists)
            return
        value = np.broadcast_to(space.value(einsum.expression), space.shape)
        if isinstance(einsum.action, Populate):
            self._populate(einsum, space, value, exists)
            return
        if isinstance(einsum.action, Reduction):
            axes = tuple(space.order.index(v) for v in einsum.reduced)
            operator = einsum.action.operator
            if exists is not None:
                value = np.where(exists, value, IDENTITY[operator])
                exists = None
            value = REDUCE[operator](value, axis=axes, keepdims=True)
        self._write(einsum, einsum.output, space, value, exists)

    def _join(self, einsum: Einsum, space: _Space, monoid: Monoid, exists: Array | None) -> None:
        """Reduce the parts of values by *monoid*: pairs are joined until one value is left."""
        parts = parts_in(einsum.expression) or (einsum.expression,)
        axes = tuple(space.order.index(v) for v in einsum.reduced)
        kept = tuple(1 if axis in axes else n for axis, n in enumerate(space.shape))
        values: list[Array] = []
        for part, neutral in zip(parts, monoid.identity, strict=True):
            value = np.broadcast_to(space.value(part), space.shape).astype(np.float64)
            value = value if exists is None else np.where(exists, value, neutral)
            last = np.moveaxis(value, axes, range(-len(axes), 0))
            values.append(last.reshape(*last.shape[: last.ndim - len(axes)], -1))
        while values[0].shape[-1] > 1:
            half = values[0].shape[-1] // 2
            sides = [*(v[..., :half] for v in values), *(v[..., half : 2 * half] for v in values)]
            known = dict(zip((*monoid.names("a"), *monoid.names("b")), sides, strict=True))
            joined = [np.broadcast_to(_plain(part, known), sides[0].shape) for part in monoid.join]
            values = [
                np.concatenate([j, v[..., 2 * half :]], -1) for j, v in zip(joined, values, strict=True)
            ]
        for output, value in zip(einsum.outputs, values, strict=True):
            self._write(einsum, output, space, value.reshape(kept), None)

    def _write(
        self, einsum: Einsum, target: Access, space: _Space, value: Array, exists: Array | None
    ) -> None:
        where = tuple(space.index(index) for index in target.indices)
        old = self.values[target.tensor]
        whole = tuple(np.broadcast_shapes(*(np.shape(w) for w in where))) if where else ()
        kept = [1 if v in einsum.reduced else n for v, n in zip(space.order, space.shape, strict=True)]
        value = np.broadcast_to(value, kept)
        if exists is not None:
            there = space.exists(
                ()
            )  # beyond the end of a ragged rank there is no element; what a condition leaves out is 0
            value = np.where(exists, value, 0 if there is None else np.where(there, 0, np.nan))
        if not where:
            old[...] = value.reshape(())
        elif value.size == prod(whole):
            put(old, where, value.reshape(whole))
        else:
            old[where] = value

    def _running(self, einsum: Einsum) -> set[str]:
        return set(einsum.output_variables) | set(einsum.reduced)

    def _populate(self, einsum: Einsum, space: _Space, value: Array, exists: Array | None) -> None:
        action = einsum.action
        assert isinstance(action, Populate)
        if exists is not None:
            value = np.where(exists, value, np.inf if action.operator == "argmin" else -np.inf)
        axis = space.order.index(action.source)
        by_value = np.moveaxis(value, axis, -1)
        order = np.argsort(by_value if action.operator == "argmin" else -by_value, axis=-1, kind="stable")
        order = order[..., : self.sizes[action.target.upper()]]
        picked = np.take_along_axis(by_value, order, axis=-1)
        index_only = action.operator in ("topk_index", "argmax", "argmin")
        results = [order.astype(np.float64)] if index_only else [order.astype(np.float64), picked]
        if action.operator == "sort":
            results = [picked]
        names_left = [v for v in space.order if v != action.source] + [action.target]
        for output, result in zip(einsum.outputs, results, strict=True):
            positions = [names_left.index(index.name) for index in output.indices if isinstance(index, Name)]
            self.values[output.tensor][...] = np.transpose(result, positions)


def _plain(expression: Expression, known: Mapping[str, Array]) -> Array:
    """Return the value of an expression of arrays by name."""
    if isinstance(expression, Name):
        return known[expression.name]
    if isinstance(expression, Negative):
        return -_plain(expression.operand, known)
    if isinstance(expression, Binary):
        left, right = _plain(expression.left, known), _plain(expression.right, known)
        return BINARY[expression.operator](left, right)
    if isinstance(expression, Call):
        arguments = [np.asarray(_plain(a, known), dtype=np.float64) for a in expression.arguments]
        return FUNCTIONS[expression.function].array(np, *arguments)
    assert isinstance(expression, Number)
    return np.asarray(expression.value)


class _Space:
    """The iteration space of one Einsum: an axis for each running variable, in order."""

    def __init__(self, run: _Run, extents: Mapping[str, int], fixed: Mapping[str, int]) -> None:
        self.run, self.order, self.shape = run, tuple(extents), tuple(extents.values())
        self.axis = {variable: axis for axis, variable in enumerate(self.order)}
        self.coordinates: dict[str, Array] = {v: np.asarray(value) for v, value in fixed.items()}
        for axis, (variable, extent) in enumerate(extents.items()):
            shape = [1] * len(extents)
            shape[axis] = extent
            self.coordinates[variable] = np.arange(extent).reshape(shape)

    def value(self, expression: Expression) -> Array:
        """Return the value of *expression* at every point (broadcastable to the space)."""
        if isinstance(expression, Number):
            return np.asarray(expression.value)
        if isinstance(expression, Name):
            return self._name(expression.name)
        if isinstance(expression, Negative):
            return -self.value(expression.operand)
        if isinstance(expression, Binary):
            left, right = self.value(expression.left), self.value(expression.right)
            return BINARY[expression.operator](np.asarray(left, dtype=np.float64), right)
        if isinstance(expression, Call):
            arguments = [np.asarray(self.value(a), dtype=np.float64) for a in expression.arguments]
            return FUNCTIONS[expression.function].array(np, *arguments)
        return self._access(expression)

    def _name(self, name: str) -> Array:
        constants = self.run.cascade.constants
        if name in constants:
            return np.asarray(constants[name])
        if name in self.coordinates:
            return self.coordinates[name]
        return np.asarray(self.run.sizes[name])

    def index(self, expression: Expression) -> Array:
        """Return the integer index array of *expression*, not clipped."""
        return np.asarray(self.value(expression)).astype(np.int64)

    def _access(self, access: Access) -> Array:
        array = self.run.values[access.tensor]
        if not access.indices:
            return array
        plain = self._plain_access(access, array)
        if plain is not None:
            return plain
        where = [self.index(index) for index in access.indices]
        clipped = [np.minimum(np.maximum(w, 0), n - 1) for w, n in zip(where, array.shape, strict=True)]
        return apart(array, clipped, len(self.shape))

    def _plain_access(self, access: Access, array: Array) -> Array | None:
        """Return the values of an access whose indices are variables of the space, each once; None for others."""
        axes = [self.axis.get(index.name, -1) for index in access.indices if isinstance(index, Name)]
        if len(axes) < len(access.indices) or -1 in axes or len(set(axes)) < len(axes):
            return None
        extents = [self.shape[axis] for axis in axes]
        if any(extent > size for extent, size in zip(extents, array.shape, strict=True)):
            return None  # beyond the end the last element is read, and left out by a condition
        inside = array[tuple(slice(extent) for extent in extents)]
        order = sorted(range(len(axes)), key=axes.__getitem__)
        shape = [1] * len(self.shape)
        for axis, extent in zip(axes, extents, strict=True):
            shape[axis] = extent
        return inside.transpose(order).reshape(shape)

    def exists(self, conditions: tuple[Condition, ...], reads: Iterable[Access] = ()) -> Array | None:
        """Return where points exist (None: everywhere): the conditions, and the ends of ragged ranks, *reads* of them too."""
        mask: Array | None = None
        for condition in conditions:
            here = COMPARE[condition.comparison](self.value(condition.left), self.value(condition.right))
            mask = here if mask is None else mask & here
        for name, size, extent, variables in self.run.ragged:
            if len(variables) < 2 or value_of(size, self.run.sizes) <= extent:
                continue
            here = all(v in self.coordinates for v in variables)
            positions = [self._position([self.coordinates[v] for v in variables], variables)] if here else []
            positions += [at for access in reads for at in self._read_at(access, name, variables)]
            for position in positions:
                mask = position < extent if mask is None else mask & (position < extent)
        return None if mask is None else np.broadcast_to(mask, self.shape)

    def _position(self, digits: Sequence[Array], variables: tuple[str, ...]) -> Array:
        position: Array = np.asarray(0)
        for digit, variable in zip(digits, variables, strict=True):
            position = position * self.run.sizes[variable.upper()] + digit
        return position

    def _read_at(self, access: Access, rank: str, variables: tuple[str, ...]) -> Iterator[Array]:
        """Yield where in *rank*, a ragged one, *access* reads by another name than its own (``X[i1*I0+j0]``, ``G[i1,j0]``)."""
        tensor = self.run.cascade.tensors[access.tensor]
        ranks = tensor.ranks
        parts = [variable.upper() for variable in variables]
        if rank in (
            tensor.generation,
            *tensor.more_generations,
        ):  # they have one place more, for what a loop leaves
            return
        if rank in ranks:
            index = access.indices[ranks.index(rank)]
            if not isinstance(index, Name | Access):
                yield self.index(index)
        elif all(part in ranks for part in parts):
            indices = [access.indices[ranks.index(part)] for part in parts]
            plain = all(isinstance(index, Name) for index in indices)
            if plain and tuple(map(str, indices)) != variables:
                yield self._position([self.index(index) for index in indices], variables)
