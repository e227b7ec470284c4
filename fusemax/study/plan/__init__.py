"""From a study to its jobs: every part checked and split, corrections as steps, tables laid out before anything runs."""
