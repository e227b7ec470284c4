"""``best`` where a mapping is named: the one that a search finds, kept by the content of what was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from fusemax import __version__
from fusemax.cascade.ir import Cascade
from fusemax.cost.kept import own_folder
from fusemax.errors import FusemaxError
from fusemax.files import replace_file
from fusemax.library.digest import digest_of
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped
from fusemax.search.answer import best_mapping, priced_text

#: The name that stands for the mapping which a search finds.
BEST = "best"
#: Changes when the search does, so that answers of an older one are not taken for its own.
EDITION = 1


def best_text(
    cascade: Cascade, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float] | None = None,
    *, objective: str = "latency", absorb: Sequence[str] = (), seconds: float = 12.0,
) -> str:  # fmt: skip
    """Return the best mapping found, as the text of a mapping file: one kept from before, or that of a new search.

    Equal cascades, machines, sizes, figures and objectives get the same one. Parameters and errors are those of
    :func:`fusemax.search.answer.best_mapping`.
    """
    asked = (dict(sorted(sizes.items())), dict(sorted((figures or {}).items())), objective, tuple(absorb))
    name = f"best_{digest_of(cascade, machine, *asked, seconds, EDITION, __version__)[:32]}.yaml"
    folder = own_folder()
    if folder is not None:
        kept = _kept(folder / name, cascade, machine, sizes, figures or {})
        if kept is not None:
            return kept
    answer = best_mapping(
        cascade, machine, sizes, figures, objective=objective, absorb=absorb, seconds=seconds
    )
    if folder is not None and answer.stopped != "asked":
        with suppress(FusemaxError, OSError):  # a full disk: the next search begins anew
            replace_file(folder / name, answer.text)
    return answer.text


def best_mapped(
    cascade: Cascade, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float] | None = None,
    *, objective: str = "latency", absorb: Sequence[str] = (), seconds: float = 12.0,
) -> Mapped:  # fmt: skip
    """Return the mapping of :func:`best_text`, set against its cascade and machine."""
    text = best_text(cascade, machine, sizes, figures, objective=objective, absorb=absorb, seconds=seconds)
    return priced_text(text, cascade, machine, sizes, figures or {})[0]


def _kept(
    path: Path, cascade: Cascade, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float]
) -> str | None:
    """Return the text in the file at *path* when it still is a mapping that is legal and fits; else None."""
    try:
        text = path.read_text(encoding="utf-8")
        priced_text(text, cascade, machine, sizes, figures)
    except (OSError, ValueError, FusemaxError):
        return None
    return text
