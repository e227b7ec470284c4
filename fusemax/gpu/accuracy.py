"""How far predictions are from published times: groups of rows, and the medians and quantiles of their errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from fusemax.gpu.asked import GpuStudy
from fusemax.gpu.compare import Compared

Record = dict[str, Any]

#: What is held against a published time: our prediction, and the simple models of the same machine.
MODELS = ("predicted", "roofline", "max", "sum")
#: Ends of the bins of sequence length (of the keys), with their names.
LENGTHS: tuple[tuple[float, str], ...] = ((1024, "≤1K"), (4096, "≤4K"), (16384, "≤16K"), (math.inf, ">16K"))
#: What the constants of a row's mapping were fitted to, as its group says; the first is told first.
UNFITTED, FITTED = "nothing fitted to this chip", "fitted to this chip"


def fitted_to(compared: Sequence[Compared], study: GpuStudy) -> frozenset[tuple[str, str]]:
    """Return the machines and mappings to whose rows a constant was fitted."""
    return frozenset(
        (entry.machine, entry.mapping)
        for entry in compared
        if entry.row.split == "calibration"
        and not entry.apart
        and not any(other.holds(entry.row) for other in study.not_fitted)
    )


def fitted_name(entry: Compared, fitted: frozenset[tuple[str, str]]) -> str:
    """Return the group of *entry* by what its constants were *fitted* to."""
    mappings = entry.mapping.split("+")
    known = all((entry.machine, mapping) in fitted for mapping in mappings)
    return FITTED if known else UNFITTED


class Classes:
    """The errors of the rows that judge, by the kind of their work and whether their constants were *fitted* to their chip."""

    def __init__(self, judged: Sequence[Compared], fitted: frozenset[tuple[str, str]]) -> None:
        self.fitted = fitted
        self._members: dict[tuple[str, str], list[Compared]] = {}
        for entry in judged:
            self._members.setdefault(self._class(entry), []).append(entry)

    def _class(self, entry: Compared) -> tuple[str, str]:
        return entry.work, fitted_name(entry, self.fitted)

    def beside(self, entry: Compared) -> tuple[float, float] | tuple[None, None]:
        """Return median and nine tenths of the absolute errors of all others in the class of *entry*, if there are any."""
        members = self._members.get(self._class(entry), ())
        others = sorted(abs(other.error) for other in members if other is not entry)
        return (median(others), quantile(others, 0.9)) if others else (None, None)


def length_bin(length: int) -> str:
    """Return the name of the bin of a sequence length.

    >>> length_bin(4096)
    '≤4K'
    """
    return next(name for end, name in LENGTHS if length <= end)


GROUPS: dict[str, Callable[[Compared], str]] = {
    "all": lambda entry: "all",
    "chip": lambda entry: entry.row.gpu.partition("-")[0],
    "gpu": lambda entry: entry.row.gpu,
    "kernel": lambda entry: f"{entry.row.kernel}{' fp8' if entry.row.dtype == 'fp8' else ''}",
    "mask": lambda entry: (
        "window" if entry.row.shape.window else "causal" if entry.row.shape.causal else "none"
    ),
    "length": lambda entry: length_bin(entry.row.shape.seqlen_kv),
    "head_dim": lambda entry: f"{entry.row.shape.head_dim}/{entry.row.shape.head_dim_v}",
    "limit": lambda entry: entry.prediction.limit,
}


def error_rows(judged: Sequence[Compared], fitted: frozenset[tuple[str, str]] = frozenset()) -> list[Record]:
    """Return, for each way of grouping and each group, the errors of the prediction and of the baselines.

    Rows to which nothing was fitted come first, all kinds of their work, then the others.
    """
    found: list[Record] = []
    by_fit: dict[str, Callable[[Compared], str]] = {"fitted": lambda entry: fitted_name(entry, fitted)}
    for by, name_of in {**by_fit, **GROUPS}.items():
        groups: dict[tuple[str, str], list[Compared]] = {}
        for entry in judged:
            groups.setdefault((entry.work, name_of(entry)), []).append(entry)
        order = {name: number for number, (_, name) in enumerate(LENGTHS)}
        for (work, name), members in sorted(
            groups.items(), key=lambda g: (g[0][1] == FITTED, g[0][0], order.get(g[0][1], 0), g[0])
        ):
            found.append({"by": by, "work": work, "group": name, **_errors(members)})
    return found


def _errors(members: Sequence[Compared]) -> Record:
    record: Record = {"rows": len(members)}
    for model in MODELS:
        errors = [_error(entry, model) for entry in members]
        sizes = sorted(abs(error) for error in errors)
        record[f"{model}_median"] = median(sizes)
        record[f"{model}_p90"] = quantile(sizes, 0.9)
        record[f"{model}_signed"] = median(errors)
    return record


def _error(entry: Compared, model: str) -> float:
    time = entry.prediction.time_s if model == "predicted" else entry.baselines_s[model]
    return time / entry.row.time_s - 1


def quantile(values: Sequence[float], part: float) -> float:
    """Return the quantile of sorted *values*, straight between neighbours.

    >>> quantile([0.0, 1.0, 2.0], 0.75)
    1.5
    """
    place = part * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])
