"""The analytical cost of a mapping: symbolic counts, the schedule, energy and area, and their evaluation over points."""
