"""What an attack may do to the machine that it runs on: nothing outside of a scratch folder, whatever its words name.

Odd words are names of files too, and whoever runs an attack may be root. So trials run with a hook of Python's audit events:
to write, move or remove anything outside of the allowed folders ends in a refusal, as for a user who may not.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Events that change what stands under their first argument, each with where its ``dir_fd`` is.
CHANGES = {
    "os.remove": 1, "os.rmdir": 1, "os.mkdir": 2, "os.chmod": 2, "os.chown": 3, "os.utime": 3, "os.truncate": None,
    "os.setxattr": None, "os.removexattr": None,
}  # fmt: skip
#: Events that change what stands under their second argument; to move something changes the first one's place too.
MOVES = {"os.rename": 3, "os.link": 3, "os.symlink": 2}
NEVER = {"os.system", "os.exec", "os.killpg"}
#: Names in the folder of each trial that are no plain files; each stands for what words would name elsewhere.
STRANGE = ("pipe", "folder", "circle", "zero", "closed.yaml")


def refuse_outside(folders: Sequence[Path]) -> None:
    """Let this process, from now on, change nothing but what stands in *folders*; there is no way back."""
    allowed = tuple(os.path.realpath(folder) for folder in folders)
    sys.dont_write_bytecode = True
    sys.addaudithook(lambda event, given: _judge(event, given, allowed))


def _judge(event: str, given: Sequence[Any], allowed: Sequence[str]) -> None:
    if event == "open":
        path, _, flags = given
        if isinstance(flags, int) and flags & WRITES:
            _refuse(path, None, allowed)
    elif event in CHANGES:
        _refuse(given[0], _folder(given, CHANGES[event]), allowed)
    elif event in MOVES:
        _refuse(given[1], _folder(given, MOVES[event]), allowed)
        if event == "os.rename":
            _refuse(given[0], _folder(given, 2), allowed)
    elif event in NEVER or (event == "os.kill" and given[1]):
        raise PermissionError(errno.EPERM, f"{event} is refused")


def _folder(given: Sequence[Any], at: int | None) -> int | None:
    """Return the open folder that a path is relative to, if it is."""
    return None if at is None or given[at] == -1 else given[at]


def _refuse(path: Any, folder: int | None, allowed: Sequence[str]) -> None:
    if isinstance(path, int):
        return  # what is open already was judged when it was opened
    text = os.fsdecode(path)
    with suppress(ValueError):  # a name with NUL: the system refuses it
        parent, name = os.path.split(text.rstrip("/") or "/")
        if folder is not None:
            parent = os.path.join(f"/proc/self/fd/{folder}", parent)
        where = os.path.normpath(os.path.join(os.path.realpath(parent or "."), name))
        if where == os.devnull or any(where == own or where.startswith(f"{own}/") for own in allowed):
            return
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), text)


@contextmanager
def trial_folder() -> Iterator[Path]:
    """Yield a new folder with :data:`STRANGE` things in it, some folders below the scratch folder that ``..`` may reach."""
    scratch = mkdtemp()
    try:
        folder = Path(scratch) / "a" / "b" / "c"
        (folder / "folder").mkdir(parents=True)
        (folder / "circle").symlink_to("circle")
        closed = folder / "closed.yaml"
        closed.touch(mode=0)
        os.mkfifo(folder / "pipe")
        with suppress(OSError):  # only root may make devices; a copy of the device with no end
            os.mknod(folder / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        yield folder
    finally:
        rmtree(scratch, ignore_errors=True)
