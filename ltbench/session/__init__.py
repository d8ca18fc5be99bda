"""From what is asked for to runs that are done: plans, sweep files, tuning, retries, progress."""
