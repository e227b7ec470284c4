"""Published measurements (``studies/gpu/published.csv``), and those of ``fusemax gpu measure``, as typed rows with a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from fusemax.errors import FusemaxError, Place, Problem, ProblemsError, raise_if_any
from fusemax.gpu.rows import COLUMNS as MEASURED
from fusemax.gpu.shape import Convention, Direction, Shape, Split, flop, split
from fusemax.shipped import ROOT

COLUMNS = (
    *("gpu", "kernel", "implementation", "dtype", "direction", "causal", "batch", "heads", "kv_heads"),
    *("seqlen_q", "seqlen_kv", "head_dim", "head_dim_v", "window", "deterministic", "tflops", "time_ms"),
    *("flop_convention", "split", "clock_MHz", "power_W", "remark", "source"),
)
#: ``flop_convention`` of a row that prints a time only.
NO_CONVENTION = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published measurement. A rate or a time that the source does not print is None; never both are.

    ``kernel`` is the family that a prediction is made for, ``implementation`` what the source calls it.
    ``clock_Hz`` is the clock to which the chip was locked and ``power_W`` its power limit, where stated; in a row that we
    ``measured`` they are those that were read during the calls.
    """

    gpu: str
    kernel: str
    implementation: str
    dtype: str
    shape: Shape
    deterministic: bool
    rate_FLOP_per_s: float | None
    printed_time_s: float | None
    convention: Convention | None
    split: Split
    clock_Hz: float | None
    power_W: float | None
    remark: str
    source: str
    line: int  #: of the file, from 1
    measured: bool = False

    @property
    def time_s(self) -> float:
        """Return the time of one call: as printed, else counted operations over the printed rate."""
        if self.printed_time_s is not None:
            return self.printed_time_s
        assert self.convention is not None, "a row has a time or a convention"
        assert self.rate_FLOP_per_s is not None, "a row has a time or a rate"
        return flop(self.shape, self.convention) / self.rate_FLOP_per_s


def published(path: Path | None = None) -> tuple[Published, ...]:
    """Return the rows of the table at *path*, by default the shipped one; a file of ``fusemax gpu measure`` will do too.

    Of a file of measurements the rows of attention that are right count: ``gpu`` is the device, ``kernel`` the backend.

    Raises
    ------
    FusemaxError
        With every mistake in the file: a missing column, a value of the wrong kind, a row without time and
        rate, a side of the split that is not the one of the row's shape.
    """
    file = path or ROOT / "studies" / "gpu" / "published.csv"
    rows: list[Published] = []
    problems: list[Problem] = []
    for line, record in _records(file):
        try:
            row = _row(_as_published(record), line, measured="backend" in record)
        except ValueError as error:
            problems.append(Problem(Place(str(file), line, 1), str(error)))
            continue
        rows.append(row)
        problems += [Problem(Place(str(file), line, 1), text) for text in _mistakes(row)]
    raise_if_any(problems)
    return tuple(rows)


def _records(file: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            names = tuple(reader.fieldnames or ())
            if names not in (COLUMNS, MEASURED):
                raise FusemaxError(
                    f"{file}:1:1: expected the columns {','.join(COLUMNS)}, got {','.join(names)}"
                )
            for record in reader:
                if None in record or None in record.values():
                    fields = Problem(Place(str(file), reader.line_num, 1), f"expected {len(names)} fields")
                    raise ProblemsError([fields])
                if names == COLUMNS or (record["kind"] == "attention" and record["status"] == "ok"):
                    yield reader.line_num, record
    except OSError as error:
        raise FusemaxError(f"{file}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise FusemaxError(f"{file}: not a CSV file in UTF-8 ({error})") from None


def _as_published(record: Mapping[str, str]) -> Mapping[str, str]:
    """Return a record of measurements under the columns of a published one; another as it is."""
    if "backend" not in record:
        return record
    same = ("dtype", "direction", "causal", "batch", "heads", "kv_heads", "seqlen_q", "seqlen_kv", "head_dim")
    renamed = {
        "gpu": record["device"], "kernel": record["backend"], "implementation": f"torch {record['torch']}",
        "head_dim_v": record["head_dim"], "window": "0", "deterministic": "0", "tflops": "",
        "time_ms": _milliseconds(record["latency_s"]), "flop_convention": NO_CONVENTION,
        "clock_MHz": _megahertz(record["clock_Hz"]),
        "power_W": record["power_W"], "remark": "", "source": f"fusemax gpu measure, {record['date']}",
    }  # fmt: skip
    whole = {**{name: record[name] for name in same}, **renamed}
    return {**whole, "split": split(_shape(whole))}


def _milliseconds(seconds: str) -> str:
    try:
        return repr(float(seconds) * 1e3)
    except ValueError:
        raise ValueError(f"latency_s: expected a number, got {seconds!r}") from None


def _megahertz(hertz: str) -> str:
    try:
        return repr(float(hertz) * 1e-6) if hertz else ""
    except ValueError:
        raise ValueError(f"clock_Hz: expected a number, got {hertz!r}") from None


def _shape(record: Mapping[str, str]) -> Shape:
    return Shape(
        batch=_count(record, "batch"),
        heads=_count(record, "heads"),
        kv_heads=_count(record, "kv_heads"),
        seqlen_q=_count(record, "seqlen_q"),
        seqlen_kv=_count(record, "seqlen_kv"),
        head_dim=_count(record, "head_dim"),
        head_dim_v=_count(record, "head_dim_v"),
        causal=_flag(record, "causal"),
        direction=_choice(record, "direction", get_args(Direction)),
        window=_count(record, "window", least=0),
    )


def _row(record: Mapping[str, str], line: int, *, measured: bool) -> Published:
    """Return one row; a ValueError says which column is wrong."""
    rate, time = _number(record, "tflops"), _number(record, "time_ms")
    clock = _number(record, "clock_MHz")
    convention = record["flop_convention"]
    return Published(
        gpu=_text(record, "gpu"),
        kernel=_text(record, "kernel"),
        implementation=_text(record, "implementation"),
        dtype=_text(record, "dtype"),
        shape=_shape(record),
        deterministic=_flag(record, "deterministic"),
        rate_FLOP_per_s=None if rate is None else rate * 1e12,
        printed_time_s=None if time is None else time * 1e-3,
        convention=None
        if convention == NO_CONVENTION
        else _choice(record, "flop_convention", get_args(Convention)),
        split=_choice(record, "split", get_args(Split)),
        clock_Hz=None if clock is None else clock * 1e6,
        power_W=_number(record, "power_W"),
        remark=record["remark"],
        source=_text(record, "source"),
        line=line,
        measured=measured,
    )


def _mistakes(row: Published) -> Iterator[str]:
    if row.printed_time_s is None and (row.rate_FLOP_per_s is None or row.convention is None):
        yield "neither a time nor a rate with its way of counting"
    if (row.rate_FLOP_per_s is None) != (row.convention is None):
        yield f"flop_convention must be {NO_CONVENTION!r} exactly where tflops is empty"
    if row.shape.heads % row.shape.kv_heads:
        yield f"heads = {row.shape.heads} is no multiple of kv_heads = {row.shape.kv_heads}"
    if row.split != split(row.shape):
        yield f"split: this shape belongs to {split(row.shape)!r}, not {row.split!r}"


def _text(record: Mapping[str, str], name: str) -> str:
    if not record[name].strip():
        raise ValueError(f"{name} is empty")
    return record[name]


def _number(record: Mapping[str, str], name: str) -> float | None:
    text = record[name]
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name}: expected a number, got {text!r}") from None
    if not 0 < value < float("inf"):
        raise ValueError(f"{name}: expected a number above 0, got {text!r}")
    return value


def _count(record: Mapping[str, str], name: str, least: int = 1) -> int:
    text = record[name]
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise ValueError(f"{name}: expected a whole number from {least}, got {text!r}")
    return int(text)


def _flag(record: Mapping[str, str], name: str) -> bool:
    return _choice(record, name, ("0", "1")) == "1"


def _choice(record: Mapping[str, str], name: str, choices: tuple[str, ...]) -> Any:
    text = record[name]
    if text not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {text!r}")
    return text
