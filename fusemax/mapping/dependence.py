"""Dependences among the Einsums of one body: within an iteration, and carried by a loop over generations."""

from __future__ import annotations

from dataclasses import dataclass

from fusemax.mapping.legality import previous_generation
from fusemax.mapping.nest import Body, Mapped, Nest


@dataclass(frozen=True, slots=True)
class Dependence:
    """*reader* takes *tensor* from *writer*: of the same iteration, or of the iteration before of loop *carried*."""

    writer: str
    reader: str
    tensor: str
    carried: str | None = None


def deepest_body(nest: Nest) -> Body:
    """Return the body inside most loops, whose iterations are the epochs of the nest."""
    return max(nest.bodies, key=lambda body: len(body.loops))


def dependences(mapped: Mapped, body: Body) -> tuple[Dependence, ...]:
    """Return the dependences among the Einsums of *body*, in the order of the readers.

    A value of an earlier generation whose loop does not stand around the body is the body's own business and is left out.
    """
    found: list[Dependence] = []
    for reader in body.einsums:
        for access in mapped.einsum(reader).reads:
            for producer in mapped.cascade.producers(access.tensor):
                if producer.initial or producer.name not in body.einsums:
                    continue
                if not previous_generation(mapped, access, producer):
                    found.append(Dependence(producer.name, reader, access.tensor))
                elif producer.loop in body.loops:
                    found.append(Dependence(producer.name, reader, access.tensor, producer.loop))
    return tuple(dict.fromkeys(found))
