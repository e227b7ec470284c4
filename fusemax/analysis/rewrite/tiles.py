"""Einsums moved into a loop over the outer part of a rank: which ones, under which names, with which indices.

A whole rank ``m`` becomes ``m1*M0 + m0``; a rank that is in parts already, or that is to be walked one coordinate at a time,
keeps its variables, and the outermost is the loop's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fusemax.analysis.plain import sequence
from fusemax.analysis.rewrite.draft import beside_last, fresh
from fusemax.analysis.rewrite.normal import View, conditions_with, mentions, replace_accesses, substitute
from fusemax.analysis.rewrite.parts import parts
from fusemax.analysis.rewrite.separate import Refusal
from fusemax.analysis.rewrite.stages import Group, epilogues
from fusemax.cascade.ir import Einsum, Rank
from fusemax.language.syntax import Access, Binary, Expression, Name, Number, Populate, Reduction, accesses


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The loop and the Einsums in it.

    Attributes
    ----------
    outer, inner
        The loop's variable, and the variables folded within one iteration.
    split
        ``{m: m1*M0+m0}`` when a whole rank is tiled here, else empty.
    body
        Einsums along the rank that the reductions need, in running order.
    after
        Those of the body that are needed outside the loop as well.
    before
        Those that reductions of an earlier pass need, so that the loop has to make them again.
    tails
        Einsums without the rank between one reduction and the next.
    outside
        Tensors made or read after the loop whose rank is written in two parts there as well.
    """

    seen: View
    group: Group
    outer: str
    inner: tuple[str, ...]
    split: Mapping[str, Expression]
    body: tuple[str, ...]
    after: frozenset[str]
    before: frozenset[str]
    tails: tuple[str, ...]
    outside: frozenset[str]

    @property
    def last(self) -> Name:
        """The size of the loop's rank, which is the index of the last generation."""
        return Name(self.outer.upper())

    @property
    def ranks(self) -> dict[str, Rank]:
        """The ranks that splitting adds; none where the parts are those of another layer's loop."""
        return {
            variable.upper(): Rank(variable.upper(), Binary("*", self.last, Name(self.inner[0].upper())))
            for variable in self.split
            if self.outer.upper() not in self.seen.cascade.ranks
        }

    def points(self, expression: Expression, within: bool = True) -> Expression:
        """Return *expression* with the split rank in two parts, *within* the loop or after it."""
        if not self.split:
            return expression
        return substitute(replace_accesses(expression, lambda a: self._retile(a, within)), self.split)

    def _retile(self, access: Access, within: bool) -> Access:
        if access.tensor not in (self.body if within else self.outside):
            return access
        (whole,) = self.split
        indices: list[Expression] = []
        for index in access.indices:
            plain = index == Name(whole)
            indices += [Name(self.outer), *(Name(v) for v in self.inner)] if plain else [index]
        return Access(access.tensor, tuple(indices))

    def moved(self, einsum: Einsum, within: bool = True) -> Einsum:
        """Return *einsum* over the parts of the rank; its output is written in two parts where it has the rank."""
        if not self.split:
            return einsum
        outputs = tuple(self._retile(output, within) for output in einsum.outputs)
        conditions = conditions_with(einsum.conditions, lambda side: self.points(side, within))
        action = einsum.action if within else self._parted(einsum.action)
        expression = self.points(einsum.expression, within)
        return replace(einsum, outputs=outputs, expression=expression, action=action, conditions=conditions)

    def _parted(self, action: Reduction | Populate | None) -> Reduction | Populate | None:
        if not isinstance(action, Reduction):
            return action
        parts = [(self.outer, *self.inner) if v in self.split else (v,) for v in action.variables]
        return replace(action, variables=tuple(v for part in parts for v in part))


def frame_of(seen: View, group: Group, tiled: bool) -> Frame | Refusal:
    """Return the loop over the rank for *group*, tiled or one coordinate at a time; or why there is none."""
    if tiled and len(seen.variables) == 1:
        outer, inner, split = _parts(seen)
    else:
        outer, inner, split = seen.variables[0], seen.variables[1:], {}
    behind = _needed(seen, group)
    needed, earlier = behind - set(seen.reductions), behind & set(seen.reductions)
    along = {variable.upper() for variable in (seen.variables if split else (outer,))}
    body = tuple(
        e.name
        for e in seen.cascade.computed
        if e.name in needed
        and e.loop is None
        and len(e.outputs) == 1
        and not isinstance(e.action, Populate)
        and along <= set(seen.cascade.tensors[e.name].ranks)
        and (not seen.homes or e.name in seen.homes)
    )
    away = _read_away(seen, group, body) if split else frozenset()
    if away and set(seen.reductions) - group.names:
        left = ", ".join(sorted(set(seen.reductions) - group.names))
        return Refusal(
            f"{', '.join(sorted(away))} is read away from its own place, and {left} would be a pass more"
        )
    body = tuple(name for name in body if name not in away)  # made before the loop, whole
    partial = [n for n in needed - set(body) - away if seen.touches(n) and seen.needs[n] & group.names]
    if partial:
        return Refusal(f"{', '.join(sorted(partial))} lacks the rank of the loop and needs its results")
    looped = {a.tensor for e in seen.cascade.computed if e.loop is not None or e.initial for a in e.reads}
    kept_whole = _behind(seen, group, looped & set(body), body)  # loops that are there stay as they are
    chosen = {
        n for n in needed - set(body) if not seen.needs[n] & group.names
    }  # lists and what is made of them
    before = _behind(seen, group, earlier | chosen, body) | kept_whole
    read = {
        a.tensor for e in seen.cascade.computed if e.name not in body and _outside(e, group) for a in e.reads
    }
    after = _behind(seen, group, seen.cascade.outputs, body) | before
    after |= _behind(seen, group, read & set(body), body)
    rest = {e.name for e in seen.cascade.computed if e.name not in body and _outside(e, group)}
    along_after = frozenset(name for name in rest | after if seen.touches(name))
    whole = bool(away | kept_whole | set(seen.homes)) or any(
        name in seen.cascade.outputs or _lists(seen, name) for name in along_after
    )
    whole = whole or _read_as_a_whole(seen, group, body, along_after)
    frame = Frame(
        seen=seen,
        group=group,
        outer=outer,
        inner=inner,
        split=split,
        body=body,
        after=after,
        before=before,
        tails=epilogues(seen, group.names),
        outside=_reached(seen, after - before, along_after) if split and not whole else frozenset(),
    )
    shifted = _shifted(frame) if split else None
    return shifted or frame


def _parts(seen: View) -> tuple[str, tuple[str, ...], dict[str, Expression]]:
    """Return the parts of the rank: those that its sequence has already, in a loop of another layer, or new ones."""
    whole = seen.variables[0]
    stem = whole.upper()
    known = parts(seen.cascade.ranks.get(sequence(seen.cascade, stem)))
    if len(known) == 2:
        first, second = known
    else:
        first = fresh(seen.cascade, f"{stem}1")
        second = fresh(seen.cascade, f"{stem}0", (first,))
    index = Binary("+", Binary("*", Name(first.lower()), Name(second)), Name(second.lower()))
    return first.lower(), (second.lower(),), {whole: index}


def _needed(seen: View, group: Group) -> set[str]:
    """Return what the reductions of the loop need, back to results from before it."""
    needed: set[str] = set()
    todo = [access.tensor for stage in group.stages for access in stage.einsum.reads]
    while todo:
        tensor = todo.pop()
        maker = seen.maker(tensor)
        if tensor in needed or tensor in group.names or maker is None:
            continue
        needed.add(tensor)
        todo += [access.tensor for access in maker.reads]
    return needed


def _behind(seen: View, group: Group, roots: Iterable[str], body: tuple[str, ...]) -> frozenset[str]:
    """Return the Einsums of the body that *roots* need by a way around the loop's reductions."""
    found: set[str] = set()
    todo = list(roots)
    while todo:
        tensor = todo.pop()
        if tensor in found or tensor in group.names:
            continue
        found.add(tensor)
        todo += [a.tensor for e in seen.cascade.producers(tensor) for a in e.reads]
    return frozenset(found) & frozenset(body)


def _reached(seen: View, after: frozenset[str], among: frozenset[str]) -> frozenset[str]:
    """Return what of *among* is made of tensors of the body that are needed *after* the loop, and those themselves."""
    found = set(after & among)
    for einsum in seen.cascade.computed:
        if einsum.name in among and any(access.tensor in found for access in einsum.reads):
            found.add(einsum.name)
    return frozenset(found)


def _lists(seen: View, name: str) -> bool:
    maker = seen.maker(name)
    return maker is None or isinstance(maker.action, Populate)


def _read_as_a_whole(seen: View, group: Group, body: tuple[str, ...], tensors: frozenset[str]) -> bool:
    """Return whether *tensors* are read after or before the loop by a list, or under another name of the rank."""
    for einsum in seen.cascade.computed:
        if einsum.name in body or not _outside(einsum, group):
            continue
        for access in einsum.reads:
            ranks = seen.cascade.tensors[access.tensor].ranks
            own = {Name(v) for v in seen.variables} <= set(access.indices)
            carried = access.tensor in tensors and {v.upper() for v in seen.variables} <= set(ranks)
            if carried and (not own or isinstance(einsum.action, Populate)):
                return True
    return False


def _outside(einsum: Einsum, group: Group) -> bool:
    return einsum.loop is None and not einsum.initial and einsum.name not in group.names


def _read_away(seen: View, group: Group, body: tuple[str, ...]) -> frozenset[str]:
    """Return what of the body is read at another coordinate of the rank than its own and needs no result of the loop."""
    found = {
        access.tensor
        for einsum in seen.cascade.computed
        for access in accesses(einsum.expression)
        if access.tensor in body
        and any(mentions(i, seen.variables) and not isinstance(i, Name) for i in access.indices)
    }
    return frozenset(name for name in found if not seen.needs[name] & group.names)


def _shifted(frame: Frame) -> Refusal | None:
    """Return a refusal when a tensor computed along the rank is read at another coordinate of it."""
    (whole,) = frame.split
    for einsum in frame.seen.cascade.computed:
        for access in accesses(einsum.expression):
            if access.tensor in (*frame.body, *frame.outside):
                odd = [i for i in access.indices if i != Name(whole) and mentions(i, (whole,))]
                if odd:
                    return Refusal(f"{einsum.name} reads {access} away from its own {whole}")
    return None


def at_generation(name: str, access: Access, index: Expression) -> Access:
    """Return the iterative tensor *name* at *index*, which stands before the last index of *access*."""
    return Access(name, beside_last(access.indices, (index,)))


def next_of(variable: str) -> Expression:
    """Return the index of the generation that an iteration writes."""
    return Binary("+", Name(variable), Number(1.0))
