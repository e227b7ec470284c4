"""What is to be measured: a YAML file of blocks of shapes, made into points, the most important first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt, model_validator

from fusemax.errors import Problem, raise_if_any
from fusemax.gpu.shape import Direction, Shape
from fusemax.source import Document, read_yaml
from fusemax.typed import typed

DType = Literal["bf16", "fp16", "fp32"]
BYTES_PER_ELEMENT = {"bf16": 2, "fp16": 2, "fp32": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One thing to time: a backend on a shape, in a number format; ``traffic`` asks for DRAM counters too, ``steady`` for
    calls without a pause between them."""

    backend: str
    dtype: DType
    shape: Shape
    traffic: bool = False
    steady: bool = False

    def label(self) -> str:
        """Return the point as one short text, its key in a file of rows."""
        return f"{self.backend} {self.dtype} {self.shape.label()}"


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


_Counts = Annotated[list[PositiveInt], BeforeValidator(_listed), Field(min_length=1)]

_Pair = Annotated[list[PositiveInt], Field(min_length=2, max_length=2)]


class Block(BaseModel):
    """Every combination of its lists, shapes outermost, so that backends are compared side by side.

    ``heads`` are pairs ``[heads, kv_heads]`` or a number for both. The batch is given, or follows from
    ``tokens``: as many sequences of keys as hold that many tokens.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    backends: Annotated[list[str], Field(min_length=1)]
    dtype: Annotated[list[DType], BeforeValidator(_listed)] = ["bf16"]
    direction: Annotated[list[Direction], BeforeValidator(_listed)] = ["fwd"]
    causal: Annotated[list[bool], BeforeValidator(_listed)] = [False]
    batch: Annotated[list[PositiveInt], BeforeValidator(_listed)] | None = None
    tokens: PositiveInt | None = None
    heads: Annotated[list[PositiveInt | _Pair], Field(min_length=1)]
    head_dim: _Counts
    seqlen: _Counts
    queries: PositiveInt | None = None
    traffic: bool = False
    steady: bool = False

    @model_validator(mode="after")
    def _sound(self) -> Block:
        if (self.batch is None) == (self.tokens is None):
            raise ValueError("give either 'batch' or 'tokens'")
        if self.queries is not None and True in self.causal:
            raise ValueError("a causal mask needs as many queries as keys; leave 'queries' out")
        for pair in self.heads:
            if isinstance(pair, list) and pair[0] % pair[1]:
                raise ValueError(f"heads: {pair[0]} is no multiple of {pair[1]}")
        return self

    def points(self) -> Iterator[Point]:
        """Yield the points of the block in order."""
        shapes = product(self.head_dim, self.heads, self.causal, self.direction, self.seqlen)
        for head_dim, pair, causal, direction, seqlen in shapes:
            heads, kv_heads = pair if isinstance(pair, list) else (pair, pair)
            for batch in self.batch or [max(1, (self.tokens or 0) // seqlen)]:
                shape = Shape(
                    batch=batch,
                    heads=heads,
                    kv_heads=kv_heads,
                    seqlen_q=self.queries or seqlen,
                    seqlen_kv=seqlen,
                    head_dim=head_dim,
                    head_dim_v=head_dim,
                    causal=causal,
                    direction=direction,
                )
                for dtype, backend in product(self.dtype, self.backends):
                    yield Point(
                        backend=backend, dtype=dtype, shape=shape, traffic=self.traffic, steady=self.steady
                    )


class Grid(BaseModel):
    """A file of blocks; the most important come first, as time may run out."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    title: str
    blocks: Annotated[list[Block], Field(min_length=1)]


def read_grid(path: Path, known_backends: tuple[str, ...]) -> tuple[Point, ...]:
    """Return the points of the grid in the file at *path*, in order, each once.

    Raises
    ------
    ProblemsError
        With every mistake in the file, each with its place; a backend that is not known is one.
    """
    document = read_yaml(path)
    grid = typed(document, Grid)
    raise_if_any(_unknown_backends(document, grid, known_backends))
    points: dict[str, Point] = {}
    for block in grid.blocks:
        for point in block.points():
            earlier = points.get(point.label())
            points[point.label()] = point if earlier is None else _both(earlier, point)
    return tuple(points.values())


def _both(earlier: Point, point: Point) -> Point:
    """Return a point that two blocks have, with all that either asks for."""
    return replace(earlier, traffic=earlier.traffic or point.traffic, steady=earlier.steady or point.steady)


def _unknown_backends(document: Document, grid: Grid, known: tuple[str, ...]) -> Iterator[Problem]:
    for index, block in enumerate(grid.blocks):
        for position, name in enumerate(block.backends):
            if name not in known:
                path = ("blocks", index, "backends", position)
                yield document.problem(path, f"unknown backend {name!r}", f"there are: {', '.join(known)}")
