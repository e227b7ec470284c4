"""Cascades of extended Einsums: the IR, how it is built and checked, and its meaning on numpy arrays."""
