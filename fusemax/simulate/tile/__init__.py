"""The tile level: a mapping as streams of tasks, and the clock that runs them on units and channels."""
