"""Kinds of random designs: what each may use beside what all may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Shipped cascades that are drawn from, by what is special about them.
PLAIN = (
    "transformer/linear", "attention/3-pass", "attention/3-pass-deferred", "attention/2-pass", "attention/1-pass",
    "attention/split-k", "softmax/stable", "softmax/unstable", "softmax/online", "normalisation/rms-norm",
    "normalisation/layer-norm", "normalisation/rms-norm-linear", "variants/differential", "variants/multi-query",
    "variants/grouped-query", "variants/sigmoid", "linear-attention/non-causal", "linear-attention/causal",
    "grouped/split-k", "causal/masked-1-pass", "paper/cascade-1", "paper/cascade-2", "attention/2-pass-online",
)  # fmt: skip
ALIASED = ("transformer/self-attention", "state-space/mamba")
MASKED = (
    "causal/1-pass", "causal/3-pass", "causal/3-pass-deferred", "grouped/causal", "grouped/window",
    "linear-attention/one-sequence",
)  # fmt: skip
REGIONS = (
    "linear-attention/lightning", "linear-attention/gated-chunked", "linear-attention/infini", "sparse/chunked",
    "state-space/mamba-2-chunked", "variants/stick-breaking",
)  # fmt: skip
GATHERED = (
    "sparse/top-k",
    "sparse/block-sparse",
    "sparse/indexed",
    "sparse/routed-blocks",
    "sparse/recycled",
)
RECURRENT = (
    "variants/stick-breaking-running", "linear-attention/causal", "linear-attention/gated", "state-space/mamba-2",
    "state-space/gated-delta", "state-space/rwkv-7", "state-space/mlstm", "variants/sinkhorn", "variants/softmax-1-online",
    "loss/cross-entropy-online",
)  # fmt: skip
SHIFTED = ("transformer/rotary",)
WINDOWED = ("sparse/sliding-window", "sparse/neighbourhood", "sparse/dilated-neighbourhood")


@dataclass(frozen=True)
class Features:
    """What a random design may use.

    Attributes
    ----------
    cascades, own_cascades, aliases, masks, regions
        Shipped cascades; whether cascades are made up, with two variables of one rank, with conditions between two ranks, with
        conditions of any kind.
    chunks
        Cascades that are made up run over a rank in chunks, of which the last one may end early.
    cores
        Several cores and ``spread``.
    no_spread
        Several cores, and nests without ``spread``.
    gaps
        Loops over two digits of a rank but not over the one between them.
    foreign
        Loops over ranks that an Einsum inside does not have.
    shared_dimension
        Two digits over one dimension of a unit.
    ragged_spatial
        Digits over a dimension of a unit beside others of their rank that run in the body too.
    idle_keeps
        Tensors kept where nothing goes in or out, which gives them room alone.
    running_inside
        Running values kept inside loops.
    generations_apart
        Einsums of one loop of the cascade in several bodies, which pass two generations of a running value on.
    stage
        Tensors that only pass through a level.
    offload
        Parts of operations on the other unit.
    spill
        Small levels, tensors that may overflow them, and tensors that share a place.
    fit
        Small levels, and tiles as large as one of them allows.
    schedules
        Steps, and units that overlap in part.
    groups
        Levels that groups of cores share, and loops side by side.
    keys
        The special keys of machines and mappings: bandwidths by way, latencies, clocks and memories of units, shared lanes,
        cycles by width, words of one byte, ``when``, a digit over two dimensions, tiles by formulas.
    not_simulated
        Why the simulator is not compared; empty where it is.
    """

    cascades: tuple[str, ...] = PLAIN
    own_cascades: bool = True
    aliases: bool = False
    masks: bool = False
    regions: bool = False
    chunks: bool = False
    shifts: bool = False
    cores: bool = False
    no_spread: bool = False
    gaps: bool = False
    foreign: bool = False
    shared_dimension: bool = False
    ragged_spatial: bool = False
    idle_keeps: bool = False
    running_inside: bool = False
    generations_apart: bool = False
    stage: bool = False
    offload: bool = False
    spill: bool = False
    fit: bool = False
    schedules: bool = False
    groups: bool = False
    keys: bool = False
    not_simulated: str = ""


FEATURES: Mapping[str, Features] = {
    "plain": Features(),
    "digits": Features(gaps=True, shared_dimension=True, ragged_spatial=True),
    "offload": Features(stage=True, offload=True),
    "running-inside": Features(running_inside=True),
    "generations-apart": Features(running_inside=True, generations_apart=True),
    "idle-keeps": Features(idle_keeps=True),
    "masks": Features(cascades=MASKED, masks=True),
    "regions": Features(cascades=REGIONS, masks=True, regions=True),
    "region-cores": Features(cascades=REGIONS, masks=True, regions=True, cores=True, no_spread=True),
    "cores": Features(cores=True),
    "groups": Features(cores=True, groups=True),
    "group-digits": Features(
        cores=True, groups=True, gaps=True, ragged_spatial=True, shared_dimension=True, stage=True
    ),
    "group-aliases": Features(cascades=ALIASED, aliases=True, cores=True, groups=True),
    "group-windows": Features(cascades=WINDOWED, own_cascades=False, cores=True, groups=True),
    "no-spread": Features(cores=True, no_spread=True),
    "masked-cores": Features(cascades=MASKED, masks=True, cores=True),
    "windows": Features(cascades=WINDOWED, own_cascades=False),
    "gathers": Features(cascades=GATHERED, own_cascades=False),
    "gather-cores": Features(cascades=GATHERED, own_cascades=False, cores=True, gaps=True),
    "region-digits": Features(
        cascades=REGIONS, masks=True, regions=True, gaps=True, ragged_spatial=True, shared_dimension=True
    ),
    "aliases": Features(cascades=ALIASED, aliases=True),
    "foreign": Features(foreign=True),
    "spill": Features(spill=True, cores=True),
    "fit": Features(fit=True),
    "recurrences": Features(
        cascades=RECURRENT, own_cascades=False, running_inside=True, generations_apart=True, cores=True
    ),
    "schedules": Features(schedules=True, cores=True),
    "shifts": Features(cascades=SHIFTED, shifts=True),
    "keys": Features(keys=True, cores=True, offload=True),
    "masked-keys": Features(cascades=(*MASKED, *REGIONS), masks=True, regions=True, keys=True, cores=True),
    "window-cores": Features(cascades=WINDOWED, own_cascades=False, cores=True, gaps=True),
    "alias-cores": Features(cascades=ALIASED, aliases=True, cores=True, no_spread=True),
    "shift-cores": Features(cascades=SHIFTED, shifts=True, cores=True, no_spread=True, foreign=True),
    "masked-spill": Features(cascades=(*MASKED, *REGIONS), masks=True, regions=True, spill=True, cores=True),
    "chunks": Features(cascades=REGIONS, chunks=True),
    "chunk-cores": Features(cascades=REGIONS, chunks=True, cores=True, no_spread=True),
    "chunk-spill": Features(cascades=REGIONS, chunks=True, spill=True),
}
