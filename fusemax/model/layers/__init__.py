"""Layers of models written as cascades: every part as Einsums, with its inputs and sizes."""
