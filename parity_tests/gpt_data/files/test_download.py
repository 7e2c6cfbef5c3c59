"""Downloads from a local server that makes every mistake a server can make."""

import hashlib
import http.client
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gpt_data.errors import UserError
from gpt_data.files.download import download

CONTENT = bytes(range(256)) * 400  # more than one slice
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><html>Please log in.</html>"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        getattr(self, self.path.strip("/").replace("-", "_"))()

    def log_message(self, *_):
        pass

    def answer(self, body, length=None, code=200, **headers):
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def right(self):
        self.answer(CONTENT, len(CONTENT))

    def no_length(self):
        self.answer(CONTENT)

    def page(self):
        self.answer(PAGE, len(PAGE), **{"Content-Type": "text/html"})

    def short(self):
        self.answer(CONTENT[:1000], len(CONTENT))

    def changed(self):
        self.answer(CONTENT[:-1] + b"x", len(CONTENT))

    def empty(self):
        self.answer(b"", 0)

    def large(self):
        self.answer(CONTENT + b"x", len(CONTENT) + 1)

    def large_without_length(self):
        self.answer(CONTENT + b"x")

    def endless(self):
        self.answer(b"")
        self.drip(b"x" * 10000, 0)

    def stall(self):
        self.answer(CONTENT[:10], len(CONTENT))
        self.server.released.wait(10)

    def announced(self):
        self.answer(b"", len(CONTENT))
        self.server.released.wait(10)

    def silent(self):
        self.server.released.wait(10)

    def slow_body(self):
        self.answer(b"", len(CONTENT))
        self.drip(b"x", 0.05)

    def slow_body_without_length(self):
        self.answer(b"")
        self.drip(b"x", 0.05)

    def slow_header(self):
        self.drip(b"HTTP/1.1 200 OK\r\n", 0)
        self.drip(b"X", 0.05)

    def drip(self, piece, pause):
        for _ in range(200):
            if self.server.released.wait(pause):
                break
            self.wfile.write(piece)
            self.wfile.flush()
            if piece.startswith(b"HTTP"):
                break

    def moved(self):
        self.answer(b"", 0, 302, Location="/right")

    def moved_to_http(self):
        self.answer(b"", 0, 302, Location=f"http://{self.headers['Host']}/right")

    def moved_to_file(self):
        self.answer(b"", 0, 302, Location="file:///etc/hostname")

    def moved_to_ftp(self):
        self.answer(b"", 0, 302, Location="ftp://127.0.0.1/right")

    def circle(self):
        self.answer(b"", 0, 302, Location="/circle")

    def odd_reason(self):
        self.wfile.write(b"HTTP/1.1 503 Closed \x1b[31m today\r\nContent-Length: 0\r\n\r\n")

    def no_http(self):
        self.wfile.write(b"220 this is a mail server\r\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):  # the client closes the connection on purpose
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with Server(("127.0.0.1", 0), Handler) as server:
        server.released = threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.released.set()
        server.shutdown()
        thread.join()


def fetch(url, **limits):
    settings = {"sha256": SHA256, "max_bytes": len(CONTENT), "timeout": 5, "deadline": 10}
    return download(url, **(settings | limits))


def refusal(url, **limits):
    with pytest.raises(UserError) as caught:
        fetch(url, **limits)
    message = str(caught.value)
    assert message.startswith(f"cannot download {url}: ")
    assert message.isprintable() and r"\n" not in message
    return message.removeprefix(f"cannot download {url}: ")


@pytest.mark.parametrize("path", ["right", "no-length", "moved"])
def test_the_expected_file_is_complete(server, path):
    assert fetch(f"http://{server}/{path}") == CONTENT
    assert fetch(f"http://{server}/{path}", sha256=SHA256.upper()) == CONTENT


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("page", "it is not the expected file (its SHA-256 differs), but a web page: does the network require"),
        ("changed", "it is not the expected file (its SHA-256 differs)"),
        ("empty", "it is not the expected file (its SHA-256 differs)"),
        ("short", "the connection broke off after 1000 of 102400 bytes; try again"),
        ("large", "it is larger than 102400 bytes, so it is not the expected file"),
        ("large-without-length", "it is larger than 102400 bytes, so it is not the expected file"),
        ("endless", "it is larger than 102400 bytes, so it is not the expected file"),
        ("nowhere-to-be-found", "the server answered 404 (Not Found)"),
        ("odd-reason", r"the server answered 503 (Closed \x1b[31m today)"),
        (
            "moved-to-file",
            "the server answered 302 (Found - Redirection to url 'file:///etc/hostname' is not allowed)",
        ),
        ("moved-to-ftp", "it redirects from http to ftp://127.0.0.1/right, which is refused as unsafe"),
        ("circle", "the server answered 302 (The HTTP server returned a redirect error that would lead to an "),
        ("no-http", "220 this is a mail server"),
    ],
)
def test_other_responses_are_refused(server, path, reason):
    if path == "nowhere-to-be-found":
        Handler.nowhere_to_be_found = lambda self: self.send_error(404)
    assert refusal(f"http://{server}/{path}").startswith(reason)


def test_an_oversized_response_is_cut(server):
    began = time.monotonic()
    assert "larger than 5 bytes" in refusal(f"http://{server}/slow-body-without-length", max_bytes=5)
    assert time.monotonic() - began < 3  # the whole response would take ten seconds


def test_an_oversized_announcement_is_refused(server):
    assert "larger than 5 bytes" in refusal(f"http://{server}/announced", max_bytes=5, timeout=0.2)


@pytest.mark.parametrize("path", ["stall", "silent"])
def test_a_silent_server_times_out(server, path):
    began = time.monotonic()
    assert refusal(f"http://{server}/{path}", timeout=0.2) == "the server was silent for 0.2 seconds"
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("path", ["slow-body", "slow-header", "silent"])
def test_a_slow_server_hits_the_deadline(server, path):
    began = time.monotonic()
    assert refusal(f"http://{server}/{path}", deadline=0.4) == "it was not complete after 0.4 seconds"
    assert 0.3 < time.monotonic() - began < 3


def test_reading_ends_at_the_deadline(server):
    assert "not complete" in refusal(f"http://{server}/slow-body", deadline=0.2)
    for thread in threading.enumerate():
        if thread.name == "download":
            thread.join(2)  # the server sends for ten seconds
            assert not thread.is_alive()


def test_no_server(server):
    with Server(("127.0.0.1", 0), Handler) as closed:
        port = closed.server_address[1]
    assert refusal(f"http://127.0.0.1:{port}/right") == "Connection refused"


def test_https_never_redirects_to_http(server, monkeypatch):
    # The server has no TLS, and only the handling of its response is tested, so https is sent as http.
    monkeypatch.setattr(
        urllib.request.HTTPSHandler,
        "https_open",
        lambda self, request: self.do_open(http.client.HTTPConnection, request),
    )
    assert fetch(f"https://{server}/moved") == CONTENT
    reason = refusal(f"https://{server}/moved-to-http")
    assert reason == f"it redirects from https to http://{server}/right, which is refused as unsafe"
    assert fetch(f"http://{server}/moved-to-http") == CONTENT


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "nonsense", "", "httpx://a"])
def test_other_addresses_are_refused(url):
    assert refusal(url) == "an address must begin with http:// or https://"


@pytest.mark.parametrize("url", ["http://", "http://[", "http://127.0.0.1:port/x", "http://127.0.0.1/a b"])
def test_broken_addresses_are_refused(url, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    refusal(url)
