"""Leaderboards, figures and the page: what runs say, as a reader wants it.

Reports read run folders through :mod:`ltbench.results`, compute with :mod:`ltbench.stats`, and
never import torch.
"""
