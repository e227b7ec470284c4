"""Einsums that a recurrence goes through: each iteration of their loop needs what the iteration before made."""

from __future__ import annotations

from collections.abc import Mapping

from fusemax.cascade.ir import Cascade, Einsum


def recurrent(cascade: Cascade) -> dict[str, str]:
    """Return, by Einsum that lies on a cycle of values in its loop, the variable of that loop.

    A value goes from the Einsum that writes a tensor to all that read it in the same loop. Within one iteration these ways
    never close, so that each closed one goes through an earlier generation: what lies on it runs iteration by iteration. An
    Einsum that only reads a running value, or only feeds one, does not.
    """
    readers = _readers(cascade)
    return {
        einsum.name: einsum.loop
        for einsum in cascade.computed
        if einsum.loop is not None and _returns(einsum.name, readers)
    }


def _readers(cascade: Cascade) -> Mapping[str, tuple[str, ...]]:
    """Return, by Einsum in a loop, those in the same loop that read what it writes."""
    return {
        writer.name: tuple(
            dict.fromkeys(
                reader.name
                for output in writer.outputs
                for reader in cascade.readers(output.tensor)
                if not reader.initial and _same_loop(writer, reader)
            )
        )
        for writer in cascade.computed
        if writer.loop is not None
    }


def _same_loop(one: Einsum, other: Einsum) -> bool:
    return one.loop == other.loop and one.block == other.block


def _returns(name: str, readers: Mapping[str, tuple[str, ...]]) -> bool:
    """Return whether a way along *readers* leads from *name* back to it."""
    waiting, seen = list(readers[name]), set[str]()
    while waiting:
        here = waiting.pop()
        if here == name:
            return True
        if here not in seen:
            seen.add(here)
            waiting += readers[here]
    return False
