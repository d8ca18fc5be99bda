"""What `ltbench reproduce` reproduces: facts in TOML, no code.

``sources.toml`` names the publications. Every other file is an experiment: the options of one
``ltbench run`` under ``[run]``, what ``--mini`` puts in their place under ``[mini]``, and a
``[[shows]]`` for each table or figure that is made of its runs. ``ltbench.session.reproductions``
reads them and says what each key means.
"""
