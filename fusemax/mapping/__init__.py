"""Mappings: a cascade's loops on a machine, what is kept where, which unit does what, and when."""
