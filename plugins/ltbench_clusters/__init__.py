"""Executors that reach clusters: Ray and SLURM."""
