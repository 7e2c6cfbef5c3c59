"""Fetching one known file from the network: all of it, unchanged and in time, or one line that says why not."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO

from gpt_data.errors import UserError
from gpt_data.wording import show_path

_SLICE = 1 << 16  # bytes asked for at a time


def download(url: str, *, sha256: str, max_bytes: int, timeout: float = 10.0, deadline: float = 60.0) -> bytes:
    """Return the bytes at an http or https address, verified; nothing is written anywhere.

    Parameters
    ----------
    url
        Where they are. A redirection is followed, but never from https to anything else.
    sha256
        Their SHA-256, in hexadecimal.
    max_bytes
        Reading stops where there are more.
    timeout
        The longest silence, in seconds: before a connection stands, and between two pieces of the answer.
    deadline
        The longest time, in seconds, for everything together.

    Raises
    ------
    UserError
        If the server cannot be reached, refuses, is silent or too slow, or sends too much, too little or
        something else.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise UserError(f"cannot download {show_path(url)}: an address must begin with http:// or https://")
    outcome: SimpleQueue[bytes | Exception] = SimpleQueue()
    ends = time.monotonic() + deadline

    def work() -> None:
        try:
            outcome.put(_content(url, max_bytes, timeout, ends))
        except Exception as error:
            outcome.put(error)

    # Nothing in the standard library bounds a whole exchange: a timeout is for one silence, and the look-up of a
    # server's name has none. So a thread works and this one waits; being a daemon, it holds up no program's end.
    Thread(target=work, name="download", daemon=True).start()
    try:
        content = outcome.get(timeout=deadline)
    except Empty:
        content = _TooSlow()
    if isinstance(content, Exception):
        raise UserError(f"cannot download {show_path(url)}: {_reason(content, timeout, deadline)}") from content
    if hashlib.sha256(content).hexdigest() != sha256.lower():
        page = ", but a web page: does the network ask for a log-in?" if content.lstrip()[:1] == b"<" else ""
        raise UserError(
            f"cannot download {show_path(url)}: what came is not the expected file (its SHA-256 differs){page}"
        )
    return content


class _TooSlow(Exception):
    """The deadline has passed."""


class _SameSafety(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but not out of an encrypted connection: whoever reads along could answer there."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = newurl.partition(":")[0].lower()
        if scheme != "https" and (scheme != "http" or req.type == "https"):
            fp.close()  # it holds the connection
            raise UserError(f"it redirects from {req.type} to {newurl[:200]}, which is refused as unsafe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _content(url: str, max_bytes: int, timeout: float, ends: float) -> bytes:
    opener = urllib.request.build_opener(_SameSafety)
    content = bytearray()
    with opener.open(url, timeout=timeout) as response:
        declared = response.headers.get("Content-Length", "")
        promised = int(declared) if declared.isdecimal() else 0  # an answer in chunks, or until its end, says nothing
        while promised <= max_bytes and (piece := response.read1(_SLICE)):
            content += piece
            if len(content) > max_bytes:
                break
            if time.monotonic() > ends:
                raise _TooSlow
    if max(promised, len(content)) > max_bytes:
        raise UserError(f"it is larger than {max_bytes} bytes, so it is not the expected file")
    if len(content) < promised:
        raise UserError(f"the connection broke off after {len(content)} of {promised} bytes; try again")
    return bytes(content)


def _reason(error: Exception, timeout: float, deadline: float) -> str:
    """Return in words, on one line, what went wrong."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # it holds the connection
        return f"the server answers {error.code} ({_one_line(error.msg)})"
    if isinstance(error, urllib.error.URLError):
        error = error.reason if isinstance(error.reason, Exception) else UserError(error.reason)
    if isinstance(error, _TooSlow):
        return f"it was not complete after {deadline:g} seconds"
    if isinstance(error, TimeoutError):
        return f"the server was silent for {timeout:g} seconds"
    if isinstance(error, OSError) and error.strerror:
        return _one_line(error.strerror)
    return _one_line(str(error)) or type(error).__name__


def _one_line(text: str) -> str:
    return show_path(" ".join(text.split()))[:300]
