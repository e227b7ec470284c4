"""Ranks cut into digits, as the tiles of a mapping say."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fusemax.cascade.ir import Cascade
from fusemax.language.formula import formula_names
from fusemax.language.syntax import Name
from fusemax.machine import Machine, figures
from fusemax.mapping.nest import Digit, Root
from fusemax.mapping.notes import Notes
from fusemax.mapping.space import as_long_as, parts_of
from fusemax.mapping.spec import Fit, MappingFile, Rule
from fusemax.mapping.tiles import TileError, written_out
from fusemax.source import KeyPath


class Ranks:
    """Cuts the ranks of *cascade*; mistakes go to *notes*."""

    def __init__(self, cascade: Cascade, machine: Machine, file: MappingFile, notes: Notes) -> None:
        self.cascade, self.machine, self.file, self.notes = cascade, machine, file, notes

    def roots(self, tiles: Mapping[str, Rule], path: KeyPath) -> dict[str, Root]:
        """Return every whole rank with its digits, as the rules *tiles* of the nest at *path* cut it."""
        digits: dict[str, list[tuple[int, str, object]]] = {}
        tiles = self._written_out(tiles, path)
        for key, rule in tiles.items():
            at = self._tile_place(key, path)
            self.check_rule(rule, at)
            base, number = self._cut(key)
            if key in self.cascade.ranks and self._partition_of(key) is not None:
                continue
            if number is None:
                known = [f"{name}0" for name in self.cascade.ranks if self._partition_of(name) is None]
                self.notes.known(key, known, "tile of a rank of this cascade", at, key=True)
                continue
            parts = parts_of(self.cascade, base)
            if parts:
                what = f"tile of rank {base}, which the cascade cuts itself"
                self.notes.known(key, parts[1:], what, at, key=True)
                continue
            if key in (*self.cascade.ranks, *self.cascade.size_symbols()):
                text = f"{key}, as a tile of rank {base}, would have the name of another size of this cascade"
                self.notes.fail(
                    at, text, f"leave {base} whole, or call the cascade's {key} something else", key=True
                )
                continue
            digits.setdefault(base, []).append((number, key.lower(), rule))
        roots: dict[str, Root] = {}
        for name in self.cascade.ranks:
            if self._partition_of(name) is None:
                roots[name.lower()] = self._root(name, digits.get(name, []), tiles, path)
        return roots

    def _cut(self, key: str) -> tuple[str, int | None]:
        """Return the rank that the tile *key* cuts, and which of its digits it is; no digit where there is no such rank."""
        for length in range(len(key) - 1, 0, -1):  # of J0 and J the one that there is: J00 cuts J0
            base, digits = key[:length], key[length:]
            if base in self.cascade.ranks and re.fullmatch(r"0|[1-9]\d*", digits):
                return base, int(digits)
        return key, None

    def _written_out(self, tiles: Mapping[str, Rule], path: KeyPath) -> dict[str, Rule]:
        rules: dict[str, Rule] = {}
        for key, rule in tiles.items():
            try:
                rules[key] = written_out(key, tiles)
            except TileError as error:
                self.notes.fail(self._tile_place(key, path), str(error))
                rules[key] = rule
        return rules

    def _tile_place(self, key: str, path: KeyPath) -> KeyPath:
        return (*path, "tiles", key) if path and key in self._own_tiles(path) else ("tiles", key)

    def _own_tiles(self, path: KeyPath) -> Mapping[str, object]:
        return self.file.nests[int(path[1])].tiles

    def _root(
        self, name: str, cuts: list[tuple[int, str, object]], tiles: Mapping[str, object], path: KeyPath,
    ) -> Root:  # fmt: skip
        parts, like = parts_of(self.cascade, name), as_long_as(self.cascade, name)
        if parts:
            digits = [Digit(parts[0].lower(), None)]
            for part in parts[1:]:
                rule = tiles.get(part, Name(part))
                digits.append(Digit(part.lower(), rule))  # type: ignore[arg-type]
            if parts[0] in tiles:
                text = f"{parts[0]} is the outermost digit of {name} and takes what is left"
                self.notes.fail(
                    (*path, "tiles", parts[0]) if path else ("tiles", parts[0]), text, "remove it"
                )
            return Root(name.lower(), tuple(digits), like)
        if not cuts:
            return Root(name.lower(), (Digit(name.lower(), None),), like)
        cuts = sorted(cuts, reverse=True)
        if [number for number, _, _ in cuts] != list(range(len(cuts) - 1, -1, -1)):
            self.notes.fail(
                ("tiles",), f"tiles of {name} must be {name}0, {name}1, ... without a gap", key=True
            )
        outer = Digit(f"{name.lower()}{len(cuts)}", None)
        return Root(name.lower(), (outer, *(Digit(key, rule) for _, key, rule in cuts)), like)  # type: ignore[misc]

    def _partition_of(self, name: str) -> str | None:
        return next((whole for whole in self.cascade.ranks if name in parts_of(self.cascade, whole)), None)

    def check_rule(self, rule: object, path: KeyPath) -> None:
        """Note names in *rule* that are no figure of the machine and no size."""
        if isinstance(rule, Fit):
            inner = [n for n in self.machine.level_names if n != self.machine.outermost]
            self.notes.known(rule.level, inner, "level that a tile could fit", path)
            return
        known = {*figures(self.machine), *self.cascade.ranks, *self.cascade.size_symbols()}
        for used in formula_names(rule):  # type: ignore[arg-type]
            self.notes.known(used, sorted(known), "figure of the machine or size of a rank", path)
