"""The certificate that visitors see: a file names it, and Envoy takes it for new connections when that file changes."""

from __future__ import annotations

from .types import Json, typed

SECRETS_FILE = "sds.json"
CERTIFICATE = "certificate"


def secret(pair: tuple[str, str]) -> Json:
    """The files of the certificate chain and of its private key. What lies in them must never change."""
    chain, key = ({"filename": path} for path in pair)
    return typed(
        "envoy.extensions.transport_sockets.tls.v3.Secret",
        name=CERTIFICATE,
        tls_certificate={"certificate_chain": chain, "private_key": key},
    )
