"""Take Einsums that cost nothing out of a cascade: pure renamings, and those absorbed by the maker of their input."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from fusemax.cascade.ir import Cascade, Einsum, map_accesses
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Access, Binary, Call, Expression, Name, Negative, accesses


def without(cascade: Cascade, removed: Collection[str]) -> Cascade:
    """Return *cascade* without the Einsums called *removed*; what they wrote is read from their one input.

    Raises
    ------
    FusemaxError
        If one of them reads more than one tensor access, reduces, or writes an output of the cascade.
    """
    key = ("without", *removed)
    if key not in cascade.known:
        cascade.known[key] = _without(cascade, removed)
    return cascade.known[key]


def _without(cascade: Cascade, removed: Collection[str]) -> Cascade:
    sources: dict[str, tuple[Einsum, Access]] = {}
    for name in removed:
        einsum = cascade.einsum(name)
        found = accesses(einsum.expression)
        if len(found) != 1 or einsum.action is not None or name in cascade.outputs:
            raise FusemaxError(f"{name} cannot be absorbed: it is not a map of one input, {einsum}")
        sources[name] = (einsum, found[0])
    kept = tuple(_rewritten(e, sources) for e in cascade.einsums if e.initial or e.name not in sources)
    tensors = {name: tensor for name, tensor in cascade.tensors.items() if name not in sources}
    return replace(cascade, einsums=kept, tensors=tensors)


def _rewritten(einsum: Einsum, sources: Mapping[str, tuple[Einsum, Access]]) -> Einsum:
    def change(access: Access) -> Access:
        while access.tensor in sources:
            view, source = sources[access.tensor]
            names = {
                index.name: actual
                for index, actual in zip(view.output.indices, access.indices, strict=True)
                if isinstance(index, Name)
            }
            indices = tuple(with_names(index, names) for index in source.indices)
            access = Access(source.tensor, indices, access.place)
        return access

    return replace(einsum, expression=map_accesses(einsum.expression, change))


def with_names(expression: Expression, names: Mapping[str, Expression]) -> Expression:
    """Return *expression* with names replaced by what *names* says."""
    if isinstance(expression, Name):
        return names.get(expression.name, expression)
    if isinstance(expression, Access):
        return replace(expression, indices=tuple(with_names(index, names) for index in expression.indices))
    if isinstance(expression, Call):
        return replace(expression, arguments=tuple(with_names(a, names) for a in expression.arguments))
    if isinstance(expression, Negative):
        return replace(expression, operand=with_names(expression.operand, names))
    if isinstance(expression, Binary):
        left, right = with_names(expression.left, names), with_names(expression.right, names)
        return replace(expression, left=left, right=right)
    return expression
