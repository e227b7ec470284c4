"""From plain data to typed values: pydantic's mistakes as problems with their places and remedies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from fusemax.errors import Place, Problem, ProblemsError
from fusemax.nearest import nearest
from fusemax.source import Document, KeyPath

Model = TypeVar("Model", bound=BaseModel)
#: What a value of the wrong type should have been, by pydantic's name of the mistake.
EXPECTED: Mapping[str, str] = {
    "bool_type": "expected true or false",
    "dict_type": "expected keys with values",
    "float_type": "expected a number",
    "int_type": "expected a whole number",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "model_attributes_type": "expected keys with values",
    "model_type": "expected keys with values",
    "string_type": "expected text",
    "too_short": "expected at least {min_length}",
    "greater_than": "expected more than {gt:g}",
    "greater_than_equal": "expected at least {ge:g}",
    "less_than": "expected less than {lt:g}",
    "less_than_equal": "expected at most {le:g}",
}


UNKNOWN = "extra_forbidden"  #: pydantic's name for a key that the model does not know
MOST_MENDED = 8  #: times that a file is read again without what could not be read
#: What a file says of itself: nothing else depends on it.
ABOUT: tuple[KeyPath, ...] = (("title",), ("source",), ("doc",))


class FilePart(BaseModel):
    """A part of a file: its values do not change and are of their own types, and it has no keys but its own."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


def typed(document: Document, model: type[Model], at: KeyPath = ()) -> Model:
    """Return the part of *document* at *at* as a *model*.

    Raises
    ------
    ProblemsError
        With every mistake, each with its place, its path and, for a misspelt key, the nearest right one.
    """
    data = document.data
    for step in at:
        data = data[step]
    if not isinstance(data, dict):
        raise ProblemsError([document.problem(at, f"expected a mapping of keys to values, got {data!r}")])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ProblemsError(_problems_of(document, model, at, error)) from None


def typed_so_far(document: Document, model: type[Model]) -> tuple[Model, Document, list[Problem]]:
    """Return *document* as a *model*, as it is meant, and its mistakes of form, where these let one see what else is wrong.

    A misspelt key stands for the one that was meant where that is missing. What nobody can read is left out, and reading goes
    on: unknown keys, and of what has a wrong value the smallest part that need not be there. Texts that say what the file
    is about may be missing or wrong. The document returned tells places as they are in the file, and what was left out of it.

    Raises
    ------
    ProblemsError
        With all mistakes of form, where others hide what is meant.
    """
    data, meant, problems = document.data, document, dict[Problem, None]()
    for _ in range(MOST_MENDED if isinstance(data, dict) else 0):
        try:
            return model.model_validate(data), meant, list(problems)
        except ValidationError as error:
            problems |= dict.fromkeys(_problems_of(meant, model, (), error))
            mended = _mended(meant, model, error.errors())
        if mended is None:
            raise ProblemsError(problems)
        data, meant = mended.data, mended
    return typed(document, model), document, list(problems)


def _mended(document: Document, model: type[Any], mistakes: Sequence[Any]) -> Document | None:
    """Return *document* as it is meant where *mistakes* let one see that; None where they do not."""
    data, meant, gone = deepcopy(document.data), document, set[KeyPath]()
    paths = {_data_path(document.data, (), mistake): mistake for mistake in mistakes}
    for path, mistake in paths.items():
        if mistake["type"] != UNKNOWN:
            continue
        holder, near = _at(data, path[:-1]), _meant_by(mistake, model, path)
        gone.add(path)
        if near is not None and near not in holder:
            holder[near] = holder[path[-1]]
            meant = _renamed(meant, meant.original(path), near)
    for path, mistake in paths.items():
        if mistake["type"] == UNKNOWN or (mistake["type"] == "missing" and _is_there(data, path)):
            continue
        if path in ABOUT:
            data[str(path[0])] = ""
            continue
        smallest = _smallest(model, data, path)
        if smallest is None:
            return None
        gone.add(smallest)
    for path in sorted(gone, key=_latest_first, reverse=True):
        if _is_there(data, path):
            meant = _without(meant, data, path)
    return replace(meant, data=data)


def _latest_first(path: KeyPath) -> tuple[int, list[str]]:
    """Return what orders paths so that taking one out moves none that comes before it."""
    return len(path), [f"{step:09d}" if isinstance(step, int) else step for step in path]


def _without(document: Document, data: Any, path: KeyPath) -> Document:
    """Take what is at *path* out of *data*, and return *document* with the places of what is left."""
    holder: Any = _at(data, path[:-1])
    at = document.original(path)
    value, kept = holder[path[-1]], dict(document.kept)
    if isinstance(holder, list):
        there = kept.get(at[:-1], tuple(range(len(holder))))
        kept[at[:-1]] = tuple(n for n in there if n != at[-1])
    step: Any = path[-1]
    del holder[step]
    named = value.get("name") if isinstance(value, dict) else None
    names = {name for name in (named, path[-1]) if isinstance(name, str)}
    return replace(document, kept=kept, left_out=document.left_out | {at}, lost=document.lost | names)


def _renamed(document: Document, path: KeyPath, name: str) -> Document:
    """Return *document* with places under *name*, too, of what stands at *path*."""

    def under(table: Mapping[KeyPath, Place]) -> dict[KeyPath, Place]:
        new = (*path[:-1], name)
        moved = {(*new, *key[len(path) :]): place for key, place in table.items() if key[: len(path)] == path}
        return {**table, **moved}

    return replace(document, values=under(document.values), keys=under(document.keys))


def _smallest(model: type[Any], data: Any, path: KeyPath) -> KeyPath | None:
    """Return the smallest part of *data* around *path* that may be left out: optional, or an entry of a list or mapping."""
    kinds: list[Any] = [model]
    smallest: KeyPath | None = None
    for number, step in enumerate(path):
        found = [inner for kind in kinds for inner in _children(kind, step)]
        kinds = [kind for kind, _ in found]
        here = path[: number + 1]
        if found and all(optional for _, optional in found) and _is_there(data, here):
            smallest = here
    return smallest


def _children(kind: Any, step: str | int) -> Iterator[tuple[Any, bool]]:
    """Yield the types that a value of type *kind* has at *step*, and whether it may be missing there."""
    fields: Any = getattr(kind, "model_fields", None)
    if fields is not None:
        named = (entry for name, entry in fields.items() if step in (name, entry.alias))
        yield from ((entry.annotation, not entry.is_required()) for entry in named)
    elif get_origin(kind) in (dict, list, tuple):
        yield get_args(kind)[-1], True
    else:
        for inner in get_args(kind):
            yield from _children(inner, step)


def _is_there(data: Any, path: KeyPath) -> bool:
    step: Any
    for step in path:
        inside = isinstance(data, dict) and step in data
        if not inside and not (isinstance(data, list) and isinstance(step, int) and step < len(data)):
            return False
        data = data[step]
    return True


def _meant_by(mistake: Any, model: type[Any], path: KeyPath) -> str | None:
    """Return the key that was meant by the unknown one at *path*."""
    return nearest(str(path[-1]), _known_keys(mistake, model, path))


def _problems_of(document: Document, model: type[Any], at: KeyPath, error: ValidationError) -> list[Problem]:
    problems: list[Problem] = []
    seen: set[tuple[KeyPath, str]] = set()
    paths = [(at + _data_path(document.data, at, mistake), mistake) for mistake in error.errors()]
    meant = {(*p[:-1], _meant_by(m, model, p)) for p, m in paths if m["type"] == UNKNOWN}
    for path, mistake in paths:
        if mistake["type"] == "missing" and path in meant:
            continue  # it stands there, misspelt
        if mistake["type"].endswith("_type") and any(_of_right_type(path, p, m["type"]) for p, m in paths):
            continue  # of several types that the value may have, it has another
        problem = _problem_of(document, model, path, mistake)
        if (path, problem.text) not in seen:
            seen.add((path, problem.text))
            problems.append(problem)
    return problems


def _of_right_type(path: KeyPath, place: KeyPath, kind: str) -> bool:
    """Return whether a mistake of *kind* at *place* minds the size or a part of the value at *path*, not its type."""
    if place == path:
        return kind in EXPECTED and not kind.endswith("_type")
    return place[: len(path)] == path


def _data_path(data: Any, at: KeyPath, mistake: Any) -> KeyPath:
    """Return where *mistake* is, without the steps that pydantic adds for unions and keys, as they are not in the data."""
    loc: tuple[str | int, ...] = mistake["loc"]
    data = _at(data, at)
    path: list[str | int] = []
    for position, step in enumerate(loc):
        inside = (isinstance(data, dict) and step in data) or (
            isinstance(data, list) and isinstance(step, int) and step < len(data)
        )
        if inside:
            path.append(step)
            data = _at(data, (step,))
        elif position == len(loc) - 1 and isinstance(data, dict) and str(step)[0] not in "[<":
            # a key that is missing; or, where all of *data* is wrong, the type that it would have
            path += [step] if mistake["type"] == "missing" or mistake["input"] is not data else []
    return tuple(path)


def _at(data: Any, path: KeyPath) -> Any:
    for step in path:
        data = data[step]
    return data


def _problem_of(document: Document, model: type[Any], path: KeyPath, mistake: Any) -> Problem:
    kind = mistake["type"]
    if kind == UNKNOWN:
        near = _meant_by(mistake, model, path)
        hint = f"did you mean {near!r}?" if near else _listed(_known_keys(mistake, model, path))
        return document.problem(path, f"unknown key {str(path[-1])!r}", hint, key=True)
    if kind == "missing":
        return document.problem(path, "required key is missing", None, key=True)
    text, _, hint = words_of(mistake).partition("\nhint: ")
    return document.problem(path, text, hint or None)


def words_of(mistake: Any) -> str:
    """Return what *mistake*, as pydantic tells it, says of a value: what was expected, and what stood there."""
    kind = mistake["type"]
    text = str(mistake["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind in ("value_error", "assertion_error"):
        return text
    plain = "expected {expected}" if kind == "literal_error" else EXPECTED.get(kind)
    said = plain.format(**mistake.get("ctx", {})) if plain else text[:1].lower() + text[1:]
    return f"{said}, got {_short(mistake.get('input'))}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _listed(keys: list[str]) -> str | None:
    return f"there are: {', '.join(keys)}" if keys else None


def _known_keys(mistake: Any, model: type[Any], path: KeyPath) -> list[str]:
    """Return the keys that the model at the place of *mistake* knows, by walking the annotations."""
    candidates: list[Any] = [model]
    for step in mistake["loc"][:-1]:
        following: list[Any] = []
        for candidate in candidates:
            following += _step_into(candidate, step)
        candidates = following or candidates
    keys: list[str] = []
    for candidate in candidates:
        for name, entry in getattr(candidate, "model_fields", {}).items():
            keys.append(entry.alias or name)
    return list(dict.fromkeys(keys))


def _step_into(candidate: Any, step: str | int) -> list[Any]:
    fields = getattr(candidate, "model_fields", None)
    if fields is not None:
        for name, entry in fields.items():
            if step in (name, entry.alias):
                return _models_in(entry.annotation)
        return []
    return [inner for part in get_args(candidate) for inner in _models_in(part)]


def _models_in(annotation: Any) -> list[Any]:
    if hasattr(annotation, "model_fields"):
        return [annotation]
    return [inner for part in get_args(annotation) for inner in _models_in(part)]
