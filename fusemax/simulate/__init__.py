"""A mapping executed: tile by tile, and register by register on real values. Shares nothing with the cost model."""
