"""Calls that ``fusemax gpu measure`` measured, read from its files: time and DRAM bytes of each."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from fusemax.errors import FusemaxError


@dataclass(frozen=True, slots=True)
class MeasuredCall:
    """Time in seconds and bytes at DRAM of one call; None where they were not measured."""

    time_s: float | None = None
    traffic_B: float | None = None


def measured_files(folder: Path, pattern: str) -> list[Path]:
    """Return the files that *pattern* names beside *folder*; a plain name must be one."""
    paths = sorted(Path(name) for name in glob(str(folder / pattern)))
    if not paths and not has_magic(pattern):
        raise FusemaxError(f"{folder / pattern}: cannot be read (no such file)")
    return paths


def measured_calls(path: Path, heads: int, head_dim: int, dtype: str) -> dict[tuple[str, int], MeasuredCall]:
    """Return the forward calls of a file with as many queries as keys and no mask, by backend and length.

    Raises
    ------
    FusemaxError
        When the file cannot be read or is no file of measurements.
    """
    wanted = {
        "status": "ok", "direction": "fwd", "causal": "0", "heads": str(heads), "head_dim": str(head_dim), "dtype": dtype,
    }  # fmt: skip
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return dict(_calls(csv.DictReader(stream), wanted))
    except OSError as error:
        raise FusemaxError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error, ValueError, KeyError) as error:
        raise FusemaxError(f"{path}: not a CSV file of measurements in UTF-8 ({error})") from None


def _calls(
    rows: Iterable[dict[str, str]], wanted: dict[str, str]
) -> Iterator[tuple[tuple[str, int], MeasuredCall]]:
    for row in rows:
        length = row.get("seqlen_kv", "")
        if length and all(row.get(name) == value for name, value in {**wanted, "seqlen_q": length}.items()):
            read, written = row.get("dram_read_B", ""), row.get("dram_write_B", "")
            yield (
                (row["backend"], int(length)),
                MeasuredCall(
                    time_s=float(row["latency_s"]) if row.get("latency_s") else None,
                    traffic_B=float(read) + float(written) if read and written else None,
                ),
            )
