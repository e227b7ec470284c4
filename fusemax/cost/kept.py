"""Compiled code that is kept between processes, and run only where nobody else can have written it.

A kernel is a module of Python text under the name of its hash; numba keeps the machine code beside it. The folder has to
belong to the user and be writable by nobody else. Before anything is loaded, the text is compared and every file of machine
code held against the hash that was noted when it was written; what differs is made again. Where no such folder can be had,
as with a home that is read-only, kernels are compiled anew in each process.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fusemax.compiled import own_folder
from fusemax.errors import FusemaxError
from fusemax.files import replace_file


def load_kept(source: str) -> Mapping[str, Any]:
    """Return the names that the text *source* of a module of numba functions defines, compiled or taken from what is kept."""
    name = _name(source)
    folder = own_folder()
    if folder is not None:
        try:
            return _from_folder(folder, name, source)
        except (FusemaxError, OSError):
            pass  # a full disk, or another process that cleans up: the code can do without
    return _in_memory(name, source)


def is_kept(source: str) -> bool:
    """Return whether the machine code of *source* is kept already, so that :func:`load_kept` takes no time to compile it."""
    folder = own_folder()
    return folder is not None and bool(_noted(folder, _name(source)))


def _name(source: str) -> str:
    return f"fusemax_kernel_{hashlib.sha256(source.encode()).hexdigest()[:32]}"


def _from_folder(folder: Path, name: str, source: str) -> Mapping[str, Any]:
    path = folder / f"{name}.py"
    text = source.encode()
    if not path.exists() or path.read_bytes() != text:
        replace_file(path, text)
    _remove_damaged(folder, name)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # numba finds what it has kept through the module's name
    exec(compile(text, str(path), "exec"), module.__dict__)
    _note(folder, name)
    return module.__dict__


def _in_memory(name: str, source: str) -> Mapping[str, Any]:
    scope: dict[str, Any] = {"__name__": name}
    exec(compile(source.replace("cache=True, ", ""), f"<{name}>", "exec"), scope)
    return scope


# --- the files of machine code that numba leaves


def _machine_code(folder: Path, name: str) -> Iterator[Path]:
    for path in sorted((folder / "__pycache__").glob(f"{name}.*")):
        if path.suffix in (".nbi", ".nbc"):
            yield path


def _remove_damaged(folder: Path, name: str) -> None:
    """Remove files of machine code that are not as they were written."""
    noted = _noted(folder, name)
    found = {path: _hash(path) for path in _machine_code(folder, name)}
    if {path.name: sum_ for path, sum_ in found.items()} == noted:
        return
    for path in found:
        path.unlink(missing_ok=True)


def _noted(folder: Path, name: str) -> dict[str, str]:
    try:
        return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _note(folder: Path, name: str) -> None:
    sums = {path.name: _hash(path) for path in _machine_code(folder, name)}
    if sums != _noted(folder, name):
        replace_file(folder / f"{name}.json", json.dumps(sums))


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
