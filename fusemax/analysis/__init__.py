"""What follows from a cascade alone: passes, fusion, footprints, traffic bounds, operation counts, rewrites."""
