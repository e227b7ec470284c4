"""Machines: memory levels, compute units and what their operations cost, as ``arch/*/machine.yaml`` says.

Every figure of a machine is a named parameter (``L3.size``, ``2d.rows``, ``DRAM.bandwidth``), so that a study can sweep it.
Values are SI floats; a figure may be a formula of others (``11.63484 um2 * ceil(log2(size/line))``).
"""

from fusemax.machine.amounts import Bytes, Seconds
from fusemax.machine.figures import figure_paths, figures
from fusemax.machine.parts import AccessEnergy, Level, Operation, Registers, Unit
from fusemax.machine.whole import LaneMemory, Machine, load_machine, machine_of

__all__ = [
    "AccessEnergy", "Bytes", "LaneMemory", "Level", "Machine", "Operation", "Registers", "Seconds", "Unit",
    "figure_paths", "figures", "load_machine", "machine_of",
]  # fmt: skip
