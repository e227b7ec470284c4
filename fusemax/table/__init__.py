"""Tables that describe themselves: every column with its role, its unit, its meaning, and how it adds up."""
