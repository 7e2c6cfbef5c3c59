"""Check worked lines: read them from any text, Markdown or JSON, and work out each of them again.

``line_reader`` and ``table_reader`` find the lines and the tables of a page, ``plan_reader`` finds what it says about
its model; ``document`` puts all this together. ``line_check`` judges one line; ``page_check`` compares a whole trace of
this program with its formulas. ``handcalc.verify`` is the command line.
"""
