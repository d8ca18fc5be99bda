"""The command line: one file per command, each of which adds itself to the group."""
