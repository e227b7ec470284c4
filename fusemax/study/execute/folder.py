"""The folder of a run that may be interrupted: a manifest, one Parquet file for each finished chunk, the final table.

Every file is written under a temporary name and moved into place, so that whatever stands there is whole. The manifest says
what the chunks are of, the code that made them included; a run goes on only where it is the same. Beside each chunk stands
its mark: the hash of the file and of the manifest that it belongs to. A chunk without its mark is made again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError
from fusemax.files import locked, remove_drafts
from fusemax.study.execute.chunks import Counts, chunk_table
from fusemax.study.execute.manifest import changes_between, choices_in_words
from fusemax.study.execute.trials import Chunk
from fusemax.study.execute.written import MEND, parquet_bytes, write_bytes
from fusemax.study.jobs.job import Job

if TYPE_CHECKING:
    import polars

CHUNKS = "chunks"
MANIFEST = "manifest.json"
DONE = "run.json"  #: the manifest of the run whose table stands in the folder
JOBS = "jobs.pickle"
LOCK = ".fusemax.lock"
WRITTEN = (
    ".parquet",
    ".csv",
    ".json",
    ".html",
    ".svg",
    ".png",
)  #: what a run writes, in the end its report and figures
TABLES = ("results.parquet", "results.csv")
_OURS = re.compile(rf"\d{{6,}}\.(parquet|json)|{re.escape(MANIFEST)}|{re.escape(JOBS)}")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run leaves its chunks and its table; ``run`` is the hash of the manifest that its chunks belong to."""

    path: Path
    run: str = ""

    def lock(self) -> AbstractContextManager[None]:
        """Return the lock of the folder: one run at a time writes it."""
        return locked(self.path / LOCK)

    def chunk_path(self, chunk: Chunk) -> Path:
        """Return the file of *chunk*."""
        return self.path / CHUNKS / f"{chunk.number:06}.parquet"

    def begin(self, manifest: Mapping[str, Any], resume: bool, fresh: bool) -> RunFolder:
        """Make the folder ready for a run described by *manifest*, and return it as that run's.

        Raises
        ------
        FusemaxError
            When an unfinished run stands there and neither *resume* nor *fresh* is wanted, or when it is to be resumed but
            is not the same run (the message says what changed); when the table of another choice of points stands there;
            when something that no run wrote is in the way.
        """
        if not fresh:
            self._refuse_another_choice(manifest)
            if self._goes_on(manifest, resume):
                return replace(self, run=_hash(_as_text(manifest)))
        try:
            self._clear()
            (self.path / CHUNKS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FusemaxError(f"{self.path}: cannot be written ({error.strerror})\n  hint: {MEND}") from None
        write_bytes(self.path / CHUNKS / MANIFEST, _as_text(manifest))
        return replace(self, run=_hash(_as_text(manifest)))

    def _goes_on(self, manifest: Mapping[str, Any], resume: bool) -> bool:
        """Return whether an unfinished run of the same manifest stands here, to go on with."""
        if not any((self.path / CHUNKS).glob("*.parquet")):
            return False
        if not resume:
            raise FusemaxError(
                f"{self.path}: an unfinished run stands here\n  hint: --resume goes on with it, --fresh starts over"
            )
        changed = changes_between(self._manifest(CHUNKS, MANIFEST), manifest)
        if changed:
            raise FusemaxError(
                f"{self.path}: the run that stands here is another one; changed: {', '.join(changed)}"
                "\n  hint: --fresh starts over, --out takes another folder"
            )
        return True

    def _refuse_another_choice(self, manifest: Mapping[str, Any]) -> None:
        """Refuse to put the few points of a front where the table of all stands, and the other way round."""
        if not (self.path / DONE).exists() or not (self.path / TABLES[0]).exists():
            return
        stands, wanted = self._manifest(DONE).get("kept"), manifest["kept"]
        if choices_in_words(stands) != choices_in_words(wanted):
            said = f"a table of {choices_in_words(stands)} stands here, and this run keeps {choices_in_words(wanted)}"
            raise FusemaxError(
                f"{self.path}: {said}\n  hint: --fresh writes over it, --out takes another folder"
            )

    def _manifest(self, *steps: str) -> dict[str, Any]:
        path = self.path.joinpath(*steps)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "damaged"
            raise FusemaxError(
                f"{path}: cannot be read ({reason}), so that nobody knows what stands in this folder"
                "\n  hint: --fresh starts over, --out takes another folder"
            ) from None
        if not isinstance(found, dict):
            raise FusemaxError(f"{path}: damaged\n  hint: --fresh starts over, --out takes another folder")
        return found

    def _clear(self) -> None:
        """Remove the chunks of a run, and nothing that no run wrote."""
        folder = self.path / CHUNKS
        remove_drafts(self.path, lambda name: name.endswith(WRITTEN))
        if not folder.is_dir():
            return
        strange = [path.name for path in folder.iterdir() if not _is_ours(path.name)]
        if strange:
            raise FusemaxError(
                f"{folder}: {strange[0]} is no file of a run, so this folder is left alone"
                "\n  hint: move it away, or take another folder with --out"
            )
        for path in sorted(folder.iterdir(), key=lambda path: path.name == MANIFEST):
            path.unlink()
        folder.rmdir()

    # --- chunks

    def write_chunk(self, chunk: Chunk, frame: polars.DataFrame, counts: Counts) -> None:
        """Write the rows of *chunk*, then its mark: the counts of its points, and the hashes that vouch for it."""
        path = self.chunk_path(chunk)
        content = parquet_bytes(frame)
        write_bytes(path, content)
        mark = {"counts": asdict(counts), "sha256": _hash(content), "run": self.run, "chunk": asdict(chunk)}
        write_bytes(path.with_suffix(".json"), _as_text(mark))

    def chunk_counts(self, chunk: Chunk) -> Counts | None:
        """Return the counts of a finished *chunk*; None when it is not there as it was written, by this very run."""
        path = self.chunk_path(chunk)
        try:
            mark = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            mine = mark["run"] == self.run and mark["chunk"] == asdict(chunk)
            with path.open("rb") as file:
                whole = mine and mark["sha256"] == hashlib.file_digest(file, "sha256").hexdigest()
            return Counts(**mark["counts"]) if whole else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def finish(self) -> None:
        """Keep the manifest beside the table, and remove the chunks once that is written."""
        write_bytes(self.path / DONE, (self.path / CHUNKS / MANIFEST).read_bytes())
        self._clear()


def _is_ours(name: str) -> bool:
    return bool(_OURS.fullmatch(name) or re.fullmatch(r"\..+\.\d+\.part", name))


def _as_text(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def _hash(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


def run_chunk(job: Job, chunk: Chunk, folder: RunFolder) -> Counts:
    """Compute *chunk*, write its file into *folder*, and return its counts."""
    frame, counts = chunk_table(job, chunk)
    folder.write_chunk(chunk, frame, counts)
    return counts
