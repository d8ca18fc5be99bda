"""Algorithms for several domains."""
