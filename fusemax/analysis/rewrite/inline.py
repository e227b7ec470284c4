"""A product written out where it is read away from its own coordinate, as scores are by a convolution over them.

``C[m,p] = W[u]*S[m+u,p]`` with ``S[m,p] = Q[e,p]*K[e,m] :: sum[e]`` becomes ``C[m,p] = W[u]*(Q[e,p]*K[e,m+u]) :: sum[u,e]``:
more operations, but nothing of the size of S is kept. What is read of S on its diagonal, or in one row, is made by itself:
``S[m,m]`` is ``Q[e,m]*K[e,m] :: sum[e]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fusemax.analysis.rewrite.draft import Move, fresh, remade
from fusemax.analysis.rewrite.normal import View, conditions_with, mentions, replace_accesses, substitute
from fusemax.cascade.ir import Einsum
from fusemax.errors import ProblemsError
from fusemax.language.syntax import (
    Access,
    Binary,
    Condition,
    Expression,
    Name,
    Populate,
    Reduction,
    accesses,
    names,
)


def written_out(seen: View) -> Iterator[tuple[str, Move]]:
    """Yield the cascades in which one product is written out where it is read away from its own coordinate."""
    for reader in seen.cascade.computed:
        for access in _factors(reader.expression):
            away = any(mentions(i, seen.variables) and not isinstance(i, Name) for i in access.indices)
            maker = seen.maker(access.tensor) if away else None
            einsum = _joined(reader, access, maker) if maker is not None else None
            if einsum is None or maker is None:
                continue
            others = [einsum if e is reader else e for e in seen.cascade.einsums]
            line = f"write out: {reader.name} reads {access} away from its own place, so {maker} is put in"
            try:
                yield (
                    access.tensor,
                    Move(cascade=remade(seen.cascade, others), kind="write out", lines=(line,)),
                )
            except ProblemsError:
                continue

    yield from _made_by_themselves(seen)


def _made_by_themselves(seen: View) -> Iterator[tuple[str, Move]]:
    """Yield the cascades in which a diagonal or a row of a product is an Einsum of its own."""
    for access in dict.fromkeys(a for e in seen.cascade.computed for a in e.reads):
        maker = seen.maker(access.tensor)
        changes = _place(access, maker) if maker is not None and seen.touches(access.tensor) else None
        if maker is None or changes is None or isinstance(maker.action, Populate) or maker.action is None:
            continue
        kept = tuple(dict.fromkeys(index for index in access.indices if isinstance(index, Name)))
        part = Access(fresh(seen.cascade, f"{access.tensor}PART"), kept)
        own = replace(
            maker,
            outputs=(part,),
            expression=substitute(maker.expression, changes),
            conditions=conditions_with(maker.conditions, lambda side, c=changes: substitute(side, c)),
        )
        result: list[Einsum] = []
        for einsum in seen.cascade.einsums:
            change = replace_accesses(einsum.expression, lambda a, o=access, p=part: p if a == o else a)
            result += (
                [replace(einsum, expression=change), own]
                if einsum is maker
                else [replace(einsum, expression=change)]
            )
        line = f"write out: {access} is a part of {access.tensor} that {own} makes by itself"
        try:
            cascade = remade(seen.cascade, result)
        except ProblemsError:
            continue
        yield access.tensor, Move(cascade=cascade, kind="write out", lines=(line,))


def _place(access: Access, maker: Einsum) -> dict[str, Expression] | None:
    """Return the indices of *access* by the variables of *maker*; None where they are no diagonal or row of it."""
    written = [index.name for index in maker.output.indices if isinstance(index, Name)]
    variables = [index.name for index in access.indices if isinstance(index, Name)]
    fixed = [index for index in access.indices if not isinstance(index, Name)]
    own = maker.loop is None and not maker.initial and len(maker.outputs) == 1
    if not own or len(written) < len(access.indices) or any(names(index) for index in fixed):
        return None
    if len(set(variables)) == len(written) or set(variables) & set(maker.reduced):
        return None
    return dict(zip(written, access.indices, strict=True))


def _factors(expression: Expression) -> tuple[Access, ...]:
    """Return the tensors among the factors of a product."""
    if isinstance(expression, Binary) and expression.operator == "*":
        return (*_factors(expression.left), *_factors(expression.right))
    return (expression,) if isinstance(expression, Access) else ()


def _joined(reader: Einsum, access: Access, maker: Einsum) -> Einsum | None:
    """Return *reader* with what *maker* makes in place of *access*; None where sums and variables forbid it."""
    summed = (reader, maker)
    if any(e.loop is not None or e.initial or len(e.outputs) > 1 for e in summed):
        return None
    if any(isinstance(e.action, Reduction) and e.action.operator != "sum" for e in summed):
        return None
    if reader.action is None or not isinstance(maker.action, Reduction):
        return None
    if sum(one.tensor == access.tensor for one in accesses(reader.expression)) != 1:
        return None
    if set(maker.reduced) & {*reader.variables, *names(reader.expression)}:
        return None
    changes = {
        index.name: actual
        for index, actual in zip(maker.output.indices, access.indices, strict=True)
        if isinstance(index, Name)
    }
    if len(changes) < len(access.indices):
        return None
    made = substitute(maker.expression, changes)
    expression = _replaced(reader.expression, access, made)
    known = [str(condition) for condition in reader.conditions]
    more = [
        Condition(substitute(c.left, changes), c.comparison, substitute(c.right, changes), c.place)
        for c in maker.conditions
    ]
    conditions = (*reader.conditions, *(c for c in more if str(c) not in known))
    action = Reduction("sum", (*reader.reduced, *maker.reduced))
    return replace(reader, expression=expression, action=action, conditions=conditions)


def _replaced(expression: Expression, access: Access, made: Expression) -> Expression:
    if expression == access:
        return made
    if isinstance(expression, Binary):
        left, right = (_replaced(side, access, made) for side in (expression.left, expression.right))
        return replace(expression, left=left, right=right)
    return expression
