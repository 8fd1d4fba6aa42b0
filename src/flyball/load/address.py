"""Where the requests go: looked up once, and on loopback unless the user allows more."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from flyball.core.errors import FileError


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A numeric address to connect to. `tls` is None for plain HTTP; `name` is the name in the certificate."""

    ip: str
    port: int
    tls: ssl.SSLContext | None
    name: str


def look_up(url: str, *, allow_remote: bool) -> Address:
    """The address behind a URL, preferably IPv4. Raises FileError if there is none or it is not on this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise FileError(f"{url}: {error}") from None
    ip = str(min(found, key=lambda entry: entry[0] != socket.AF_INET)[4][0])
    loopback = ip_address(ip.partition("%")[0]).is_loopback
    if not loopback and not allow_remote:
        raise FileError(
            f"{host}{f' ({ip})' if host != ip else ''} is another machine; "
            "to send load to a machine of yours, add --allow-remote"
        )
    return Address(ip=ip, port=port, tls=_context(loopback=loopback) if parts.scheme == "https" else None, name=host)


def _context(*, loopback: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if loopback:  # certificates on this machine are self-signed
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
