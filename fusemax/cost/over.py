"""Sums over the tiles in which a body has something to do: all of them, or those that its condition touches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import sympy

from fusemax.cost.extents import Extents
from fusemax.cost.region import Region
from fusemax.cost.residences import Residences
from fusemax.errors import Place, Problem, ProblemsError
from fusemax.mapping.nest import Body


class Over(Residences):
    """Sums what bodies of one nest do, or of one kind of its tasks."""

    def over(
        self, body: Body, digits: Iterable[str], value: Callable[[Extents], sympy.Expr],
        ends: Collection[tuple[str, str]] = (),
    ) -> sympy.Expr:  # fmt: skip
        """Return the sum of *value* over the tiles named by *digits* in which *body* has something to do.

        *value* is given the extents inside such a tile: all in one without a condition, of each kind of pair with one. Of two
        roots in *ends* the second one, under a region, ends where a tile of the first does.
        """
        band = self.bands[body.node]
        if band is None:
            return value(self.extents)
        digits = frozenset(digits)
        kinds = (
            band.kinds(self.extents, digits, ends)
            if isinstance(band, Region)
            else band.kinds(self.extents, digits)
        )
        if kinds is None:
            text = f"the cost of {body.einsums[0]} under its condition is not known for loops that leave out a digit"
            raise self._refused(body, text, "loop over the digits outside of it too")
        return sympy.Add(*(count * value(inside) for count, inside in kinds))

    def _refused(self, body: Body, text: str, hint: str) -> ProblemsError:
        place = self.mapped.einsum(body.einsums[0]).place or Place("<cascade>", 1, 1)
        return ProblemsError([Problem(place, text, hint)])

    def _home(self, tensor: str, node: tuple[int, ...]) -> str:
        around = self._around(tensor, node)
        return around[-1].level if around else self.machine.outermost
