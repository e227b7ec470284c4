"""YAML read by libyaml gives the nodes that PyYAML's own reader gives, place by place; both refuse the same."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fusemax.errors import FusemaxError, ProblemsError
from fusemax.language.formula import formula
from fusemax.quantity import QuantityError
from fusemax.source import Document, document_of

ROOT = Path(__file__).parent.parent
FILES = sorted(path for shelf in ("einsums", "arch", "studies") for path in (ROOT / shelf).rglob("*.yaml"))
PIECES = (
    ": ",
    "- ",
    "\n",
    "  ",
    "\t",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "'",
    '"',
    "|\n",
    ">\n",
    "#",
    "?",
    "!",
    "%",
    "é",
    "1e400",
)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a reader that does without libyaml."""

    def read(content: str) -> Document | str:
        with monkeypatch.context() as patched:
            patched.setattr(yaml, "__with_libyaml__", False)
            return read_or_refused(content)

    return read


def read_or_refused(content: str) -> Document | str:
    """Return what *content* holds, or what is said of it."""
    try:
        document = document_of(content, "f.yaml")
    except FusemaxError as error:
        return str(error)
    empty = {
        path for path, text in document.texts.items() if not text.content
    }  # libyaml puts these a column on
    texts = {path: text for path, text in document.texts.items() if path not in empty}
    return replace(document, texts=texts, values={k: v for k, v in document.values.items() if k not in empty})


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML has no libyaml here")
def test_shipped_files(plain: Any):
    """What is shipped: the same data and places."""
    for path in random.Random(1).sample(FILES, 60):
        content = path.read_text(encoding="utf-8")
        assert read_or_refused(content) == plain(content), path


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML has no libyaml here")
def test_mutated_files(plain: Any):
    """A few pieces put in or left out anywhere: the same data, places and messages."""
    chance = random.Random(2)
    for number in range(400):
        content = chance.choice(FILES).read_text(encoding="utf-8")[:1500]
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(content))
            content = content[:at] + chance.choice(PIECES) + content[at + chance.choice((0, 0, 1, 5)) :]
        assert read_or_refused(content) == plain(content), (number, content)


def test_a_quoted_number_is_text():
    """Quotes make text of a number, and its place is that of what they hold."""
    document = document_of("a: '12'\nb: 12\n")

    assert {"a": "12", "b": 12} == document.data
    assert (1, 5) == (document.text(("a",)).line, document.text(("a",)).column)
    assert (2, 4) == (document.text(("b",)).line, document.text(("b",)).column)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: !!timestamp 2024-01-01\n", (1, 4), "a tag has no meaning here: !!timestamp"),
        ("a: [1, !x 2]\n", (1, 8), "a tag has no meaning here: !x"),
        ("a: &b !!str 3\nc: *b\n", (1, 4), "a tag has no meaning here: !!str"),
        ("!!str a: 1\n", (1, 1), "a tag has no meaning here: !!str"),
        ("b: 1\na: !!map {c: 1}\n", (2, 4), "a tag has no meaning here: !!map"),
        ("a: 017\n", (1, 4), "017 begins with a zero, as octal numbers do; leave it out"),
        ("a: -007.5\n", (1, 4), "-007.5 begins with a zero, as octal numbers do; leave it out"),
        ('a: "x\\ud800"\n', (1, 4), "U+D800 is half a character: no file can hold it"),
        ('"\\udfff": 1\n', (1, 1), "U+DFFF is half a character: no file can hold it"),
    ],
)
def test_what_would_mean_something_else_is_refused(text: str, place: tuple[int, int], message: str):
    """Tags, octal numbers and halves of characters, each with its place."""
    with pytest.raises(ProblemsError) as caught:
        document_of(text)
    first = caught.value.problems[0]
    assert first.place is not None
    assert ((first.place.line, first.place.column), first.text) == (place, message)


def test_what_only_looks_like_it_is_read():
    """Exclamation marks inside of texts, a single zero, zeros behind a point or in quotes, characters of two halves."""
    text = 'a: x!\nb: "!!str"\nc: [0, 0.07, 1e-07, \'017\', a-01]\nd: "\\U0001F680"\n'
    assert document_of(text).data == {
        "a": "x!",
        "b": "!!str",
        "c": [0, 0.07, 1e-7, "017", "a-01"],
        "d": "\U0001f680",
    }


def test_a_date_is_no_difference():
    """2024-01-01 is no formula of 2022."""
    with pytest.raises(QuantityError, match="01 begins with a zero"):
        formula("2024-01-01", "1")
