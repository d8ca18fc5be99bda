"""The site: a page for each board, method and data set, and one to compare two methods.

Every page is a :class:`~ltbench.report.section.Report` in the same HTML as every other; a module
here makes one kind of them.
"""
