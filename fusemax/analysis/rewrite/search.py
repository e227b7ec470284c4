"""The lattice of rewrites: which factors to defer, which reductions to run in one loop or to split and merge.

Every cascade that is returned was analysed for its passes again and compared with the original by values.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

from fusemax.analysis.left_out import with_conditions_of_makers
from fusemax.analysis.passes import analyse
from fusemax.analysis.rewrite.defer import defer, factors_of
from fusemax.analysis.rewrite.draft import Move
from fusemax.analysis.rewrite.floor import floor_of
from fusemax.analysis.rewrite.form import Form, at_least_two, busiest_rank, form_of
from fusemax.analysis.rewrite.gather import with_moments, without_moments
from fusemax.analysis.rewrite.given import Given, given_of
from fusemax.analysis.rewrite.inline import written_out
from fusemax.analysis.rewrite.inner import apart_inside
from fusemax.analysis.rewrite.iterate import iterate
from fusemax.analysis.rewrite.means import spelled_out
from fusemax.analysis.rewrite.merge import merge
from fusemax.analysis.rewrite.normal import RankError, View, earlier_results, rank_variables, term_of, view
from fusemax.analysis.rewrite.opened import bodies
from fusemax.analysis.rewrite.ranking import alike, is_better, order_of, worth_showing
from fusemax.analysis.rewrite.reduced import DIFFER, NotReducibleError, Reduced
from fusemax.analysis.rewrite.reorder import reorder
from fusemax.analysis.rewrite.safety import OVERFLOWS, safety_lines
from fusemax.analysis.rewrite.separate import Refusal
from fusemax.analysis.rewrite.stages import Group, Stage, group_of, levels
from fusemax.analysis.rewrite.strata import apart
from fusemax.analysis.rewrite.symbols import at_least_zero
from fusemax.analysis.rewrite.tiles import Frame, frame_of
from fusemax.analysis.rewrite.verify import Verdict, Witness
from fusemax.cascade.ir import Cascade, Einsum
from fusemax.errors import FusemaxError

#: The Einsums of all cascades tried, together: the time that a search takes goes with them; more for long cascades.
MOST_TRIED = 450
MOST_CASCADES = 36
MOST_DEPTH = 4
MOST_ROUNDS = 3  #: searches for a further loop over what the best form leaves outside of its own
MOST_GATHERING = 1  #: rewrites behind which sums that a repair lacks are still added
NAMED = "means inside a term are named"
ADOPTED = "sums of what a condition leaves out are taken under that condition: nothing but zeros is left out"
FORMS: Mapping[str, Callable[[Frame, bool], Move | Refusal]] = {"running": iterate, "split": merge}

__all__ = ["FORMS", "NotReducibleError", "Reduced", "UnknownFormError", "search"]


class UnknownFormError(FusemaxError):
    """A form of loops that does not exist."""


@dataclass(slots=True)
class _State:
    """A cascade reached by deferrals and reorderings, with the way that led there."""

    cascade: Cascade
    title: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    verdict: Verdict | None = None
    depth: int = 0
    best: Form | None = None  #: the form that this is, where a layer before has been searched


@dataclass(slots=True)
class _Search:
    """A search over *rank* from the state *begin*; forms are measured over the rank that was *asked* about."""

    begin: _State
    rank: str
    asked: str
    wide: bool
    forms: tuple[str, ...]
    given: Given
    witness: Witness
    floored: bool  #: whether no form has fewer than 2 passes, as an output needs them
    tried: int = 0
    complete: bool = True
    found: dict[str, Form] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)

    def refuse(self, name: str, reason: str) -> None:
        if reason not in self.refused.setdefault(name, []):
            self.refused[name].append(reason)

    def run(self) -> None:
        """Visit states in order of depth; keep every verified form."""
        queue = deque([self.begin])
        named = spelled_out(self.begin.cascade, self.rank)
        if named is not None:
            queue.append(replace(self.begin, cascade=named, lines=(*self.begin.lines, NAMED)))
        seen = {str(state.cascade) for state in queue}
        most = max(MOST_TRIED, MOST_CASCADES * len(self.begin.cascade.computed))
        while queue and self.tried < most:
            state = queue.popleft()
            along = self._seen(state.cascade)
            if state.moves == self.begin.moves or self._keep(state):
                for result in self._loops(state, along):
                    self._keep(result)
            elif str(state.cascade) not in self.found:
                continue
            if state.depth == MOST_DEPTH:
                continue
            for result in self._steps(state, along):
                if str(result.cascade) not in seen:
                    seen.add(str(result.cascade))
                    (queue.appendleft if result.title[-1].startswith("take ") else queue.append)(result)
        self.complete = not queue

    def _seen(self, cascade: Cascade) -> View:
        """Return *cascade* along the rank; what the original shows to be positive stays so, as its values stay."""
        along = view(cascade, self.rank)
        kept = {
            name
            for name in view(self.begin.cascade, self.rank).positive
            if name.removesuffix(at_least_zero("")) in cascade.tensors
        }
        return replace(along, positive=along.positive | kept)

    def _keep(self, state: _State) -> bool:
        """Verify *state* and keep it as a form; return whether it is right and safe enough to build on."""
        key = str(state.cascade)
        if key in self.found:
            return self.found[key].safe
        verdict = state.verdict or self._verified(state.cascade)
        if not verdict.right:
            return False
        title = ", ".join(state.title)
        form = form_of(state.cascade, self.asked, title, state.moves, verdict, state.lines, self.wide)
        if form.passes == 1 and self.floored:
            form = at_least_two(form)
        if any(alike(form, other) for other in self.found.values()):
            return False
        self.found[key] = form
        return not verdict.unsafe

    def _verified(self, cascade: Cascade) -> Verdict:
        self.tried += len(cascade.einsums)
        return self.witness.verdict(cascade)

    def _steps(self, state: _State, along: View) -> Iterator[_State]:
        """Yield the states one deferral or reordering further."""
        for seen in (along, *bodies(state.cascade, self.rank)):
            for name in seen.reductions:
                yield from self._deferred(state, seen, name)
        for name, moved in apart_inside(along):
            if isinstance(moved, Refusal):
                self.refuse(name, f"taking its terms apart fails: {moved.reason}")
            else:
                yield _after(state, moved, f"take {name} apart")
        for name, moved in written_out(along):
            yield _after(state, moved, f"write {name} out")
        for name, moved in reorder(along, self.given):
            yield _after(state, moved, f"reorder {name}")

    def _deferred(self, state: _State, along: View, name: str) -> Iterator[_State]:
        """Yield the states in which the reduction *name* waits for fewer earlier results."""
        einsum = along.cascade.einsum(name)
        written = term_of(along, einsum)
        if isinstance(written, Refusal):
            self.refuse(name, written.reason)
            return
        waited = earlier_results(along, written)
        factors = factors_of(along, einsum, waited) if len(waited) > 2 else ()
        several = [factors] if 1 < len(factors) < len(waited) else []
        whole = [waited] if len(waited) > 1 else []
        for chosen in (*several, *combinations(waited, 1), *whole):
            moved = defer(along, name, chosen)
            told = ", ".join(access.tensor for access in chosen)
            if isinstance(moved, Refusal):
                self.refuse(name, f"deferring {told} fails: {moved.reason}")
            else:
                yield _after(state, moved, f"defer {told} in {name}")
            moments = defer(along, name, chosen, keep=True) if chosen == waited else None
            if isinstance(moments, Move):
                yield _after(state, moments, f"take {name} apart")

    def _loops(self, state: _State, along: View) -> Iterator[_State]:
        """Yield the running and split forms of *state*: all reductions, and those up to each level of the chain.

        What the first loop cannot hold may share a loop of its own, in a later pass.
        """
        for additive in (False, True):
            whole = group_of(along, along.reductions, additive)
            if additive:
                for name, reason in whole.refused:
                    self.refuse(name, f"running or splitting it fails: {reason}")
                if not any(stage.additive for stage in whole.stages):
                    continue
                yield from self._with_moments(state, along)
            later = group_of(along, tuple(name for name, _ in whole.refused), additive)
            for group in (*_prefixes(along, whole), *_prefixes(along, later)):
                for tiled in (True, False):
                    yield from self._written(state, along, group, tiled)

    def _with_moments(self, state: _State, along: View) -> Iterator[_State]:
        """Yield the loop over all reductions with the sums that their repairs lack, where it holds them all."""
        gathering = with_moments(along) if state.depth <= MOST_GATHERING else None
        if gathering is not None:
            fuller = self._seen(gathering.cascade)
            group = group_of(fuller, fuller.reductions, additive=True)
            told = replace(state, lines=(*state.lines, *gathering.lines))
            tried = self.tried
            yield from self._written(told, fuller, group, True) if not group.refused else ()
            self.tried = tried  # beside the search, and no more than once or twice a way

    def _written(self, state: _State, along: View, group: Group, tiled: bool) -> Iterator[_State]:
        if not tiled and (len(along.variables) > 1 or any(map(_leaves_out, group.stages))):
            return
        frame = frame_of(along, group, tiled)
        if isinstance(frame, Refusal):
            self.refuse(group.stages[-1].name, frame.reason)
            return
        for form in self.forms if tiled else ("running",) if "running" in self.forms else ():
            found = self._guarded(frame, form)
            if isinstance(found, Refusal):
                self.refuse(group.stages[-1].name, f"{form} form: {found.reason}")
                continue
            moved, verdict = found
            how = {"running": "iterate", "split": "split and merge"}[form] + (
                "" if tiled else " point by point"
            )
            after = _after(state, moved, f"{how} {', '.join(stage.name for stage in group.stages)}")
            after.verdict = verdict
            yield after

    def _guarded(self, frame: Frame, form: str) -> tuple[Move, Verdict] | Refusal:
        """Return the form, with guards for masked points where the plain one fails without them."""
        best: tuple[Move, Verdict] | Refusal = Refusal(DIFFER)
        for guarded in (False, True):
            moved = FORMS[form](frame, guarded)
            if isinstance(moved, Refusal):
                return moved
            if moved.cascade.outputs != self.begin.cascade.outputs:
                moved = replace(moved, cascade=without_moments(moved.cascade, self.begin.cascade.outputs))
            verdict = self._verified(moved.cascade)
            better = isinstance(best, Refusal) or len(verdict.unsafe) < len(best[1].unsafe)
            if verdict.right and better:
                best = (moved, verdict)
            if verdict.right and not any("masked" in kind for kind in verdict.unsafe):
                break
        return best


def _leaves_out(stage: Stage) -> bool:
    """Return whether a fold of points that may be left out has nothing to fold when it is taken point by point."""
    return bool(stage.einsum.conditions) and len(stage.einsum.reduced) == 1


def _after(state: _State, moved: Move, title: str) -> _State:
    return _State(
        moved.cascade,
        (*state.title, title),
        (*state.moves, moved.kind),
        (*state.lines, *moved.lines),
        None,
        state.depth + 1,
    )


def _prefixes(along: View, group: Group) -> Iterator[Group]:
    """Yield the group's stages up to each level above the first, the whole group first."""
    place = levels(along, group.names)
    for top in sorted(set(place.values()), reverse=True):
        if top >= 2:
            yield Group(tuple(s for s in group.stages if place[s.name] <= top), group.refused)


def search(
    cascade: Cascade, rank: str | None = None, form: str | None = None, given: tuple[str, ...] = ()
) -> Reduced:
    """Return the equivalent cascades that the rewrites reach over *rank*, and why there are no better ones.

    Parameters
    ----------
    rank
        ``M``, or the parts of a partitioned rank (``J,M0``); the rank with the most passes when it is None.
    form
        ``running`` or ``split`` for loops of that form only; both by default.
    given
        Results saved by an earlier cascade, each as the Einsum that made it.

    Raises
    ------
    RankError, UnknownFormError, GivenError
        When one of these does not fit the cascade.
    """
    if form is not None and form not in FORMS:
        raise UnknownFormError(f"no form {form!r}; there are: {', '.join(FORMS)}")
    rank = rank or busiest_rank(cascade)
    given_whole = with_conditions_of_makers(cascade)
    parted, names = apart(given_whole, rank)
    start = form_of(cascade, rank, "as written", (), None, (), wide=len(names) > 1)
    saved = given_of(cascade, given)
    witness = Witness(saved.reference, given=saved.names)
    forms = (form,) if form else tuple(FORMS)
    lines = (ADOPTED,) if given_whole is not cascade else ()
    begin = _State(parted if len(names) > 1 else given_whole, lines=lines)
    floor = floor_of(view(cascade, rank))
    runs = _runs(begin, rank, names, forms, saved, witness, bool(floor) and start.passes > 1)
    found = {str(f.cascade): f for run in runs for f in run.found.values()}
    refused: dict[str, list[str]] = {}
    for run in runs:
        for name, reasons in run.refused.items():
            refused.setdefault(name, []).extend(r for r in reasons if r not in refused.get(name, ()))

    for einsum in _folds_in_loops(cascade, rank):
        told = f"it folds {rank} inside the loop over {einsum.loop}: factors are deferred there, but no loop or tiles are made"
        refused.setdefault(einsum.name, []).append(told)

    def order(one: Form) -> tuple[float, ...]:
        *before, work = order_of(one)
        unbounded = [line for line in safety_lines(cascade, one.cascade) if line.endswith(OVERFLOWS)]
        return (*before, len(unbounded), work)

    return Reduced(
        original=start,
        rank=rank,
        forms=worth_showing(sorted((f for f in found.values() if is_better(f, start)), key=order)),
        floor=floor,
        refused={name: tuple(reasons) for name, reasons in refused.items()},
        complete=all(run.complete for run in runs),
        no_claims=tuple(map(str, analyse(cascade).no_claims)),
    )


def _folds_in_loops(cascade: Cascade, rank: str) -> tuple[Einsum, ...]:
    """Return the Einsums that fold *rank* inside a loop of the cascade."""
    over = set(rank_variables(cascade, rank))
    return tuple(e for e in cascade.computed if e.loop is not None and over & set(e.reduced))


def _runs(
    begin: _State,
    rank: str,
    names: tuple[str, ...],
    forms: tuple[str, ...],
    given: Given,
    witness: Witness,
    floored: bool,
) -> list[_Search]:
    """Return the searches over each of the layers *names* of a sequence, each from the best form of the one before.

    What the best form leaves outside its loops, as a second attention to the same memory, may share one in a later pass: it is
    searched once more.
    """
    runs: list[_Search] = []
    todo, rounds = list(names), 0
    least = 2 if floored else 1
    while todo:
        name = todo.pop(0)
        run = _Search(begin, name, rank, len(names) > 1, forms, given, witness, floored)
        run.run()
        runs.append(run)
        best = min((f for f in run.found.values() if f.safe and f.passes), key=order_of, default=None)
        last = (
            begin.best.passes
            if begin.best is not None
            else form_of(begin.cascade, rank, "", (), None, (), len(names) > 1).passes
        )
        tiled = _tiled(run) if todo and (best is None or best.passes >= last) else None
        better = tiled or best
        if better is not None and (tiled or begin.best is None or order_of(better) < order_of(begin.best)):
            begin = _State(better.cascade, (better.title,), better.moves, better.derivation, best=better)
            gained = best is not None and least < best.passes < last
            if gained and rounds < MOST_ROUNDS and _leaves(better, name):
                rounds += 1
                todo.insert(0, name)
    return runs


def _leaves(form: Form, name: str) -> bool:
    """Return whether *form* has a loop or tiles, and reductions over the rank *name* outside of them."""
    if not {"iterate", "merge"} & set(form.moves):
        return False
    try:
        return bool(view(form.cascade, name).reductions)
    except RankError:
        return False


def _tiled(run: _Search) -> Form | None:
    """Return the split form with the fewest passes over the run's own name of a sequence, if they are fewer than before.

    Where both names of a sequence are folded at once (the loss of rows and of columns), tiles of one name alone gain nothing
    yet; those of a split form stand in no loop, so that the other name can be cut too.
    """
    before = form_of(run.begin.cascade, run.rank, "", (), None, ()).passes
    found = [form for form in run.found.values() if form.safe and "merge" in form.moves]
    narrow = [
        (form_of(form.cascade, run.rank, "", (), None, ()).passes, *order_of(form), form) for form in found
    ]
    best = min(narrow, key=lambda one: one[:-1], default=None)
    return best[-1] if best is not None and best[0] < before else None
