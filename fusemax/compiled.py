"""Where compiled code is kept between processes, and functions whose code is kept there if there is a place."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

SILENT_S = 2.0  #: compiling that is over by then is not talked about


@contextmanager
def told_of_compiling(function: Any, what: str, about_s: int) -> Iterator[None]:
    """Say on standard error, after two seconds, that *what* is being compiled, if *function* has no code by then.

    *about_s* is how long that takes on a core of its own.
    """

    def tell() -> None:
        if not function.signatures:
            sys.stderr.write(
                f"compiling {what}: once after an installation or a change, some {about_s} s ...\n"
            )
            sys.stderr.flush()

    timer = threading.Timer(SILENT_S, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def cache_folder() -> Path:
    """Return the folder for compiled code: below ``$FUSEMAX_CACHE``, or fusemax in the user's cache folder."""
    base = os.environ.get("FUSEMAX_CACHE") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "fusemax" / "kernels"


def own_folder() -> Path | None:
    """Return :func:`cache_folder`, made if need be; None where it cannot be written or others could write it too."""
    try:
        folder = cache_folder()
        folder.parent.parent.mkdir(parents=True, exist_ok=True)
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        around = [folder, folder.parent]
        if all(_is_only_ours(path) for path in around) and os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):  # RuntimeError: a user without a home
        pass
    if os.environ.get("FUSEMAX_CACHE"):
        _tell_of_no_place(os.environ["FUSEMAX_CACHE"])
    return None


@lru_cache(maxsize=8)
def _tell_of_no_place(asked: str) -> None:
    """Say once on standard error that the folder that was *asked* for keeps nothing."""
    with suppress(OSError, ValueError, AttributeError):  # standard error may be closed
        sys.stderr.write(
            f"FUSEMAX_CACHE={ascii(asked)[1:-1]} keeps nothing: it is no folder that you, and nobody else, can write; "
            "code is compiled anew\n"
        )


def _is_only_ours(path: Path) -> bool:
    if not hasattr(os, "geteuid"):
        return True
    status = path.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def compiled(*signatures: str, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator as ``numba.njit`` is, whose machine code is kept between processes.

    It is kept in the folder of ``FUSEMAX_CACHE`` where that is given, otherwise beside the source or in the user's cache
    folder, as numba does. Where none of them can be written (an installation of another user and no home, a full disk) the
    function is compiled anew in each process.
    """
    import numba
    from numba.core import config

    njit: Any = numba.njit

    def decorate(function: Callable[..., Any]) -> Any:
        _place(config)
        try:
            found = njit(cache=True, **options)(function)
        except RuntimeError:  # "no locator available": there is no place for it
            return njit(*signatures, **options)(function)
        _keep_if_there_is_room(found._cache)
        for signature in signatures:
            found.compile(signature)
        if signatures:
            found.disable_compile()
        return found

    return decorate


def _keep_if_there_is_room(kept: Any) -> None:
    """Let numba's cache of one function leave out what cannot be written: the code is there all the same."""
    save = kept.save_overload

    def save_overload(*given: Any) -> None:
        with suppress(OSError):
            save(*given)

    kept.save_overload = save_overload


def _place(config: Any) -> None:
    """Let numba keep code where ``FUSEMAX_CACHE`` says, unless numba's own variable says another place."""
    if os.environ.get("FUSEMAX_CACHE") and not os.environ.get("NUMBA_CACHE_DIR"):
        folder = own_folder()
        if folder is not None:
            config.CACHE_DIR = str(folder)
