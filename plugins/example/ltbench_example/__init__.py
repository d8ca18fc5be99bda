"""A complete plugin project for ltbench, to read and to copy."""
