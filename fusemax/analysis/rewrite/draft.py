"""New cascades from old ones: fresh names, Einsums that nobody reads any more, and the checks that every file passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from fusemax.analysis.rewrite.mentioned import is_mentioned, used_ranks
from fusemax.analysis.rewrite.parts import parts
from fusemax.cascade.build import cascade_from_text
from fusemax.cascade.ir import Cascade, Einsum, Rank
from fusemax.cascade.write import cascade_to_yaml
from fusemax.language.syntax import Access, Expression, Name, Populate, Reduction, names

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A rewritten cascade and the sentences that derive it."""

    cascade: Cascade
    kind: str
    lines: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def fresh(cascade: Cascade, wanted: str, taken: Iterable[str] = ()) -> str:
    """Return *wanted*, or it with the first number that makes it a name the cascade does not use."""
    used = {*cascade.tensors, *cascade.ranks, *cascade.constants, *taken}
    used |= {name.lower() for name in cascade.ranks} | {name.upper() for name in cascade.constants}
    if wanted not in used and wanted.lower() not in cascade.constants:
        return wanted
    number = 2
    while f"{wanted}{number}" in used:
        number += 1
    return f"{wanted}{number}"


def einsum_of(
    output: Access,
    expression: Expression,
    action: Reduction | Populate | None = None,
    like: Einsum | None = None,
    loop: str | None = None,
    initial: bool = False,
) -> Einsum:
    """Return an Einsum of one output; conditions are those of *like*."""
    conditions = like.conditions if like is not None else ()
    return Einsum((output,), expression, action, conditions, loop, initial, like.place if like else None)


def variables_in(expression: Expression, candidates: Iterable[str]) -> tuple[str, ...]:
    """Return those of *candidates* that *expression* names, in their order."""
    found = set(names(expression))
    return tuple(variable for variable in candidates if variable in found)


def beside_last(variables: tuple[Part, ...], more: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return *variables* with *more* put before the last one: ``[f, p]`` and ``m1`` give ``[f, m1, p]``."""
    return (*variables[:-1], *more, *variables[-1:])


def without_dead(einsums: tuple[Einsum, ...], outputs: tuple[str, ...]) -> tuple[Einsum, ...]:
    """Return *einsums* without those that no output needs."""
    needed = set(outputs)
    changed = True
    while changed:
        changed = False
        for einsum in einsums:
            if any(output.tensor in needed for output in einsum.outputs):
                more = {access.tensor for access in einsum.reads} - needed
                changed = changed or bool(more)
                needed |= more
    return tuple(e for e in einsums if any(output.tensor in needed for output in e.outputs))


def remade(
    cascade: Cascade,
    einsums: Iterable[Einsum],
    ranks: Mapping[str, Rank] | None = None,
    inputs: tuple[str, ...] | None = None,
) -> Cascade:
    """Return *cascade* with other Einsums, checked as if it had been read from a file.

    Raises
    ------
    ProblemsError
        When the Einsums break a rule of the language.
    """
    kept = without_dead(tuple(einsums), cascade.outputs)
    read = {access.tensor for einsum in kept for access in einsum.reads}
    wanted = inputs if inputs is not None else cascade.inputs
    tables = {name: cascade.tensors[name] for name in wanted}
    sizes = {**cascade.ranks, **(ranks or {})}
    for name in ranks or {}:
        known = cascade.ranks[name].size if name in cascade.ranks else None
        if isinstance(known, Name) and known.name in sizes and sizes[known.name].size is None:
            sizes[known.name] = replace(sizes[known.name], size=Name(name))  # still of one size
    used = used_ranks(kept, {n: t for n, t in tables.items() if n in read}) | set(cascade.batch)
    kept_ranks = {n: r for n, r in sizes.items() if n in used or (parts(r) and used.issuperset(parts(r)))}
    bare = replace(
        cascade,
        einsums=kept,
        inputs=tuple(name for name in wanted if name in read),
        tensors={**cascade.tensors, **tables},
        ranks=kept_ranks,
        sizes=tuple(n for n in cascade.sizes if n in used),
        constants={n: v for n, v in cascade.constants.items() if is_mentioned(kept, n)},
        same=tuple(g for g in cascade.same if all(name in kept_ranks for name in g)),
    )
    text = cascade_to_yaml(bare)
    return replace(cascade_from_text(text, cascade.name), file=cascade.file)
