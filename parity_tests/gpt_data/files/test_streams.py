"""Streams that keep nothing, and streams that cannot fail any more."""

from __future__ import annotations

import io
import os
import subprocess
import sys

from gpt_data.files.streams import discard, open_null_device


def test_null_device_keeps_nothing():
    with open_null_device() as null:
        null.write("text")
    assert os.path.getsize(os.devnull) == 0  # noqa: PTH202 - a device


def test_discarded_output_cannot_fail():
    program = (
        "import sys; from gpt_data.files.streams import discard\n"
        "try: print('text', flush=True)\n"
        "except BrokenPipeError: discard(sys.stdout)\n"
        "else: sys.exit('the reader is still there')\n"
    )
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as unread:
        result = subprocess.run([sys.executable, "-c", program], stdout=unread, stderr=subprocess.PIPE, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


def test_a_stream_without_a_descriptor_leaves_none_open():
    def lowest_free():
        with open_null_device() as null:
            return null.fileno()

    before = lowest_free()
    discard(io.StringIO())
    assert lowest_free() == before
