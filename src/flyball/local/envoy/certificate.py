"""Certificates for HTTPS on this machine: the one that the file names, or a self-signed one, of which browsers warn.

Made with `cryptography`, because the `openssl` program is not on every machine.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from flyball.core.errors import FileError
from flyball.core.model import Listener, Tls

NAMES = ("localhost", "*.localhost")
ADDRESSES = ("127.0.0.1", "::1")
VALID = dt.timedelta(days=397)
RENEW_BEFORE = dt.timedelta(days=30)


def paths(tls: Tls, *, home: Path, own: Path) -> tuple[str, str]:
    """Paths of (certificate, private key): the file's, seen from its directory `home`, or self-made ones in `own`.

    Raises OSError when self-made ones cannot be written.
    """
    if tls.certificate is not None and tls.private_key is not None:
        return str(home / tls.certificate), str(home / tls.private_key)
    return self_made(own)


def must_be_usable(listener: Listener, *, home: Path) -> None:
    """Raise FileError when Envoy (which would then listen nowhere) or a browser would refuse the file's certificate."""
    tls = listener.tls
    if tls is None or tls.certificate is None or tls.private_key is None:
        return
    try:
        certificate = x509.load_pem_x509_certificate(_read("certificate", home / tls.certificate))
    except ValueError as error:
        raise FileError(f"listener.tls.certificate: {tls.certificate} holds no certificate in PEM") from error
    try:
        key = serialization.load_pem_private_key(_read("key", home / tls.private_key), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it has a password
        raise FileError(f"listener.tls.key: {tls.private_key} holds no private key in PEM without password") from error
    if key.public_key() != certificate.public_key():
        raise FileError(f"listener.tls.key: {tls.private_key} is not the key of {tls.certificate}")
    if certificate.not_valid_after_utc <= dt.datetime.now(tz=dt.UTC):
        raise FileError(
            f"listener.tls.certificate: {tls.certificate} ended on {certificate.not_valid_after_utc:%Y-%m-%d}"
        )


def _read(field: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"listener.tls.{field}: {path} cannot be read: {error.strerror}") from error


def self_made(directory: Path) -> tuple[str, str]:
    """Paths of (certificate, private key) in `directory`: those that lie there, or new ones when they soon expire.

    The key file is readable by its owner only. Raises OSError when they cannot be written.
    """
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    now = dt.datetime.now(tz=dt.UTC)
    if not (key.exists() and _valid(certificate, now + RENEW_BEFORE)):
        directory.mkdir(parents=True, exist_ok=True)
        chain, secret = _make(now)
        key.unlink(missing_ok=True)
        key.touch(mode=0o600)
        key.write_bytes(secret)
        certificate.write_bytes(chain)
    return str(certificate), str(key)


def _valid(path: Path, at: dt.datetime) -> bool:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc > at
    except (FileNotFoundError, ValueError):
        return False


def _make(now: dt.datetime) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    others = [x509.DNSName(each) for each in NAMES]
    addresses = [x509.IPAddress(ipaddress.ip_address(each)) for each in ADDRESSES]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([*others, *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), secret
