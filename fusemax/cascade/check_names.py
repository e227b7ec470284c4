"""The names in a cascade: sizes, variables, functions and tensors that there are, indices that fit the ranks."""

from __future__ import annotations

from collections.abc import Iterable

from fusemax.cascade.indices import is_whole, parts_of, sums_of
from fusemax.cascade.ir import Cascade, Einsum, affine, is_variable
from fusemax.cascade.monoid import PARTS
from fusemax.errors import Problem
from fusemax.language.functions import FUNCTIONS
from fusemax.language.hints import FUNCTIONS_SAID
from fusemax.language.syntax import Access, Call, Name, Number, names, walk
from fusemax.nearest import meant, nearest


def wrong_names(cascade: Cascade, einsum: Einsum) -> list[Problem]:
    """Return the names in *einsum* that are no variable, constant, size or function."""
    problems: list[Problem] = []
    known = {rank.variable for rank in cascade.ranks.values()}
    for root in (
        einsum.expression,
        *einsum.outputs,
        *(s for c in einsum.conditions for s in (c.left, c.right)),
    ):
        for node in walk(root):
            if isinstance(node, Call) and not (node is einsum.expression and node.function == PARTS):
                problems += _function(node)
            if not isinstance(node, Name) or node.name in cascade.constants:
                continue
            if is_variable(node.name) and node.name not in known:
                text = f"{node.name!r} is neither a rank variable nor a constant"
                hint = near(node.name, {*known, *cascade.constants}) or "declare it under 'constants:'"
                problems.append(Problem(node.place, text, hint))
            elif node.name in cascade.tensors and not is_size(cascade, node.name):
                own = ",".join(rank.lower() for rank in cascade.tensors[node.name].ranks)
                text = f"{node.name} is a tensor, and stands here without indices"
                problems.append(Problem(node.place, text, f"write {node.name}[{own}]"))
            elif not is_variable(node.name) and not is_size(cascade, node.name):
                text = f"{node.name!r} is not the size of a rank of this cascade"
                hint = (
                    near(node.name, cascade.ranks)
                    or f"if it is no rank's size, say so: 'sizes: [{node.name}]'"
                )
                problems.append(Problem(node.place, text, hint))
    return problems


def is_size(cascade: Cascade, name: str) -> bool:
    """Return whether *name* is the size of a rank, or one that sizes are made of."""
    declared = {n for rank in cascade.ranks.values() if rank.size is not None for n in names(rank.size)}
    return name in cascade.ranks or name in declared or name in cascade.sizes


def _function(call: Call) -> list[Problem]:
    if call.function not in FUNCTIONS:
        text = f"unknown function {call.function!r}"
        hint = FUNCTIONS_SAID.get(call.function) or meant(call.function, FUNCTIONS)
        return [Problem(call.place, text, hint)]
    wrong = FUNCTIONS[call.function].wrong_number(len(call.arguments))
    return [Problem(call.place, wrong)] if wrong else []


def wrong_accesses(cascade: Cascade, einsum: Einsum) -> list[Problem]:
    """Return the accesses of *einsum* to tensors that there are not, or with indices that do not fit their ranks."""
    problems: list[Problem] = []
    for access in (*einsum.reads, *einsum.outputs):
        tensor = cascade.tensors.get(access.tensor)
        if tensor is None:
            text = f"tensor {access.tensor!r} is read here, but no Einsum writes it and it is no input"
            problems.append(Problem(access.place, text, near(access.tensor, cascade.tensors)))
        elif len(tensor.ranks) != len(access.indices):
            ranks = f"{len(tensor.ranks)} ranks [{', '.join(tensor.ranks)}]"
            text = f"{access.tensor} has {ranks}, got {len(access.indices)} indices"
            problems.append(Problem(access.place, text))
        else:
            problems += _index_ranks(cascade, access, tensor.ranks)
    return problems


def _index_ranks(cascade: Cascade, access: Access, ranks: tuple[str, ...]) -> list[Problem]:
    problems: list[Problem] = []
    written = [str(index).upper() for index in access.indices]
    if written != list(ranks) and sorted(written) == sorted(ranks):
        text = f"{access.tensor} has ranks [{', '.join(ranks)}], but its indices stand in another order"
        right = f"{access.tensor}[{','.join(rank.lower() for rank in ranks)}]"
        return [Problem(access.place, text, f"write {right}")]
    for position, (index, rank) in enumerate(zip(access.indices, ranks, strict=True)):
        if any(isinstance(node, Access) for node in walk(index)):
            continue
        terms = affine(index)
        if terms is None:
            if not is_whole(index):
                text = f"index {str(index)!r} is no whole number at every point"
                hint = "use sums of variables times sizes or integers; // and % divide to whole numbers"
                problems.append(Problem(access.place, text, hint))
            continue
        if not terms[0] and isinstance(index, Number) and not is_whole(index):
            problems.append(Problem(access.place, f"index {str(index)!r} is no whole number"))
        if len(terms[0]) != 1:
            continue
        (variable, coefficient), shift = next(iter(terms[0].items())), terms[1]
        if coefficient is None and shift is None and not _same_rank(cascade, variable.upper(), rank):
            text = f"{variable!r} runs over {variable.upper()}, but rank {position + 1} of {access.tensor} is {rank}"
            hint = f"if both are one sequence, say so: 'same: [[{variable.upper()}, {rank}]]'"
            problems.append(Problem(access.place, text, hint))
    return problems


def _same_rank(cascade: Cascade, first: str, second: str) -> bool:
    if first == second or first not in cascade.ranks:
        return True
    if any(first in group and second in group for group in cascade.same):
        return True
    if parts_of(cascade, second) == first or first in sums_of(cascade, second):
        return True

    def root(name: str) -> str:
        rank = cascade.ranks.get(name)
        return root(rank.size.name) if rank and isinstance(rank.size, Name) else name

    return root(first) == root(second)


def near(name: str, known: Iterable[str]) -> str | None:
    """Return a hint to the nearest of *known*; None where none is near."""
    found = nearest(name, list(known))
    return f"did you mean {found!r}?" if found else None
