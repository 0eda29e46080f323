"""How a database of each release becomes one of the next."""
