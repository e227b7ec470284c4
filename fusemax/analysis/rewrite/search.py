"""The equivalent cascades of a cascade over a rank, best first: searches over each of its layers, and over what they leave.

Every cascade that is returned was analysed for its passes again and compared with the original by values.
"""

from __future__ import annotations

from fusemax.analysis.left_out import with_conditions_of_makers
from fusemax.analysis.passes import analyse
from fusemax.analysis.rewrite.floor import floor_of
from fusemax.analysis.rewrite.form import Form, busiest_rank, form_of
from fusemax.analysis.rewrite.given import Given, given_of
from fusemax.analysis.rewrite.lattice import FORMS, Search, State
from fusemax.analysis.rewrite.normal import RankError, view
from fusemax.analysis.rewrite.opened import told_in_loops
from fusemax.analysis.rewrite.ranking import is_better, order_of, worth_showing
from fusemax.analysis.rewrite.reduced import NotReducibleError, Reduced
from fusemax.analysis.rewrite.safety import OVERFLOWS, safety_lines
from fusemax.analysis.rewrite.strata import apart
from fusemax.analysis.rewrite.verify import Witness
from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError

ADOPTED = "sums of what a condition leaves out are taken under that condition: nothing but zeros is left out"
MOST_ROUNDS = 3  #: searches for a further loop over what the best form leaves outside of its own

__all__ = ["FORMS", "NotReducibleError", "Reduced", "UnknownFormError", "search"]


class UnknownFormError(FusemaxError):
    """A form of loops that does not exist."""


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
    begin = State(parted if len(names) > 1 else given_whole, lines=lines)
    floor = floor_of(view(cascade, rank))
    runs = _runs(begin, rank, names, forms, saved, witness, bool(floor) and start.passes > 1 and not given)
    found = {str(f.cascade): f for run in runs for f in run.found.values()}
    refused: dict[str, list[str]] = {}
    for run in runs:
        told = set(refused) if run.begin.best is not None else set[str]()
        for name, reasons in run.refused.items():
            if name not in told:
                refused.setdefault(name, []).extend(r for r in reasons if r not in refused.get(name, ()))

    for name, reason in told_in_loops(cascade, rank):
        refused.setdefault(name, []).append(reason)

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


def _runs(
    begin: State,
    rank: str,
    names: tuple[str, ...],
    forms: tuple[str, ...],
    given: Given,
    witness: Witness,
    floored: bool,
) -> list[Search]:
    """Return the searches over each of the layers *names* of a sequence, each from the best form of the one before.

    What the best form leaves outside its loops, as a second attention to the same memory, may share one in a later pass: it is
    searched once more.
    """
    runs: list[Search] = []
    todo, rounds, again = list(names), 0, ""
    least = 2 if floored else 1
    while todo:
        name = todo.pop(0)
        share = 0.5 if name == again else 1.0
        run = Search(begin, name, rank, len(names) > 1, forms, given, witness, floored, share)
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
            begin = State(better.cascade, (better.title,), better.moves, better.derivation, best=better)
            gained = best is not None and least < best.passes < last
            if gained and rounds < MOST_ROUNDS and _leaves(better, name):
                rounds, again = rounds + 1, name
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


def _tiled(run: Search) -> Form | None:
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
