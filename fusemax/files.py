"""Files that are either whole or not there at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from fusemax.errors import FusemaxError


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let *write* fill a file beside *path*, then move it into place; return *path*.

    A process that is killed leaves the old file or the new one, never half of one. Folders are made as needed.

    Raises
    ------
    FusemaxError
        When the place cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(draft)
        draft.replace(path)
    except OSError as error:
        raise FusemaxError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        if draft.exists():
            draft.unlink()
    return path


def replace_file(path: Path, content: bytes | str) -> Path:
    """Return *path* after *content* stands there, moved into place whole. Texts become UTF-8."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    return write_atomically(path, lambda draft: draft.write_bytes(data))
