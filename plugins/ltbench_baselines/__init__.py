"""Baselines: empirical risk minimisation."""
