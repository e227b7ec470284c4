"""Studies: many points of machines and mappings, their tables, figures and reports."""
