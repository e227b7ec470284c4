"""The folder of a run that may be interrupted: a manifest, one Parquet file for each finished chunk, the final table.

Every file is written under a temporary name and moved into place, so that whatever stands there is whole. The manifest says
what the chunks are of; a run goes on only where it is the same.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError
from fusemax.files import write_atomically
from fusemax.study.chunks import Chunk, Counts
from fusemax.study.jobs import Planned

if TYPE_CHECKING:
    import polars

CHUNKS = "chunks"
MANIFEST = "manifest.json"
COUNTS = "fusemax"
ROWS_IN_GROUP = 2**18
MEND = (
    "make room, or take another folder with --out; what is finished stays valid, and --resume goes on with it"
)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run leaves its chunks and its table."""

    path: Path

    def chunk_path(self, chunk: Chunk) -> Path:
        """Return the file of *chunk*."""
        return self.path / CHUNKS / f"{chunk.number:06}.parquet"

    def begin(self, manifest: Mapping[str, Any], resume: bool, fresh: bool) -> None:
        """Make the folder ready for a run described by *manifest*.

        Raises
        ------
        FusemaxError
            When an unfinished run stands there and neither *resume* nor *fresh* is wanted, or when it is to be resumed but
            is not the same run; the message says what changed.
        """
        old = self._manifest()
        unfinished = old is not None and any((self.path / CHUNKS).glob("*.parquet"))
        if unfinished and not fresh:
            assert old is not None
            if not resume:
                raise FusemaxError(
                    f"{self.path}: an unfinished run stands here\n  hint: --resume goes on with it, --fresh starts over"
                )
            changed = _changes(old, manifest)
            if changed:
                raise FusemaxError(
                    f"{self.path}: the run that stands here is another one; changed: {', '.join(changed)}"
                    "\n  hint: --fresh starts over, --out takes another folder"
                )
            return
        try:
            shutil.rmtree(self.path / CHUNKS, ignore_errors=True)
            (self.path / CHUNKS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FusemaxError(f"{self.path}: cannot be written ({error.strerror})\n  hint: {MEND}") from None
        text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
        write_bytes(self.path / CHUNKS / MANIFEST, text.encode())

    def _manifest(self) -> dict[str, Any] | None:
        try:
            return json.loads((self.path / CHUNKS / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def write_chunk(self, chunk: Chunk, frame: polars.DataFrame, counts: Counts) -> None:
        """Write the rows of *chunk*, with the counts of its points in the file's own notes."""
        write_frame(frame, self.chunk_path(chunk), {COUNTS: json.dumps(asdict(counts))})

    def chunk_counts(self, chunk: Chunk) -> Counts | None:
        """Return the counts of a finished *chunk*, or None when it is not there as a whole."""
        import polars

        try:
            return Counts(**json.loads(polars.read_parquet_metadata(self.chunk_path(chunk))[COUNTS]))
        except (OSError, ValueError, KeyError, TypeError, polars.exceptions.PolarsError):
            return None

    def finish(self) -> None:
        """Remove the chunks once the table is written."""
        shutil.rmtree(self.path / CHUNKS, ignore_errors=True)


def manifest_of(plan: Planned, chunk_points: int) -> dict[str, Any]:
    """Return what identifies a run: versions, files, jobs and the size of a chunk."""
    from fusemax import __version__

    return {
        "fusemax": __version__,
        "files": plan.hashes(),
        "jobs": [job.digest() for job in plan.jobs],
        "kept": [[job.keep.kind, *job.keep.measures, job.keep.most] for job in plan.jobs],
        "chunk_points": chunk_points,
    }


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what differs between two manifests, in words."""
    found: list[str] = []
    if old.get("fusemax") != new["fusemax"]:
        found.append(f"fusemax {old.get('fusemax')} -> {new['fusemax']}")
    before, after = old.get("files", {}), new["files"]
    found += [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    words = {"kept": "which points are kept", "chunk_points": "points in a chunk"}
    found += [text for key, text in words.items() if old.get(key) != new[key]]
    if not found and old.get("jobs") != new["jobs"]:
        found.append("the code of fusemax")
    return found


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write *content* to *path*, whole or not at all; raise FusemaxError with the reason and what to do."""
    _write(path, lambda draft: draft.write_bytes(content))


def write_frame(frame: polars.DataFrame, path: Path, notes: Mapping[str, str] | None = None) -> None:
    """Write *frame* to *path* as Parquet, with *notes* in the file's own metadata."""
    buffer = io.BytesIO()
    frame.write_parquet(
        buffer, compression="lz4", statistics=False, row_group_size=ROWS_IN_GROUP, metadata=dict(notes or {})
    )
    write_bytes(path, buffer.getbuffer())


def concatenated(paths: Sequence[Path], target: Path) -> None:
    """Write the chunks at *paths* in order as one Parquet file, in pieces of a fixed number of rows."""
    import polars

    table = polars.concat([polars.scan_parquet(path, glob=False) for path in paths], how="diagonal_relaxed")

    def sink(draft: Path) -> None:
        try:
            table.sink_parquet(
                draft, compression="lz4", row_group_size=ROWS_IN_GROUP, maintain_order=True, statistics=False
            )
        except polars.exceptions.PolarsError as error:
            raise OSError(str(error).split("\n")[0]) from None

    _write(target, sink)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    try:
        write_atomically(path, write)
    except FusemaxError as error:
        raise FusemaxError(f"{error}\n  hint: {MEND}") from None
