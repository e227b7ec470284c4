"""A tiny study as tables: two models, two lengths, five configurations, values that are easy to reckon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars

from fusemax.plot.spec import FigureSpec, Picture
from fusemax.plot.sweep import draw_tables
from fusemax.study.load import load_study
from fusemax.study.pictures import specs_of
from fusemax.table.store import read_tables

CONFIGURATIONS = ("unfused", "FLAT", "+Cascade", "+Architecture", "+Binding")
MODELS = ("BERT", "XLM")
LENGTHS = (1024, 2**20)
EINSUMS = ("BQK", "LM", "SLNV")
#: How many times as fast as unfused each configuration's attention is, at every point.
SPEEDUPS = dict(zip(CONFIGURATIONS, (1.0, 2.0, 0.5, 4.0, 8.0), strict=True))


def results() -> list[dict[str, Any]]:
    """Return attention, linear layers and their sum for all points, and two sizes of the array."""
    rows = []
    for configuration in CONFIGURATIONS:
        for model in MODELS:
            for length in LENGTHS:
                attention = length / 1024 / SPEEDUPS[configuration]
                energy = length / 256 / (2.0 if configuration == "+Binding" else 1.0)
                for part, latency_s, energy_J in (
                    ("attention", attention, energy),
                    ("linear", 3.0, 1.0),
                    ("end to end", attention + 3.0, energy + 1.0),
                ):
                    rows.append(_row(part, configuration, model, length, latency_s, energy_J))
    for model in MODELS:
        for pe_dim in (16, 64):
            row = _row("pareto", "FuseMax", model, 2**18, 1e4 / pe_dim**2, float("nan"))
            rows.append(row | {"pe_dim": pe_dim, "area_m2": pe_dim**2 * 1e-8, "area_2d_m2": pe_dim**2 * 9e-9})
    return rows


def _row(
    part: str, configuration: str, model: str, length: int, latency_s: float, energy_J: float
) -> dict[str, Any]:
    return {
        "study": "tiny",
        "part": part,
        "configuration": configuration,
        "model": model,
        "seq_len": length,
        "machine": "flat",
        "mapping": "any",
        "latency_s": latency_s,
        "bound_s": latency_s / 2,
        "traffic_B": 2.0**30 * latency_s,
        "energy_J": energy_J,
        "utilization_2d": 0.125,
        "utilization_1d": 1.0,
        "area_m2": None,
        "area_2d_m2": None,
        "pe_dim": None,
        "limit": "1d",
    }


def breakdown() -> list[dict[str, Any]]:
    """Return the activity of three Einsums on the 2D array, a quarter of the time each."""
    blank = dict.fromkeys(("nest", "level", "tensor", "action"), "")
    return [
        {
            "part": "attention",
            "configuration": configuration,
            "model": model,
            "seq_len": length,
            "kind": "activity",
            "unit": "2d",
            "einsum": einsum,
            "value": 0.25,
            "unit_of_measure": "1",
            **blank,
        }
        for configuration in CONFIGURATIONS
        for model in MODELS
        for length in LENGTHS
        for einsum in EINSUMS
    ]


def comparison() -> list[dict[str, Any]]:
    """Return published values: latency as ours, energy a tenth below ours with a reason, one row without."""
    rows = []
    for row in results():
        if row["part"] not in ("attention", "linear"):
            continue
        for column, share in (("latency_s", 1.0), ("energy_J", 0.9)):
            rows.append(
                {
                    "table": f"{row['part']}-{row['configuration']}",
                    "part": row["part"],
                    "configuration": row["configuration"],
                    "model": row["model"],
                    "seq_len": row["seq_len"],
                    "quantity": column,
                    "published": share * row[column],
                    "ours": row[column],
                    "relative_difference": 1 / share - 1,
                    "reason": "" if share == 1 else "registers are counted here",
                }
            )
    return rows


def figures_of_the_paper() -> tuple[FigureSpec, ...]:
    """Return the figures of the study of the paper, by whose columns the tables here are called."""
    return specs_of(load_study("micro24")[0])


def draw_all(folder: Path) -> tuple[Picture, ...]:
    """Return those figures, drawn from the tables in *folder* and put beside them."""
    tables = read_tables(folder)
    return tuple(draw_tables(tables, folder, spec) for spec in figures_of_the_paper())


def write_tables(folder: Path, endings: tuple[str, ...] = ("csv", "parquet")) -> Path:
    """Return *folder* after the three tables stand in it, in the formats of *endings*."""
    for name, rows in (("results", results()), ("breakdown", breakdown()), ("comparison", comparison())):
        frame = polars.DataFrame(rows, infer_schema_length=None)
        if "csv" in endings:
            frame.write_csv(folder / f"{name}.csv")
        if "parquet" in endings:
            frame.write_parquet(folder / f"{name}.parquet")
    return folder
