"""One conversation with a certificate authority by ACME (RFC 8555): an account, an order, its challenges, a chain.

Blocking: call it in a thread.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path

import requests
from acme import client, errors, messages
from acme.challenges import HTTP01
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.errors import Error as JoseError
from josepy.jwk import JWK, JWKRSA

from flyball.core.errors import Failed
from flyball.core.model import Acme

from .certificate import Pair, keep, pem_of

DEADLINE = dt.timedelta(minutes=3)
Publish = Callable[[Mapping[str, str]], None]
"""Serve these tokens with their answers; returns once a visitor would get them."""


def order(wanted: Acme, *, account: Path, home: Path, publish: Publish) -> Pair:
    """A new certificate, with a new key. The key in `account` is made when it is missing.

    `home` is the directory from which the file's paths are seen. Raises Failed with what the authority says.
    """
    try:
        return _issued(wanted, _client(wanted, _account_key(account), home), publish)
    except errors.ValidationError as error:
        raise Failed("; ".join(_refusals(error))) from error
    except requests.ConnectionError as error:
        raise Failed(f"{wanted.directory} cannot be reached: {_cause(error)}") from error
    except (errors.Error, JoseError, requests.RequestException, messages.Error, ValueError, KeyError) as error:
        raise Failed(_said(error)) from error


def _client(wanted: Acme, key: JWK, home: Path) -> client.ClientV2:
    network = client.ClientNetwork(key, user_agent="flyball")
    if wanted.ca is not None:
        network.verify_ssl = str(home / wanted.ca)  # type: ignore[assignment]  # requests takes a path as well
    made = client.ClientV2(client.ClientV2.get_directory(wanted.directory, network), network)
    try:
        made.new_account(messages.NewRegistration.from_data(email=wanted.email, terms_of_service_agreed=True))
    except errors.ConflictError as known:
        made.query_registration(messages.RegistrationResource(uri=known.location, body=messages.Registration()))
    return made


def _issued(wanted: Acme, authority: client.ClientV2, publish: Publish) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    placed = authority.new_order(_request(wanted, key))
    asked = [_challenge(one.body) for one in placed.authorizations if one.body.status == messages.STATUS_PENDING]
    answers = [one.response_and_validation(authority.net.key) for one in asked]
    publish({one.chall.encode("token"): text for one, (_, text) in zip(asked, answers, strict=True)})
    for challenge, (response, _) in zip(asked, answers, strict=True):
        authority.answer_challenge(challenge, response)
    done = authority.poll_and_finalize(placed, dt.datetime.now() + DEADLINE)  # noqa: DTZ005 - the library compares so
    return Pair(done.fullchain_pem.encode(), pem_of(key))


def _challenge(authorization: messages.Authorization) -> messages.ChallengeBody:
    for one in authorization.challenges:
        if isinstance(one.chall, HTTP01):
            return one
    raise Failed(f"the authority does not offer HTTP-01 for {authorization.identifier.value}")


def _request(wanted: Acme, key: ec.EllipticCurvePrivateKey) -> bytes:
    names = x509.SubjectAlternativeName([x509.DNSName(one) for one in wanted.domains])
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=False)
    return asked.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _account_key(file: Path) -> JWK:
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep(file, pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    return JWKRSA.load(file.read_bytes())


def _refusals(error: errors.ValidationError) -> list[str]:
    return [
        f"{failed.body.identifier.value}: {_said(challenge.error)}"
        for failed in error.failed_authzrs
        for challenge in failed.body.challenges
        if challenge.error is not None
    ]


def _said(error: Exception) -> str:
    if isinstance(error, errors.IssuanceError):
        error = error.error
    if isinstance(error, messages.Error):
        return " ".join(str(error.detail or error.title or error.typ).split())
    if isinstance(error, errors.TimeoutError):
        return f"no certificate within {DEADLINE.seconds // 60} minutes"
    return " ".join(str(error).split()) or type(error).__name__


def _cause(error: BaseException) -> str:
    """What lies at the bottom of a chain of wrapped errors."""
    while isinstance(inner := error.args[0] if error.args else None, BaseException) or (
        inner := getattr(inner, "reason", None)
    ):
        error = inner
    return str(error)
