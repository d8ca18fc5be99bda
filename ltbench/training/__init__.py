"""Training a run: its specification, seeds, the loop, stages and checkpoints."""
