"""Second stages, on top of any algorithm."""
