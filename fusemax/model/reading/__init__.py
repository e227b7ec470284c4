"""Readers of configurations: from the keys of each kind of model to its layers."""
