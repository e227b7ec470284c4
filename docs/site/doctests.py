"""Examples of docstrings (``>>> ...``) as blocks of code on the site: Markdown would read them as quotations."""

from __future__ import annotations

import re
from typing import Any

import griffe

#: A prompt and all that follows up to an empty line: what is typed and what is printed.
_EXAMPLE = re.compile(r"^>>> (?:.+\n?)+", flags=re.MULTILINE)


class Doctests(griffe.Extension):
    """Puts a fence around each example, before a docstring is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of *obj*."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """Return *text* with a fence around each of its examples.

    >>> print(fenced("Add.\\n\\n>>> 1 + 1\\n2"))
    Add.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    """
    return _EXAMPLE.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", text).rstrip("\n")
