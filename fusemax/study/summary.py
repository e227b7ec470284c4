"""The few numbers of a study that fit on a screen: means over rows of ratios to each baseline, and utilizations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fusemax.errors import FusemaxError
from fusemax.study.spec import StudyFile

if TYPE_CHECKING:
    import polars


def summarize(
    study: StudyFile, results: polars.DataFrame, parts: Iterable[str] = (), apart: Iterable[str] = ()
) -> dict[str, polars.DataFrame]:
    """Return one table for each of *parts* (those of the summary, or all): configuration x first label, if there is one.

    Values are arithmetic means over the remaining rows.
    Columns: ``speed_up_over_<baseline>``, ``energy_over_<baseline>`` (ours / baseline's), ``utilization_<unit>``. The last
    rows of each configuration, labelled ``all``, are the means over every row, as the paper averages.
    """
    import polars as pl

    parts = list(parts) or study.summary.parts or results["part"].unique(maintain_order=True)
    return {
        str(part): _means(study, results.filter(pl.col("part") == part), str(part), tuple(apart))
        for part in parts
    }


def _means(study: StudyFile, rows: polars.DataFrame, part: str, apart: tuple[str, ...]) -> polars.DataFrame:
    """Return the means over *rows*, those of *part*, for each configuration and each row of its first table."""
    import polars as pl

    baselines = [b for b in study.summary.baselines if b in rows["configuration"]]
    label = next((c for c in study.label_columns(part) if rows[c].null_count() < rows.height), None)
    with_ratios, ratios = _ratios(rows, study, part, baselines, apart)
    utilizations = [
        c for c in rows.columns if c.startswith("utilization_") and rows[c].null_count() < rows.height
    ]
    means = [_mean(column) for column in (*ratios, *utilizations)] or [_mean("latency_s")]
    every = with_ratios.group_by("configuration", maintain_order=True).agg(means)
    if label is None:
        return every
    each = with_ratios.group_by("configuration", label, maintain_order=True).agg(means)
    every = every.with_columns(pl.lit("all").alias(label)).select(each.columns)
    both = pl.concat([each.with_columns(pl.col(label).cast(pl.String)), every])
    order = {name: number for number, name in enumerate(rows["configuration"].unique(maintain_order=True))}
    ranked = both.with_columns(pl.col("configuration").replace_strict(order).alias("rank"))
    return ranked.sort("rank", maintain_order=True).drop("rank")


def _mean(column: str) -> polars.Expr:
    """Return the mean of *column*, nothing unless all rows have a value: a mean over some would mislead."""
    import polars as pl

    values = pl.col(column)
    return pl.when(values.null_count() == 0).then(values.mean()).alias(column)


def _ratios(
    rows: polars.DataFrame, study: StudyFile, part: str, baselines: list[str], apart: tuple[str, ...]
) -> tuple[polars.DataFrame, list[str]]:
    import polars as pl

    named = apart or (*study.label_columns(part), *study.listed_sizes(part), "seq_len")
    keys = [c for c in named if c in rows.columns]
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
