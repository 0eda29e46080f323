"""Blind pairwise studies: battles, votes and ratings with honest uncertainty."""
