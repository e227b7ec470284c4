"""Einsums with what they need: inputs with their ranks, sizes, ranks that follow from others. Pieces are put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fusemax.model.shape import VECTORS, Norm

Ranks = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Some Einsums: their text, the inputs that they read with their ranks, and the sizes that a model gives these.

    ``follows`` are ranks whose size is a formula; ``said`` is what a reader should know that the Einsums do not tell.
    """

    einsums: tuple[str, ...] = ()
    inputs: Mapping[str, Ranks] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    follows: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    def __add__(self, other: Lines) -> Lines:
        return Lines(
            einsums=(*self.einsums, *other.einsums), inputs={**self.inputs, **other.inputs},
            sizes={**self.sizes, **other.sizes}, follows={**self.follows, **other.follows},
            said=(*self.said, *(text for text in other.said if text not in self.said)),
        )  # fmt: skip


def lines(*einsums: str, **more: str) -> Lines:
    """Return *einsums* with inputs told by name and ranks: ``lines("Y[p] = X[d,p]*W[d] :: sum[d]", W="D")``."""
    inputs = {name: tuple(ranks.split()) for name, ranks in more.items()}
    return Lines(einsums=einsums, inputs=inputs)


def joined(parts: Sequence[Lines]) -> Lines:
    """Return all of *parts*, in their order."""
    return sum(parts, Lines())


def normed(
    norm: Norm, source: str, to: str, index: str, over: str, weighted: str | None = None, tag: str = ""
) -> Lines:
    """Return the norm of ``source[index]`` over the variables *over*, with weights for *weighted* (*over* if not given).

    *tag* tells its inputs and inner tensors from those of other norms: the scale is ``G<tag>``, the shift ``B<tag>``.
    """
    weighted = over if weighted is None else weighted
    kept = ",".join(name for name in index.split(",") if name not in over.split(","))
    many = "*".join(name.upper() for name in over.split(","))
    many = f"({many})" if "*" in many else many
    ranks = " ".join(name.upper() for name in weighted.split(","))
    scale = f"*G{tag}[{weighted}]" if VECTORS[norm] else ""
    shift = f" + B{tag}[{weighted}]" if VECTORS[norm] == 2 else ""
    inputs = {name: ranks for name, used in ((f"G{tag}", scale), (f"B{tag}", shift)) if used}
    if norm == "rms":
        return lines(
            f"S{tag}[{kept}] = {source}[{index}]*{source}[{index}] :: sum[{over}]",
            f"{to}[{index}] = {source}[{index}]*rsqrt(S{tag}[{kept}]/{many} + eps){scale}", **inputs,
        )  # fmt: skip
    return lines(
        f"MU{tag}[{kept}] = {source}[{index}]/{many} :: sum[{over}]",
        f"VA{tag}[{kept}] = ({source}[{index}] - MU{tag}[{kept}])**2/{many} :: sum[{over}]",
        f"{to}[{index}] = ({source}[{index}] - MU{tag}[{kept}])*rsqrt(VA{tag}[{kept}] + eps){scale}{shift}", **inputs,
    )  # fmt: skip


def linear(to: str, index: str, weights: str, source: str, over: str, bias: str = "") -> Lines:
    """Return a product of *weights* with *source* over *over*, both with their indices, and a bias with its index.

    Ranks of the weights and of the bias are their variables in capitals; those of the second sequence are no input's.
    """
    name, _, inside = weights.rstrip("]").partition("[")
    inputs = {name: " ".join(variable.upper() for variable in inside.split(","))}
    if not bias:
        return lines(f"{to}[{index}] = {weights}*{source} :: sum[{over}]", **inputs)
    extra, _, own = bias.rstrip("]").partition("[")
    inputs[extra] = " ".join(variable.upper() for variable in own.split(","))
    return lines(
        f"{to}P[{index}] = {weights}*{source} :: sum[{over}]",
        f"{to}[{index}] = {to}P[{index}] + {bias}",
        **inputs,
    )
