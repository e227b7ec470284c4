"""The cascades, machines, mappings and studies that come with fusemax, by name.

They stand on three shelves of YAML files: ``einsums``, ``arch`` and ``studies``. A checkout has these at its
top, beside the package; an installed wheel has them inside the package. A name is the path below the shelf
without its ending, such as ``attention/one_pass``. A path of the user's own may stand wherever a name may.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from fusemax.errors import FusemaxError
from fusemax.nearest import meant

SHELVES = ("einsums", "arch", "studies")
_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_shipped"
ROOT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent
_ENDINGS = (".yaml", ".yml")
_MACHINE = "machine"


class UnknownNameError(FusemaxError):
    """A name that no shipped file bears and that is no file of the user's."""


def shipped(shelf: str) -> Mapping[str, Path]:
    """Return the files of *shelf*, one of ``SHELVES``, by name and in the order of their names."""
    home = ROOT / shelf
    files = (path for path in home.rglob("*") if path.suffix in _ENDINGS)
    return {path.relative_to(home).with_suffix("").as_posix(): path for path in sorted(files)}


def find(shelf: str, name: str, beside: Path | None = None) -> Path:
    """Return the file of *shelf* called *name*, or the user's own file at the path *name*.

    A path is looked up in the folder *beside* first, where one is given: that of the file in which it stands. Of others the
    shipped file wins, so that a name means the same in every folder; a path that ends in ``.yaml`` or ``.yml`` is never
    taken for a name.

    Raises
    ------
    UnknownNameError
        When there is neither; the message names what is near, or all there is.
    """
    files = shipped(shelf)
    found = _beside(name, beside) or files.get(name) or _own_file(name)
    return found or _refuse(name, f"{shelf}/", files)


def machines() -> Mapping[str, Path]:
    """Return the machine files of ``arch`` by name: ``fusemax`` stands for ``arch/fusemax/machine.yaml``."""
    ending = f"/{_MACHINE}"
    return {
        name.removesuffix(ending): path for name, path in shipped("arch").items() if name.endswith(ending)
    }


def find_machine(name: str, beside: Path | None = None) -> Path:
    """Return the file of the machine called *name*.

    ``fusemax`` is ``arch/fusemax/machine.yaml``, ``fusemax/edge`` is ``arch/fusemax/edge.yaml``; a path is
    the user's own file, and a folder of the user's own stands for the ``machine.yaml`` in it. Paths are looked up in the
    folder *beside* first, where one is given.

    Raises
    ------
    UnknownNameError
        When there is no such machine; the message names what is near, or all there is.
    """
    known = machines()
    if beside is not None:
        name = from_beside(name, beside)
    found = known.get(name) or shipped("arch").get(name)
    own_folder = Path(name) / f"{_MACHINE}.yaml"
    if found is None and is_file(own_folder):
        return own_folder
    return found or _own_file(name) or _refuse(name, "arch/", known)


def find_mapping(
    name: str, machine_path: Path, shared: Collection[str] = (), beside: Path | None = None
) -> Path:
    """Return the file of the mapping called *name* for the machine read from *machine_path*.

    It is looked for beside the machine's file, then in the folders *shared* of ``arch``, then as
    ``machine/name`` in ``arch``, then as a path of the user's; a path in the folder *beside* goes before all.

    Raises
    ------
    UnknownNameError
        When there is no such mapping; the message names what is near, or all that lie beside the machine.
    """
    own = _beside(name, beside)
    return own if own is not None else mappings_for(machine_path, shared).find(name)


@dataclass(frozen=True, slots=True)
class Mappings:
    """The mappings that a machine finds by name: those *near* it, and *all* of ``arch``. The shelf is looked through once."""

    folder: Path
    near: Mapping[str, Path]
    all: Mapping[str, Path]

    def find(self, name: str) -> Path:
        """Return the file of the mapping called *name*, or the user's own at that path; raise UnknownNameError without one."""
        found = self.near.get(name) or self.all.get(name) or _own_file(name)
        return found or _refuse(name, f"{self.folder}/", self.near)


def mappings_for(machine_path: Path, shared: Collection[str] = ()) -> Mappings:
    """Return the mappings of the machine in *machine_path*: beside its file, and in the folders *shared* of ``arch``."""
    files = sorted(path for ending in _ENDINGS for path in machine_path.parent.glob(f"*{ending}"))
    near = {path.stem: path for path in files}
    near.pop(machine_path.stem, None)
    every = shipped("arch")
    for folder in shared:
        for full, path in every.items():
            if full.rpartition("/")[0] == folder and path.stem != _MACHINE:
                near.setdefault(path.stem, path)
    return Mappings(machine_path.parent, near, every)


def from_beside(name: str, folder: Path) -> str:
    """Return the path of what *name*, written in a file of *folder*, means there; *name* where nothing stands there.

    A folder that holds a ``machine.yaml`` stands for it.
    """
    found = _beside(name, folder) or _beside(f"{name}/{_MACHINE}.yaml", folder)
    return name if found is None else str(found)


def _beside(name: str, folder: Path | None) -> Path | None:
    """Return the file at the path *name* in *folder*, when both are."""
    if folder is None:
        return None
    path = folder / name
    return path if is_file(path) else None


def is_file(path: Path) -> bool:
    """Return whether a file stands at *path*; none does where no path can be so long."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Return whether a folder stands at *path*; none does where no path can be so long."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _own_file(name: str) -> Path | None:
    """Return the path *name* when it is meant as one: by its ending, or because such a file exists."""
    path = Path(name)
    return path if path.suffix in _ENDINGS or is_file(path) else None


def _refuse(name: str, place: str, names: Collection[str]) -> Path:
    hint = meant(name, names) if names else "there are none; give the path of a .yaml file of your own"
    raise UnknownNameError(f"no file called {name!r} in {place}; {hint}")
