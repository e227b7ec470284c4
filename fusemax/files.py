"""Files that are either whole or not there at all, and folders that one process at a time writes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from fusemax.errors import FusemaxError

_DRAFT = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)\.part")


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let *write* fill a file beside *path*, then move it into place; return *path*.

    A process that is killed leaves the old file or the new one, never half of one. Folders are made as needed.

    Raises
    ------
    FusemaxError
        When the place cannot be written, or is a pipe, a device or a folder: moving a file there would remove it.
    """
    _refuse_other_than_a_file(path)
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


def _refuse_other_than_a_file(path: Path) -> None:
    try:
        other = path.exists() and not path.is_file()
    except OSError as error:
        raise FusemaxError(f"{path}: cannot be written ({error.strerror or error})") from None
    except ValueError as error:
        raise FusemaxError(f"{str(path)!r} is no name of a file ({error})") from None
    if other:
        raise FusemaxError(f"{path}: cannot be written (not a file, but a folder, a pipe or a device)")


def replace_file(path: Path, content: bytes | str) -> Path:
    """Return *path* after *content* stands there, moved into place whole. Texts become UTF-8."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    return write_atomically(path, lambda draft: draft.write_bytes(data))


def file_hash(path: Path) -> str:
    """Return the SHA-256 of the file at *path*, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_drafts(folder: Path, names: Callable[[str], bool]) -> None:
    """Remove what a killed process left half written in *folder*: drafts of files whose name *names* accepts.

    Only who holds the folder's lock may ask for this. A draft of a process that runs stays.
    """
    for path in folder.glob(".*.part"):
        match = _DRAFT.fullmatch(path.name)
        if match and names(match["name"]) and not _runs(int(match["process"])):
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    """Return whether another *process* of that number runs on this machine."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock at *path* while a run writes its folder; the lock goes with the process, however that ends.

    Raises
    ------
    FusemaxError
        When another process holds it, naming that one; or when the file cannot be written.
    """
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _open_lock(path)
    except BlockingIOError:
        raise FusemaxError(
            f"{path.parent}: {_owner(path)} is writing here\n  hint: wait for it, or take another folder with --out"
        ) from None
    except OSError as error:
        if isinstance(error, FileExistsError | NotADirectoryError):
            raise FusemaxError(f"{path.parent}: no folder can be there, as a file is in its place") from None
        raise FusemaxError(f"{path}: cannot be written ({error.strerror or error})") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _open_lock(path: Path) -> int:
    """Return a handle on the lock at *path*, held and with this process's name in it."""
    import fcntl

    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                owner = {"process": os.getpid(), "host": os.uname().nodename, "since": time.strftime("%F %T")}
                os.truncate(handle, 0)
                os.write(handle, json.dumps(owner).encode())
                return handle
        except OSError:
            os.close(handle)
            raise
        os.close(handle)  # its owner removed it between our opening and our holding it


def _owner(path: Path) -> str:
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return f"process {owner['process']} on {owner['host']}, since {owner['since']},"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


@lru_cache(maxsize=1)
def sources_digest() -> str:
    """Return a hash of all source files of this package: two programs with one digest compute the same."""
    package = Path(__file__).parent
    whole = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        whole.update(path.relative_to(package).as_posix().encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()
