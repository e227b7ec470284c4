"""The rows of a file of measurements: one per point, appended as they come, so that a run can be resumed."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from fusemax.errors import FusemaxError

Status = Literal["ok", "wrong", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured point; the fields are the columns, in this order, and None is an empty field.

    docs/gpu-measure.md says what each column holds.
    """

    device: str
    point: str
    kind: str
    status: Status
    reason: str | None = None
    backend: str | None = None
    dtype: str | None = None
    direction: str | None = None
    causal: int | None = None
    batch: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    seqlen_q: int | None = None
    seqlen_kv: int | None = None
    head_dim: int | None = None
    repetitions: int | None = None
    queued: int | None = None
    latency_s: float | None = None
    latency_p10_s: float | None = None
    latency_p90_s: float | None = None
    steady_s: float | None = None
    steady_clock_Hz: float | None = None
    work_FLOP: float | None = None
    rate_FLOP_per_s: float | None = None
    compulsory_B: float | None = None
    rate_B_per_s: float | None = None
    dram_read_B: float | None = None
    dram_write_B: float | None = None
    error: float | None = None
    tolerance: float | None = None
    compared: str | None = None
    clock_Hz: float | None = None
    clock_memory_Hz: float | None = None
    power_W: float | None = None
    temperature_C: float | None = None
    samples: int | None = None
    seed: int
    driver: str | None = None
    torch: str
    cuda: str | None = None
    cudnn: str | None = None
    triton: str | None = None
    flash_attn: str | None = None
    fusemax: str
    date: str


COLUMNS = tuple(field.name for field in fields(Row))


class RowFile:
    """A CSV file of rows that grows by one row at a time, each on the disk before the next point begins."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.finished: set[tuple[str, str]] = set()
        self.torn = False  #: a row that an earlier run left unfinished was cut off

    def open(self) -> None:
        """Read which points are finished, or begin the file.

        Raises
        ------
        FusemaxError
            When the file is not one of ours, or cannot be read or written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists() or not self.path.stat().st_size:
                self._append_line(",".join(COLUMNS) + "\n")
                return
            self._mend()
            self._read()
        except OSError as error:
            raise FusemaxError(f"{self.path}: cannot be read and written ({error.strerror})") from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise FusemaxError(f"{self.path}: not a CSV file in UTF-8 ({error})") from None

    def append(self, row: Row) -> None:
        """Write *row* and wait until the disk has it."""
        text = io.StringIO()
        values = (getattr(row, name) for name in COLUMNS)
        csv.writer(text, lineterminator="\n").writerow("" if value is None else value for value in values)
        try:
            self._append_line(text.getvalue())
        except OSError as error:
            raise FusemaxError(f"{self.path}: cannot be written ({error.strerror})") from None
        self.finished.add((row.device, row.point))

    def _append_line(self, text: str) -> None:
        with self.path.open("a", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())

    def _mend(self) -> None:
        """Cut off a last line without its end: the run that wrote it was killed."""
        content = self.path.read_bytes()
        if content.endswith(b"\n"):
            return
        whole = content.rfind(b"\n") + 1
        if whole == 0:
            raise FusemaxError(f"{self.path}:1:1: not a file of measurements; choose another --out")
        os.truncate(self.path, whole)
        self.torn = True

    def _read(self) -> None:
        with self.path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise FusemaxError(
                    f"{self.path}:1:1: its columns are not those of this version; choose another --out"
                )
            for record in reader:
                if None in record or None in record.values():
                    raise FusemaxError(f"{self.path}:{reader.line_num}:1: expected {len(COLUMNS)} fields")
                self.finished.add((record["device"], record["point"]))
