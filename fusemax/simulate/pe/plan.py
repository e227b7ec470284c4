"""Sizes, tiles and figures of one run as plain numbers: what a machine has, and how large a tile may be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fusemax.cascade.sizes import resolve_sizes
from fusemax.errors import FusemaxError
from fusemax.language.formula import formula_names
from fusemax.language.syntax import Number
from fusemax.language.value import finite_value_of, value_of
from fusemax.machine import Machine, figures
from fusemax.mapping.build import tile_expression
from fusemax.mapping.given import sizes_given
from fusemax.mapping.nest import Digit, Mapped, Nest
from fusemax.mapping.refused import check_figures
from fusemax.mapping.spec import Fit
from fusemax.simulate.pe.walk import Walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The sizes of all ranks and digits of a nest, and the machine's figures, all as plain numbers."""

    sizes: Mapping[str, int]
    digit_sizes: Mapping[str, int]
    figures: Mapping[str, float]

    def whole(self, figure: str, what: str) -> int:
        """Return a figure that has to be a whole number of at least 1, such as the rows of an array."""
        value = self.figures[figure]
        if value < 1 or value != int(value):
            raise FusemaxError(f"{figure} = {value:g}: {what} must be a whole number of at least 1")
        return int(value)


def figure_values(machine: Machine, changed: Mapping[str, float]) -> dict[str, float]:
    """Return every figure of *machine*, with some *changed*.

    Raises
    ------
    FusemaxError
        Naming the changed figures that the machine does not have.
    """
    known = figures(machine)
    check_figures(changed, known)
    values = {name: value.value for name, value in known.items() if isinstance(value, Number)} | dict(changed)
    waiting = {name: value for name, value in known.items() if name not in values}
    progress = True
    while waiting and progress:
        progress = False
        for name, value in list(waiting.items()):
            if all(used in values for used in formula_names(value)):
                values[name] = value_of(value, values)
                del waiting[name]
                progress = True
    return values


def numbers_of(
    mapped: Mapped, machine: Machine, nest: Nest, given: Mapping[str, int], changed: Mapping[str, float]
) -> Numbers:
    """Return all numbers of *nest* for the *given* sizes and *changed* figures; tiles that fit a level are found by trying."""
    values = figure_values(machine, changed)
    sizes_given(mapped, [root.size_name for root in nest.roots.values()], given)
    tiles = {d.size_name for root in nest.roots.values() for d in root.digits if d.rule is not None}
    extra = {n: 1 for n in tiles if n in mapped.cascade.size_symbols() and n not in given}
    sizes = resolve_sizes(mapped.cascade, {**extra, **given}, extra)
    known = {**values, **sizes}
    digit_sizes: dict[str, int] = {}
    fits: list[Digit] = []
    for root in nest.roots.values():
        for digit in root.digits:
            if isinstance(digit.rule, Fit):
                fits.append(digit)
            elif digit.rule is not None:
                digit_sizes[digit.name] = int(finite_value_of(tile_expression(digit.rule), known))
    for position, digit in enumerate(fits):
        later = {other.name: 1 for other in fits[position + 1 :]}
        digit_sizes[digit.name] = _fitted(
            mapped, machine, nest, digit, sizes, {**digit_sizes, **later}, values
        )
    return Numbers(sizes=sizes, digit_sizes=digit_sizes, figures=values)


def _fitted(
    mapped: Mapped, machine: Machine, nest: Nest, digit: Digit, sizes: Mapping[str, int],
    digit_sizes: Mapping[str, int], values: Mapping[str, float],
) -> int:  # fmt: skip
    """Return the largest admissible size of *digit* with which everything kept at its level fits; 1 if none does."""
    rule = digit.rule
    assert isinstance(rule, Fit)
    root = nest.root_of(digit.name)
    inner = math.prod(digit_sizes[d.name] for d in root.inner_to(digit.name))
    count = -(-sizes[root.size_name] // inner)
    for size in reversed(_admissible(count, rule.kind)):
        walk = Walk(mapped, machine, nest, sizes, {**digit_sizes, digit.name: size})
        if occupied_B(walk, rule.level, values) <= values[f"{rule.level}.size"]:
            return size
    return 1


def _admissible(count: int, kind: str) -> Sequence[int]:
    if kind == "divisors":
        return [d for d in range(1, count + 1) if count % d == 0]
    if kind == "power_of_two":
        return [2**n for n in range(count.bit_length())]
    return range(1, count + 1)


def occupied_B(walk: Walk, level: str, values: Mapping[str, float]) -> float:  # noqa: N802 - the unit is a byte
    """Return the bytes that all tiles kept at *level* take; tensors that share a place count once."""
    kept = {(r.level, r.tensor) for r in walk.nest.residences if not r.staged}
    total, shared = 0.0, {}
    for residence in walk.nest.residences:
        if residence.level != level or residence.buffers == 0:
            continue
        if residence.staged and (level, residence.tensor) in kept:
            continue
        size = walk.room(residence) * residence.buffers * word_B(walk.mapped, residence.tensor, values)
        group = next((group for group in walk.mapped.in_place if residence.tensor in group), None)
        if group is None:
            total += size
        else:
            shared[group] = max(shared.get(group, 0.0), size)
    return total + sum(shared.values())


def word_B(mapped: Mapped, tensor: str, values: Mapping[str, float]) -> float:  # noqa: N802
    """Return the bytes of one word of *tensor*."""
    own = mapped.words.get(tensor)
    return values["word"] if own is None else value_of(tile_expression(own), values)
