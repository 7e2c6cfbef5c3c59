"""Check a port: packs of known arrays that any language can read, and a checker that names the first wrong one.

``graph`` and ``operations`` say how every named array follows from earlier ones, and what ports get wrong there;
``check`` recomputes each array of a port from the port's own earlier arrays; ``pack`` writes and reads packs, and
``theirs`` reads what a port wrote. Only the recording of a pack uses numpy_gpt's layers: the checker states every
equation a second time.
"""
