"""The search: a cascade on a machine with everything left open, to the best mapping found and a proof of how good it is."""
