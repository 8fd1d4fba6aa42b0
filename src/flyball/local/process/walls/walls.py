"""The walls of one application: who gets which room, and the network between them.

Numbers of users and groups come from a hash of the application and a place in a list that only grows, so that a
service's files stay its own; nothing is written into the machine's own lists of users.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from flyball.core.boundary import Place, place
from flyball.core.control.news import Mishap, MishapKind
from flyball.core.errors import Failed
from flyball.core.model import Application, Boundary, Service, StoreKind
from flyball.local.paths import StateDirectory
from flyball.local.process import processes

from . import links, rules
from .building import belongings
from .kept import Kept
from .known import own_files
from .netlink import Message
from .outside import carried, collector_ports, datagrams
from .places import Places
from .rooms import COVER, HOME, WORK, Room
from .router import DOOR, FORGET_SOON, HERE, Guest, Router
from .view import View, view

# Numbers of users that systemd and Debian leave alone: https://systemd.io/UIDS-GIDS/
_FIRST_USER, _USERS, _EACH = 0x7000_0000, 0x1000_0000, 128
_FIRST_LINK, _FIRST_STORE_LINK = 1_000, 100_000
_MOST_ROOMS = 60_000
# Rooms of builds and tests come after those of instances.
_FIRST_WORK, _MOST_WORK = 60_250, 3_500
_WORKER = ":work"  # no service is called so
PLACES = "walls.json"
_ATTEMPT, _PROGRAM = "-", Path("/bin/true")  # no service is called so
TRY_WITHIN_S = 20.0
OFFERED = "each instance has a network, processes and a view of the files of its own"
_OPEN = "every program on this machine reaches instances and Redis, and a service's instances reach each other's data"
WEAKER = (
    "all services run as the user who started them, like that user's other programs; "
    "only root can give each its own user"
)


class Walls:
    """The walls of one application. They stand (`problem` is ""), or `problem` says why not."""

    def __init__(self, app: Application, paths: StateDirectory, *, stores: str = "store:") -> None:
        self._stores = stores
        self._app = app
        self._paths = paths
        self._id = paths.application_id(app.name)
        self._places = Places(paths.root / PLACES)
        self._turn = itertools.count(os.getpid())
        self.router = Router(self._id) if os.geteuid() == 0 else Kept(paths)
        self.problem = ""
        self.work_problem = ""
        self._admitted: tuple[list[Guest], int] = ([], 0)
        self._carried: list[tuple[int, int, tuple[str, int] | None]] = []
        self._tested: tuple[tuple[str, int], ...] = ()
        self._refused: dict[tuple[str, str, int], int] = {}

    @classmethod
    def of(cls, app: Application, paths: StateDirectory) -> Walls | None:
        """The walls that the file asks for, made; None when it asks for none. Raises Failed."""
        walls = cls(app, paths)
        if app.boundary is Boundary.OPEN:
            walls.remove()  # of an earlier run that ended badly
            return None
        walls._number(_ATTEMPT)  # a list of places that is of no use shall not open the boundary
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
        self.work_problem = self._try_out_work()
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
            seen=view(_PROGRAM, "", [self._paths.root], covered=self._covered),
        )
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory) / "log"
            process = processes.launch([str(_PROGRAM)], {}, self._paths.root, log, room=room)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def _try_out_work(self) -> str:
        """Why no program of a build runs in a room, or ""."""
        command, log = [str(_PROGRAM)], self._paths.logs / "walls.log"
        room = self.work_room("true", {}, self._paths.logs)
        script = [sys.executable, "-I", "-S", str(WORK), *command]
        with log.open("wb") as output:
            process = subprocess.Popen(
                script, stdin=subprocess.PIPE, stdout=output, stderr=output, env={}, start_new_session=True
            )
        try:
            process.communicate(room.told({}, self._paths.logs), TRY_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            log.unlink()
            return f"a program in a room did not end within {TRY_WITHIN_S:g} s"
        said = log.read_text(encoding="utf-8", errors="replace").strip()
        log.unlink()
        return said

    def admit(self, app: Application, stores: Mapping[str, int], *, door: int) -> None:
        """Let the services of a file reach what it declares. `stores`: the port of each Redis server, by name."""
        if self.problem:
            return
        guests = [self._guest(app, service, stores) for service in app.services]
        self._carried = carried(app)
        guests.append(Guest(links="b", stores=(), everywhere=True, places=()))
        self._admitted = guests, door
        self._admit()

    def _admit(self) -> None:
        guests, door = self._admitted
        self.router.carry(self._carried)
        self.router.admit([*guests, Guest(links="t", stores=self._tested, everywhere=True, places=())], door=door)

    async def lost(self) -> bool:
        """Whether the network is gone, though it should be there: its keeper was killed, or hung and was ended."""
        if self.problem:
            return False
        await self.router.end_if_hung()
        return self.router.number == 0

    def renew(self) -> None:
        """Make it again. Who was in the old one is reached no more. Raises OSError and Failed."""
        self.router.make()
        self._admit()

    def of_test(self) -> Walls:
        """The same walls for the stores of a test: rooms of their own, beside those of the same names."""
        return Walls(self._app, self._paths, stores="test-store:")

    @contextlib.contextmanager
    def testing(self, stores: Mapping[str, int]) -> Iterator[None]:
        """Let a test reach its own stores, which are `of_test`, as long as it runs."""
        own = self.of_test()
        self._tested = tuple((own.store_address(name), port) for name, port in stores.items())
        self._admit()
        try:
            yield
        finally:
            self._tested = ()
            self._admit()

    def _guest(self, app: Application, service: Service, stores: Mapping[str, int]) -> Guest:
        collectors = (Place(network=None, port=port) for port in collector_ports(app))
        own = [place(text) for text in service.egress.to]
        return Guest(
            links=f"w{self._number(service.name)}-",
            stores=tuple((self.store_address(name), stores[name]) for name in service.stores if name in stores),
            everywhere=service.egress.everywhere,
            places=(*own, *collectors),
            datagrams=tuple(
                (one, door) for one, door in datagrams(app).items() if one in {each.single for each in own}
            ),
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
        return self._places.name(int(number)) if number.isdecimal() else None

    # Users and groups

    def _number(self, name: str) -> int:
        """The place of a service or a store ("store:NAME") in the list."""
        name = name.replace("store:", self._stores, 1) if name.startswith("store:") else name
        return self._places.of(name)

    def user(self, name: str) -> int:
        """The number of the user of a service or a store; without root there is one alone."""
        if os.geteuid() != 0:
            return os.geteuid()
        digest = int.from_bytes(hashlib.sha256(self._id.encode()).digest()[:4], "big")
        return _FIRST_USER + digest % (_USERS // _EACH) * _EACH + self._number(name) % _EACH

    def group(self, name: str) -> int:
        """The number of its group."""
        return os.getegid() if os.geteuid() != 0 else self.user(name)

    def groups(self, stores: Iterable[str]) -> tuple[int, ...] | None:
        """The groups of who may use these stores; None where nobody can have several."""
        if os.geteuid() != 0:
            return None
        return tuple(self.user(f"store:{store}") for store in stores)

    # Rooms

    @property
    def _covered(self) -> list[Path]:
        """What would be open to the one user that all are without root: its home, and what it keeps in /tmp."""
        home = Path.home()
        return [] if os.geteuid() == 0 else [Path("/tmp"), *([home] if home != Path("/") else [])]  # noqa: S108

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
            seen=view(Path(argv[0]), path, own, covered=self._covered),
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
            seen=view(program, "", [directory], covered=self._covered),
        )  # fmt: skip

    @property
    def make_room(self) -> Callable[[str, Mapping[str, str], Path], Room] | None:
        """What makes the rooms of builds; None when they run outside."""
        return None if self.problem or self.work_problem else self.work_room

    def work_room(
        self, command: str, environment: Mapping[str, str], directory: Path, *, test: bool = False
    ) -> Room:  # fmt: skip
        """A room for a build, or a test, that writes below the directory. Its command runs in a shell."""
        number = _FIRST_WORK + next(self._turn) % _MOST_WORK
        has = belongings(command, environment, apart=self._paths.root.absolute())
        own = (*has.paths, (True, directory))
        covered = [*self._covered, *([] if has.home is None else [has.home])]
        sees = view(Path("/bin/sh"), environment.get("PATH", ""), [path for _, path in own], covered=covered)
        link, address = f"{'t' if test else 'b'}{number}", self.address(number)
        room = self._room(_WORKER, link, _FIRST_LINK + number, address, port=None, stores=(), seen=sees)
        home = HOME if has.home is None else str(has.home)
        own = own if os.geteuid() == 0 else ()  # it is that user already
        return replace(room, own=own, home=home, cover="mode=755", umask=0o022, variables=(("UV_LINK_MODE", "copy"),))

    def _room(
        self, name: str, link: str, index: int, address: str, *, port: int | None, stores: Sequence[str], seen: View,
    ) -> Room:  # fmt: skip
        user, group = self.user(name), self.group(name)
        listens: list[Message] = [] if port is None else [rules.to_own_localhost(port)]
        return Room(
            router=self.router.path,
            users=self.router.users,
            outside=(*links.wire(link, index), links.to(address, index, source=DOOR)),
            inside=(
                links.up(links.LOOPBACK),
                links.address(links.ROOM_END, address),
                links.up(links.ROOM_END),
                links.to(DOOR, links.ROOM_END, source=address),
                links.everything_to(DOOR, links.ROOM_END),
                *listens,
            ),
            settings=((f"/proc/sys/net/ipv4/conf/{links.ROOM_NAME}/route_localnet", "1"), FORGET_SOON),
            user=user,
            group=group,
            groups=self.groups(stores),
            name=name.rpartition(":")[2],
            view=seen,
            files=own_files(name.rpartition(":")[2], user),
            cover=COVER if os.geteuid() == 0 else "mode=755",
        )

    def remove(self) -> None:
        """Take the network away, when nothing runs in it any more."""
        self.router.remove()


def _told(to: str, count: int) -> str:
    often = "" if count == 1 else f", {count} times"
    return f"not let through to {to}{often}: neither `stores` nor `egress` names it"


def clear(paths: StateDirectory) -> None:
    """Take away the network of an application of which nothing runs any more, whatever its name was."""
    Places(paths.root / PLACES).clear()
    if os.geteuid() != 0:
        Kept(paths).remove()
    for left in HERE.glob(f"*{paths.application_id('')}"):
        Router(left.name).remove()


def describe(walls: Walls | None) -> str:
    """One plain sentence for people: what holds, or what is open."""
    if walls is None:
        return f'open: {_OPEN}; [network] boundary = "closed" changes that'
    if walls.problem:
        return f"should be closed, but is open: {_OPEN}; {walls.problem}"
    outside = f"; builds and tests run outside: {walls.work_problem}" if walls.work_problem else ""
    return f"closed: {offered()}{outside}"


def offered(*, user: int | None = None) -> str:
    """What walls of this user's mean here."""
    if (os.geteuid() if user is None else user) == 0:
        return f"{OFFERED}, each service a user"
    return f"{OFFERED}; without root {WEAKER}"


def possible(*, platform: str = sys.platform) -> str:
    """Why this system can have no walls, or ""."""
    return "" if platform == "linux" else f"{platform} has no network namespaces"


def tried() -> str:
    """The same, with a network made and taken away."""
    if problem := possible():
        return problem
    with tempfile.TemporaryDirectory() as directory:
        paths = StateDirectory(Path(directory) / "doctor")
        paths.create()
        router = Router(f"doctor-{os.getpid()}") if os.geteuid() == 0 else Kept(paths)
        try:
            router.make()
        except (OSError, Failed) as error:
            return f"the system refuses ({error})"
        finally:
            router.remove()
            paths.remove_sockets()
    return ""
