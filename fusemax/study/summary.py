"""The few numbers of a study that fit on a screen: means over rows of ratios to each baseline, and utilizations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemax.errors import FusemaxError
from fusemax.study.spec import StudyFile

if TYPE_CHECKING:
    import polars


def summarize(study: StudyFile, results: polars.DataFrame) -> dict[str, polars.DataFrame]:
    """Return one table per part: configuration x first label, arithmetic means over the remaining rows.

    Columns: ``speed_up_over_<baseline>``, ``energy_over_<baseline>`` (ours / baseline's), ``utilization_<unit>``. The last
    rows of each configuration, labelled ``all``, are the means over every row, as the paper averages.
    """
    import polars as pl

    tables: dict[str, polars.DataFrame] = {}
    for part in study.summary.parts or results["part"].unique(maintain_order=True):
        rows = results.filter(pl.col("part") == part)
        baselines = [b for b in study.summary.baselines if b in rows["configuration"]]
        label = next(
            (c for c in _label_columns(study, str(part)) if rows[c].null_count() < rows.height), None
        )
        if label is None:
            continue
        with_ratios, ratios = _ratios(rows, study, str(part), baselines)
        utilizations = [
            c for c in rows.columns if c.startswith("utilization_") and rows[c].null_count() < rows.height
        ]
        means = [pl.col(column).mean() for column in (*ratios, *utilizations)]
        if not means:
            continue
        each = with_ratios.group_by("configuration", label, maintain_order=True).agg(means)
        every = with_ratios.group_by("configuration", maintain_order=True).agg(means)
        every = every.with_columns(pl.lit("all").alias(label)).select(each.columns)
        both = pl.concat([each.with_columns(pl.col(label).cast(pl.String)), every])
        order = {
            name: number for number, name in enumerate(rows["configuration"].unique(maintain_order=True))
        }
        ranked = both.with_columns(pl.col("configuration").replace_strict(order).alias("rank"))
        tables[str(part)] = ranked.sort("rank", maintain_order=True).drop("rank")
    return tables


def _label_columns(study: StudyFile, part: str) -> list[str]:
    parts = {entry.name: entry for entry in study.parts}
    names = [
        name for entry in study.parts if entry.name == part for name in entry.tables if name != entry.sum_over
    ]
    for other in parts[part].total_of:
        names += [name for name in parts[other].tables if name != parts[other].sum_over]
    return list(dict.fromkeys(names))


def _ratios(
    rows: polars.DataFrame, study: StudyFile, part: str, baselines: list[str]
) -> tuple[polars.DataFrame, list[str]]:
    import polars as pl

    keys = [c for c in (*_label_columns(study, part), "seq_len") if c in rows.columns]
    ratios: list[str] = []
    for baseline in baselines:
        base = rows.filter(pl.col("configuration") == baseline).select(
            *keys, pl.col("latency_s").alias("base_latency_s"), pl.col("energy_J").alias("base_energy_J")
        )
        if base.select(keys).is_duplicated().any():
            raise FusemaxError(f"part {part!r}: baseline {baseline!r} has several rows for one point")
        rows = rows.join(base, on=keys, how="left", nulls_equal=True, maintain_order="left").with_columns(
            (pl.col("base_latency_s") / pl.col("latency_s")).alias(f"speed_up_over_{baseline}"),
            (pl.col("energy_J") / pl.col("base_energy_J")).alias(f"energy_over_{baseline}"),
        )
        rows = rows.drop("base_latency_s", "base_energy_J")
        ratios += [f"speed_up_over_{baseline}", f"energy_over_{baseline}"]
    return rows, ratios
