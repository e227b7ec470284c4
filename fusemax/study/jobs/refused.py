"""Points that a study may not have: sizes that are no whole numbers, places beyond their ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fusemax.cascade.ir import Cascade
from fusemax.cascade.sizes import SizeError
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Binary, Expression, Name, Number
from fusemax.language.value import is_size, size_fault
from fusemax.study.spec.axis import Axis
from fusemax.study.spec.condition import Condition
from fusemax.study.spec.outside import names_in
from fusemax.study.spec.points import Point
from fusemax.study.spec.reached import TooManyError, values_at


class FractionError(FusemaxError):
    """A formula of the study that makes the size *name* no whole number."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        super().__init__(text)


def refuse_fractions(
    point: Point, tables: Sequence[Mapping[str, float]], axes: Sequence[Axis], known: Mapping[str, float],
    formulas: Mapping[str, Expression], where: Mapping[int, Condition],
) -> None:  # fmt: skip
    """Raise FusemaxError where a formula of the study makes a size that is no whole number, and no condition may leave it out.

    Where there are too many values to be looked at, the rows say it.
    """
    for name, rule in point.formulas.items():
        try:
            for at, value in values_at(rule, tables, axes, known, formulas):
                if not is_size(value) and not _left_out(at, where):
                    said = ", ".join(f"{n} = {v:g}" for n, v in at.items())
                    text = f"{name} = {rule} = {value:g} is not {size_fault(value)} at {said}"
                    hint = "leave such points out with a condition under 'where'"
                    raise FractionError(name, f"{text}\n  hint: {hint}")
        except (KeyError, TooManyError):
            continue


def refuse_places(
    cascade: Cascade, tables: Sequence[Mapping[str, float]], axes: Sequence[Axis], known: Mapping[str, float],
    formulas: Mapping[str, Expression], where: Mapping[int, Condition],
) -> None:  # fmt: skip
    """Raise SizeError where a swept size has no place that the cascade names (``N[2,m]``), and no condition may leave it out.

    Where there are too many values to be looked at, or a size follows from others, nothing is said.
    """
    for access, rank, index in cascade.fixed_places:
        more = rank in cascade.tensors[access.tensor].generations
        beyond = Binary("-", Binary("-", Name(rank), index), Number(0.0 if more else 1.0))
        for rule, wrong in ((beyond, "beyond the last place of"), (index, "before the first place of")):
            try:
                for at, value in values_at(rule, tables, axes, known, formulas):
                    if value < 0 and not _left_out(at, where):
                        said = ", ".join(f"{n}={v:g}" for n, v in at.items())
                        hint = "leave such points out with a condition under 'where'"
                        raise SizeError(
                            f"{access} is not there: {wrong} rank {rank} at {said}\n  hint: {hint}"
                        )
            except (KeyError, TooManyError):
                continue


def _left_out(at: Mapping[str, float], where: Mapping[int, Condition]) -> bool:
    """Return whether a condition leaves the point out, or may: one on more than what is known of it."""
    return any(not names_in(condition) <= set(at) or not condition.holds(at) for condition in where.values())
