"""Analysis of variance and what follows it: data frame in, data frame out.

Nothing here reads files or prints. Scores are long data frames with the columns ``label`` (the
method), ``seed``, ``metric`` and ``value``; ``docs/statistics.md`` says why each test was chosen
and how often its claims are wrong.
"""
