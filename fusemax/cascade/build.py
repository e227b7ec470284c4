"""From a cascade file to a checked :class:`~fusemax.cascade.ir.Cascade`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path

from pydantic import Field

from fusemax.cascade.check import check
from fusemax.cascade.check_sizes import check_sizes
from fusemax.cascade.ir import Cascade, Einsum, Frame, Rank, Tensor, affine, is_variable
from fusemax.cascade.lowered import lowered
from fusemax.cascade.monoid import KNOWN, Monoid, monoid_of
from fusemax.cascade.recurrences import assignments, normalised
from fusemax.errors import Problem, ProblemsError, raise_if_any
from fusemax.language.parse import REDUCTIONS, parse, parse_expression
from fusemax.language.syntax import Access, Binary, Expression, Loop, Name, Number, Program, Statement, names
from fusemax.language.value import value_of
from fusemax.shipped import find
from fusemax.source import Document, Text, document_of, read_yaml
from fusemax.typed import FilePart, typed

Figure = float | int | str


class ReductionFile(FilePart):
    """A reduction of one's own: its identity and its join, lists where a value has several parts."""

    identity: Figure | list[Figure]
    join: str | list[str]


class CascadeFile(FilePart):
    """What a file in ``einsums/`` holds."""

    title: str
    source: str
    doc: str = ""
    batch: list[str] = Field(default_factory=list)
    ranks: dict[str, str | int] = Field(default_factory=dict)
    sizes: list[str] = Field(default_factory=list)
    defaults: dict[str, int] = Field(default_factory=dict)
    same: list[list[str]] = Field(default_factory=list)
    constants: dict[str, float] = Field(default_factory=dict)
    reductions: dict[str, ReductionFile] = Field(default_factory=dict)
    inputs: dict[str, list[str]]
    outputs: list[str] | None = None
    einsums: str


def load_cascade(name: str) -> Cascade:
    """Return the cascade called *name*: a file of ``einsums/`` or the user's own path."""
    path = find("einsums", name)
    return cascade_of(read_yaml(path), name if not name.endswith((".yaml", ".yml")) else Path(name).stem)


def cascade_from_text(content: str, name: str = "cascade") -> Cascade:
    """Return the cascade that the YAML text *content* describes."""
    return cascade_of(document_of(content, f"{name}.yaml"), name)


def cascade_of(document: Document, name: str) -> Cascade:
    """Return the checked cascade in *document*.

    Raises
    ------
    ProblemsError
        With every mistake found: keys, syntax, then names, ranks, single assignment, reductions, order.
    """
    file = typed(document, CascadeFile)
    reductions, problems = _reductions(document, file)
    raise_if_any(problems)
    program, problems = lowered(parse(document.text(("einsums",)), (*KNOWN, *reductions)), reductions)
    program, runs, more = normalised(program)
    raise_if_any(problems + more)
    einsums = _flattened(program, runs)
    tensors, more = _tensors(document, file, einsums, runs)
    problems += more
    ranks = _ranks(document, file, einsums, tensors)
    raise_if_any(check_sizes(ranks, document))
    outputs = file.outputs if file.outputs is not None else _never_read(einsums)
    cascade = Cascade(
        name=name,
        title=file.title,
        source=file.source,
        doc=file.doc,
        batch=tuple(file.batch),
        ranks=ranks,
        tensors=tensors,
        inputs=tuple(file.inputs),
        outputs=tuple(outputs),
        einsums=einsums,
        constants={key: float(value) for key, value in file.constants.items()},
        same=tuple(tuple(group) for group in file.same),
        sizes=tuple(file.sizes),
        defaults=dict(file.defaults),
        file=document.file,
        reductions=reductions,
    )
    ordered, more = check(cascade, document)
    problems += more
    if problems:
        raise ProblemsError(problems)
    return ordered


def _reductions(document: Document, file: CascadeFile) -> tuple[dict[str, Monoid], list[Problem]]:
    """Return the reductions that *file* declares, and what is wrong with them."""
    found: dict[str, Monoid] = {}
    problems: list[Problem] = []
    for name, one in file.reductions.items():
        path = ("reductions", name)
        identity = one.identity if isinstance(one.identity, list) else [one.identity]
        join = [one.join] if isinstance(one.join, str) else one.join
        if name in REDUCTIONS or len(identity) != len(join):
            same = f"{len(identity)} parts of identity and {len(join)} of join"
            text = (
                f"{name!r} is a reduction of the language"
                if name in REDUCTIONS
                else f"{same}; there is one for each"
            )
            problems.append(document.problem(path, text, key=True))
            continue
        try:
            numbers = [_number(part) for part in identity]
            monoid = monoid_of(name, numbers, join)
        except (ProblemsError, ValueError) as error:
            said = error.problems[0].text if isinstance(error, ProblemsError) else str(error)
            problems.append(document.problem(path, said, key=True))
            continue
        problems += [document.problem(path, text, hint, key=True) for text, hint in monoid.mistakes()]
        found[name] = monoid
    return found, problems


def _number(part: Figure) -> float:
    if not isinstance(part, str):
        return float(part)
    try:
        return value_of(parse_expression(Text(part, "identity")), {})
    except (KeyError, TypeError):
        raise ValueError(f"identity {part!r} is no number") from None


Runs = Mapping[tuple[str, str], bool]  #: what runs along which loop's variable, and whether down


def _flattened(program: Program, runs: Runs) -> tuple[Einsum, ...]:
    in_loops = {tensor for tensor, _ in runs}
    einsums: list[Einsum] = []
    blocks = count()

    def visit(statements: tuple[Statement, ...], around: tuple[Frame, ...]) -> None:
        for a in statements:
            block = next(blocks)
            if isinstance(a, Loop):
                made = {output.tensor for one in assignments(a.body) for output in one.outputs}
                down = any(runs.get((tensor, a.variable)) for tensor in made)
                visit(a.body, (*around, Frame(a.variable, block, down)))
                continue
            output = a.outputs[0]
            constant = any(not any(map(is_variable, names(index))) for index in output.indices)
            initial = not around and constant and output.tensor in in_loops
            first = around[0] if around else Frame("", block)
            einsums.append(
                Einsum(
                    outputs=a.outputs, expression=a.expression, action=a.action, conditions=a.conditions,
                    loop=first.variable or None, initial=initial, place=a.place,
                    block=first.block, down=first.down, inner=around[1:],
                )
            )  # fmt: skip

    visit(program.statements, ())
    return tuple(einsums)


def _tensors(
    document: Document, file: CascadeFile, einsums: tuple[Einsum, ...], runs: Runs
) -> tuple[dict[str, Tensor], list[Problem]]:
    problems: list[Problem] = []
    tensors = {
        name: Tensor(name, tuple(ranks), None, document.place(("inputs", name), key=True))
        for name, ranks in file.inputs.items()
    }
    for einsum in einsums:
        if einsum.initial:
            continue
        for output in einsum.outputs:
            tensor, mistakes = _written(einsum, output, runs)
            problems += mistakes
            tensors.setdefault(tensor.name, tensor)
    return tensors, problems


def _written(einsum: Einsum, output: Access, runs: Runs) -> tuple[Tensor, list[Problem]]:
    ranks: list[str] = []
    problems: list[Problem] = []
    loops = [frame.variable for frame in einsum.loops]
    generations: dict[str, bool] = {}
    for index in output.indices:
        variable, shifted = _output_index(index)
        if variable is None:
            hint = "write each output index as one rank variable, or as the loop's variable + 1"
            text = f"{output.tensor} is written at {str(index)!r}, which is not a rank variable"
            problems.append(Problem(output.place, text, hint))
            ranks.append("?")
            continue
        if shifted and variable not in loops:
            text = f"{output.tensor} is written at {str(index)!r} outside 'loop {variable}:'"
            problems.append(Problem(output.place, text, "only the loop's own variable may be shifted"))
        down = variable in loops and runs.get((output.tensor, variable), False)
        if shifted or down:
            generations[variable.upper()] = down
        ranks.append(variable.upper())
    running = sorted(generations, key=lambda rank: loops.index(rank.lower()) if rank.lower() in loops else 0)
    tensor = Tensor(
        name=output.tensor, ranks=tuple(ranks), generation=running[0] if running else None, place=output.place,
        more_generations=tuple(running[1:]), descending=tuple(rank for rank in running if generations[rank]),
    )  # fmt: skip
    return tensor, problems


def _output_index(index: Expression) -> tuple[str | None, bool]:
    if isinstance(index, Name) and is_variable(index.name):
        return index.name, False
    if isinstance(index, Binary) and index.operator == "+" and index.right == Number(1):
        left = index.left
        return (left.name, True) if isinstance(left, Name) and is_variable(left.name) else (None, False)
    return None, False


def _ranks(
    document: Document, file: CascadeFile, einsums: tuple[Einsum, ...], tensors: dict[str, Tensor]
) -> dict[str, Rank]:
    ranks: dict[str, Rank] = {name: Rank(name) for name in (*file.batch, *file.sizes)}
    for tensor in tensors.values():
        for name in tensor.ranks:
            ranks.setdefault(name, Rank(name, None, tensor.place))
    for einsum in einsums:
        for variable in einsum.variables:
            ranks.setdefault(variable.upper(), Rank(variable.upper(), None, einsum.place))
    for name, size in _partitions(einsums, tensors).items():
        ranks[name] = replace(ranks[name], size=size)
    for name in file.ranks:
        size = parse_expression(document.text(("ranks", name)))
        ranks[name] = Rank(name, size, document.place(("ranks", name), key=True))
    return ranks


def _partitions(einsums: tuple[Einsum, ...], tensors: dict[str, Tensor]) -> dict[str, Expression]:
    """Return ``{M: M1*M0}`` for ranks that are read in mixed radix, as ``K[e, m1*M0+m0]``."""
    found: dict[str, Expression] = {}
    for einsum in einsums:
        for access in einsum.reads:
            tensor = tensors.get(access.tensor)
            if tensor is None or len(tensor.ranks) != len(access.indices):
                continue
            for rank, index in zip(tensor.ranks, access.indices, strict=True):
                size = mixed_radix(index)
                if size is not None:
                    found.setdefault(rank, size)
    return found


def mixed_radix(index: Expression) -> Expression | None:
    """Return the size ``M1*M0`` of a rank indexed as ``m1*M0+m0``; None for any other index.

    Any number of digits works: ``m2*M1*M0 + m1*M0 + m0``.
    """
    terms = affine(index)
    if terms is None or terms[1] is not None or len(terms[0]) < 2:
        return None
    by_digits = sorted(terms[0].items(), key=lambda item: 0 if item[1] is None else len(names(item[1])))
    size: Expression = Name(by_digits[0][0].upper())
    expected = {by_digits[0][0].upper()}
    if by_digits[0][1] is not None:
        return None
    for variable, coefficient in by_digits[1:]:
        if coefficient is None or set(names(coefficient)) != expected or _has_numbers(coefficient):
            return None
        size = Binary("*", Name(variable.upper()), size)
        expected.add(variable.upper())
    return size


def _has_numbers(expression: Expression) -> bool:
    from fusemax.language.syntax import walk

    return any(isinstance(node, Number) for node in walk(expression))


def _never_read(einsums: Iterable[Einsum]) -> list[str]:
    einsums = tuple(einsums)
    read = {access.tensor for einsum in einsums for access in einsum.reads}
    written = dict.fromkeys(output.tensor for einsum in einsums for output in einsum.outputs)
    return [name for name in written if name not in read]
