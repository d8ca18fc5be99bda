"""The facts of the first-party data sets, one TOML file each."""
