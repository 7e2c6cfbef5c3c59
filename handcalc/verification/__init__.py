"""Check worked lines: read them from any text, Markdown or JSON, and work each of them out again.

``arithmetic_parser`` turns what is written into the tree that everything else here reads, so the one calculator of the
project works it out; ``text_reader`` and ``json_reader`` find the lines; ``line_check`` judges one line; ``page_check``
holds a whole trace of this program against its formulas. ``handcalc.verify`` is the command line.
"""
