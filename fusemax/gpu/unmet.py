"""What a study of published times says that holds for no published row: it has no effect, and is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fusemax.gpu.asked import GpuStudy
from fusemax.gpu.compare import entry_of
from fusemax.gpu.published import Published
from fusemax.nearest import meant, nearest
from fusemax.source import Document, KeyPath


def without_effect(study: GpuStudy, rows: Sequence[Published], document: Document) -> Iterator[str]:
    """Yield what no row of *rows* has: entries of ``kernels``, cards, implementations and parts of a source, with places."""
    for at, text in (*_kernels(study, rows), *_not_fitted(study, rows), *_hosts(study, rows)):
        yield f"{document.place(at)}: {text}"


def _kernels(study: GpuStudy, rows: Sequence[Published]) -> Iterator[tuple[KeyPath, str]]:
    taken = [entry_of(study, row, study.machines[row.gpu]) for row in rows if row.gpu in study.machines]
    known = {row.kernel for row in rows}
    for number, entry in enumerate(study.kernels):
        if entry in study.kernels[:number]:
            yield (
                ("kernels", number),
                f"this entry of {entry.kernel} stands there twice: the first one counts",
            )
            continue
        if not any(entry is other for other in taken):
            why = "" if entry.kernel in known else f": none is of kernel {_unknown(entry.kernel, known)}"
            yield ("kernels", number), f"no published row takes this entry of {entry.kernel}{why}"


def _not_fitted(study: GpuStudy, rows: Sequence[Published]) -> Iterator[tuple[KeyPath, str]]:
    for number, entry in enumerate(study.not_fitted):
        if entry in study.not_fitted[:number]:
            yield ("not_fitted", number), f"{entry.gpu or entry.source} stands there twice"
            continue
        if not any(entry.holds(row) for row in rows):
            known = {row.gpu for row in rows} if entry.gpu else _sources(rows)
            yield (
                ("not_fitted", number),
                f"no published row is of {_unknown(entry.gpu or entry.source, known)}",
            )


def _hosts(study: GpuStudy, rows: Sequence[Published]) -> Iterator[tuple[KeyPath, str]]:
    for number, host in enumerate(study.host):
        if host in study.host[:number]:
            yield ("host", number), f"this entry of {host.source} stands there twice: the first one counts"
            continue
        known = {row.implementation for row in rows if host.source in row.source}
        if not known:
            yield ("host", number), f"no published row is of {_unknown(host.source, _sources(rows))}"
            continue
        for position, name in enumerate(host.implementations):
            if name not in known:
                at = ("host", number, "implementations", position)
                yield at, f"no published row of this source is of {_unknown(name, known)}"


def _sources(rows: Iterable[Published]) -> set[str]:
    return {row.source for row in rows}


def _unknown(name: str, known: Iterable[str]) -> str:
    """Return *name*, with what may have been meant where one of *known* is near."""
    names = sorted(known)
    return f"{name} ({meant(name, names)})" if nearest(name, names) else name
