"""The rules that every cascade obeys, and the order in which its Einsums run.

Single assignment; every tensor defined before it is used; indices that fit the ranks; reductions that name exactly the
variables of the right-hand side that the output lacks; an initial value for each iterative tensor; no cycles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fusemax.cascade.check_names import is_size, near, wrong_accesses, wrong_names
from fusemax.cascade.ir import Cascade, Einsum, Tensor, is_variable
from fusemax.errors import Place, Problem
from fusemax.language.constant import ConstantError, value_of_constant
from fusemax.language.syntax import Access, Binary, Expression, Name, Populate, Reduction, names, walk
from fusemax.source import Document

PAIRS = ("topk",)  #: coordinate operators that write coordinates and values


def check(cascade: Cascade, document: Document) -> tuple[Cascade, list[Problem]]:
    """Return *cascade* with its Einsums in running order, and every rule that it breaks."""
    problems = [
        *_batch(cascade, document),
        *_outputs(cascade, document),
        *_defaults(cascade, document),
        *_single_assignment(cascade),
        *_sources(document),
    ]
    for einsum in cascade.einsums:
        problems += wrong_names(cascade, einsum)
        problems += wrong_accesses(cascade, einsum)
        problems += _reduction(cascade, einsum)
        problems += _repeated(einsum)
        problems += _populated(einsum)
        problems += _divisions(einsum)
    problems += _loops(cascade)
    problems += _initial_values(cascade)
    problems += _unused(cascade, document)
    ordered, cycles = _ordered(cascade)
    with_lines = [_with_line(problem, document) for problem in (*problems, *cycles)]
    return replace(cascade, einsums=ordered), with_lines


def _with_line(problem: Problem, document: Document) -> Problem:
    """Return *problem* with the line of Einsum text that it stands in."""
    text = document.texts.get(("einsums",))
    if problem.place is None or text is None or problem.line_text is not None:
        return problem
    index = problem.place.line - text.line
    lines = text.content.split("\n")
    return replace(problem, line_text=text.line_at(index)) if 0 <= index < len(lines) else problem


def _sources(document: Document) -> list[Problem]:
    if not str(document.data.get("source", "")).strip():
        return [document.problem(("source",), "is empty", "say where the cascade is from, or 'our own'")]
    return []


def _batch(cascade: Cascade, document: Document) -> list[Problem]:
    problems = []
    for position, name in enumerate(cascade.batch):
        users = [t.name for t in cascade.tensors.values() if name in t.ranks]
        if users:
            text = f"rank {name} is a batch rank and stands in {', '.join(users)} as well"
            problems.append(document.problem(("batch", position), text, "write it in one of the two places"))
    return problems


def _defaults(cascade: Cascade, document: Document) -> list[Problem]:
    problems = []
    for name, size in cascade.defaults.items():
        if not is_size(cascade, name):
            text = f"{name!r} is not the size of a rank of this cascade"
            problems.append(document.problem(("defaults", name), text, near(name, cascade.ranks), key=True))
        if size < 1:
            problems.append(document.problem(("defaults", name), f"a size is at least 1, got {size}"))
    return problems


def _outputs(cascade: Cascade, document: Document) -> list[Problem]:
    problems = []
    written = {output.tensor for einsum in cascade.einsums for output in einsum.outputs}
    for position, name in enumerate(cascade.outputs):
        if name not in written:
            text = f"output {name!r} is written by no Einsum"
            path = ("outputs", position) if "outputs" in document.data else ("einsums",)
            problems.append(document.problem(path, text, near(name, written)))
    return problems


def _single_assignment(cascade: Cascade) -> list[Problem]:
    problems = []
    first: dict[tuple[str, bool], Einsum] = {}
    for einsum in cascade.einsums:
        for output in einsum.outputs:
            earlier = first.setdefault((output.tensor, einsum.initial), einsum)
            if earlier is not einsum:
                text = f"{output.tensor} is written twice"
                hint = f"it is first written at line {_line(earlier.place)}; give one of the two another name"
                problems.append(Problem(output.place, text, hint))
            if output.tensor in cascade.inputs:
                text = f"{output.tensor} is an input and is written here"
                problems.append(Problem(output.place, text, "give the result another name"))
    return problems


def _line(place: Place | None) -> str:
    return str(place.line) if place else "?"


def _reduction(cascade: Cascade, einsum: Einsum) -> list[Problem]:
    constants = cascade.constants
    right = [n for n in names(einsum.expression) if is_variable(n) and n not in constants]
    left = set(einsum.output_variables)
    if einsum.initial:
        return []
    if isinstance(einsum.action, Populate):
        return []
    over = [name for name in right if name not in left and name != einsum.loop]
    problems = []
    missing = [name for name in over if name not in einsum.reduced and name.upper() in cascade.ranks]
    if missing:
        text = (
            f"{_listed(missing)} of the right-hand side {_is(missing)} not in {einsum.output} and not reduced"
        )
        operator = einsum.action.operator if einsum.action else "sum"
        hint = f"add ':: {operator}[{','.join((*einsum.reduced, *missing))}]', or the rank to the output"
        problems.append(Problem(einsum.place, text, hint))
    for name in einsum.reduced:
        if name in left:
            text = f"{name!r} is reduced and stands in the output {einsum.output} as well"
            problems.append(Problem(_action_place(einsum), text, "remove it from one of the two"))
        elif name not in right:
            text = f"{name!r} is reduced but does not occur on the right-hand side"
            problems.append(Problem(_action_place(einsum), text, "remove it from the reduction"))
    spare = [name for name in left if name not in right and name != einsum.loop and right]
    if spare and not isinstance(einsum.expression, Name) and not einsum.conditions:
        text = f"{_listed(spare)} of the output {einsum.output} {_is(spare)} not on the right-hand side"
        problems.append(
            Problem(einsum.place, text, "a value cannot be copied over a rank: read it where it is used")
        )
    return problems


def _repeated(einsum: Einsum) -> list[Problem]:
    """Return the variables that stand twice in an output or in a reduction."""
    problems = []
    for output in einsum.outputs:
        for name in _twice([index.name for index in output.indices if isinstance(index, Name)]):
            text = f"{name!r} stands twice in the output {output}"
            problems.append(Problem(output.place, text, "give each rank of the output its own variable"))
    if isinstance(einsum.action, Reduction):
        for name in _twice(einsum.action.variables):
            text = f"{name!r} is reduced twice"
            problems.append(Problem(einsum.action.place, text, "name it once"))
    return problems


def _twice(names_: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(names_) if names_.count(name) > 1]


def _populated(einsum: Einsum) -> list[Problem]:
    """Return what is wrong with the number of tensors that an Einsum writes."""
    written = len(einsum.outputs)
    operator = einsum.action.operator if isinstance(einsum.action, Populate) else ""
    wanted = 2 if operator in PAIRS else 1
    if written == wanted:
        return []
    text = f"{operator or 'an Einsum'} writes {wanted} tensor{'s'[: wanted - 1]}, got {written}"
    if operator == "topk":
        hint = "name the coordinates and the values: TI[p,j], TS[p,j] = ... :: topk[m -> j]; the coordinates alone: topk_index"
    else:
        hint = "write an Einsum of its own for each tensor" if written > 1 else "name both"
    return [Problem(einsum.place, text, hint)]


def _divisions(einsum: Einsum) -> list[Problem]:
    """Return the divisions by a number that is zero."""
    problems = []
    for root in (einsum.expression, *(s for c in einsum.conditions for s in (c.left, c.right))):
        for node in walk(root):
            if isinstance(node, Binary) and node.operator == "/" and _is_zero(node.right):
                problems.append(Problem(node.place or einsum.place, f"{node} divides by zero"))
    return problems


def _is_zero(expression: Expression) -> bool:
    try:
        return value_of_constant(expression) == 0
    except ConstantError:
        return False


def _loops(cascade: Cascade) -> list[Problem]:
    """Return the loops over a rank that no tensor has."""
    problems = []
    said: set[int] = set()
    for einsum in cascade.einsums:
        loop = einsum.loop
        if loop is None or loop.upper() in cascade.ranks or einsum.block in said:
            continue
        said.add(einsum.block)
        text = f"{einsum.name} stands in 'loop {loop}:', but no tensor has a rank {loop.upper()}"
        problems.append(Problem(einsum.place, text, f"index its tensors with {loop}, or write it outside"))
    return problems


def _action_place(einsum: Einsum) -> Place | None:
    return einsum.action.place if einsum.action else einsum.place


def _listed(names_: list[str]) -> str:
    return ", ".join(repr(name) for name in names_)


def _is(names_: list[str]) -> str:
    return "is" if len(names_) == 1 else "are"


def _initial_values(cascade: Cascade) -> list[Problem]:
    initial = {output.tensor for einsum in cascade.einsums if einsum.initial for output in einsum.outputs}
    problems = []
    for tensor in cascade.tensors.values():
        if tensor.generation and tensor.name not in initial:
            first = ["0" if rank == tensor.generation else rank.lower() for rank in tensor.ranks]
            text = f"{tensor.name} is iterative over {tensor.generation} and has no initial value"
            hint = f"write its generation 0 before the loop: {tensor.name}[{','.join(first)}] = 0"
            problems.append(Problem(tensor.place, text, hint))
    return problems


def _unused(cascade: Cascade, document: Document) -> list[Problem]:
    read = {access.tensor for einsum in cascade.einsums for access in einsum.reads}
    problems = []
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


def _ordered(cascade: Cascade) -> tuple[tuple[Einsum, ...], list[Problem]]:
    """Return the Einsums in an order that respects the data flow, loops kept whole; report cycles."""
    blocks: dict[str, list[Einsum]] = {}
    for position, einsum in enumerate(cascade.einsums):
        key = f"loop {einsum.block}" if einsum.loop else f"{position:06d}"
        blocks.setdefault(key, []).append(einsum)
    inner: list[list[Einsum]] = []
    problems: list[Problem] = []
    for block in blocks.values():
        ordered = _sorted(cascade.tensors, [[einsum] for einsum in block], problems, within_loop=True)
        inner.append([einsum for part in ordered for einsum in part])
    outer = _sorted(cascade.tensors, inner, problems, within_loop=False)
    return tuple(einsum for part in outer for einsum in part), problems


def _sorted(
    tensors: Mapping[str, Tensor], parts: list[list[Einsum]], problems: list[Problem], within_loop: bool
) -> list[list[Einsum]]:
    import networkx

    graph = networkx.DiGraph()
    graph.add_nodes_from(range(len(parts)))
    writer: dict[str, list[int]] = {}
    for number, part in enumerate(parts):
        for einsum in part:
            for output in einsum.outputs:
                writer.setdefault(output.tensor, []).append(number)
    for number, part in enumerate(parts):
        for einsum in part:
            for access in einsum.reads:
                for source in writer.get(access.tensor, ()):
                    if within_loop and _earlier_generation(tensors.get(access.tensor), access, einsum):
                        continue
                    if source != number or within_loop:
                        graph.add_edge(source, number)
            if einsum.loop and not within_loop:
                for source in {s for output in einsum.outputs for s in writer[output.tensor]} - {number}:
                    graph.add_edge(source, number)
    try:
        return [parts[n] for n in networkx.lexicographical_topological_sort(graph)]
    except networkx.NetworkXUnfeasible:
        cycle = [source for source, _ in networkx.find_cycle(graph)]
        members = [parts[number][0] for number in cycle]
        chain = " -> ".join(f"{e.name} (line {_line(e.place)})" for e in (*members, members[0]))
        text = f"these Einsums need each other: {chain}"
        hint = "a value may depend on an earlier generation of itself only: write X[i+1] from X[i] in a 'loop i:'"
        problems.append(Problem(min(e.place for e in members if e.place), text, hint))
        return parts


def _earlier_generation(tensor: Tensor | None, access: Access, einsum: Einsum) -> bool:
    """Return whether *access* reads, inside its loop, the generation that the previous iteration wrote."""
    if tensor is None or einsum.loop is None or tensor.generation != einsum.loop.upper():
        return False
    index = access.indices[tensor.ranks.index(tensor.generation)]
    return index == Name(einsum.loop)
