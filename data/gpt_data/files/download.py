"""Download one known file: complete, unchanged and in time, or fail with a one-line error."""

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

_SLICE = 1 << 16  # bytes requested at a time


def download(url: str, *, sha256: str, max_bytes: int, timeout: float = 10.0, deadline: float = 60.0) -> bytes:
    """Return the verified bytes at an http or https address; nothing is written to disk.

    Parameters
    ----------
    url
        The address. Redirects are followed, but never from https to anything else.
    sha256
        The expected SHA-256, in hexadecimal.
    max_bytes
        The largest accepted size; reading stops there.
    timeout
        The longest silence, in seconds: until the connection is made, and between two pieces of the response.
    deadline
        The longest total time, in seconds.

    Raises
    ------
    UserError
        If the server cannot be reached, refuses, is silent or too slow, or sends too much, too little or the
        wrong file.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise UserError(f"cannot download {show_path(url)}: an address must begin with http:// or https://")
    result: SimpleQueue[bytes | Exception] = SimpleQueue()
    end = time.monotonic() + deadline

    def work() -> None:
        try:
            result.put(_fetch(url, max_bytes, timeout, end))
        except Exception as error:
            result.put(error)

    # The standard library cannot limit the total time: its timeout is for a single silence, and the DNS lookup has
    # none. So another thread does the work while this one waits; as a daemon it does not delay the program's exit.
    Thread(target=work, name="download", daemon=True).start()
    try:
        content = result.get(timeout=deadline)
    except Empty:
        content = _TooSlow()
    if isinstance(content, Exception):
        raise UserError(f"cannot download {show_path(url)}: {_describe(content, timeout, deadline)}") from content
    if hashlib.sha256(content).hexdigest() != sha256.lower():
        page = ", but a web page: does the network require a log-in?" if content.lstrip()[:1] == b"<" else ""
        raise UserError(f"cannot download {show_path(url)}: it is not the expected file (its SHA-256 differs){page}")
    return content


class _TooSlow(Exception):
    """The deadline has passed."""


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from an encrypted to an unencrypted connection, where the file could be replaced."""

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
            fp.close()  # closes the connection
            raise UserError(f"it redirects from {req.type} to {newurl[:200]}, which is refused as unsafe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str, max_bytes: int, timeout: float, end: float) -> bytes:
    opener = urllib.request.build_opener(_NoDowngrade)
    content = bytearray()
    with opener.open(url, timeout=timeout) as response:
        declared = response.headers.get("Content-Length", "")
        promised = int(declared) if declared.isdecimal() else 0  # 0 if the server does not say
        while promised <= max_bytes and (piece := response.read1(_SLICE)):
            content += piece
            if len(content) > max_bytes:
                break
            if time.monotonic() > end:
                raise _TooSlow
    if max(promised, len(content)) > max_bytes:
        raise UserError(f"it is larger than {max_bytes} bytes, so it is not the expected file")
    if len(content) < promised:
        raise UserError(f"the connection broke off after {len(content)} of {promised} bytes; try again")
    return bytes(content)


def _describe(error: Exception, timeout: float, deadline: float) -> str:
    """Return a one-line description of the error."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # closes the connection
        return f"the server answered {error.code} ({_one_line(error.msg)})"
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
