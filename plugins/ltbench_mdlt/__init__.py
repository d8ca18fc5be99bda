"""Algorithms for multi-domain long-tailed recognition."""
