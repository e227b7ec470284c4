"""The keys of a configuration: what is asked for is checked, what never is asked for is listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from fusemax.errors import Problem
from fusemax.nearest import nearest
from fusemax.source import Document, KeyPath

LARGEST = 2**31
DEEPEST = 100_000  #: the most layers of a model
DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads")
WIDTHS = ("hidden_size", "n_embd", "n_embed", "d_model")
INNER = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")


class Keys:
    """The keys of a configuration, those at *at* in *document*; *defaults* stand for what the kind of model leaves out."""

    def __init__(
        self, document: Document, at: KeyPath = (), defaults: Mapping[str, Any] | None = None
    ) -> None:
        self.document, self.at, self.defaults = document, at, defaults or {}
        data = document.data
        for step in at:
            data = data[step]
        self.data: Mapping[str, Any] = data
        self.problems: list[Problem] = []
        self.used: set[str] = set()
        self.assumed: dict[str, Any] = {}

    def fail(self, key: str, text: str, hint: str | None = None) -> None:
        """Note what is wrong with the value of *key*."""
        problem = self.document.problem((*self.at, key), text, hint, key=key not in self.data)
        if problem not in self.problems:
            self.problems.append(problem)

    def has(self, key: str) -> bool:
        """Return whether *key* is there with a value other than null."""
        self.used.add(key)
        return self.data.get(key) is not None

    def name_of(self, names: Sequence[str]) -> str:
        """Return the first of *names* that is there, or else the first."""
        return next((name for name in names if self.has(name)), names[0])

    def get(self, key: str) -> Any:
        """Return the value of *key*: as it is there, or as the kind of model has it; None where neither says."""
        if self.has(key):
            return self.data[key]
        if key in self.defaults:
            self.assumed[key] = self.defaults[key]
        return self.defaults.get(key)

    def count(self, *names: str, default: int | None = None, least: int = 1) -> int:
        """Return the whole number at the first of *names* that is there, else *default*, which has to be given then."""
        most, said = (DEEPEST, str(DEEPEST)) if names[0] in DEPTHS else (LARGEST, "2^31")
        name = self.name_of(names)
        value = self.get(name)
        if value is None:
            if default is None:
                others = [f"{other!r}" for other in names[1:]]
                near = nearest(name, [key for key in self.data if key not in self.used])
                hint = f"is it {near!r}?" if near else f"or one of {', '.join(others)}" if others else None
                self.fail(name, "required key is missing", hint)
            return 1 if default is None else default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.fail(name, f"expected a whole number from {least} to {said}, got {value!r}")
            return max(1, least)
        return value

    def number(self, *names: str, default: float, least: float = 0.0, most: float = 1e6) -> float:
        """Return the number at the first of *names* that is there, else *default*."""
        name = self.name_of(names)
        value = self.get(name)
        if value is None:
            return default
        number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        if not number or not least <= value <= most:
            self.fail(name, f"expected a number from {least:g} to {most:g}, got {value!r}")
            return default
        return float(value)

    def flag(self, *names: str, default: bool = False) -> bool:
        """Return whether the first of *names* that is there says true, else *default*."""
        name = self.name_of(names)
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fail(name, f"expected true or false, got {value!r}")
            return default
        return value

    def word(self, *names: str, known: Sequence[str], default: str) -> str:
        """Return the word at the first of *names* that is there, which has to be *known*, else *default*."""
        name = self.name_of(names)
        word = self.get(name)
        if word is None:
            return default
        if word not in known:
            self.fail(name, f"{word!r} is not understood", f"there are: {', '.join(known)}")
            return default
        return word

    def words(self, key: str, length: int, known: Sequence[str]) -> list[str] | None:
        """Return the list of *length* words at *key*, all *known*; None where there is none."""
        found = self.get(key)
        if found is None:
            return None
        if not isinstance(found, list) or len(found) != length or any(word not in known for word in found):
            self.fail(key, f"expected a list of {length} words of: {', '.join(known)}")
            return None
        return found

    def places(self, key: str, depth: int) -> set[int] | None:
        """Return the numbers of layers, from 0 to *depth*, that the list at *key* holds; None where there is none."""
        found = self.get(key)
        if found is None:
            return None
        whole = isinstance(found, list) and all(isinstance(n, int) and not isinstance(n, bool) for n in found)
        if not whole or any(not 0 <= number < depth for number in found):
            self.fail(key, f"expected a list of numbers of layers, from 0 to {depth - 1}")
            return None
        return set(found)

    def inside(self, key: str) -> Keys | None:
        """Return the keys under *key*, whose mistakes are noted here; None where there are none."""
        if not self.has(key):
            return None
        if not isinstance(self.data[key], dict):
            self.fail(key, f"expected keys with values, got {self.data[key]!r}")
            return None
        keys = Keys(self.document, (*self.at, key))
        keys.problems = self.problems
        return keys

    def divides(self, names: Sequence[str], whole: int, part: int, what: str) -> None:
        """Note a mistake at the first of *names* that is there unless *part* divides *whole*."""
        if whole % part:
            self.fail(self.name_of(names), f"{what}: {part} does not divide {whole}")

    def refuse(self, key: str, wanted: Sequence[Any], text: str, hint: str | None = None) -> None:
        """Note that *key* asks for what is not modelled, unless its value is one of *wanted* or not there."""
        if self.has(key) and self.data[key] not in wanted:
            self.fail(key, text, hint)

    def unused(self) -> tuple[str, ...]:
        """Return the keys that nobody asked for."""
        return tuple(key for key in self.data if key not in self.used)
