"""Files that are either whole or not there at all."""

from __future__ import annotations

import os
from pathlib import Path

from fusemax.errors import FusemaxError


def replace_file(path: Path, content: bytes | str) -> Path:
    """Return *path* after *content* stands there: written beside it first, then moved into place.

    A process that is killed leaves the old file or the new one, never half of one. Texts become UTF-8.

    Raises
    ------
    FusemaxError
        When the folder is missing or may not be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise FusemaxError(f"{path}: cannot be written ({error.strerror})") from None
    return path
