"""An instance that reads HTTP/1.1 as strictly as it can and writes down each request: one JSON line in the file SEEN.

Whatever is not exactly a request is written down as malformed, and its connection ends. Standard library only: the
tests run this file as a program.
"""

import json
import os
import re
import socketserver
from pathlib import Path

LINE = re.compile(rb"([A-Z]+) ([!-~]+) HTTP/1\.1\r\n")
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([ -~]*)\r\n")


class Malformed(Exception):
    """Not a request."""


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while first := self.rfile.readline(65536):
                self._answer(*self._request(first))
        except (Malformed, ValueError) as error:
            record({"malformed": str(error)})
        except ConnectionError:
            pass

    def _request(self, first):
        found = LINE.fullmatch(first)
        if found is None:
            raise Malformed(f"request line {first!r}")
        headers = []
        while (line := self.rfile.readline(131072)) != b"\r\n":
            header = HEADER.fullmatch(line)
            if header is None:
                raise Malformed(f"header {line!r}")
            headers.append((header[1].decode().lower(), header[2].decode()))
        return found[1].decode(), found[2].decode(), headers

    def _answer(self, method, target, headers):
        health = ("user-agent", "flyball-health-check") in headers or target == "/health"
        if not health:
            record({"method": method, "target": target, "headers": headers})
        body = self._body(headers)
        if not health:
            record({"of": target, "body": body.decode("latin-1")})
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Flyball-Instance: forged\r\nContent-Length: 2\r\n\r\nok")

    def _body(self, headers):
        lengths = [value for name, value in headers if name == "content-length"]
        codings = [value for name, value in headers if name == "transfer-encoding"]
        if len(lengths) + len(codings) > 1 or codings not in ([], ["chunked"]):
            raise Malformed(f"two lengths: {headers}")
        if lengths:
            return self._exactly(int(lengths[0]))
        return b"".join(iter(self._chunk, b"")) if codings else b""

    def _chunk(self):
        line = self.rfile.readline(64)
        if not line:
            raise ConnectionError("a body that breaks off")
        data = self._exactly(int(line, 16))
        if self._exactly(2) != b"\r\n":
            raise Malformed("a chunk without its end")
        return data

    def _exactly(self, length):
        data = self.rfile.read(length)
        if len(data) < length:
            raise ConnectionError("a body that breaks off")
        return data


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256


def record(what):
    with Path(os.environ["SEEN"]).open("a", encoding="utf-8") as seen:
        seen.write(json.dumps(what) + "\n")


if __name__ == "__main__":
    Server((os.environ["HOST"], int(os.environ["PORT"])), Connection).serve_forever()
