"""From names, paths, texts or values to cascades, machines, mappings and designs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fusemax.cascade.build import cascade_of
from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError, Problem, ProblemsError, raise_if_any
from fusemax.library.design import Design
from fusemax.library.given import Given, document_given
from fusemax.machine import Machine, machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.spec import MappingFile, mapping_file_of, with_changes
from fusemax.shipped import UnknownNameError, find, find_machine, find_mapping
from fusemax.source import Document

Value = TypeVar("Value")
ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Library:
    """Reads each cascade and machine once. Paths are looked up in the folder *beside* first, then on the shelves.

    >>> design = Library().design("fusemax", "fusemax")
    >>> design.cascade.name, design.mapped.name, len(design.digest)
    ('attention/1-pass', 'fusemax', 64)
    """

    beside: Path | None = None
    read: dict[tuple[str, Path | str, str], Any] = field(default_factory=dict, repr=False, compare=False)
    unknown: dict[tuple[str, Path | str, str], str] = field(default_factory=dict, repr=False, compare=False)

    def cascade(self, given: Given | Cascade, beside: Path | None = None) -> Cascade:
        """Return the cascade that *given* means; its own paths are looked up in *beside*.

        Raises
        ------
        FusemaxError
            With every mistake and its place.
        """
        if isinstance(given, Cascade):
            return given
        folder = beside or self.beside
        return self._once("cascade", given, folder, lambda: _cascade(given, folder))

    def machine(self, given: Given | Machine) -> Machine:
        """Return the machine that *given* means; raise FusemaxError with every mistake and its place."""
        if isinstance(given, Machine):
            return given
        folder = self.beside
        return self._once("machine", given, folder, lambda: _machine(given, folder))

    def mapping(self, given: Given, machine: Machine) -> tuple[MappingFile, Document]:
        """Return the mapping file that *given* means for *machine*, and the document that it stands in.

        A name is looked up beside the machine's file first.
        """
        document = self._mapping_document(given, machine)
        return mapping_file_of(document), document

    def _mapping_document(self, given: Given, machine: Machine) -> Document:
        def read() -> Document:
            return document_given(given, "mapping", lambda name: self._mapping_path(name, machine))

        return self._once(f"mapping for {machine.file}, {machine.mappings}", given, self.beside, read)

    def _mapping_path(self, name: str, machine: Machine) -> Path:
        home = Path(machine.file if _is_file(machine.file) else "machine.yaml")
        return find_mapping(name, home, machine.mappings, self.beside)

    def design(
        self, machine: Given | Machine, mapping: Given, cascade: Given | Cascade | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> Design:  # fmt: skip
        """Return the design of *cascade*, or of that which the mapping names, on *machine* under *mapping*.

        Parameters
        ----------
        machine, mapping, cascade
            A name, a path, a text in YAML, or a dict of what a file holds; a machine and a cascade may be values, too.
        changes
            Values of the mapping to replace, by dotted path: ``{"tiles.M0": 128}``.

        Raises
        ------
        FusemaxError
            With every mistake of all three, and its place.
        """
        problems: list[Problem | FusemaxError] = []
        described = _noted(problems, lambda: self.machine(machine))
        chosen = None if cascade is None else _noted(problems, lambda: self.cascade(cascade))
        if described is None or problems:
            _raise(problems)
            raise AssertionError
        document = self._mapping_document(mapping, described)
        if changes:
            document = with_changes(document, changes)
        file = mapping_file_of(document)
        if chosen is None:
            home = Path(document.file).parent if _is_file(document.file) else None
            try:
                chosen = self.cascade(file.cascade, home)
            except UnknownNameError as error:
                text, _, hint = str(error).partition("; ")
                raise ProblemsError([document.problem(("cascade",), text, hint or None)]) from None
        mapped = map_onto(chosen, described, file, document)
        files = tuple(Path(name) for name in (chosen.file, described.file, document.file) if _is_file(name))
        names = (chosen.name, _name_of(machine, described.file, "machine"), mapped.name.strip("<>"))
        return Design(cascade=chosen, machine=described, mapped=mapped, names=names, files=files)

    def _once(self, what: str, given: Any, folder: Path | None, load: Callable[[], Value]) -> Value:
        if not isinstance(given, str | Path):
            return load()
        key = (what, given, str(folder or ""))
        if key in self.unknown:
            raise UnknownNameError(self.unknown[key])
        if key not in self.read:
            try:
                self.read[key] = load()
            except UnknownNameError as error:
                self.unknown[key] = str(error)
                raise
        return self.read[key]


def _cascade(given: Given, folder: Path | None) -> Cascade:
    document = document_given(given, "cascade", lambda name: find("einsums", name, folder))
    if isinstance(given, str) and "\n" not in given and not given.endswith(ENDINGS):
        return cascade_of(document, given)
    return cascade_of(document, Path(document.file).stem.strip("<>"))


def _machine(given: Given, folder: Path | None) -> Machine:
    return machine_of(document_given(given, "machine", lambda name: find_machine(name, folder)))


def _is_file(name: str) -> bool:
    return bool(name) and not name.startswith("<")


def _name_of(given: object, file: str, what: str) -> str:
    if isinstance(given, str) and "\n" not in given:
        return given
    if isinstance(given, Path):
        return str(given)
    if not _is_file(file):
        return what
    return Path(file).parent.name if Path(file).stem == what else Path(file).stem


def _noted(problems: list[Problem | FusemaxError], load: Callable[[], Value]) -> Value | None:
    try:
        return load()
    except ProblemsError as error:
        problems += error.problems
    except FusemaxError as error:
        problems.append(error)
    return None


def _raise(problems: list[Problem | FusemaxError]) -> None:
    texts = [problem for problem in problems if isinstance(problem, FusemaxError)]
    if len(problems) == len(texts) == 1:
        raise texts[0]
    if not texts:
        raise_if_any([problem for problem in problems if isinstance(problem, Problem)])
    raise FusemaxError("\n".join(str(problem) for problem in problems))


def design_of(
    machine: Given | Machine, mapping: Given, cascade: Given | Cascade | None = None,
    *, changes: Mapping[str, Any] | None = None, beside: Path | None = None,
) -> Design:  # fmt: skip
    """Return one design, as :meth:`Library.design` does."""
    return Library(beside).design(machine, mapping, cascade, changes)
