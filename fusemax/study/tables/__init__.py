"""Tables of rows: what each point costs, added up, broken down, held against published values, described."""
