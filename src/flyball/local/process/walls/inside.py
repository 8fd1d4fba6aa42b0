"""What the kernel is asked for: namespaces, mounts, netlink. The launcher (`detach`) loads this file as it lies.

It imports nothing of Flyball, and nothing at all once a room is entered: Python's own files may not be seen from there,
so everything that is decoded or looked up by name is so before.
"""

from __future__ import annotations

import ctypes
import os
import struct
from _socket import socket as Socket  # noqa: N812 - the module `socket` takes 4 ms to import

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    class Told(TypedDict):
        """What the launcher is told of a room."""

        router: bytes
        users: bytes
        outside: list[tuple[int, bytes, int, tuple[int, ...]]]
        inside: list[tuple[int, bytes, int, tuple[int, ...]]]
        settings: list[tuple[bytes, bytes]]
        user: int
        group: int
        groups: list[int] | None
        view: list[tuple[bool, bytes]]
        files: list[tuple[bytes, bytes]]
        own: list[tuple[bool, bytes]]
        owner: int
        owners: int
        home: bytes
        cover: bytes
        umask: int
        directory: bytes
        environment: dict[bytes, bytes]


NEW_MOUNTS, NEW_IPC, NEW_PIDS, NEW_NETWORK = 0x00020000, 0x08000000, 0x20000000, 0x40000000
NEW_USERS = 0x10000000
BIND, RECURSIVE, SLAVE = 1 << 12, 1 << 14, 1 << 19
NO_SUID, NO_DEVICES, NO_PROGRAMS = 2, 4, 8
DETACH_LAZILY = 2
NO_NEW_PRIVILEGES, DROP_RIGHT = 38, 24
RIGHTS_VERSION = 0x20080522
# System calls that have the same number everywhere and no name in the C library of older systems.
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
NETLINK = 16
ANSWER, DONE = 2, 3  # NLMSG_ERROR, which also says yes, and NLMSG_DONE
ROOM_FD = 99
"""The number under which a netlink message knows the room's own network."""

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave these namespaces for new ones."""
    _checked(_libc.unshare(flags), "unshare")


def enter(descriptor: int, kind: int = 0) -> None:
    """Enter the namespace that a descriptor names; only the calling thread does."""
    _checked(_libc.setns(descriptor, kind), "setns")


def join(users: bytes) -> None:
    """Enter a user namespace, if one is named: who owns it may do there what root may."""
    if users:
        descriptor = os.open(users, os.O_RDONLY)
        enter(descriptor, NEW_USERS)
        os.close(descriptor)


def visit(pid: int) -> None:
    """Enter all namespaces of a process that runs in a room; its processes are those of the next child."""
    users = b"/proc/%d/ns/user" % pid
    other = os.stat(users).st_ino != os.stat(b"/proc/self/ns/user").st_ino  # noqa: PTH116
    kinds = ((b"net", NEW_NETWORK), (b"ipc", NEW_IPC), (b"pid", NEW_PIDS), (b"mnt", NEW_MOUNTS))
    opened = [(os.open(b"/proc/%d/ns/%s" % (pid, name), os.O_RDONLY), kind) for name, kind in kinds]
    join(users if other else b"")
    for descriptor, kind in opened:
        enter(descriptor, kind)
        os.close(descriptor)


def mount(source: bytes, target: bytes, kind: bytes, flags: int = 0, data: bytes = b"") -> None:
    """Mount what is named on a path."""
    _checked(_libc.mount(source, target, kind, ctypes.c_ulong(flags), data), f"mount {target!r}")


def unmount(target: bytes) -> None:
    """Take a mount away as soon as nobody uses it."""
    _checked(_libc.umount2(target, DETACH_LAZILY), f"umount {target!r}")


def owners(user: int, group: int, owner: int) -> int:
    """A descriptor that says: what belongs to `owner` belongs to this user and group. A child of ours makes it."""
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go[1])  # the end of us is its end, too
        _wait_as_owner(ready[1], go[0])
    os.close(ready[1])
    os.close(go[0])
    try:
        refused = os.read(ready[0], 1)
        if refused != b"\0":
            number = refused[0] if refused else 0
            raise OSError(number, f"no user namespace can be made: {os.strerror(number)}")
        for kind, one in ((b"uid", user), (b"gid", group)):
            _write(b"/proc/%d/%s_map" % (child, kind), b"%d %d 1" % (owner, one))
        return os.open(b"/proc/%d/ns/user" % child, os.O_RDONLY)
    finally:
        os.close(ready[0])
        os.close(go[1])
        os.waitpid(child, 0)


def _wait_as_owner(ready: int, go: int) -> None:
    """The child: make the namespace, say so (or the number of what went wrong), stay until it is taken."""
    try:
        unshare(NEW_USERS)
        os.write(ready, b"\0")
        os.read(go, 1)
    except OSError as error:
        os.write(ready, bytes([error.errno or 1]))
    finally:
        os._exit(0)


def _owned(path: bytes, owners: int, writable: bool) -> int:
    """A path as it looks to those, to be put somewhere."""
    clone, close, recursive, empty, here = 1, os.O_CLOEXEC, 0x8000, 0x1000, -100
    tree = _libc.syscall(OPEN_TREE, here, path, clone | close | recursive)
    _checked(min(tree, 0), f"open_tree {path!r}")
    mapped, read_only = 0x00100000, 1
    wanted = struct.pack("=QQQQ", mapped if writable else mapped | read_only, 0, 0, owners)
    _checked(_libc.syscall(MOUNT_SETATTR, tree, b"", empty | recursive, wanted, len(wanted)), f"own {path!r}")
    return int(tree)


def tell(
    family: int, messages: bytes, answers: int, tolerated: tuple[int, ...] = (), *, channel: Socket | None = None
) -> None:
    """Send netlink messages of a family; each of `answers` must be a yes.

    Without a channel they are for the network of the calling thread.
    """
    own = channel is None
    channel = Socket(NETLINK, 3, family) if channel is None else channel
    try:
        channel.settimeout(5.0)
        channel.send(messages)
        while answers > 0:
            data = channel.recv(65536)
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                if kind == ANSWER:
                    (code,) = struct.unpack_from("=i", data, 16)
                    if code != 0 and -code not in tolerated:
                        raise OSError(-code, f"netlink: {os.strerror(-code)}")
                    answers -= 1
                data = data[(length + 3) & ~3 :]
    finally:
        if own:
            channel.close()


def ask(channel: Socket, message: bytes) -> bytes:
    """Ask by netlink; the whole answer."""
    found = b""
    channel.settimeout(5.0)
    channel.send(message)
    while True:
        data = channel.recv(65536)
        found += data
        kinds = []
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            kinds.append(kind)
            data = data[(length + 3) & ~3 :]
        if DONE in kinds or ANSWER in kinds:
            return found


def connect(room: Told, router: int) -> None:
    """Give the new network of this process its link: first the router's end, then what lies inside."""
    own = os.open(b"/proc/self/ns/net", os.O_RDONLY)
    os.dup2(own, ROOM_FD)
    enter(router, NEW_NETWORK)
    for message in room["outside"]:
        tell(*message)
    enter(ROOM_FD, NEW_NETWORK)
    for message in room["inside"]:
        tell(*message)
    for path, value in room["settings"]:
        _write(path, value)
    os.close(ROOM_FD)
    os.close(own)


def arrange(room: Told) -> None:
    """Make the view of the files: what lies behind closed directories is brought before them, the rest stays."""
    opened = [0 if covers else os.open(path, os.O_PATH) for covers, path in room["view"]]
    owned = [(path, _owned(path, room["owners"], writable)) for writable, path in room["own"]]
    os.umask(0o022)  # whatever the caller's is: the way to what is brought must be open
    mount(b"none", b"/", b"", RECURSIVE | SLAVE)
    mount(b"tmpfs", b"/run", b"tmpfs", NO_SUID | NO_DEVICES, b"mode=755,size=16m")
    for (covers, path), descriptor in zip(room["view"], opened):  # noqa: B905
        if covers:
            mount(b"tmpfs", path, b"tmpfs", NO_SUID | NO_DEVICES, room["cover"])
            continue
        _appear(path, descriptor)
        mount(b"/proc/self/fd/%d" % descriptor, path, b"", BIND | RECURSIVE)
        os.close(descriptor)
    for path, tree in owned:
        _appear(path, tree)
        _checked(_libc.syscall(MOVE_MOUNT, tree, b"", -100, path, 4), f"move_mount {path!r}")
        os.close(tree)
    for number, (path, content) in enumerate(room["files"]):
        own = b"/run/file-%d" % number
        _write(own, content)
        _appear(path, os.open(own, os.O_PATH))
        mount(own, path, b"", BIND)
    home = room["home"]
    if not _there(home):
        os.mkdir(home, 0o700)  # noqa: PTH102
    os.chown(home, room["user"], room["group"])
    made_on = os.stat(home).st_dev  # noqa: PTH116
    for path, _ in owned:
        above = path[: path.rindex(b"/")]
        while above.startswith(home + b"/"):  # what else a program wants to keep there shall not fail
            if os.stat(above).st_dev == made_on:  # noqa: PTH116 - else it is the caller's own, brought there
                os.chown(above, room["user"], room["group"])
            above = above[: above.rindex(b"/")]
    mount(b"tmpfs", b"/dev/shm", b"tmpfs", NO_SUID | NO_DEVICES, b"mode=1777")


def _appear(path: bytes, like: int) -> None:
    """Make what is missing of a path: a directory or a file to mount on."""
    parent = path[: path.rindex(b"/")]
    if parent and not _there(parent):
        _appear(parent, os.open(b"/", os.O_PATH))
    if not _there(path):
        if os.fstat(like).st_mode & 0o170000 == 0o040000:
            os.mkdir(path, 0o755)  # noqa: PTH102
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))


def _there(path: bytes) -> bool:
    try:
        os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return False
    return True


def _write(path: bytes, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(descriptor, content)
    os.close(descriptor)


def first_process(room: Told, report: int) -> bool:
    """Become the first process of the new room and start the second; True in the second.

    The first reaps what is left to it and ends with the second's code; the kernel then ends what is left in the room.
    It is the room's user, too: nothing in a room has rights.
    """
    child = os.fork()
    if child == 0:
        return True
    for descriptor in (0, 1, 2, report):
        os.close(descriptor)
    os.chdir(b"/")
    become(room["user"], room["group"], room["groups"])
    while True:
        try:
            ended, status = os.wait()
        except InterruptedError:
            continue
        if ended == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def own_number() -> tuple[int, int]:
    """The pid of this process as the whole machine sees it, and its start; before `settle`, which hides both."""
    descriptor = os.open(b"/proc/self/stat", os.O_RDONLY)
    fields = os.read(descriptor, 4096)
    os.close(descriptor)
    return int(fields[: fields.index(b" ")]), int(fields[fields.rindex(b")") + 2 :].split()[19])


def settle(room: Told) -> None:
    """See only the room's own processes, and become its user for good."""
    mount(b"proc", b"/proc", b"proc", NO_SUID | NO_DEVICES | NO_PROGRAMS)
    os.chdir(room["directory"])
    os.umask(room["umask"])
    become(room["user"], room["group"], room["groups"])


def become(user: int, group: int, groups: list[int] | None) -> None:
    """Be another user, without rights, who can gain nothing by running a program. `groups`: None where none can be."""
    if groups is not None:
        os.setgroups(groups)
    os.setresgid(group, group, group)
    right = 0
    while _libc.prctl(DROP_RIGHT, right, 0, 0, 0) == 0:
        right += 1
    os.setresuid(user, user, user)
    _checked(_libc.capset(struct.pack("=Ii", RIGHTS_VERSION, 0), bytes(24)), "capset")
    _checked(_libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
