"""The file's command lines, quoted so that a POSIX shell runs them exactly as `flyball up` does.

Locally no shell reads `run`: it is split into words, and only `$NAME`, `${NAME}` and `$$` are expanded. On AWS a start
script runs it, so every word is quoted except for those forms.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from flyball.core.model import Service

VARIABLE = re.compile(r"\$(?:\$|\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z_][A-Za-z0-9_]*)")

PLACEHOLDER = """\
import http.server, os, sys

HEALTH = os.environ["FLYBALL_HEALTH"]


class NoReleaseYet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        healthy = self.path == HEALTH
        self.send_response(200 if healthy else 503)
        self.end_headers()
        self.wfile.write(b"no release yet: push the source\\n")


http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), NoReleaseYet).serve_forever()
"""
"""The server before the first release: healthy, so that the stack can be created, but 503 for visitors."""

# In the placeholder's image a task's /tmp is a volume that belongs to root; everybody may write to /dev/shm.
_ENCRYPTED = """\
import ssl, subprocess, tempfile

server = http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), NoReleaseYet)
making = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=placeholder"]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
with tempfile.TemporaryDirectory(dir="/dev/shm") as there:
    made = os.path.join(there, "made.pem")
    subprocess.run([*making, "-keyout", made + ".key", "-out", made], check=True)
    context.load_cert_chain(made, made + ".key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def placeholder(service: Service) -> str:
    """The program of that server, which speaks TLS when the balancer will."""
    if not service.tls:
        return PLACEHOLDER
    kept = PLACEHOLDER.splitlines(keepends=True)[:-1]
    return "".join([*kept, _ENCRYPTED])


def shell_words(run: str) -> str:
    """A command line for `sh` with the words of `run`; only variables are expanded.

    Raises ValueError when a quote is not closed.
    """
    return " ".join(_quoted(word) for word in shlex.split(run))


def _quoted(word: str) -> str:
    if VARIABLE.search(word) is None:
        return shlex.quote(word)
    parts: list[str] = []
    end = 0
    for variable in VARIABLE.finditer(word):
        filled = variable.group()
        parts += [_escaped(word[end : variable.start()]), r"\$" if filled == "$$" else filled]
        end = variable.end()
    return '"' + "".join([*parts, _escaped(word[end:])]) + '"'


def _escaped(text: str) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", text)


def zone_cases(zones: Mapping[str, str], place: str) -> str:
    """Sets FLYBALL_ZONE to the name in the file of the zone `place`. `zones`: names on AWS, or CDK tokens, to those."""
    cases = "".join(f"  {there}) FLYBALL_ZONE={shlex.quote(name)} ;;\n" for there, name in zones.items())
    return f'case "{place}" in\n{cases}esac\n'


def start_script(service: Service) -> str:
    """The script that starts the instance; it execs the program, so that signals reach it."""
    return f"#!/bin/sh\nset -eu\nexec {shell_words(service.run)}\n"
