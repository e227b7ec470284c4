"""From plain data to typed values: pydantic's mistakes as problems with their places and remedies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from fusemax.errors import Problem, ProblemsError
from fusemax.nearest import nearest
from fusemax.source import Document, KeyPath

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound="BaseModel")
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
}


def typed(document: Document, model: type[Model], at: KeyPath = ()) -> Model:
    """Return the part of *document* at *at* as a *model*.

    Raises
    ------
    ProblemsError
        With every mistake, each with its place, its path and, for a misspelt key, the nearest right one.
    """
    from pydantic import ValidationError

    data = document.data
    for step in at:
        data = data[step]
    if not isinstance(data, dict):
        raise ProblemsError([document.problem(at, f"expected a mapping of keys to values, got {data!r}")])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ProblemsError(_problems_of(document, model, at, error)) from None


def _problems_of(document: Document, model: type[Any], at: KeyPath, error: ValidationError) -> list[Problem]:
    problems: list[Problem] = []
    seen: set[tuple[KeyPath, str]] = set()
    for mistake in error.errors():
        path = at + _data_path(document.data, at, mistake["loc"])
        problem = _problem_of(document, model, path, mistake)
        if (path, problem.text) not in seen:
            seen.add((path, problem.text))
            problems.append(problem)
    return problems


def _data_path(data: Any, at: KeyPath, loc: tuple[str | int, ...]) -> KeyPath:
    """Return *loc* without the steps that pydantic adds for unions and keys, as they are not in the data."""
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
            path.append(step)
    return tuple(path)


def _at(data: Any, path: KeyPath) -> Any:
    for step in path:
        data = data[step]
    return data


def _problem_of(document: Document, model: type[Any], path: KeyPath, mistake: Any) -> Problem:
    kind = mistake["type"]
    if kind == "extra_forbidden":
        near = nearest(str(path[-1]), _known_keys(mistake, model, path))
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
    plain = f"expected {mistake['ctx']['expected']}" if kind == "literal_error" else EXPECTED.get(kind)
    return f"{plain or text[:1].lower() + text[1:]}, got {_short(mistake.get('input'))}"


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
    from typing import get_args

    fields = getattr(candidate, "model_fields", None)
    if fields is not None:
        for name, entry in fields.items():
            if step in (name, entry.alias):
                return _models_in(entry.annotation)
        return []
    return [inner for part in get_args(candidate) for inner in _models_in(part)]


def _models_in(annotation: Any) -> list[Any]:
    from typing import get_args

    if hasattr(annotation, "model_fields"):
        return [annotation]
    return [inner for part in get_args(annotation) for inner in _models_in(part)]
