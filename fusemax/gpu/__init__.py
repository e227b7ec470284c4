"""Attention on GPUs that exist: what others published, and a harness that measures one's own."""
