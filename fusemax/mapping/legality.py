"""Is a mapping legal? What is produced must be there, whole, before it is read, and must have a place to wait in."""

from __future__ import annotations

from collections.abc import Iterator

from fusemax.analysis.fusion import fusion_of
from fusemax.cascade.generations import recurrent
from fusemax.cascade.ir import Einsum
from fusemax.errors import Problem
from fusemax.language.syntax import Access, Name, Number
from fusemax.machine import Machine
from fusemax.mapping.names import hidden_names
from fusemax.mapping.nest import Body, Mapped, Nest
from fusemax.source import Document


def dataflow_problems(mapped: Mapped, machine: Machine, document: Document) -> list[Problem]:
    """Return what breaks the data flow: values read before they are whole, or left without a place."""
    problems: list[Problem] = []
    order = [(nest, body) for nest in mapped.nests for body in nest.bodies]
    position = {name: number for number, (_, body) in enumerate(order) for name in body.einsums}
    for number, (_, body) in enumerate(order):
        for name in body.einsums:
            for access, producer in _needs(mapped, mapped.einsum(name)):
                text = _misplaced(mapped, order, number, position[producer.name], access, producer, name)
                if text:
                    problems.append(document.problem(_path(body), text[0], text[1], key=True))
    others = (
        *_useless(mapped, document), *_spread(mapped, document), *_summed_again(mapped, document),
        *_side_by_side(mapped, document), *_hidden(mapped, document),
    )  # fmt: skip
    problems = _unique([*problems, *others])
    return problems or _unique(list(_fusion(mapped, document)))


def _hidden(mapped: Mapped, document: Document) -> Iterator[Problem]:
    """Yield where loops leave out a digit beside names that cross."""
    for body, text, hint in hidden_names(mapped):
        yield document.problem(_path(body), text, hint)


def _spread(mapped: Mapped, document: Document) -> Iterator[Problem]:
    """Yield loops that cannot be spread over cores: inside of others that are not, or over generations of a value."""
    for number, nest in enumerate(mapped.nests):
        path: tuple[str | int, ...] = ("nests", number, "spread")
        outer = nest.bodies[0].loops[: len(nest.spread)]
        if set(outer) != set(nest.spread):
            text = (
                f"loops that are spread over cores stand around all others; here those are {', '.join(outer)}"
            )
            yield document.problem(path, text, "spread these, or change the order of the loops")
        for body in nest.bodies:
            for name in body.einsums:
                loop = mapped.einsum(name).loop
                if loop in nest.spread:
                    text = f"{name} needs what the iteration of {loop} before makes: cores cannot do them side by side"
                    yield document.problem(path, text, f"do not spread {loop}")


def _side_by_side(mapped: Mapped, document: Document) -> Iterator[Problem]:
    """Yield digits in lanes of units that do Einsums of a recurrence over them: iterations that follow one another."""
    loops = recurrent(mapped.cascade)
    done = {(name, unit) for (name, _), unit in mapped.bind.items()}
    done |= {(name, unit) for (name, _), parts in mapped.offload.items() for unit in parts}
    for nest in mapped.nests:
        for body in nest.bodies:
            tied = [(name, nest.digits_of((loops[name],))) for name in body.einsums if name in loops]
            for unit, digit in ((unit, digit) for unit, lanes in body.spatial.items() for digit in lanes):
                found = [name for name, digits in tied if digit in digits and (name, unit) in done]
                if found:
                    verb = "needs" if len(found) == 1 else "need"
                    text = (
                        f"{', '.join(found)} {verb} what the iteration of {loops[found[0]]} before makes: "
                        f"lanes cannot do them side by side"
                    )
                    hint = (
                        f"make {digit} a loop, or leave it out here: then they follow one another in the body"
                    )
                    yield document.problem(_lanes_path(body, document, unit, digit), text, hint, key=True)


def _lanes_path(body: Body, document: Document, unit: str, digit: str) -> tuple[str | int, ...]:
    """Return where *digit* runs over lanes of *unit*: at the innermost node around *body* that says so."""
    for depth in range(len(body.node), 0, -1):
        path = (*_node_path(body.node[:depth]), "spatial", unit, digit)
        if path in document.keys:
            return path
    return _path(body)


def _summed_again(mapped: Mapped, document: Document) -> Iterator[Problem]:
    """Yield Einsums in a loop that they do not have, inside of one over which they sum: each term would count often."""
    for nest in mapped.nests:
        for body in nest.bodies:
            for name in body.einsums:
                einsum = mapped.einsum(name)
                own = nest.digits_of((*einsum.variables, einsum.loop or ""))
                summed = nest.digits_of(einsum.reduced)
                first = next((n for n, loop in enumerate(body.loops) if loop in summed), len(body.loops))
                for loop in body.loops[first:]:
                    if loop not in own:
                        text = (
                            f"{name} does not have {loop}, a loop inside of {body.loops[first]}, over which it reduces: "
                            f"each iteration of {loop} would add the same values again"
                        )
                        hint = f"put {name} outside of loop {loop}, or {loop} outside of {body.loops[first]}"
                        yield document.problem(_path(body), text, hint, key=True)


def _fusion(mapped: Mapped, document: Document) -> Iterator[Problem]:
    """Yield what the pass analysis forbids: Einsums under loops that a value they need must have left."""
    fusion = fusion_of(mapped.cascade)
    for nest in mapped.nests:
        parts = {
            digit.name: root.name
            for root in nest.roots.values()
            for digit in root.digits
            if digit.name != root.name and digit.name.upper() not in mapped.cascade.ranks
        }
        for node, loops in _scopes(nest).items():
            inside = [e for body in nest.bodies if body.node[: len(node)] == node for e in body.einsums]
            for violation in fusion.violations(inside, loops, parts):
                hint = "close the loop between them (a pass boundary), or use a cascade with fewer passes"
                yield document.problem((*_node_path(node), "for"), str(violation), hint)


def _scopes(nest: Nest) -> dict[tuple[int, ...], tuple[str, ...]]:
    """Return all loops around each node of *nest* that has any."""
    scopes: dict[tuple[int, ...], tuple[str, ...]] = {}
    for body in nest.bodies:
        for depth in range(1, len(body.opened) + 1):
            loops = tuple(loop for opened in body.opened[:depth] for loop in opened)
            if loops:
                scopes[body.node[:depth]] = loops
    return scopes


def _useless(mapped: Mapped, document: Document) -> Iterator[Problem]:
    """Yield tensors that are kept or staged where no Einsum touches them."""
    for nest in mapped.nests:
        bodies: dict[str, list[Body]] = {}
        for body in nest.bodies:
            for name in body.einsums:
                for access in (*mapped.einsum(name).reads, *mapped.einsum(name).outputs):
                    bodies.setdefault(access.tensor, []).append(body)
        for residence in nest.residences:
            if not any(residence.covers(body.node) for body in bodies.get(residence.tensor, ())):
                label = "stage" if residence.staged else "keep"
                path = (*_node_path(residence.node), label, residence.level)
                text = f"{residence.tensor} is kept here, but no Einsum inside reads or writes it"
                yield document.problem(path, text, "remove it, or keep it where it is used")


def _needs(mapped: Mapped, einsum: Einsum) -> Iterator[tuple[Access, Einsum]]:
    for access in einsum.reads:
        for producer in mapped.cascade.producers(access.tensor):
            if not producer.initial:
                yield access, producer


def _misplaced(
    mapped: Mapped,
    order: list[tuple[Nest, Body]],
    reader: int,
    writer: int,
    access: Access,
    producer: Einsum,
    name: str,
) -> tuple[str, str] | None:
    nest, body = order[reader]
    other_nest, other = order[writer]
    if previous_generation(mapped, access, producer):
        return None
    if reader < writer:
        return (
            f"{name} reads {access.tensor} before {producer.name} writes it",
            f"move {producer.name} ahead of {name}",
        )
    if nest is not other_nest:
        return None
    shared = body.shared_with(other)
    barrier = _reduced_inside(mapped, nest, shared, producer, access)
    if barrier:
        whole = f"{access.tensor} is whole only when {barrier} has ended"
        text = f"{name} cannot share loop {barrier} with {producer.name}: {whole}"
        return (
            text,
            f"close loop {barrier} before {name} (a pass boundary), or use a cascade with fewer passes",
        )
    if reader != writer and not _kept(nest, body, other, access.tensor):
        text = f"{access.tensor} leaves the body of {producer.name} for that of {name} and is kept nowhere"
        return text, f"keep {access.tensor} at a level around both, or do {name} in the same body"
    return None


def previous_generation(mapped: Mapped, access: Access, producer: Einsum) -> bool:
    """Return whether *access* reads what an earlier iteration of the loop wrote."""
    return producer.loop is not None and mapped.cascade.tensors[access.tensor].is_earlier(access)


def _reduced_inside(
    mapped: Mapped, nest: Nest, shared: tuple[str, ...], producer: Einsum, access: Access
) -> str | None:
    """Return a shared loop over which *producer* still reduces, so that its value is not whole inside it."""
    reduced = {v for v in producer.reduced}
    for loop in shared:
        root = nest.root_of(loop)
        if root.name in reduced or loop in reduced:
            return loop
    tensor = mapped.cascade.tensors[access.tensor]
    if tensor.generation is not None and producer.loop is not None:
        index = access.indices[tensor.ranks.index(tensor.generation)]
        down = tensor.generation in tensor.descending
        last = index == Number(0) if down else isinstance(index, Name) and index.name.isupper()
        if last and producer.loop in shared:
            return producer.loop
    return None


def _kept(nest: Nest, one: Body, other: Body, tensor: str) -> bool:
    return any(
        r.tensor == tensor and not r.staged and r.covers(one.node) and r.covers(other.node)
        for r in nest.residences
    )


def _path(body: Body) -> tuple[str | int, ...]:
    return (*_node_path(body.node), "do")


def _node_path(node: tuple[int, ...]) -> tuple[str | int, ...]:
    path: list[str | int] = ["nests", node[0]]
    for step in node[1:]:
        path += ["do", step]
    return tuple(path)


def _unique(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
