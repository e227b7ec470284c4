"""Pass reduction: from a cascade to equivalent ones with fewer passes, each with its derivation."""
