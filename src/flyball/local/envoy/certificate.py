"""Certificates for HTTPS on this machine: the one that the file names, or a self-signed one, of which browsers warn.

Made with `cryptography`, because the `openssl` program is not on every machine.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from flyball.core.errors import FileError
from flyball.core.model import Acme, Application

NAMES = ("localhost", "*.localhost")
ADDRESSES = ("127.0.0.1", "::1")
VALID = dt.timedelta(days=397)
RENEW_BEFORE = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate, with those that vouch for it, and its private key, in PEM."""

    chain: bytes
    key: bytes = field(repr=False)

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate itself."""
        return x509.load_pem_x509_certificate(self.chain)

    @property
    def text(self) -> str:
        """For whom it is, and until when."""
        return f"for {', '.join(names(self.leaf)) or 'nobody'}, until {self.leaf.not_valid_after_utc:%Y-%m-%d}"


def names(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]


def must_be_usable(app: Application, *, home: Path) -> None:
    """Raise FileError when Envoy (which would then listen nowhere) or a browser would refuse a certificate of the file.

    An authority that a service names must be there as well.
    """
    tls = app.listener.tls
    for one in app.services:
        if one.tls_ca is not None:
            _authorities(f"services.{one.name}.tls.ca", one.tls_ca, home)
    if tls is not None and tls.acme is not None and tls.acme.ca is not None:
        _authorities("listener.acme.ca", tls.acme.ca, home)
    if tls is not None and tls.certificate is not None and tls.private_key is not None:
        read(tls.certificate, tls.private_key, home=home)


def _authorities(field: str, path: str, home: Path) -> None:
    try:
        x509.load_pem_x509_certificates((home / path).read_bytes())
    except OSError as error:
        raise FileError(f"{field}: {home / path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise FileError(f"{field}: {path} holds no certificate in PEM") from error


def read(certificate: str, private_key: str, *, home: Path) -> Pair:
    """What lies in the two files, seen from `home`. Raises FileError when it is of no use."""
    chain = _read("certificate", home / certificate)
    try:
        parts = x509.load_pem_x509_certificates(chain)
    except ValueError:
        parts = []
    if not parts or len(parts) != chain.count(b"-----BEGIN CERTIFICATE-"):  # the last one may be half written
        raise FileError(f"listener.tls.certificate: {certificate} holds no certificate in PEM")
    secret = _read("key", home / private_key)
    try:
        key = serialization.load_pem_private_key(secret, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it has a password
        raise FileError(f"listener.tls.key: {private_key} holds no private key in PEM without password") from error
    if key.public_key() != parts[0].public_key():
        raise FileError(f"listener.tls.key: {private_key} is not the key of {certificate}")
    if parts[0].not_valid_after_utc <= dt.datetime.now(tz=dt.UTC):
        raise FileError(f"listener.tls.certificate: {certificate} ended on {parts[0].not_valid_after_utc:%Y-%m-%d}")
    return Pair(chain, secret)


def _read(what: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"listener.tls.{what}: {path} cannot be read: {error.strerror}") from error


def issued_files(acme: Acme, own: Path) -> tuple[Path, Path]:
    """Where (certificate, private key) are that an authority has issued; each authority has its own directory."""
    directory = own / "acme" / hashlib.sha256(acme.directory.encode()).hexdigest()[:12]
    return directory / "chain.pem", directory / "key.pem"


def self_made(directory: Path) -> tuple[str, str]:
    """Paths of (certificate, private key) in `directory`: those that lie there, or new ones when they soon expire.

    The key file is readable by its owner only. Raises OSError when they cannot be written.
    """
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    now = dt.datetime.now(tz=dt.UTC)
    if not (key.exists() and _valid(certificate, now + RENEW_BEFORE)):
        directory.mkdir(parents=True, exist_ok=True)
        chain, secret = _make(now)
        keep(key, secret)
        keep(certificate, chain)
    return str(certificate), str(key)


def keep(file: Path, content: bytes) -> None:
    """Write a file that only its owner may read, by rename. Raises OSError."""
    temporary = file.with_name(f"{file.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_bytes(content)
    temporary.replace(file)


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
    return certificate.public_bytes(serialization.Encoding.PEM), pem_of(key)


def pem_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """A private key as a file holds it."""
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
