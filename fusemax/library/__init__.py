"""Names, files, texts or values become designs: a cascade on a machine under a mapping, read once."""
