"""Results that an earlier cascade saved: known values that a rewrite may use instead of computing them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fusemax.cascade.build import cascade_from_text
from fusemax.cascade.ir import Cascade, Einsum, Tensor
from fusemax.cascade.write import cascade_to_yaml
from fusemax.errors import FusemaxError
from fusemax.language.parse import parse
from fusemax.language.syntax import Loop
from fusemax.source import Text


class GivenError(FusemaxError):
    """A given result that is not an Einsum of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Saved results.

    Attributes
    ----------
    reference
        The cascade that computes them as well; its outputs are those of the cascade to be reduced.
    einsums, tensors
        The Einsums that made the results, and the tensors that hold them.
    """

    reference: Cascade
    einsums: tuple[Einsum, ...] = ()
    tensors: tuple[Tensor, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the saved results."""
        return tuple(tensor.name for tensor in self.tensors)


def given_of(cascade: Cascade, texts: tuple[str, ...]) -> Given:
    """Return the saved results of *cascade*, each written as the Einsum that made it.

    Raises
    ------
    GivenError
        When one is a loop, or bears the name of a tensor of the cascade.
    """
    if not texts:
        return Given(reference=cascade)
    statements = parse(Text("\n".join(texts), "--given")).statements
    names: list[str] = []
    for statement in statements:
        if isinstance(statement, Loop):
            raise GivenError("a given result is one Einsum, not a loop")
        name = statement.outputs[0].tensor
        if name in cascade.tensors:
            raise GivenError(
                f"{name} is a tensor of cascade {cascade.name} already; give the result another name"
            )
        names.append(name)
    text = cascade_to_yaml(replace(cascade, outputs=(*cascade.outputs, *names)))
    whole = cascade_from_text(text + "".join(f"  {statement}\n" for statement in statements), cascade.name)
    return Given(
        reference=replace(whole, file=cascade.file, outputs=cascade.outputs),
        einsums=tuple(whole.einsum(name) for name in names),
        tensors=tuple(whole.tensors[name] for name in names),
    )
