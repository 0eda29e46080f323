"""A server that answers as Stability AI's service would, on this machine."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

from evalkit.records import digest


def png(*key):
    """Make a picture of noise that the key decides, with the alpha that a PNG may have."""
    seed = int(digest(list(key))[:8], 16)
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def drawn(*key, **headers):
    """Make the answer of a service that drew."""
    named = {"Content-Type": "image/png", "finish-reason": "SUCCESS"}
    return 200, named | headers, png(*key)


class Service(ThreadingHTTPServer):
    """Answer with what it was told to, in order, and with pictures after that."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked = [], []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sent = fields(self.headers, body)
        self.server.asked.append((self.path, dict(self.headers), sent))
        answers = self.server.answers
        status, headers, data = answers.pop(0) if answers else drawn(sent["prompt"], sent["seed"])
        if status is None:  # break off in the middle of an answer
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def fields(headers, body):
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + body).get_payload()
    named = {p.get_param("name", header="content-disposition"): p for p in parts}
    return {n: p.get_payload(decode=True).decode() for n, p in named.items()}


@contextmanager
def serving() -> Iterator[Service]:
    """Answer for as long as the block lasts."""
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
