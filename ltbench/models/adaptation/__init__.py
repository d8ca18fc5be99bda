"""Networks of which a part is trained: one file for each family of adapters."""
