"""What is computed: programs, columns and grids of a configuration at its points, complete in themselves."""
