"""Figures of runs, one kind a file: each returns a drawing and the data frame that it shows."""
