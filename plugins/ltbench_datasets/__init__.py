"""The first-party data sets; their facts are in ``datasets_registry``."""
