"""A rewritten cascade against the original, by values.

Both are run in float64 on the same random inputs, with sizes that leave a ragged last tile. Ordinary inputs decide whether the
rewrite is right at all. Inputs that give extreme scores, large offsets and masked points decide whether it is as safe as
the original; there the rewrite may err by no more than what rounding of the inputs does to the original itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import numpy as np

from fusemax.analysis.rewrite.parts import parts
from fusemax.analysis.rewrite.trial_inputs import EXTENTS, Inputs, example_inputs, example_sizes, names_of
from fusemax.cascade.evaluate import evaluate
from fusemax.cascade.ir import Cascade, Rank
from fusemax.language.syntax import Binary, Call, Expression, Populate, accesses, children

TRIALS = "TRIALS_"  #: the batch rank of trials that are run together
TOLERANCE = 1e-10
ROUNDING = 4e-16
SLACK = 256.0
Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Trial:
    """One comparison: what inputs it used, the largest error seen, what was allowed, and whether the original gave values."""

    name: str
    error: float
    allowed: float
    defined: bool

    @property
    def passed(self) -> bool:
        """Whether the error stays within what is allowed."""
        return self.error <= self.allowed


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the trials say: *right* on ordinary inputs; *unsafe* names the kinds of input on which digits are lost.

    *where* is empty, or says which ranks have to be whole tiles for it to hold.
    """

    trials: tuple[Trial, ...]
    where: str = ""

    @property
    def right(self) -> bool:
        """Whether every ordinary trial passed, and at least one gave values to compare."""
        plain = [t for t in self.trials if t.name.startswith("random")]
        return all(t.passed for t in plain) and any(t.defined for t in plain)

    @property
    def unsafe(self) -> tuple[str, ...]:
        """The kinds of input on which the rewrite is wrong and the original is not."""
        return tuple(
            dict.fromkeys(t.name for t in self.trials if not t.passed and not t.name.startswith("random"))
        )

    @property
    def worst(self) -> float:
        """The largest error on ordinary inputs."""
        return max((t.error for t in self.trials if t.name.startswith("random") and t.defined), default=0.0)


def verify(original: Cascade, derived: Cascade, seed: int = 0, given: tuple[str, ...] = ()) -> Verdict:
    """Return how *derived* compares with *original* on every output of the original.

    *given* names inputs of the derived cascade that the original computes (results saved by an earlier cascade).
    """
    return Witness(original, seed, given).verdict(derived)


KINDS: Mapping[str, Callable[[Inputs, np.random.Generator], Inputs]] = {
    "random": lambda inputs, _: inputs,
    "random, positive": lambda inputs, _: {n: np.abs(a) + 0.1 if _real(a) else a for n, a in inputs.items()},
    "extreme scores (inputs x 1e2)": lambda inputs, _: _scaled(inputs, 1e2),
    "extreme scores (inputs x 1e4)": lambda inputs, _: _scaled(inputs, 1e4),
}


def _real(array: Array) -> bool:
    return bool(np.any(array != np.round(array)))


def _scaled(inputs: Inputs, factor: float) -> Inputs:
    return {name: array * factor if _real(array) else array for name, array in inputs.items()}


@dataclass(frozen=True, slots=True)
class _Case:
    """Inputs of one trial with what the original makes of them, and how much rounding of the inputs moves that."""

    kind: str
    inputs: Inputs
    sizes: Mapping[str, int]
    tile: int
    expected: Inputs
    allowed: float

    @property
    def plain(self) -> bool:
        """Whether its inputs are ordinary ones, on which a rewrite has to be right at all."""
        return self.kind.startswith("random")


class Witness:
    """The original on the inputs of every trial, to hold any number of rewritten cascades against."""

    def __init__(
        self, original: Cascade, seed: int = 0, given: tuple[str, ...] = (), ragged: bool = True
    ) -> None:
        self.original, self.seed, self.given, self.ragged = original, seed, given, ragged
        self.lists = {
            e.outputs[0].tensor: e.outputs[1].tensor
            for e in original.computed
            if isinstance(e.action, Populate) and len(e.outputs) == 2
        }
        self.cases: list[_Case] = []
        for number, extents in enumerate(EXTENTS):
            random = np.random.default_rng(seed + number)
            sizes = example_sizes(original, extents, ragged)
            inputs = example_inputs(original, sizes, random)
            for kind, change in KINDS.items():
                if kind.startswith("random") or number == 0:
                    self._add(kind, change(inputs, random), sizes, extents[0])
            if number == 0:
                self._offsets(inputs, sizes, extents[0])
                self._masked(inputs, sizes, extents[0])
        plain = [case for case in self.cases if case.plain]
        of_a_size = groupby(plain, key=lambda case: case.tile)
        self.batches = (
            *(tuple(cases) for _, cases in of_a_size),
            tuple(case for case in self.cases if not case.plain),
        )

    @cached_property
    def _groups(self) -> tuple[str, ...]:
        """The ranks of the original that its own text divides, each with its parts."""
        return tuple(f"{r.name} = {'*'.join(parts(r))}" for r in self.original.ranks.values() if parts(r))

    @cached_property
    def _even(self) -> Witness:
        """The original with whole groups and tiles alone."""
        return Witness(self.original, self.seed, self.given, ragged=False)

    def verdict(self, derived: Cascade) -> Verdict:
        """Return how *derived* compares; a cascade that is wrong on ordinary inputs is not tried any further.

        What is wrong with a short last group or tile alone is right on a condition: a mean over ``J*S`` of
        ``X[g*J+j,s]`` takes every group to have J rows.
        """
        found = self._verdict(derived)
        if found.right or not self.ragged or not self._groups:
            return found
        even = self._even.verdict(derived)
        return replace(even, where=f"{', '.join(self._groups)} exactly") if even.right else found

    def _verdict(self, derived: Cascade) -> Verdict:
        trials: list[Trial] = []
        ranks = {TRIALS: Rank(name=TRIALS), **derived.ranks}
        batch = replace(derived, ranks=ranks, batch=(TRIALS, *derived.batch))
        for cases in self.batches:
            for case, actual in zip(cases, _values(derived, batch, cases, self.given), strict=True):
                ties = {} if case.plain else self.lists
                if not case.plain and self._chooses_among_equals(case.expected):
                    actual = {
                        n: np.where(np.isfinite(a), case.expected[n], a)
                        for n, a in actual.items()
                        if n in self.original.outputs
                    }
                error, defined = _error(case.expected, actual, self.original.outputs, ties)
                trials.append(Trial(case.kind, error, case.allowed, defined))
                if case.plain and not trials[-1].passed:
                    return Verdict(tuple(trials))
        return Verdict(tuple(trials))

    def _add(self, kind: str, inputs: Inputs, sizes: Mapping[str, int], tile: int) -> None:
        expected = _run(self.original, inputs, sizes)
        allowed = TOLERANCE
        if kind != "random":
            random = np.random.default_rng(11)
            near = {
                n: a * (1 + ROUNDING * random.choice((-1, 1), a.shape)) if _real(a) else a
                for n, a in inputs.items()
            }
            allowed += SLACK * _error(expected, _run(self.original, near, sizes), self.original.outputs)[0]
        self.cases.append(_Case(kind, inputs, sizes, tile, expected, allowed))

    def _offsets(self, inputs: Inputs, sizes: Mapping[str, int], tile: int) -> None:
        moved = {name: array + 1e4 for name, array in inputs.items() if _real(array)}
        for name, array in moved.items():
            self._add(f"large offset ({name} + 1e4)", {**inputs, name: array}, sizes, tile)
        if len(moved) > 1:
            self._add("large offset (all inputs + 1e4)", {**inputs, **moved}, sizes, tile)

    def _masked(self, inputs: Inputs, sizes: Mapping[str, int], tile: int) -> None:
        """Add trials with points of each input at minus infinity: some, a run at the start, and everything.

        Only those count for which the original still gives finite results at half of its outputs or more, and for which they
        are results: neither divided by an infinite value (the norm of infinite values) nor chosen among undefined ones.
        """
        for name, array in inputs.items():
            if not array.ndim or not _real(array):
                continue
            for part, mask in _masks(array).items():
                changed = {**inputs, name: np.where(mask, -np.inf, array)}
                expected = _run(self.original, changed, sizes)
                finite = min(np.mean(np.isfinite(expected[o])) for o in self.original.outputs) >= 0.5
                if finite and not self._is_no_mask(expected):
                    kind = f"masked points ({name}, {part})"
                    self.cases.append(_Case(kind, changed, sizes, tile, expected, 10 * TOLERANCE))

    def _is_no_mask(self, values: Inputs) -> bool:
        """Return whether the original, whose tensors have these *values*, divides by infinity or lists what is undefined."""
        divides = any(np.any(np.isinf(values[name])) for name in self._divisors)
        return divides or any(np.any(np.isnan(values[name])) for name in self._listed)

    def _chooses_among_equals(self, values: Inputs) -> bool:
        """Return whether places are listed of equal values, as of weights that are all 0: any are as good as others."""
        listed = (np.sort(np.ravel(values[name])) for name in self._listed)
        return any(np.any(np.isfinite(a[1:]) & (a[1:] == a[:-1])) for a in listed)

    @cached_property
    def _divisors(self) -> frozenset[str]:
        """What the original computes and divides by."""
        inside = (
            a.tensor for e in self.original.computed for d in divisors(e.expression) for a in accesses(d)
        )
        return frozenset(inside) - set(self.original.inputs)

    @cached_property
    def _listed(self) -> frozenset[str]:
        """What a list of places alone is made of, as of an argmax: it has values where those have none."""
        lists = (e for e in self.original.computed if isinstance(e.action, Populate) and len(e.outputs) == 1)
        return frozenset(access.tensor for e in lists for access in accesses(e.expression))


def divisors(expression: Expression) -> Iterator[Expression]:
    """Yield what *expression* divides by, roots included."""
    if isinstance(expression, Binary) and expression.operator == "/":
        yield expression.right
    if isinstance(expression, Call) and expression.function == "rsqrt":
        yield expression.arguments[0]
    for child in children(expression):
        yield from divisors(child)


def _values(
    derived: Cascade, batch: Cascade, cases: Sequence[_Case], given: tuple[str, ...]
) -> Iterator[Inputs]:
    """Yield what *derived* makes of the inputs of each case, all of one shape: they are run together, as a *batch* of it."""
    if not cases:
        return
    known = names_of(derived)
    sizes = {n: s for n, s in cases[0].sizes.items() if n in known}
    tiles = [part for rank in derived.ranks.values() for part in parts(rank)[1:]]
    sizes = {**dict.fromkeys(tiles, cases[0].tile), **sizes}
    inputs = [
        {n: case.expected[n] if n in given else case.inputs[n] for n in derived.inputs} for case in cases
    ]
    together = {name: np.stack([one[name] for one in inputs]) for name in derived.inputs}
    values = _run(batch, together, sizes)
    for number in range(len(cases)):
        yield {name: values[name][number] for name in derived.tensors}


def _run(cascade: Cascade, inputs: Inputs, sizes: Mapping[str, int]) -> Inputs:
    """Return the values of *cascade*; sizes that the inputs tell already are left to them."""
    told = {rank for name in cascade.inputs for rank in cascade.tensors[name].ranks}
    return evaluate(cascade, inputs, {n: s for n, s in sizes.items() if n not in told})


def _masks(array: Array) -> dict[str, Array]:
    """Return masks over an input: points here and there, the first half of each axis, and the whole of one row."""
    random = np.random.default_rng(5)
    masks = {"scattered": random.random(array.shape) < 0.3}
    for axis, extent in enumerate(array.shape):
        shape = [1] * array.ndim
        shape[axis] = extent
        lead = np.broadcast_to(np.arange(extent).reshape(shape) < (extent + 1) // 2, array.shape)
        masks[f"first half of axis {axis + 1}"] = lead
        masks[f"a row of axis {axis + 1}"] = np.broadcast_to(
            np.arange(extent).reshape(shape) == 0, array.shape
        )
    return masks


def _error(
    expected: Inputs, actual: Inputs, outputs: tuple[str, ...], lists: Mapping[str, str] | None = None
) -> tuple[float, bool]:
    """Return the largest error relative to each output's size where the original is finite, and whether it is anywhere.

    *lists* names, for an output of places in a list, the values there: among equal values any place will do.
    """
    worst, defined = 0.0, False
    for name in outputs:
        finite = np.isfinite(expected[name])
        values = expected.get((lists or {}).get(name, ""))
        if values is not None:
            finite &= ~_tied(values) & ~np.isnan(values)
        if not np.any(finite):
            continue
        defined = True
        scale = max(1e-300, float(np.max(np.abs(expected[name][finite]))))
        difference = np.abs(
            np.where(finite, actual[name], 0.0) - np.where(finite, expected[name], 0.0)
        ) / max(scale, 1.0)
        worst = max(worst, float(np.max(np.where(np.isnan(difference), np.inf, difference))))
    return worst, defined


def _tied(values: Array) -> Array:
    """Return where a value of a list, over the last axis, is that of a neighbour or may be that of one left out."""
    equal = values[..., 1:] == values[..., :-1]
    false = np.zeros((*values.shape[:-1], 1), dtype=bool)
    tied: Array = np.concatenate((false, equal), axis=-1) | np.concatenate((equal, false), axis=-1)
    return tied | (values == values[..., -1:])
