"""Other spellings of a YAML file, and texts that are nearly YAML: what benchmarks/attack.py makes of mutated files.

Each takes dice and a text and returns bytes. Some mean the same as the text, some are words of YAML 1.1 that changed their
meaning, some are another language; all of them have to end with an answer or a message.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

#: Values as people and other tools write them.
WRITTEN = (
    "on", "off", "yes", "NO", "y", "n", "True", "TRUE", "1:30:00", "190:20:30", "017", "0o17", "0b101", "0x_1F", "1_000_000",
    "+12", "+.5", ".5", "5.", "1e3", "1E+3", "1.e3", ".inf", "-.INF", ".NaN", "2024-01-01", "2024-01-01 10:00:00Z",
    "2001-12-14t21:59:43.10-05:00", "!!int '3'", "!!float 3", "!!str 3", "!!binary aGVsbG8=", "!!set {a, b}",
    "!!omap [a: 1]", "!!timestamp 2024-01-01", "!!python/object/apply:os.getcwd []", "!!python/tuple [1, 2]",
    "!!python/name:os.system", "! a", "!<tag:yaml.org,2002:str> a", "!!merge <<", "!!null ''", "<<", "=", "- 1", "? a",
    "? {a: b}", "&x 1", "*x", "&x [1, *x]", "'it''s'", '"\\u0000"', '"\\x41\\t"', '"\\ud800"', '"\\U0010FFFF"', "|\n  text",
    ">-\n  text\n  more", "|9\n  x", "# no value", "@at", "`tick", "%TAG", "{? a : b}", "[a, b: c]", "{a, b}", "[,]", "{,}",
    "1,5", "1.000,5", "1 000", "4k", "4K", "4Ki", "4 Ki", "4KiB", "4 kib", "16 mib", "1GB/s", "1 GB/S", "1 GBps", "1 GB / s",
    "1 B/s/s", "1 GB/ s", "٤", "４", "1²", "½", "1 µs", "1 μs", "1e-3 s", "∞", "−1", "1–2", "“a”", "‘a’", "a\u00a0b",
    "a\u200bb", "\u202ea", "e\u0301", "ﬁ", "1/3", "1 // 3", "M ** -1", "M % 3", "M & 3", "M if M else 1", "lambda: M",
    "__import__('os')", "M.__class__", "f'{M}'", "M[0]", "M(1)", "M;P", "M = 3", "M == 3", "M <= P <= 3", "not M", "-M", "+M",
    "M!", "√M", "M·P", "M×P", "2M", "M P", "9007199254740993", "18446744073709551616", "4Ei", "9Ei * 4", "2**1024", "2**-1080",
    "1e-320 s", "0.1 bit", "1.0000000000000001",
)  # fmt: skip


def _written(dice: random.Random, text: str) -> str:
    """Put a value in another spelling behind a key or a dash."""
    rows = text.split("\n")
    keyed = [n for n, row in enumerate(rows) if ":" in row or row.lstrip().startswith("- ")]
    if keyed:
        at = dice.choice(keyed)
        head = rows[at].partition(":")[0] + ":" if ":" in rows[at] else rows[at].partition("- ")[0] + "-"
        rows[at] = f"{head} {dice.choice(WRITTEN)}"
    return "\n".join(rows)


def _key_twice(dice: random.Random, text: str) -> str:
    """Write a key of the text again, with the value of another one."""
    rows = [row for row in text.split("\n") if ":" in row]
    if not rows:
        return text
    one, other = dice.choice(rows), dice.choice(rows)
    row = f"{one.partition(':')[0]}:{other.partition(':')[2]}"
    return text.replace(one, f"{one}\n{row}", 1)


def _merged(dice: random.Random, text: str) -> str:
    """Let a mapping of the text be an anchor that another place merges, or is."""
    rows = text.split("\n")
    heads = [n for n, row in enumerate(rows) if row.rstrip().endswith(":")]
    if not heads:
        return f"<<: {{title: t}}\n{text}"
    at = dice.choice(heads)
    rows[at] = f"{rows[at].rstrip()} &anchor"
    after = dice.randrange(at, len(rows)) + 1
    rows.insert(
        after, dice.choice(["<<: *anchor", "other: *anchor", "  <<: [*anchor, *anchor]", "*anchor : 1"])
    )
    return "\n".join(rows)


def _documents(dice: random.Random, text: str) -> str:
    return dice.choice(
        [
            f"---\n{text}\n---\n{text}",
            f"%YAML 1.1\n---\n{text}\n...\n",
            f"{text}\n...\nmore: 1\n",
            f"---\n---\n{text}",
            f"--- # nothing\n...\n{text}",
            f"%YAML 9.9\n---\n{text}",
            f"%TAG ! tag:x,2000:\n---\n{text}",
        ]
    )


def _nested(dice: random.Random, text: str) -> str:
    """Put a value behind a key that is nested deeply, or stands for much."""
    depth = dice.choice([30, 300, 3000])
    many = "[" + ", ".join(["*a"] * 9) + "]"
    towers = "".join(f"  - &{chr(98 + n)} {many.replace('*a', '*' + chr(97 + n))}\n" for n in range(9))
    value = dice.choice(
        [
            "[" * depth + "]" * depth,
            "{a: " * depth + "1" + "}" * depth,
            "- " * depth + "1",
            "\n" + "".join(f"{' ' * n}a:\n" for n in range(min(depth, 400))),
            "*".join(["M"] * depth),
            "**".join(["M"] * (depth // 30 + 1)),
            "min(" * depth + "M" + ")" * depth,
            f"\n  - &a [1, 1, 1]\n{towers}",
            "1" * depth + " GB/s",
            "x" * depth,
            "[" + ", ".join(map(str, range(depth))) + "]",
            "{from: 1, to: 2, steps: " + "9" * (depth // 30 + 1) + "}",
        ]
    )
    rows = text.split("\n")
    keyed = [n for n, row in enumerate(rows) if ":" in row]
    at = dice.choice(keyed or [0])
    rows[at] = f"{rows[at].partition(':')[0]}: {value}"
    return "\n".join(rows)


def _like_toml(dice: random.Random, text: str) -> str:
    """Write keys as other languages do."""
    kind = dice.randrange(4)
    if kind == 0:
        return text.replace(":", " =")
    if kind == 1:
        return "[part]\n" + text.replace(": ", " = ")
    if kind == 2:
        return "{" + text.replace("\n", ",\n") + "}"
    return text.replace("#", "//").replace("'", '"')


SPELLINGS: Sequence[Callable[[random.Random, str], str]] = (
    _written, _written, _written, _written, _key_twice, _merged, _documents, _nested, _like_toml,
)  # fmt: skip


def _encoded(dice: random.Random, text: str) -> bytes:
    """Return *text* as bytes that another editor would have written."""
    plain = text.encode("utf-8", "surrogatepass")
    at = dice.randrange(len(text) + 1)
    return dice.choice(
        [
            lambda: b"\xef\xbb\xbf" + plain,
            lambda: plain.replace(b"\n", b"\r\n"),
            lambda: plain.replace(b"\n", b"\r"),
            lambda: text.encode("utf-16", "replace"),
            lambda: text.encode("utf-16-le", "replace"),
            lambda: text.encode("utf-32", "replace"),
            lambda: (text[:at] + "é" + text[at:]).encode("latin-1", "replace"),
            lambda: plain.replace(b"  ", b"\t"),
            lambda: plain.replace(b" ", b"\xc2\xa0"),
            lambda: plain.replace(b"\n", b"\xe2\x80\xa8"),
            lambda: plain.replace(b"\n", b"\n\n\n") + b"\x00",
            lambda: plain + b"\x1a",
            lambda: b"#!/usr/bin/env fusemax\n" + plain,
            lambda: plain[: dice.randrange(len(plain) + 1)],
            lambda: plain.replace(b"\n", b"   \n"),
            lambda: b"",
        ]
    )()


def spelled(dice: random.Random, text: str) -> bytes:
    """Return *text* with one to three of its parts in another spelling, in the bytes of some editor."""
    for _ in range(dice.randrange(1, 4)):
        text = dice.choice(SPELLINGS)(dice, text)
    return _encoded(dice, text) if dice.random() < 0.3 else text.encode("utf-8", "surrogatepass")
