"""Members of the cone of a tensor, and the visits that read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from fusemax.analysis.kept import Kept
from fusemax.analysis.plain import Node, Variable
from fusemax.errors import Place

Trace = tuple  # ("at", position, offset) | ("start", c) | ("end", c) | ("lost",)
Stands = frozenset[tuple[int, tuple[str, float, float]]]
LOST: Trace = ("lost",)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A condition that leaves coordinates of the fibre out, in words; and the end of the others at which it leaves none.

    ``meets`` says whether every coordinate of the fibre meets it for some place of the others: "alone", "diagonal" where
    it does at the same place, so that several such conditions are met at once; empty for neither.
    """

    words: tuple[str, ...]
    end: str | None = field(default=None, compare=False)
    meets: str = field(default="", compare=False)

    def mentions(self, coordinate: int) -> bool:
        """Return whether the condition is on that coordinate."""
        return f"<{coordinate}>" in self.words


def folded_names(node: Node, folded: Set[str], names: Mapping[str, str]) -> dict[str, str]:
    """Return names for the *folded* variables of *node*: what their conditions leave out is what no place of them meets.

    A name holds all conditions on its variable, in terms of *names*, so that it is the same wherever they stand together.
    """
    found: dict[str, str] = {}
    for name in sorted(folded):
        on_it = [one for one in node.filters if name in one.variables]
        if any(folded & set(one.variables) - {name} for one in on_it):
            continue
        told = sorted(" ".join(one.renamed({**names, name: "it"})) for one in on_it)
        found[name] = f"<any: {', '.join(told)}>"
    return found


@dataclass(frozen=True, slots=True)
class Member:
    """A tensor of the cone: where ρ stands in its indices, how far shifted, and where the others went.

    ``whose`` is X where that is a state, ``first`` are the positions of ρ in it, ``ranks`` is how many X has: traces beyond
    those follow coordinates that are not X's own, of Einsums whose conditions tie them to ρ. ``states`` says whether X is a
    state along ρ; ``narrowed`` are conditions that leave some of ρ out, and ``cut`` says whether a shift on the way has.
    ``running`` says that each element also carries all that came before it along ρ, as a running sum does ("before"), or all
    after it ("after"), as one does that runs down. ``kept`` tells in intervals what of ρ is left, ``stands`` where
    the fibre's other coordinates have to be for it: how far from them, and how far that is from an end of the rank.
    """

    tensor: str
    positions: tuple[int, ...]
    offsets: tuple[int, ...]
    traces: tuple[Trace, ...]
    whose: str
    first: tuple[int, ...]
    ranks: int
    narrowed: frozenset[Narrowing] = frozenset()
    states: tuple[bool, ...] = ()
    cut: bool = False
    running: frozenset[str] = frozenset()
    stands: Stands = frozenset()
    kept: Kept | None = None

    def shape(self, generation: int | None) -> tuple[object, ...]:
        """Return what tells members apart; later generations of a state (at index *generation*) are the same member."""
        return (
            self.tensor,
            self.positions,
            self.offsets,
            tuple(t[:2] if t[0] == "at" and t[1] == generation else t for t in self.traces),
            self.cut,
            self.running,
            self.stands,
        )

    def loses(self, along: Sequence[Variable]) -> bool:
        """Return whether an Einsum that reads this at the indices *along* leaves out some of the fibre.

        It reads coordinate c at its own c + offset - index.offset, and runs as far as the rank; a state's first and
        last generation may be left out.
        """
        return any(
            index.offset - offset not in ((0, 1) if state else (0,))
            for offset, index, state in zip(self.offsets, along, self.states, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """An Einsum that reads a member of the cone along ρ.

    Attributes
    ----------
    variables
        The Einsum's variables that run along ρ.
    fixed
        Variables that a coordinate of the fibre fixes: ``(variable, coordinate of X, offset)``.
    constants
        Coordinates of the fibre that the read fixes: ``(coordinate of X, "start" or "end", position)``.
    narrowed
        Conditions under which the tensor that it reads was written, in words.
    inner
        Variables over which the whole of the visit runs besides ρ.
    complete
        Whether every coordinate of ρ is visited as far as the index tells.
    shifted
        Whether the fibre's coordinates are read away from those of the Einsum, so that its conditions hold for others.
    stands
        Where the fibre's coordinates have to be for the member that it reads, as in :class:`Member`.
    point
        Whether a single element is read that carries the whole fibre: that of a running value at the end that it runs to.
    """

    number: int
    einsum: str
    tensor: str
    variables: tuple[str, ...]
    fixed: tuple[tuple[str, int, int], ...]
    constants: tuple[tuple[int, str, int], ...]
    inner: frozenset[str]
    narrowed: frozenset[Narrowing]
    complete: bool
    place: Place | None
    shifted: bool = False
    point: bool = False
    stands: Stands = frozenset()

    @property
    def narrowed_words(self) -> frozenset[tuple[str, ...]]:
        """The conditions in ``narrowed``, in words."""
        return frozenset(one.words for one in self.narrowed)
