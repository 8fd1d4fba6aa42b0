"""A certificate that changes on disk: taken over when it fits, refused and told when it does not."""

from __future__ import annotations

import asyncio
import ssl
import stat
import time
from pathlib import Path

import pytest

from flyball.core.control.news import Mishap
from flyball.core.errors import FileError
from flyball.core.model import Tls
from flyball.local.envoy import certificate
from flyball.local.envoy.served import Served
from flyball.local.envoy.shown import DAY_S, Shown, shown
from local.envoy.envoy_rig import application
from waiting import soon

TLS = Tls(certificate="certificate.pem", private_key="key.pem")


class Place:
    """A user's directory with two files, and what is served of them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.heard: list[Mishap] = []
        certificate.self_made(home)
        self.served = self.begun()

    def begun(self) -> Served:
        return Served(self.home, self.home / "own", self.heard.append)

    def renew(self) -> None:
        (self.home / "key.pem").unlink()
        certificate.self_made(self.home)

    def content(self, now: float) -> tuple[bytes, bytes]:
        files = self.served.files(TLS, now=now)
        assert files is not None
        chain, key = (Path(path).read_bytes() for path in files)
        return chain, key

    def told(self) -> list[str]:
        return [one.kind.value for one in self.heard]

    @property
    def theirs(self) -> tuple[bytes, bytes]:
        return (self.home / "certificate.pem").read_bytes(), (self.home / "key.pem").read_bytes()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_pair_of_the_file_is_served_as_a_private_copy(place: Place):
    assert place.content(0.0) == place.theirs
    for copy in (place.home / "own" / "served").iterdir():
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert place.served.files(None, now=0.0) is None
    assert place.heard == []


def test_a_changed_pair_is_taken_over_and_told_once(place: Place):
    place.content(0.0)
    place.renew()
    assert place.content(1.0) == place.theirs
    assert place.content(2.0) == place.theirs
    (told,) = place.heard
    assert told.kind == "certificate"
    assert "a new certificate for localhost, *.localhost, 127.0.0.1, ::1, until 20" in told.text


def test_of_the_copies_the_last_two_are_kept(place: Place):
    for now in range(5):
        place.content(float(now))
        place.renew()
    assert len(list((place.home / "own" / "served").iterdir())) == 4


def test_a_pair_that_is_changed_one_file_after_the_other_is_not_refused(place: Place):
    before = place.content(0.0)
    (place.home / "key.pem").unlink()
    assert place.content(1.0) == before
    assert place.content(1.9) == before
    certificate.self_made(place.home)
    assert place.content(2.5) == place.theirs
    assert place.told() == ["certificate"]


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


def second_half_written(file: Path) -> None:
    file.write_bytes(2 * file.read_bytes())
    half(file)


@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("certificate.pem", half, "holds no certificate in PEM"),
        ("certificate.pem", second_half_written, "holds no certificate in PEM"),
        ("key.pem", half, "holds no private key in PEM"),
        ("certificate.pem", Path.unlink, "cannot be read"),
    ],
)
def test_a_pair_of_no_use_is_refused_once_and_the_old_one_stays(place: Place, name, spoil, says):
    before = place.content(0.0)
    spoil(place.home / name)
    for now in (1.0, 2.0, 3.5, 4.0, 9.0):
        assert place.content(now) == before
    (told,) = place.heard
    assert told.kind == "certificate_refused"
    assert says in told.text
    place.renew()
    assert place.content(10.0) == place.theirs
    assert place.told() == ["certificate_refused", "certificate"]


def test_the_next_control_plane_serves_what_was_served(place: Place):
    before = place.content(0.0)
    half(place.home / "key.pem")
    place.served = place.begun()
    assert place.content(0.0) == before
    place.renew()
    assert place.content(1.0) == place.theirs
    assert place.told() == ["certificate"]


def test_without_one_there_is_nothing_to_fall_back_to(place: Place):
    half(place.home / "key.pem")
    with pytest.raises(FileError, match="holds no private key"):
        place.served.files(TLS, now=0.0)


def test_a_self_made_one_is_served_until_the_file_has_its_own(place: Place):
    files = place.served.files(Tls(), now=0.0)
    assert files is not None
    assert place.served.files(Tls(), now=1.0) == files
    assert place.content(2.0) == place.theirs
    assert place.told() == ["certificate"]


@pytest.mark.live
async def test_a_visitor_stays_connected_while_the_certificate_changes(envoy, instances, place: Place):
    def push() -> None:
        envoy.certificate = place.served.files(TLS, now=0.0)
        envoy.push(app, web=[web])

    async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        return await asyncio.open_connection("127.0.0.1", envoy.port, ssl=anybody)

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]

    async def seen() -> str:
        _, writer = await connected()
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return ssl.DER_cert_to_PEM_cert(found)

    app, web = application(tls=TLS), await instances("web-1")
    envoy.certificate = place.served.files(TLS, now=0.0)
    await envoy.start(app, web=[web])
    before, stays = await seen(), await connected()
    assert before.encode() == place.theirs[0]
    place.renew()
    push()

    async def changed() -> bool:
        return (await seen()).encode() == place.theirs[0]

    await soon(changed)
    assert await answered(*stays) == b"HTTP/1.1 200 OK"
    half(place.home / "certificate.pem")
    push()
    assert await answered(*stays) == b"HTTP/1.1 200 OK"
    assert (await seen()).encode() != before.encode()
    stays[1].close()


def test_people_are_told_of_it_and_warned_once_before_it_ends(place: Place):
    begun = time.time()
    place.content(begun)
    told = place.served.told(TLS, now=begun)
    assert told is not None
    assert (told["names"][:2], told["days_left"], told["from"]) == (["localhost", "*.localhost"], 396, "file")
    assert place.served.told(None, now=begun) is None

    place.content(told["ends_at"] - 13.5 * DAY_S)
    place.content(told["ends_at"] - 12.5 * DAY_S)
    assert [one.text.rpartition(" ends ")[2] for one in place.heard] == ["in 13 days: put a new one into its file"]


def test_an_issued_certificate_that_lasts_for_days_is_no_matter_until_it_is_late(place: Place):
    issued = Shown(names=("a.example",), begins=0.0, ends=6 * DAY_S, origin="acme")
    assert issued.warning(now=4.9 * DAY_S) == ""
    assert [issued.told(now=days * DAY_S)["ends_soon"] for days in (0, 4.9, 5.5)] == [False, False, True]
    assert (
        issued.warning(now=5.5 * DAY_S) == "the certificate for a.example ends in 0 days: it could not be renewed yet"
    )
    made = place.home / "own" / "certificate.pem"
    certificate.self_made(made.parent)
    assert shown(made, made.parent).origin == "self-made"
    (made.parent / "acme" / "x").mkdir(parents=True)
    made.rename(made.parent / "acme" / "x" / "chain.pem")
    assert shown(made.parent / "acme" / "x" / "chain.pem", made.parent).origin == "acme"
