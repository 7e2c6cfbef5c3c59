"""Mutants of the recorder: what is written down, what is refused, how a tape is shortened, and what proves it."""

from __future__ import annotations

from parity_tests.mutants.mutant import in_file

REPLAY_OF_CALLS = [
    *in_file(
        "replay/noting.py",
        ("a constant that is a view of what may change", "        array = array.base\n", "        array = None\n"),
        ("a constant over memory that is no array", "array is None or isinstance(array, bytes)", "True"),
        (
            "a writable constant",
            "if array.flags.writeable or isinstance(array, NotedArray)",
            "if isinstance(array, int)",
        ),
        ("an input may be changed", "    if not place.memory.writable:\n", "    if False:\n"),
        ("arrays of another recording", "if place.memory not in self.memories:", "if not self.memories:"),
        ("a recording that has ended is used", "if recorder is None or not recorder.open:", "if recorder is None:"),
        ("the offset of a view forgotten", "return Place(memory, offset, value", "return Place(memory, 0, value"),
        ("what no noted call made", "    if not 0 <= offset <= memory.size or", "    if False and"),
        ("a tuple of arrays is taken for a constant", "return tuple(map(noted, value))", "return value"),
        ("a number that is changed in place", "recording._is_number = not isinstance(result, np.ndarray)", "pass"),
        ("arrays of Python objects", "if array.dtype.hasobject:", "if False:"),
        (
            "a change of the state is not noticed",
            "self.changed = self.changed or (out is not None and out.memory.fixed is not None)",
            "self.changed = False",
        ),
    ),
    *in_file(
        "replay/recording.py",
        ("a question is not asked again", "        recorder.note(require_answer, (place_of(self), answer))\n", ""),
        ("inputs are not copied", 'array.copy("K"), Memory', "array, Memory"),
        ("a number of less precision than the call's dtype", 'options.keys() & {"dtype", "sig", "signature"}', "False"),
        ("dimensions of a sum are lost", 'if given.get("keepdims") else ()', "if False else ()"),
        ("a sum over the wrong axis", 'given.get("axis", 0), given', "0, given"),
        (
            "a part that a later change reaches",
            "        part = copied(view, plain(view).copy())",
            "        part = view",
        ),
        ("results of another recording", "            recorder.check(place)\n", "            pass\n"),
        ("state that shares memory", "if any(np.may_share_memory(array, other)", "if any(False"),
        (
            "an interval for a part",
            "        if not simple or isinstance(part, bool):",
            "        if isinstance(part, str):",
        ),
        ("an exception that is caught", "        if recorder.failed is not None:\n", "        if False:\n"),
        ("any function is followed", "        if function in FOLLOWED:", "        if function not in HANDLERS:"),
    ),
    *in_file(
        "replay/functions.py",
        ("no mask while copying", "arguments[:3] if where is True else arguments", "arguments[:3]"),
        ("the choices exchanged", '(place, yes, "same_kind", mask)', '(place, no, "same_kind", mask)'),
        ("an index beyond the end by another mode", "place_of(result), mode), out", 'place_of(result), "clip"), out'),
    ),
    *in_file(
        "replay/memory.py",
        ("no alignment", "-(-size // ALIGNMENT) * ALIGNMENT", "size"),
        ("freed one call too early", "if other_last < first or", "if other_last <= first or"),
        ("a gap that is too small", "if begin + size <= other:", "if begin <= other:"),
        ("arrays on top of one another", "begin = max(begin, other_end)", "begin = max(begin, other)"),
    ),
    *in_file(
        "replay/calls.py",
        (
            "memory is taken at its last use only",
            "Use(uses[memory].first if memory in uses else number, number, memory.size)",
            "Use(number, number, memory.size)",
        ),
        (
            "results are freed after their last use",
            "-1, len(calls), memory.size)",
            "-1, uses[memory].last, memory.size)",
        ),
        ("rows with gaps between them are contiguous", "if length != 1 and stride != size:", "if stride < size:"),
        ("a part is taken for the whole", "self.entries * self.dtype.itemsize == self.memory.size", "self.offset == 0"),
    ),
    *in_file(
        "replay/rewriting.py",
        ("made in place although it is read later", "last[part.memory] == number and part", "part"),
        (
            "an input or a result made in place",
            "part.memory not in kept | moved.keys()",
            "part.memory not in moved.keys()",
        ),
        ("another dtype made in place", "part.is_whole and part.dtype == out.dtype", "part.is_whole"),
        (
            "joined in what was used before",
            "first[out.memory] != number or not out.is_whole:\n            continue\n        if not all(",
            "not out.is_whole:\n            continue\n        if not all(",
        ),
        (
            "a nested part lost",
            "while (target := moved.get(place.memory)) is not None:",
            "if target := moved.get(place.memory):",
        ),
        ("written over what is read later", "last.get(place.memory) == number and", "last.get(place.memory) and"),
        (
            "written over another layout",
            "return place.memory.size == out.memory.size and place[1:] == out[1:]",
            "return place.memory.size == out.memory.size and place.dtype == out.dtype",
        ),
        ("a result that is moved is not found", "[_moved_place(place, moved) for place in results]", "results"),
        ("every argument gets the result's shape", "if argument.entries == out.entries:", "if argument.shape != ():"),
    ),
    *in_file(
        "replay/tape.py",
        ("any answer is right", "if bool(question) is not answer:", "if False:"),
        ("the opposite answer is right", "if bool(question) is not answer:", "if bool(question) is answer:"),
    ),
    *in_file(
        "replay/replayed.py",
        ("never proven", "found == expected\n", "True\n"),
        ("large memory never gives way", "if self._buffer.size > _LARGE:", "if False:"),
        ("a tape keeps the memory that was given back", "            tape.unbind()\n", "            pass\n"),
        (
            "only the results are compared",
            "_digests((*results, *self._state, *self._tape.constants))",
            "_digests(results) + expected[len(results):]",
        ),
        ("constants may change", "+ self._constants\n", "+ _digests(self._tape.constants)\n"),
        (
            "shapes are not compared",
            "(np.shape(array), np.asarray(array).dtype, _digest(array))",
            "(np.asarray(array).dtype, _digest(array))",
        ),
        ("proven by a plain call", "self._proven = same_answers and", "self._proven ="),
        ("the state twice as far", "+ self._constants\n        _restore(self._state, before)\n", "+ self._constants\n"),
        (
            "the state is not restored where it is given up",
            "self._tape, self.was_replayed = None, False\n        _restore(self._state, before)",
            "self._tape, self.was_replayed = None, False",
        ),
        (
            "the state is not restored where it cannot be written down",
            "        _restore(self._state, before)\n        plain =",
            "        plain =",
        ),
        (
            "a wrong input gives up for ever",
            "        plain = self._plain(inputs)  # if",
            "        self.given_up = reason\n        plain = self._plain(inputs)  # if",
        ),
        ("another shape is spread over the tape's", "place.shape != array.shape or ", ""),
        ("a tape in the memory of before", "if tape.buffer is not self._buffer:", "if tape.buffer is None:"),
        (
            "memory that is not aligned",
            "start = -address_of(memory) % ALIGNMENT",
            "start = (8 - address_of(memory)) % ALIGNMENT",
        ),
        ("written down one call too late", "or self._left > 0:", "or self._left >= 0:"),
    ),
]
