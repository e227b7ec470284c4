"""A rewritten cascade against the original, by values.

Both are run in float64 on the same random inputs, with sizes that leave a ragged last tile. Ordinary inputs decide whether the
rewrite is right at all. Inputs that give extreme scores, large offsets and masked points decide whether it is as safe as
the original; there the rewrite may err by no more than what rounding of the inputs does to the original itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from fusemax.cascade.evaluate import evaluate
from fusemax.cascade.ir import Cascade
from fusemax.cascade.sizes import SizeError, resolve_sizes
from fusemax.language.syntax import accesses, names

TOLERANCE = 1e-10
ROUNDING = 4e-16
SLACK = 256.0
Array = np.ndarray
Inputs = dict[str, Array]


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
    """What the trials say: *right* on ordinary inputs; *unsafe* names the kinds of input on which digits are lost."""

    trials: tuple[Trial, ...]

    @property
    def right(self) -> bool:
        """Whether every ordinary trial passed, and at least one gave values to compare."""
        plain = [t for t in self.trials if t.name.startswith("random")]
        return all(t.passed for t in plain) and any(t.defined for t in plain)

    @property
    def unsafe(self) -> tuple[str, ...]:
        """The kinds of input on which the rewrite is wrong and the original is not."""
        return tuple(dict.fromkeys(t.name for t in self.trials if not t.passed and not t.name.startswith("random")))

    @property
    def worst(self) -> float:
        """The largest error on ordinary inputs."""
        return max((t.error for t in self.trials if t.name.startswith("random") and t.defined), default=0.0)


def verify(original: Cascade, derived: Cascade, seed: int = 0, given: tuple[str, ...] = ()) -> Verdict:
    """Return how *derived* compares with *original* on every output of the original.

    *given* names inputs of the derived cascade that the original computes (results saved by an earlier cascade).
    """
    runner = _Runner(original, derived, given)
    trials: list[Trial] = []
    for number, extents in enumerate(EXTENTS):
        random = np.random.default_rng(seed + number)
        sizes = example_sizes(original, derived, extents)
        inputs = example_inputs(original, sizes, random)
        for kind, change in KINDS.items():
            if kind.startswith("random") or number == 0:
                trials.append(runner.trial(kind, change(inputs, random), sizes))
        if number == 0:
            trials += [runner.trial(f"large offset ({n} + 1e4)", {**inputs, n: a + 1e4}, sizes) for n, a in inputs.items() if _real(a)]
            trials += runner.masked(inputs, sizes)
    return Verdict(tuple(trials))


#: Extents of ranks for the trials: those of tiles, then the others in turn.
EXTENTS = ((2, (5, 3, 4, 6)), (3, (7, 4, 2, 5)), (4, (6, 5, 3, 2)))

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


def example_sizes(original: Cascade, derived: Cascade, extents: tuple[int, tuple[int, ...]]) -> dict[str, int]:
    """Return small sizes for the ranks of both cascades, such that tiles do not divide the ranks that they tile."""
    tile, others = extents
    sizes: dict[str, int] = {}
    wanted = list(dict.fromkeys((*original.size_symbols(), *derived.size_symbols())))
    tiled = {r.name: names(r.size) for c in (original, derived) for r in c.ranks.values() if r.size is not None}
    for number, name in enumerate(wanted):
        if name in tiled:
            continue
        sizes[name] = others[number % len(others)]
    for whole, parts in tiled.items():
        if len(parts) == 2:
            sizes.pop(parts[0], None)
            sizes[parts[1]] = tile
            sizes[whole] = 2 * tile + 1 + tile // 3 if tile > 1 else 3
    for group in original.same:
        chosen = max(sizes.get(name, 0) for name in group)
        sizes.update({name: chosen for name in group if name in original.ranks and name not in _derived(original)})
    return sizes


def _derived(cascade: Cascade) -> set[str]:
    return {n for r in cascade.ranks.values() if r.size is not None for n in names(r.size)}


def example_inputs(cascade: Cascade, sizes: Mapping[str, int], random: np.random.Generator) -> Inputs:
    """Return normal random inputs, and whole numbers within range for inputs that are used as indices."""
    known = resolve_sizes(cascade, {n: s for n, s in sizes.items() if n in _names_of(cascade)})
    flat = cascade.batched()
    indices = _index_inputs(cascade)
    result: Inputs = {}
    for name in cascade.inputs:
        shape = [known[rank] for rank in flat.tensors[name].ranks]
        if name in indices:
            bound = min((known[r] for r in indices[name]), default=2)
            result[name] = random.integers(0, max(1, bound), shape).astype(float)
        else:
            result[name] = random.normal(size=shape)
    return result


def _names_of(cascade: Cascade) -> set[str]:
    return {*cascade.ranks, *cascade.size_symbols()}


def _index_inputs(cascade: Cascade) -> dict[str, tuple[str, ...]]:
    """Return inputs read inside an index, with the ranks whose size bounds them."""
    found: dict[str, tuple[str, ...]] = {}
    for einsum in cascade.einsums:
        for access in einsum.reads:
            for rank, index in zip(cascade.tensors[access.tensor].ranks, access.indices, strict=True):
                for inner in accesses(index):
                    size = cascade.ranks[rank].size
                    bounds = names(size)[:1] if size is not None else (rank,)
                    found[inner.tensor] = (*found.get(inner.tensor, ()), *bounds)
    return found


class _Runner:
    """Runs both cascades on the same inputs."""

    def __init__(self, original: Cascade, derived: Cascade, given: tuple[str, ...]) -> None:
        self.original, self.derived, self.given = original, derived, given

    def outputs(self, cascade: Cascade, inputs: Inputs, sizes: Mapping[str, int], known: Inputs | None = None) -> Inputs:
        mine = {n: inputs[n] for n in cascade.inputs if n in inputs}
        mine |= {n: known[n] for n in self.given if known is not None and n in cascade.inputs}
        wanted = {n: s for n, s in sizes.items() if n in _names_of(cascade)}
        try:
            return evaluate(cascade, mine, wanted)
        except SizeError:
            present = {r for n in mine for r in cascade.batched().tensors[n].ranks}
            return evaluate(cascade, mine, {n: s for n, s in wanted.items() if n not in present})

    def trial(self, kind: str, inputs: Inputs, sizes: Mapping[str, int]) -> Trial:
        """Return the comparison on *inputs*; the allowance grows with the original's own sensitivity to rounding."""
        expected = self.outputs(self.original, inputs, sizes)
        actual = self.outputs(self.derived, inputs, sizes, expected)
        error, defined = _error(expected, actual, self.original.outputs)
        if error <= TOLERANCE or kind == "random":
            return Trial(kind, error, TOLERANCE, defined)
        random = np.random.default_rng(11)
        moved = {n: a * (1 + ROUNDING * random.choice((-1, 1), a.shape)) if _real(a) else a for n, a in inputs.items()}
        sensitivity, _ = _error(expected, self.outputs(self.original, moved, sizes), self.original.outputs)
        return Trial(kind, error, TOLERANCE + SLACK * sensitivity, defined)

    def masked(self, inputs: Inputs, sizes: Mapping[str, int]) -> list[Trial]:
        """Return trials with points of each input at minus infinity: some, a run at the start, and everything.

        Only those count for which the original still gives finite results at half of its outputs or more.
        """
        trials = []
        for name, array in inputs.items():
            if not array.ndim or not _real(array):
                continue
            for part, mask in _masks(array).items():
                changed = {**inputs, name: np.where(mask, -np.inf, array)}
                expected = self.outputs(self.original, changed, sizes)
                if min(np.mean(np.isfinite(expected[o])) for o in self.original.outputs) < 0.5:
                    continue
                actual = self.outputs(self.derived, changed, sizes, expected)
                error, defined = _error(expected, actual, self.original.outputs)
                trials.append(Trial(f"masked points ({name}, {part})", error, 1e-9, defined))
        return trials


def _masks(array: Array) -> dict[str, Array]:
    """Return masks over an input: points here and there, the first half of each axis, and the whole of one row."""
    random = np.random.default_rng(5)
    masks = {"scattered": random.random(array.shape) < 0.3}
    for axis, extent in enumerate(array.shape):
        shape = [1] * array.ndim
        shape[axis] = extent
        lead = np.broadcast_to(np.arange(extent).reshape(shape) < (extent + 1) // 2, array.shape)
        masks[f"first half of axis {axis + 1}"] = lead
        masks[f"a row of axis {axis + 1}"] = np.broadcast_to(np.arange(extent).reshape(shape) == 0, array.shape)
    return masks


def _error(expected: Inputs, actual: Inputs, outputs: tuple[str, ...]) -> tuple[float, bool]:
    """Return the largest error relative to each output's size where the original is finite, and whether it is anywhere."""
    worst, defined = 0.0, False
    for name in outputs:
        finite = np.isfinite(expected[name])
        if not np.any(finite):
            continue
        defined = True
        scale = max(1e-300, float(np.max(np.abs(expected[name][finite]))))
        difference = np.abs(np.where(finite, actual[name], 0.0) - np.where(finite, expected[name], 0.0)) / max(scale, 1.0)
        worst = max(worst, float(np.max(np.where(np.isnan(difference), np.inf, difference))))
    return worst, defined
