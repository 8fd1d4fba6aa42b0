"""An instance that uses $MS milliseconds of its processor for each request, several at once in threads."""

import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BURN_S = float(os.environ["MS"]) / 1000


class Burning(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def do_GET(self) -> None:
        until = time.thread_time() + BURN_S
        while time.thread_time() < until:
            pass
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_: object) -> None:
        """Nothing: the log is not what is measured."""


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Burning).serve_forever()
