"""Odd words, and texts changed by a few mutations: what benchmarks/attack.py tries."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

LETTERS = "aMXp0129[]{}:,'\"&*|>-+/()#@`%~.\t \n\\$_é∑\x07"
ODD = (
    "9" * 5000, "1e400", "-1e400", "1e-400", "0", "-1", "nan", ".inf", "1e308", "5e-324", "9007199254740993", "2**64",
    "0x1F", "1_000", "1.5", "true", "null", "~", "''", "[]", "{}", "[[]]", "{a: {b: {c: {}}}}", "P**P**P", "M**M**M**M",
    "2**2**2**2**2**2", "+".join(["M"] * 3000), "(" * 400 + "M" + ")" * 400, "-" * 3000 + "M", "M/0", "0/0", "log2(0)",
    "log2(-1)", "sqrt(-1)", "floor(M)", "max()", "min(1)", "unknown(M)", "fit(L3, divisors)", "fit(nowhere, any)",
    "fit(L3, any)", "a" * 5000, "[/]", "[bold]x[/bold]", r"$\frac$", r"$\frac{1}{0}$", "=1+1", "=cmd|'/c calc'!A1",
    "@SUM(A1)", "x\\0y", "../../outside.yaml", "zero", "pipe", "circle", "closed.yaml", "..", ".", "", " ",
    "1 GB/s", "1 XB/s", "400", "1 KiB", "1 pJ", "-1 GB/s", "0 B", "1e300 GB/s", "1 GHz", "3e21",
    "{from: 1, to: 1000000000, steps: 1000000000}",
    "{from: 0, to: 1, steps: 3, scale: log}", "{from: 1, to: 2, steps: 1e400}", "{from: 1, to: 2, steps: 2.5}",
    "{from: 1}", "[1, 2, 4]", "[a, [b]]", "any", "[any]", "-1 B", "8bit", "0.1bit", "1e30 bit",
    "&a [*a]", "&a {b: *a}", "*nobody", "!!python/object:os.system x", "!tag x", "<<: {a: 1}", "2024-01-01",
    "1:30", "0o17", "M", "P", "m", "p", "M1*M0", "attention", "causal/1-pass", "fusemax", "flat",
)  # fmt: skip


def _lines(dice: random.Random, text: str) -> str:
    rows = text.split("\n")
    at, other = dice.randrange(len(rows)), dice.randrange(len(rows))
    change = dice.choice(["drop", "twice", "swap", "move", "indent", "cut"])
    if change == "drop":
        del rows[at]
    elif change == "twice":
        rows.insert(other, rows[at])
    elif change == "swap":
        rows[at], rows[other] = rows[other], rows[at]
    elif change == "move":
        rows.insert(other, rows.pop(at))
    elif change == "indent":
        rows[at] = dice.choice(["  ", " ", "\t", ""]) + rows[at].removeprefix(
            dice.choice(["", " ", "  ", "    "])
        )
    else:
        rows = rows[: at + 1]
    return "\n".join(rows)


def _letter(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text) + 1)
    return text[:at] + dice.choice(["", dice.choice(LETTERS)]) + text[at + dice.randrange(2) :]


def _words(text: str) -> list[tuple[int, int]]:
    """Return where the words of *text* begin and end."""
    found, begin = [], None
    for at, letter in enumerate(text + " "):
        inside = letter.isalnum() or letter in "._*/-+"
        if inside and begin is None:
            begin = at
        elif not inside and begin is not None:
            found.append((begin, at))
            begin = None
    return found


def _word(dice: random.Random, text: str) -> str:
    """Put an odd word, or one from elsewhere in the text, in the place of another."""
    words = _words(text)
    if not words:
        return dice.choice(ODD)
    begin, end = dice.choice(words)
    other = dice.choice(words)
    return text[:begin] + dice.choice([dice.choice(ODD), text[slice(*other)]]) + text[end:]


def _value(dice: random.Random, text: str) -> str:
    """Put an odd value behind a key."""
    rows = text.split("\n")
    keyed = [n for n, row in enumerate(rows) if ":" in row]
    if keyed:
        at = dice.choice(keyed)
        rows[at] = f"{rows[at].partition(':')[0]}: {dice.choice(ODD)}"
    return "\n".join(rows)


def _number(dice: random.Random, text: str) -> str:
    """Make a number much larger, much smaller, negative or zero."""
    numbers = [(b, e) for b, e in _words(text) if text[b].isdigit()]
    if not numbers:
        return _letter(dice, text)
    begin, end = dice.choice(numbers)
    old = text[begin:end]
    new = dice.choice(
        [
            f"-{old}",
            f"{old}000000",
            f"0.0000001{old}",
            f"{old}e30",
            f"{old}.5",
            "0",
            f"{old}{old}",
            f"{old}**9",
        ]
    )
    return text[:begin] + new + text[end:]


MUTATIONS: Sequence[Callable[[random.Random, str], str]] = (
    _lines,
    _letter,
    _word,
    _word,
    _value,
    _value,
    _number,
)


def mutated(dice: random.Random, text: str) -> bytes:
    """Return *text* after one to four mutations; sometimes as bytes that no text has."""
    for _ in range(dice.randrange(1, 5)):
        text = dice.choice(MUTATIONS)(dice, text or " ")
    content = text.encode("utf-8", "surrogatepass")
    if dice.random() < 0.02:
        at = dice.randrange(len(content) + 1)
        content = content[:at] + bytes([dice.randrange(256)]) + content[at:]
    return content
