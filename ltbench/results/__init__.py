"""The run folder, and reading many of them at once.

What a run folder holds is described in ``docs/run-folder.md``. Reading trusts nothing it finds: a
folder that cannot be read becomes a run of status ``unreadable`` with its reason, never a crash.
"""
