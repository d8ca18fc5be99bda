"""Tables of a particular experiment: ablations, and models × losses × test sets."""
