"""Who gets which room; nothing of it asks the kernel."""

from pathlib import Path

import pytest

from flyball.core.errors import Failed
from flyball.core.manifest import parse
from flyball.core.model import Application
from flyball.local.paths import StateDirectory
from flyball.local.process.walls import walls
from flyball.local.process.walls.places import Places
from flyball.local.process.walls.refused import Entry
from flyball.local.process.walls.walls import Walls

FILE = """
name = "shop"
[network]
boundary = "closed"
[services.web]
run = "serve"
routes = ["/"]
stores = ["sessions", "letters"]
[services.mail]
run = "serve"
routes = ["/mail"]
[stores.sessions]
kind = "redis"
[stores.letters]
kind = "bucket"
"""


@pytest.fixture
def app() -> Application:
    return parse(FILE)


@pytest.fixture
def paths(tmp_path: Path) -> StateDirectory:
    found = StateDirectory(tmp_path / ".flyball")
    found.create()
    return found


def test_walls_need_linux():
    assert "darwin" in walls.possible(platform="darwin")
    assert walls.possible(platform="linux") == ""


def test_what_is_weaker_without_root_is_said():
    assert walls.offered(user=0).endswith("each service a user")
    assert walls.offered(user=1000).endswith(walls.WEAKER)


def test_what_is_open_is_said_in_one_line(app: Application, paths: StateDirectory):
    assert walls.describe(None).startswith("open: every program")
    assert 'boundary = "closed"' in walls.describe(None)
    made = Walls(app, paths)
    assert walls.describe(made).startswith("closed: ")
    made.problem = "the system refuses (Operation not permitted)"
    assert walls.describe(made).startswith("should be closed, but is open: ")
    assert walls.describe(made).endswith(made.problem)
    assert made.network is None
    made.problem, made.work_problem = "", "it is old"
    assert walls.describe(made).endswith("; builds and tests run outside: it is old")


def test_users_are_of_one_service_of_one_application_and_stay(app: Application, paths: StateDirectory, tmp_path: Path):
    made = Walls(app, paths)
    users = [made.user(name) for name in ("web", "mail", "store:letters")]
    assert len(set(users)) == 3
    assert all(0x7000_0000 <= user < 0x8000_0000 for user in users)
    assert [Walls(app, paths).user(name) for name in ("store:letters", "mail", "web")] == users[::-1]
    assert made.groups(("letters",)) == (users[2],)
    other = StateDirectory(tmp_path / "other" / ".flyball")
    other.create()
    assert Walls(app, other).user("web") not in users


def test_rooms_have_numbers_and_addresses_of_their_own(app: Application, paths: StateDirectory):
    made = Walls(app, paths)
    numbers: set[int] = set()
    for _ in range(500):
        numbers.add(made.free_number(numbers))
    assert len({made.address(number) for number in numbers}) == 500
    assert {made.address(number) for number in range(60_001)}.isdisjoint({"198.18.0.1"})
    assert made.address(60_000).startswith("198.18.")
    assert made.store_address("sessions") != made.store_address("letters")


def test_a_room_is_told_in_bytes(app: Application, paths: StateDirectory):
    room = Walls(app, paths).room(
        "web", ("letters",), number=7, port=8000, argv=["/bin/sh"], directory=paths.releases, path="/bin"
    )
    told = room.told({"PORT": "8000", "HOME": "/root"}, paths.releases)
    assert isinstance(told, bytes)
    assert b"/run/home" in told
    assert b"HOME" in told
    assert b"/root\x00" not in told


def test_refusals_are_counted_since_the_last_look(app: Application, paths: StateDirectory):
    made = Walls(app, paths)
    made.user("web")
    seen = [Entry("w0-5", "10.1.2.3", 5432, 2), Entry("w0-9", "10.1.2.3", 5432, 1), Entry("s1", "9.9.9.9", 53, 1)]
    made.router.refused = lambda: seen  # type: ignore[method-assign]
    (first,) = made.refusals()
    assert (first.service, first.kind) == ("web", "not_let_through")
    assert first.text == "not let through to 10.1.2.3:5432, 3 times: neither `stores` nor `egress` names it"
    assert made.refusals() == []
    seen[0] = Entry("w0-5", "10.1.2.3", 5432, 1)  # the rules were made anew
    assert "5432: neither" in made.refusals()[0].text


def test_a_damaged_list_of_places_is_told_and_forgotten_when_nothing_runs(app: Application, paths: StateDirectory):
    Walls(app, paths).user("web")
    record = paths.root / "walls.json"
    record.write_text('["we')
    with pytest.raises(Failed, match=r"walls.json is damaged: flyball down, then flyball up"):
        Walls.of(app, paths)
    assert record.exists()
    walls.clear(paths)
    assert not record.exists()
    places = Places(record)
    assert [places.of("web"), places.of("mail"), Places(record).of("mail")] == [0, 1, 1]
    Places(record).clear()
    assert Places(record).of("mail") == 1
