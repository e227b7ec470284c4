"""Whole models on whole systems: from a configuration to layers, their cascades, their times and what they keep in memory."""
