"""The kinds of study: of each what its file says, its plan, its tables and its figures."""
