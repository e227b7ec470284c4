"""How much there is to do at least, for every range of sizes of the open tiles: points of Einsums, words of tensors.

No figure of a machine is in it, so that all machines of a grid share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fusemax.language.syntax import Access
from fusemax.search.facts import Facts
from fusemax.search.useful import Case, cases_of, useful_points
from fusemax.search.words import touched, written

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Amounts:
    """Points and words, float64[cases] each, of the cascade of *facts*; what was asked for once is known."""

    facts: Facts
    cases: tuple[Case, ...]
    known: dict[tuple[str, frozenset[str]], Array] = field(default_factory=dict)

    def points(self, einsum: str, variables: frozenset[str]) -> Array:
        """Return the points of *variables* at which *einsum* has something to do: float64[cases]."""
        key = (einsum, variables)
        if key not in self.known:
            self.known[key] = np.array([useful_points(self.facts, *key, case) for case in self.cases])
        return self.known[key]

    def words(self, segment: Sequence[str]) -> dict[str, Array]:
        """Return, by tensor, the words that must come in from, or go out to, the outermost level: float64[cases]."""
        cascade, inside = self.facts.cascade, set(segment)
        made = {o.tensor for name in segment for o in self.facts.einsum(name).outputs}
        words: dict[str, Array] = {}

        def moved(name: str, access: Access, variables: frozenset[str]) -> None:
            least = self.points(name, variables)
            words[access.tensor] = np.maximum(least, words.get(access.tensor, 0.0))

        for name in segment:
            einsum = self.facts.einsum(name)
            for access in einsum.reads:
                if access.tensor not in made:
                    moved(name, access, touched(self.facts, access))
            for access in einsum.outputs:
                readers = {reader.name for reader in cascade.readers(access.tensor)}
                if access.tensor in cascade.outputs or readers - inside:
                    moved(name, access, written(self.facts, access))
        return words


def amounts_of(facts: Facts, coarse: bool = False) -> Amounts:
    """Return the amounts of *facts*, in narrow ranges of sizes or in *coarse* ones; once for equal cascades and sizes."""
    found = facts.amounts.get(coarse)
    if not isinstance(found, Amounts):
        found = Amounts(facts, tuple(cases_of(facts, coarse)))
        facts.amounts[coarse] = found
    return found
