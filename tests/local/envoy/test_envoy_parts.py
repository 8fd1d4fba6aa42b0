"""The parts around Envoy that need no Envoy: files, access log, percentiles, certificate, command line."""

import contextlib
import datetime as dt
import json
import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flyball.core.errors import FileError
from flyball.core.model import Acme, Application, Listener, Service, Tls
from flyball.local.envoy import certificate, process
from flyball.local.envoy.config.resources import files
from flyball.local.envoy.config.types import seconds
from flyball.local.envoy.files import RESERVE, listening, write
from local.envoy.envoy_rig import application, service


def built(*services):
    app = application(*(replace(each, concurrency=0) for each in services))
    return files(app, {}, directory="/d", port=1, inside_port=8081, access_log="/l", certificate=None)


BEGAN, ENDED = dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2001, 2, 3, tzinfo=dt.UTC)
WEB, BOTH = built(service("web")), built(service("web"), service("api", "/api"))


def settle(directory):
    """As if all had been written long ago."""
    for name in ("cds.json", "rds.json"):
        os.utime(directory / name, (1, 1))


def known(directory):
    return sorted(cluster["name"] for cluster in json.loads((directory / "cds.json").read_text())["resources"])


def names(directory):
    return sorted(path.name for path in directory.iterdir() if path.name != RESERVE)


def test_only_what_changed_is_written(tmp_path):
    assert write(tmp_path, WEB) == ("eds-web.json", "cds.json", "lds.json", "rds.json")
    assert write(tmp_path, WEB) == ()
    assert names(tmp_path) == ["cds.json", "eds-web.json", "lds.json", "rds.json"]
    assert json.loads((tmp_path / "rds.json").read_text()) == WEB["rds.json"]


def test_a_changed_file_is_another_file_under_the_same_name(tmp_path):
    write(tmp_path, WEB)
    before = (tmp_path / "eds-web.json").stat().st_ino
    assert write(tmp_path, {**WEB, "eds-web.json": {"resources": []}}) == ("eds-web.json",)
    assert (tmp_path / "eds-web.json").stat().st_ino != before


def test_routes_to_a_new_service_wait_until_its_cluster_is_known(tmp_path):
    write(tmp_path, WEB)
    assert write(tmp_path, BOTH) == ("eds-api.json", "cds.json")
    assert write(tmp_path, BOTH) == ()
    settle(tmp_path)
    assert write(tmp_path, BOTH) == ("rds.json",)


def test_a_service_leaves_the_routes_first_and_its_endpoints_last(tmp_path):
    write(tmp_path, BOTH)
    assert write(tmp_path, WEB) == ("cds.json", "rds.json")
    assert known(tmp_path) == ["api", "web"]
    assert write(tmp_path, WEB) == ()
    settle(tmp_path)
    assert write(tmp_path, WEB) == ("cds.json", "eds-api.json")
    assert known(tmp_path) == ["web"]
    assert names(tmp_path) == ["cds.json", "eds-web.json", "lds.json", "rds.json"]


def test_when_one_comes_as_another_goes_both_are_known_for_a_while(tmp_path):
    api = built(service("api", "/api"))
    write(tmp_path, WEB)
    assert write(tmp_path, api) == ("eds-api.json", "cds.json")
    assert known(tmp_path) == ["api", "web"]
    settle(tmp_path)
    assert write(tmp_path, api) == ("rds.json",)
    assert known(tmp_path) == ["api", "web"]
    settle(tmp_path)
    assert write(tmp_path, api) == ("cds.json", "eds-web.json")
    assert known(tmp_path) == ["api"]


def test_a_service_that_comes_back_at_once_never_left(tmp_path):
    write(tmp_path, BOTH)
    write(tmp_path, WEB)
    settle(tmp_path)
    assert write(tmp_path, BOTH) == ("cds.json", "rds.json")
    assert known(tmp_path) == ["api", "web"]


def test_a_single_file_leaves_the_others_alone(tmp_path):
    write(tmp_path, WEB)
    assert write(tmp_path, {"bootstrap.json": {}}) == ("bootstrap.json",)
    assert "eds-web.json" in names(tmp_path)


def test_a_broken_file_is_replaced(tmp_path):
    write(tmp_path, WEB)
    for name in ("cds.json", "rds.json"):
        (tmp_path / name).write_text("{")
    assert write(tmp_path, WEB) == ("cds.json",)
    settle(tmp_path)
    assert write(tmp_path, WEB) == ("rds.json",)


def test_a_certificate_is_made_once_and_the_key_is_private(tmp_path):
    home = tmp_path / "tls"
    chain, key = certificate.self_made(home)
    assert stat.S_IMODE((home / "key.pem").stat().st_mode) == 0o600
    made = x509.load_pem_x509_certificate((home / "certificate.pem").read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    first = (home / "certificate.pem").read_bytes()
    assert certificate.self_made(home) == (chain, key)
    assert (home / "certificate.pem").read_bytes() == first
    (home / "certificate.pem").write_text("broken")
    certificate.self_made(home)
    assert (home / "certificate.pem").read_bytes().startswith(b"-----BEGIN")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda home: (home / "certificate.pem").unlink(), "certificate.pem cannot be read: No such file"),
        (lambda home: (home / "key.pem").unlink(), "key.pem cannot be read: No such file"),
        (lambda home: (home / "certificate.pem").write_text("broken"), "holds no certificate in PEM"),
        (lambda home: (home / "key.pem").write_text("broken"), "holds no private key in PEM"),
        (lambda home: (home / "key.pem").write_bytes(locked_key()), "holds no private key in PEM without password"),
        (lambda home: (home / "key.pem").write_bytes(locked_key(password=None)), "is not the key of certificate.pem"),
        (lambda home: (home / "certificate.pem").write_bytes(ended(home)), "ended on 2001-02-03"),
    ],
)
def test_a_certificate_that_envoy_would_refuse_is_told(tmp_path, spoil, says):
    certificate.self_made(tmp_path)
    app = Application(
        name="a", services=(), listener=Listener(tls=Tls(certificate="certificate.pem", private_key="key.pem"))
    )
    certificate.must_be_usable(app, home=tmp_path)
    spoil(tmp_path)
    with pytest.raises(FileError, match=says):
        certificate.must_be_usable(app, home=tmp_path)


@pytest.mark.parametrize(
    ("spoil", "says"), [(Path.unlink, "cannot be read: No such file"), (Path.touch, "holds no certificate in PEM")]
)
def test_authorities_that_are_not_there_are_told(tmp_path, spoil, says):
    ca = tmp_path / "certificate.pem"
    for app, field in (
        (Application(name="a", services=(Service(name="web", run="x", tls=True, tls_ca=ca.name),)), "services.web.tls"),
        (Application(name="a", services=(), listener=Listener(tls=Tls(acme=Acme(domains=(), ca=ca.name)))), "acme"),
    ):
        ca.unlink(missing_ok=True)
        certificate.self_made(tmp_path)
        certificate.must_be_usable(app, home=tmp_path)
        ca.unlink()
        ca.touch()
        spoil(ca)
        with pytest.raises(FileError, match=f"{field}.ca: .*{says}"):
            certificate.must_be_usable(app, home=tmp_path)


def locked_key(password: bytes | None = b"word") -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    lock = serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def ended(home):
    """The certificate in `home` as it was made long ago."""
    key = serialization.load_pem_private_key((home / "key.pem").read_bytes(), password=None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, BEGAN, ENDED)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_the_program_is_the_wheels_own_binary(tmp_path):
    assert process.binary().read_bytes()[:4] in (b"\x7fELF", b"\xcf\xfa\xed\xfe")
    words = process.command(bootstrap=tmp_path / "b.json", log=tmp_path / "e.log", concurrency=2)
    assert words[0] == str(process.binary())
    assert "--disable-hot-restart" in words


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0s"), (1, "1s"), (0.25, "0.25s"), (100.0, "100s"), (1e-4, "0.0001s")]
)
def test_durations_are_written_as_protobuf_has_them(value, text):
    assert seconds(value) == text


def test_a_clock_that_has_gone_back_holds_nothing_up(tmp_path):
    write(tmp_path, WEB)
    write(tmp_path, BOTH)
    for name in ("cds.json", "rds.json"):
        os.utime(tmp_path / name, (4e9, 4e9))
    assert "rds.json" in write(tmp_path, BOTH)


def test_the_files_tell_where_the_balancer_listens(tmp_path):
    assert listening(tmp_path) == {}
    write(tmp_path, WEB)
    assert listening(tmp_path) == {"http": 1}


def test_trace_is_refused_with_what_is_allowed():
    [configuration] = WEB["rds.json"]["resources"]
    [refusal] = [
        route
        for route in configuration["virtual_hosts"][0]["routes"]
        if route.get("direct_response", {}).get("status") == 405
    ]
    assert refusal["response_headers_to_add"][0]["header"]["key"] == "allow"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tiny disk needs root")
def test_a_full_disk_has_room_for_the_balancers_files(tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=False)
    if mounted.returncode != 0:
        pytest.skip("a tiny disk cannot be mounted here")
    try:
        complete = {name: {"resources": []} for name in ("cds.json", "rds.json", "lds.json")}
        write(tmp_path, complete)
        with (tmp_path / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))
        longer = {"resources": [{"name": "x" * 10_000}]}
        assert write(tmp_path, {**complete, "lds.json": longer}) == ("lds.json",)
        assert not (tmp_path / RESERVE).exists()
        (tmp_path / "filler").unlink()
        write(tmp_path, complete)
        assert (tmp_path / RESERVE).exists()
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)
