"""Several costs side by side, with their tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fusemax.api.answers import Answer, CostAnswer
from fusemax.api.table import Table


@dataclass(frozen=True, repr=False)
class ComparedAnswer(Answer):
    """Several costs side by side; the column ``configuration`` holds their names.

    Attributes
    ----------
    costs
        The costs by name.
    """

    costs: Mapping[str, CostAnswer]

    def __getitem__(self, column: str) -> list[Any]:
        """Return the values of *column* of the table, in the order of the costs; raise KeyError for an unknown one."""
        return self.table[column]

    @cached_property
    def table(self) -> Table:
        """A row for each cost: its totals in SI units, NaN where they are not known."""
        units = dict.fromkeys(unit for cost in self.costs.values() for unit in cost.utilization)
        columns: dict[str, list[Any]] = {"configuration": list(self.costs)}
        for total in ("latency_s", "bound_s", "traffic_B", "energy_J", "area_m2"):
            columns[total] = [getattr(cost, total) for cost in self.costs.values()]
        for unit in units:
            shares = [cost.utilization.get(unit, math.nan) for cost in self.costs.values()]
            columns[f"utilization_{unit}"] = shares
        return Table("comparison", columns)

    @cached_property
    def energy(self) -> Table:
        """The energy of each component of each, in joules: see :attr:`CostAnswer.energy`."""
        return self._stacked("energy")

    @cached_property
    def roofline(self) -> Table:
        """The roofline of each unit of each: see :attr:`CostAnswer.roofline`."""
        return self._stacked("roofline")

    def _stacked(self, name: str) -> Table:
        tables: dict[str, Table] = {key: getattr(cost, name) for key, cost in self.costs.items()}
        first = next(iter(tables.values()))
        columns: dict[str, list[Any]] = {
            column: [value for table in tables.values() for value in table[column]]
            for column in first.columns
        }
        names = [key for key, table in tables.items() for _ in range(len(table))]
        return Table(name, {"configuration": names, **columns}, first.about)
