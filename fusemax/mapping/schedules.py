"""Is a schedule one of its nest? Its steps name Einsums on the units that they are bound to, and all of them."""

from __future__ import annotations

from collections.abc import Mapping

from fusemax.cascade.ir import Einsum
from fusemax.machine import Machine
from fusemax.mapping.binding import Bound
from fusemax.mapping.nest import Nest
from fusemax.mapping.notes import Notes
from fusemax.mapping.ranks import Ranks
from fusemax.mapping.spec import Overlap, Stall
from fusemax.source import KeyPath


class Schedules:
    """Checks schedules; mistakes go to *notes*."""

    def __init__(self, einsums: Mapping[str, Einsum], machine: Machine, ranks: Ranks, notes: Notes) -> None:
        self.einsums, self.machine, self.ranks, self.notes = einsums, machine, ranks, notes

    def _hidden(self, schedule: Overlap, path: KeyPath) -> None:
        for position, name in enumerate(schedule.hidden):
            at: KeyPath = (*path, "hidden", position)
            if (
                self.notes.known(name, self.machine.level_names, "level", at)
                and not self.machine.levels[name].per_core
            ):
                self.notes.fail(
                    at, f"{name} is no memory inside a core", "others always work behind the units"
                )

    def check(self, nest: Nest, bound: Bound, path: KeyPath) -> None:
        """Note what *nest*'s schedule, at *path*, gets wrong: unknown Einsums, wrong units, work that it forgets."""
        if isinstance(nest.schedule, Overlap):
            self._hidden(nest.schedule, path)
            for key in ("overlap", "groups", "wait", "start"):
                rule = getattr(nest.schedule, key)
                if rule is not None:
                    self.ranks.check_rule(rule, (*path, key))
        if isinstance(nest.schedule, str | Overlap):
            return
        mine = [e for body in nest.bodies for e in body.einsums]
        wanted = {(name, unit) for (name, _), unit in bound.bind.items() if name in mine}
        wanted |= {
            (name, unit) for (name, _), units in bound.offload.items() for unit in units if name in mine
        }
        seen: set[tuple[str, str]] = set()
        for row, step in enumerate(nest.schedule):
            if isinstance(step, Stall):
                self.ranks.check_rule(step.stall, (*path, row, "stall"))
                continue
            for unit, entries in step.items():
                for position, entry in enumerate(entries):
                    at: KeyPath = (*path, row, unit, position)
                    if not self.notes.known(entry, self.einsums, "Einsum", at):
                        continue
                    if (entry, unit) not in wanted and entry in mine:
                        self.notes.fail(at, f"{entry} is not bound to {unit}", "see 'bind:'")
                    elif (entry, unit) in seen:
                        self.notes.fail(at, f"{entry} is scheduled on {unit} twice")
                    seen.add((entry, unit))
        missing = [f"{entry} on {unit}" for entry, unit in sorted(wanted - seen)]
        if missing:
            self.notes.fail(
                path, f"in no step of the schedule: {', '.join(missing)}", "add them to steps", key=True
            )
