"""The rules that every cascade obeys, and the order in which its Einsums run.

Single assignment; every tensor defined before it is used; indices that fit the ranks; reductions that name exactly the
variables of the right-hand side that the output lacks; an initial value for each iterative tensor; no cycles.
"""

from __future__ import annotations

from dataclasses import replace

from fusemax.cascade.check_einsum import check_einsum
from fusemax.cascade.check_head import wrong_head
from fusemax.cascade.check_names import is_size, near
from fusemax.cascade.check_order import line_of, ordered
from fusemax.cascade.ir import Cascade, Einsum
from fusemax.errors import Problem
from fusemax.language.syntax import Access, Binary, Expression, Number, names
from fusemax.source import Document


def check(cascade: Cascade, document: Document) -> tuple[Cascade, list[Problem]]:
    """Return *cascade* with its Einsums in running order, and every rule that it breaks."""
    problems = [
        *wrong_head(cascade, document),
        *_batch(cascade, document),
        *_outputs(cascade, document),
        *_defaults(cascade, document),
        *_single_assignment(cascade),
        *_sources(document),
    ]
    for einsum in cascade.einsums:
        problems += check_einsum(cascade, einsum)
    problems += _loops(cascade)
    problems += _initial_values(cascade)
    problems += _unused(cascade, document)
    einsums, cycles = ordered(cascade)
    with_lines = [_with_line(problem, document) for problem in (*problems, *cycles)]
    return replace(cascade, einsums=einsums), with_lines


def _with_line(problem: Problem, document: Document) -> Problem:
    """Return *problem* with the line of Einsum text that it stands in."""
    text = document.texts.get(("einsums",))
    if problem.place is None or text is None or problem.line_text is not None:
        return problem
    index = problem.place.line - text.line
    lines = text.content.rstrip("\n").split("\n")
    return replace(problem, line_text=text.line_at(index)) if 0 <= index < len(lines) else problem


def _sources(document: Document) -> list[Problem]:
    if not str(document.data.get("source", "")).strip():
        return [document.problem(("source",), "is empty", "say where the cascade is from, or 'our own'")]
    return []


def _batch(cascade: Cascade, document: Document) -> list[Problem]:
    problems: list[Problem] = []
    for position, name in enumerate(cascade.batch):
        users = [t.name for t in cascade.tensors.values() if name in t.ranks]
        if users:
            text = f"rank {name} is a batch rank and stands in {', '.join(users)} as well"
            problems.append(document.problem(("batch", position), text, "write it in one of the two places"))
    return problems


def _defaults(cascade: Cascade, document: Document) -> list[Problem]:
    problems: list[Problem] = []
    for name, size in cascade.defaults.items():
        if not is_size(cascade, name):
            text = f"{name!r} is not the size of a rank of this cascade"
            problems.append(document.problem(("defaults", name), text, near(name, cascade.ranks), key=True))
        if size < 1:
            problems.append(document.problem(("defaults", name), f"a size is at least 1, got {size}"))
    return problems


def _outputs(cascade: Cascade, document: Document) -> list[Problem]:
    problems: list[Problem] = []
    written = {output.tensor for einsum in cascade.einsums for output in einsum.outputs}
    if not cascade.outputs and written:
        text = "every tensor is read by some Einsum, so that none is a result"
        problems.append(
            document.problem(
                ("einsums",), text, f"name the results: outputs: [{cascade.einsums[-1].name}]", key=True
            )
        )
    for position, name in enumerate(cascade.outputs):
        if name not in written:
            text = f"output {name!r} is written by no Einsum"
            path = ("outputs", position) if "outputs" in document.data else ("einsums",)
            problems.append(document.problem(path, text, near(name, written)))
    return problems


def _single_assignment(cascade: Cascade) -> list[Problem]:
    problems: list[Problem] = []
    first: dict[tuple[str, bool], list[tuple[Einsum, Access]]] = {}
    for einsum in cascade.einsums:
        for output in einsum.outputs:
            written = first.setdefault((output.tensor, einsum.initial), [])
            same = [one for one, other in written if not einsum.initial or _meet(output, other)]
            written.append((einsum, output))
            if same:
                text = f"{output.tensor} is written twice"
                line = line_of(same[0].place)
                hint = f"it is first written at line {line}; give one of the two another name"
                problems.append(Problem(output.place, text, hint))
            if output.tensor in cascade.inputs:
                text = f"{output.tensor} is an input and is written here"
                problems.append(Problem(output.place, text, "give the result another name"))
    return problems


def _meet(one: Access, other: Access) -> bool:
    """Return whether two outputs may be at the same place: ``R[0,0]`` and ``R[0,j+1]`` are not."""
    pairs = zip(one.indices, other.indices, strict=False)
    return not any(
        _apart(a, b) or _apart(b, a) or (str(a) != str(b) and not names(a) and not names(b)) for a, b in pairs
    )


def _apart(constant: Expression, shifted: Expression) -> bool:
    return constant == Number(0) and isinstance(shifted, Binary) and shifted.right == Number(1)


def _loops(cascade: Cascade) -> list[Problem]:
    """Return the loops over a rank that no tensor has."""
    problems: list[Problem] = []
    said: set[int] = set()
    for einsum in cascade.einsums:
        for frame in einsum.loops:
            loop = frame.variable
            if loop.upper() in cascade.ranks or frame.block in said:
                continue
            said.add(frame.block)
            text = f"{einsum.name} stands in 'loop {loop}:', but no tensor has a rank {loop.upper()}"
            problems.append(
                Problem(einsum.place, text, f"index its tensors with {loop}, or write it outside")
            )
    return problems


def _initial_values(cascade: Cascade) -> list[Problem]:
    initial = [output for einsum in cascade.einsums if einsum.initial for output in einsum.outputs]
    problems: list[Problem] = []
    for tensor in cascade.tensors.values():
        for generation in tensor.generations:
            place, start = (
                tensor.ranks.index(generation),
                generation if generation in tensor.descending else "0",
            )
            if any(o.tensor == tensor.name and str(o.indices[place]) == start for o in initial):
                continue
            first = [start if rank == generation else rank.lower() for rank in tensor.ranks]
            text = f"{tensor.name} is iterative over {generation} and has no initial value"
            hint = f"write its generation {start} before the loop: {tensor.name}[{','.join(first)}] = 0"
            problems.append(Problem(tensor.place, text, hint))
    return problems


def _unused(cascade: Cascade, document: Document) -> list[Problem]:
    read = {access.tensor for einsum in cascade.einsums for access in einsum.reads}
    problems: list[Problem] = []
    for name in cascade.inputs:
        if name not in read:
            problems.append(
                document.problem(("inputs", name), "no Einsum reads this input", "remove it", key=True)
            )
    for einsum in cascade.computed:
        if not any(output.tensor in read or output.tensor in cascade.outputs for output in einsum.outputs):
            text = f"{einsum.name} is computed and never read"
            problems.append(Problem(einsum.place, text, "list it under 'outputs:' or remove the Einsum"))
    return problems
