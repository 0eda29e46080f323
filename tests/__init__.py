"""Ours: some packages install a top-level one of this name."""
