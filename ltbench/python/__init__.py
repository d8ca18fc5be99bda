"""What is used from Python, in a notebook or a script: ``ltbench.run`` and ``ltbench.load``."""
