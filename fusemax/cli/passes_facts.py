"""An analysis of passes with the tiles, sizes and word of a question: footprints, the traffic bound, all as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusemax.analysis.answer import RankPasses
    from fusemax.analysis.passes import Analysis
    from fusemax.analysis.traffic import Traffic


class Facts:
    """An analysis with the tiles, sizes and word that a question came with."""

    def __init__(
        self, analysis: Analysis, tiles: Mapping[str, str], sizes: Mapping[str, float], word_B: int
    ) -> None:
        self.analysis, self.tiles, self.sizes, self.word_B = analysis, tiles, sizes, word_B

    def footprint(self, rank: str) -> dict[str, tuple[str, str]]:
        """Return kind and formula of each tensor's live footprint."""
        from fusemax.analysis.footprint import footprints

        return {f.tensor: (f.kind, str(f.words)) for f in footprints(self.analysis, rank, self.tiles)}

    def bounded(self) -> str:
        """Return the rank whose passes bound the traffic when none is named: the whole rank with the most."""
        parts = {part for digits in self.analysis.plain.digits.values() for part in digits}
        whole = [entry for entry in self.analysis.ranks if entry.rank not in parts]
        return max(whole, key=lambda one: (one.passes, sum(len(group) for group in one.groups))).rank

    def traffic(self, rank: str, capacity_B: float) -> tuple[Traffic, float | None, str]:
        """Return the traffic bound, in bytes with the sizes given, and what sizes are missing."""
        from fusemax.analysis.traffic import traffic_bound, value_of

        bound = traffic_bound(self.analysis, rank, self.tiles)
        # The capacity goes in as a number: a rank may be called S.
        valued = traffic_bound(self.analysis, rank, self.tiles, capacity_B / self.word_B)
        counted = {tile: float(tile) for tile in self.tiles.values() if tile.isdigit()}
        sizes = {**self.sizes, **counted}
        symbols: Any = valued.least.free_symbols
        needed = {*self.analysis.cascade.batch, *(symbol.name for symbol in symbols)}
        left = sorted(needed - {*sizes})
        if left:
            return bound, None, ", ".join(left)
        batch = math.prod(sizes[name] for name in self.analysis.cascade.batch)
        return bound, value_of(valued.least, sizes) * batch * self.word_B, ""

    def data(self, chosen: list[RankPasses], tensor: str, capacity_B: float | None) -> dict[str, Any]:
        """Return everything as plain data."""
        analysis = self.analysis
        result: dict[str, Any] = {
            "cascade": analysis.cascade.name,
            "ranks": [self._rank(entry, tensor) for entry in chosen],
            "no_claims": [str(claim) for claim in analysis.no_claims],
        }
        if capacity_B is not None:
            rank = chosen[0].rank if len(chosen) == 1 else self.bounded()
            bound, size_B, missing = self.traffic(rank, capacity_B)
            result["traffic_bound"] = {"rank": rank, "words": str(bound.least), "buffer_B": capacity_B}
            result["traffic_bound"] |= {"sizes_missing": missing} if size_B is None else {"traffic_B": size_B}
        return result

    def _rank(self, entry: RankPasses, tensor: str) -> dict[str, Any]:
        live = self.footprint(entry.rank)
        from fusemax.analysis.plain import sequence

        cascade = self.analysis.cascade
        own = sequence(cascade, entry.rank)
        same = [r.rank for r in self.analysis.ranks if r is not entry and sequence(cascade, r.rank) == own]
        return {
            "rank": entry.rank,
            "same_sequence": same,
            "passes": entry.passes,
            "sweeps": entry.sweeps,
            "groups": [list(group) for group in entry.groups],
            "crossing": list(entry.crossing),
            "read_again": list(entry.read_again),
            "conflicts": list(entry.conflicts),
            "tensors": [
                {
                    "tensor": one.tensor,
                    "passes": one.count,
                    "direct": one.direct,
                    "per_step_of": list(one.grows_with),
                    "why": one.why().splitlines(),
                    "fibre": list(one.at),
                    "live": {"kind": live[one.tensor][0], "words": live[one.tensor][1]},
                }
                for one in entry.tensors
                if not tensor or one.tensor == tensor
            ],
        }
