"""Observers: where a sweep's numbers go besides the runs' own folders."""
