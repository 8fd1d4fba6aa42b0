"""The walls of one application: who gets which room, and the network between them.

Numbers of users and groups come from a hash of the application and a place in a list that only grows, so that a
service's files stay its own; nothing is written into the machine's own lists of users.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import signal
import sys
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from flyball.core.boundary import Place, place
from flyball.core.control.news import Mishap, MishapKind
from flyball.core.errors import Failed
from flyball.core.model import Application, Boundary, Service, StoreKind
from flyball.local.paths import StateDirectory
from flyball.local.process import processes

from . import links, rules
from .outside import collector_ports
from .rooms import HOME, Room
from .router import DOOR, FORGET_SOON, HERE, Guest, Router
from .view import view

# Numbers of users that systemd and Debian leave alone: https://systemd.io/UIDS-GIDS/
_FIRST_USER, _USERS, _EACH = 0x7000_0000, 0x1000_0000, 128
_FIRST_LINK, _FIRST_STORE_LINK = 1_000, 100_000
_MOST_ROOMS = 60_000
_ATTEMPT, _PROGRAM = "-", Path("/bin/true")  # no service is called so
OFFERED = "each instance has a network, processes and a view of the files of its own, each service a user"
_OPEN = "every program on this machine reaches instances and Redis, and a service's instances reach each other's data"
ROOTS_ONLY = "network namespaces and users of their own need root here"


class Walls:
    """The walls of one application. They stand (`problem` is ""), or `problem` says why not."""

    def __init__(self, app: Application, paths: StateDirectory) -> None:
        self._app = app
        self._paths = paths
        self._id = paths.application_id(app.name)
        self._record = paths.root / "walls.json"
        self._places: list[str] = json.loads(self._record.read_text()) if self._record.exists() else []
        self._turn = itertools.count(os.getpid())
        self.router = Router(self._id)
        self.problem = ""
        self._refused: dict[tuple[str, str, int], int] = {}

    @classmethod
    def of(cls, app: Application, paths: StateDirectory) -> Walls | None:
        """The walls that the file asks for, made; None when it asks for none."""
        walls = cls(app, paths)
        if app.boundary is Boundary.OPEN:
            walls.remove()  # of an earlier run that ended badly
            return None
        walls.problem = possible() or walls._make()
        return walls

    @property
    def network(self) -> Path | None:
        """The namespace in which the rooms are reached; None when there are no rooms."""
        return None if self.problem else self.router.path

    def _make(self) -> str:
        try:
            self.router.make()
            self._try_out()
        except (OSError, Failed) as error:
            self.router.remove()
            return f"the system refuses ({error})"
        return ""

    def _try_out(self) -> None:
        """Run a program in a room: nothing is promised that does not work."""
        room = self._room(
            _ATTEMPT,
            "attempt",
            _FIRST_LINK,
            self.address(0),
            port=1,
            stores=(),
            seen=(_PROGRAM, "", [self._paths.root]),
        )
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory) / "log"
            process = processes.launch([str(_PROGRAM)], {}, self._paths.root, log, room=room)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def admit(self, app: Application, stores: Mapping[str, int], *, door: int) -> None:
        """Let the services of a file reach what it declares. `stores`: the port of each Redis server, by name."""
        if self.problem:
            return
        self.router.admit([self._guest(app, service, stores) for service in app.services], door=door)

    def _guest(self, app: Application, service: Service, stores: Mapping[str, int]) -> Guest:
        collectors = (Place(network=None, port=port) for port in collector_ports(app))
        return Guest(
            links=f"w{self._number(service.name)}-",
            stores=tuple((self.store_address(name), stores[name]) for name in service.stores if name in stores),
            everywhere=service.egress.everywhere,
            places=(*map(place, service.egress.to), *collectors),
        )

    def refusals(self) -> list[Mishap]:
        """What instances have tried since the last call and were not let through to."""
        if self.problem:
            return []
        found: dict[tuple[str, str], int] = {}
        seen: dict[tuple[str, str, int], int] = {}
        for entry in self.router.refused():
            key = (entry.link, entry.address, entry.port)
            before = self._refused.get(key, 0)
            seen[key] = entry.count
            new = entry.count - before if entry.count >= before else entry.count  # the rules were made anew
            service = self._service(entry.link)
            if new and service is not None:
                to = f"{entry.address}:{entry.port}"
                found[service, to] = found.get((service, to), 0) + new
        self._refused = seen
        return [
            Mishap(kind=MishapKind.NOT_LET_THROUGH, service=service, text=_told(to, count))
            for (service, to), count in sorted(found.items())
        ]

    def _service(self, link: str) -> str | None:
        number = link.removeprefix("w").partition("-")[0]
        return self._places[int(number)] if number.isdecimal() and int(number) < len(self._places) else None

    # Users and groups

    def _number(self, name: str) -> int:
        """The place of a service or a store ("store:NAME") in the list."""
        if name not in self._places:
            self._places.append(name)
            self._record.write_text(json.dumps(self._places), encoding="utf-8")
        return self._places.index(name)

    def user(self, name: str) -> int:
        """The number of the user, and group, of a service or a store."""
        digest = int.from_bytes(hashlib.sha256(self._id.encode()).digest()[:4], "big")
        return _FIRST_USER + digest % (_USERS // _EACH) * _EACH + self._number(name) % _EACH

    def groups(self, stores: Iterable[str]) -> tuple[int, ...]:
        """The groups of who may use these stores."""
        return tuple(self.user(f"store:{store}") for store in stores)

    # Rooms

    def free_number(self, taken: Collection[int]) -> int:
        """A number for a room that no other has."""
        return next(number for number in (1 + one % _MOST_ROOMS for one in self._turn) if number not in taken)

    @staticmethod
    def address(number: int) -> str:
        """The address of the room with this number."""
        return f"198.18.{number // 250}.{number % 250 + 2}"

    def store_address(self, name: str) -> str:
        """The address of a Redis server's room."""
        number = self._number(f"store:{name}")
        return f"198.19.{number // 250}.{number % 250 + 1}"

    def room(
        self, service: str, stores: Sequence[str], *, number: int, port: int, argv: Sequence[str], directory: Path,
        path: str,
    ) -> Room:  # fmt: skip
        """A room for an instance of a service."""
        address = self.address(number)
        own = [*self.data(stores), directory]
        link = f"w{self._number(service)}-{number}"
        return self._room(
            service, link, _FIRST_LINK + number, address, port=port, stores=stores,
            seen=(Path(argv[0]), path, own),
        )  # fmt: skip

    def data(self, stores: Iterable[str]) -> list[Path]:
        """Where the files of these stores lie."""
        kept = {store.name: store for store in self._app.stores}
        return [
            (self._paths.stores / name).absolute()
            for name in stores
            if name not in kept or kept[name].kind is not StoreKind.REDIS
        ]

    def store_room(self, name: str, *, port: int, program: Path, directory: Path) -> Room:
        """A room for a Redis server."""
        number = self._number(f"store:{name}")
        return self._room(
            f"store:{name}", f"s{number}", _FIRST_STORE_LINK + number, self.store_address(name), port=port, stores=(),
            seen=(program, "", [directory]),
        )  # fmt: skip

    def _room(
        self, name: str, link: str, index: int, address: str, *, port: int, stores: Sequence[str],
        seen: tuple[Path, str, list[Path]],
    ) -> Room:  # fmt: skip
        user = self.user(name)
        return Room(
            router=self.router.path,
            outside=(*links.wire(link, index), links.to(address, index, source=DOOR)),
            inside=(
                links.up(links.LOOPBACK),
                links.address(links.ROOM_END, address),
                links.up(links.ROOM_END),
                links.to(DOOR, links.ROOM_END, source=address),
                links.everything_to(DOOR, links.ROOM_END),
                rules.to_own_localhost(port),
            ),
            settings=((f"/proc/sys/net/ipv4/conf/{links.ROOM_NAME}/route_localnet", "1"), FORGET_SOON),
            user=user,
            group=user,
            groups=self.groups(stores),
            name=name.removeprefix("store:"),
            view=view(*seen),
            files=_files(name.removeprefix("store:"), user),
        )

    def remove(self) -> None:
        """Take the network away, when nothing runs in it any more."""
        self.router.remove()


def _told(to: str, count: int) -> str:
    often = "" if count == 1 else f", {count} times"
    return f"not let through to {to}{often}: neither `stores` nor `egress` names it"


def clear(paths: StateDirectory) -> None:
    """Take away the network of an application of which nothing runs any more, whatever its name was."""
    for left in HERE.glob(f"*{paths.application_id('')}"):
        Router(left.name).remove()


def describe(walls: Walls | None) -> str:
    """One plain sentence for people: what holds, or what is open."""
    if walls is None:
        return f'open: {_OPEN}; [network] boundary = "closed" changes that'
    if walls.problem:
        return f"should be closed, but is open: {_OPEN}; {walls.problem}"
    return f"closed: {OFFERED}"


def possible(*, user: int | None = None, platform: str = sys.platform) -> str:
    """Why this machine can have no walls, or ""."""
    if platform != "linux":
        return f"{platform} has no network namespaces"
    if (os.geteuid() if user is None else user) != 0:
        return ROOTS_ONLY
    return ""


def tried() -> str:
    """The same, with a network made and taken away."""
    problem = possible()
    router = Router(f"doctor-{os.getpid()}")
    try:
        if not problem:
            router.make()
    except OSError as error:
        return f"the system refuses ({error})"
    finally:
        router.remove()
    return problem


def _files(name: str, user: int) -> tuple[tuple[str, str], ...]:
    """Files of the room's own: it knows its user by name, and asks the balancer for names of machines."""
    found = [
        ("/etc/passwd", f"{_text('/etc/passwd')}{name}:x:{user}:{user}::{HOME}:/usr/sbin/nologin\n"),
        ("/etc/group", f"{_text('/etc/group')}{name}:x:{user}:\n"),
        ("/etc/hosts", f"{_text('/etc/hosts')}{DOOR} host\n"),
    ]
    resolver = Path("/etc/resolv.conf").resolve()
    if resolver.exists():
        found.append((str(resolver), f"nameserver {DOOR}\n"))
    return tuple((path, content) for path, content in found if Path(path).exists())


def _text(path: str) -> str:
    try:
        content = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return content if content.endswith("\n") else f"{content}\n"
