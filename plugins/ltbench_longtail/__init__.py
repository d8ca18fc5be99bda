"""Algorithms for long-tailed class distributions."""
