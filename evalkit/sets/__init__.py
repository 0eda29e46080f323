"""Figures of whole sets of pictures: never of one picture, and never part of a ranking."""
