"""The folder of a run that may be interrupted: a manifest, one Parquet file for each finished chunk, the final table.

Every file is written under a temporary name and moved into place, so that whatever stands there is whole. The manifest says
what the chunks are of; a run goes on only where it is the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError
from fusemax.study.chunks import Chunk, Counts
from fusemax.study.jobs import Planned

if TYPE_CHECKING:
    import polars

CHUNKS = "chunks"
MANIFEST = "manifest.json"
COUNTS = "fusemax"
ROWS_IN_GROUP = 2**18


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
            raise cannot_write(self.path, error) from None
        text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
        write_bytes(self.path / CHUNKS / MANIFEST, text.encode())

    def _manifest(self) -> dict[str, Any] | None:
        try:
            return json.loads((self.path / CHUNKS / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def write_chunk(self, chunk: Chunk, frame: polars.DataFrame, counts: Counts) -> None:
        """Write the rows of *chunk*, with the counts of its points in the file's own notes."""
        buffer = io.BytesIO()
        notes = {COUNTS: json.dumps(asdict(counts))}
        frame.write_parquet(buffer, compression="lz4", statistics=False, metadata=notes)
        write_bytes(self.chunk_path(chunk), buffer.getbuffer())

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
        "files": {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in plan.files},
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
    """Write *content* to *path* under a temporary name, then move it into place; raise FusemaxError with the reason."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with fresh.open("wb") as stream:
                stream.write(content)
            fresh.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise
    except OSError as error:
        raise cannot_write(path, error) from None


def cannot_write(path: Path, error: OSError) -> FusemaxError:
    """Return the error for a file that cannot be written, and what stays valid."""
    reason = error.strerror or str(error)
    return FusemaxError(
        f"{path}: cannot be written ({reason})\n  hint: make room or take another folder with --out;"
        " what was finished stays valid, and --resume goes on with it"
    )


def concatenated(paths: Sequence[Path], target: Path) -> None:
    """Write the chunks at *paths* in order as one Parquet file, in pieces of a fixed number of rows."""
    import polars

    fresh = target.with_name(f".{target.name}.{os.getpid()}.part")
    parts = [polars.scan_parquet(path) for path in paths]
    try:
        table = polars.concat(parts, how="diagonal_relaxed")
        table.sink_parquet(
            fresh, compression="lz4", row_group_size=ROWS_IN_GROUP, maintain_order=True, statistics=False
        )
        fresh.replace(target)
    except (OSError, polars.exceptions.PolarsError) as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        reason = error if isinstance(error, OSError) else OSError(str(error).split("\n")[0])
        raise cannot_write(target, reason) from None
