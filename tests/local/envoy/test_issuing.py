"""A certificate from an authority: asked for through the balancer, kept private, served; what stays when it fails."""

from __future__ import annotations

import ssl
import stat
import time
from pathlib import Path

import pytest
from cryptography import x509

from authorities import needs_pebble, pebble
from flyball.core.control.news import Mishap
from flyball.core.model import Acme, Tls
from flyball.local.envoy import certificate
from flyball.local.envoy.issuing import Issuing
from flyball.local.envoy.served import Served
from local.envoy.envoy_rig import application
from waiting import soon


class Place:
    """What is served of a directory's certificates, and what was heard."""

    def __init__(self, home: Path) -> None:
        self.home, self.own = home, home / "tls"
        self.heard: list[Mishap] = []
        self.now = 0.0
        self.served = Served(home, self.own, self.heard.append)

    def issuing(self, port: int, wake=lambda: None) -> Issuing:
        return Issuing(
            self.served,
            home=self.home,
            own=self.own,
            port=port,
            hear=self.heard.append,
            wake=wake,
            now=lambda: self.now,
        )

    async def hears(self, issuing: Issuing, wanted: Acme, text: str) -> Mishap:
        """What is heard with that text. A starved machine may not answer the authority in time: it is asked again."""
        while not any(text in one.text for one in self.heard):
            assert len(self.heard) < 9, self.heard
            await issuing.look(wanted)
            self.now += 1e6
        return self.heard[-1]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_until_one_is_issued_what_was_there_is_served(place: Place):
    certificate.self_made(place.home)
    theirs = Tls(certificate="certificate.pem", private_key="key.pem")
    issued = Tls(acme=Acme(domains=("shop.test",)))
    before = place.served.files(theirs, now=0.0)
    assert place.served.files(issued, now=1.0) == before
    fresh = Served(place.home, place.home / "other", place.heard.append)
    assert fresh.files(issued, now=0.0) is not None
    assert place.heard == []


async def test_an_authority_that_cannot_be_reached_is_told_and_left_alone_for_a_while(place: Place):
    wanted = Acme(domains=("shop.test", "www.shop.test"), directory="https://127.0.0.1:9/dir")
    issuing = place.issuing(1)
    await issuing.look(wanted)
    await issuing.look(wanted)
    (told,) = place.heard
    assert told.kind == "certificate_refused"
    assert told.text.startswith("no certificate for shop.test, www.shop.test: https://127.0.0.1:9/dir cannot be reach")
    assert told.text.endswith("it is asked for again in 2m")
    place.now = 121.0
    await issuing.look(wanted)
    assert len(place.heard) == 2
    assert place.heard[1].text.endswith("again in 4m")
    await issuing.look(None)
    await issuing.look(wanted)  # the file says it anew
    assert len(place.heard) == 3
    assert stat.S_IMODE(certificate.issued_files(wanted, place.own)[0].with_name("account.pem").stat().st_mode) == 0o600


@needs_pebble
@pytest.mark.live
async def test_it_is_issued_through_the_balancer_and_served(envoy, instances, place: Place):
    tls = Tls(acme=Acme(domains=("shop.test", "www.shop.test")))
    app, web = application(tls=tls), await instances("web-1")

    def push() -> None:
        envoy.certificate = place.served.files(tls, now=place.now)
        envoy.challenges = place.served.challenges
        envoy.push(app, web=[web])

    async def names() -> list[str]:
        seen = ssl.get_server_certificate(("127.0.0.1", envoy.port))
        return certificate.names(x509.load_pem_x509_certificate(seen.encode()))

    async def issued() -> bool:
        return await names() == ["shop.test", "www.shop.test"]

    envoy.certificate = place.served.files(tls, now=0.0)
    await envoy.start(app, web=[web])
    assert "localhost" in await names()
    with pebble(place.home / "pebble", port=envoy.port) as authority:
        wanted = Acme(domains=tls.acme.domains, directory=authority.directory, ca=authority.ca)
        tls = Tls(acme=wanted)
        issuing = place.issuing(envoy.port, push)
        told = await place.hears(issuing, wanted, "a new certificate for shop.test, www.shop.test, until ")
        assert told.kind == "certificate"
        await soon(issued)
        for file in certificate.issued_files(wanted, place.own)[0].parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        before, place.now = place.served.files(tls, now=1.0), time.time()
        await issuing.look(wanted)
        assert place.served.files(tls, now=2.0) == before

        authority.misled("gone.test")
        more = Acme(domains=("shop.test", "gone.test"), directory=authority.directory, ca=authority.ca)
        told = await place.hears(issuing, more, "no certificate for shop.test, gone.test: gone.test: ")
        assert told.kind == "certificate_refused"
        assert await issued()
