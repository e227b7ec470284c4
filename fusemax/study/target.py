"""The folder that a run writes: its own, never one that holds what no run wrote."""

from __future__ import annotations

import os
from pathlib import Path

from fusemax.errors import FusemaxError

#: What a run leaves, or has left when it was stopped: where one of these stands, a run wrote before.
SIGNS = ("provenance.json", "columns.json", "run.json", "chunks")
ELSEWHERE = "take another folder with --out"


def refuse_strange(folder: Path, fresh: bool = False) -> None:
    """Raise FusemaxError where *folder* holds files and none says that a run wrote it, unless *fresh* is wanted; for the
    root of all files and the home folder in any case."""
    try:
        if folder.is_file():
            raise FusemaxError(
                f"{folder}: no folder can be there, as a file is in its place\n  hint: {ELSEWHERE}"
            )
        if folder.resolve() in (Path("/"), Path(os.path.expanduser("~")).resolve()):
            raise FusemaxError(
                f"{folder}: no folder for results: the run writes many files\n  hint: {ELSEWHERE}"
            )
        strange = next((name for name in sorted(os.listdir(folder)) if not name.startswith(".")), None)
        ours = fresh or any((folder / sign).exists() for sign in SIGNS)
    except (OSError, ValueError, RuntimeError):
        return  # no folder yet, or none that can be read: whoever writes says so
    if strange and not ours:
        raise FusemaxError(
            f"{folder}: holds {strange}, which no run wrote\n  hint: --fresh writes beside it, or {ELSEWHERE}"
        )
