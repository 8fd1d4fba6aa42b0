"""The one launcher: starts a program that outlives its starter. A script that imports nothing of Flyball.

    python -I -S detach.py LOG [CGROUP_PROCS ...] -- PROGRAM [ARGUMENT ...]

The environment variable DETACH_FD names an open descriptor, DETACH_UNSET a variable that the program shall not have
(both are taken out of its environment). To the descriptor it writes the line "PID STARTTIME" and, when the program
cannot be started, a line "! STAGE ERRNO", where STAGE is log, cgroup, room or program. It closes when the program runs.
With DETACH_ROOM the program runs in a room: standard input says which (see walls/rooms), and has the program's
environment, for the room's first process shall have none of it, and walls/inside.py, compiled: that takes 7 ms.

Why each step is there:
- Two forks, and waiting until the first parent is gone, *before* exec: Envoy asks to be told of its parent's death
  (PR_SET_PDEATHSIG) and drains then; its parent must be init from the beginning. `setsid` alone does not help.
- A session of its own: Ctrl-C in the terminal does not reach it, and its process group can be signalled as a whole.
- Cgroups are joined before exec, so that no child and no page of memory escapes the limits.
- Python ignores SIGPIPE, and a shell's background job ignores SIGINT; ignored signals survive exec, so they are reset.
- The log is opened with O_APPEND: several writers never overwrite each other, and holes can be punched behind them.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # the module `typing` takes 5 ms to import
    from typing import Any


def main(arguments: list[str]) -> None:
    """Fork twice and become the program; the first process ends at once."""
    separator = arguments.index("--")
    log, cgroups, command = arguments[0], arguments[1:separator], arguments[separator + 1 :]
    report = int(os.environ.pop("DETACH_FD"))
    os.environ.pop(os.environ.pop("DETACH_UNSET", ""), None)
    room = _room(os.environ.pop("DETACH_ROOM", ""))
    launcher = os.getpid()
    if os.fork() == 0:
        stage = "program"
        try:
            os.setsid()
            while os.getppid() == launcher:
                os.sched_yield()
            if room is None:
                os.write(report, f"{os.getpid()} {_start_time()}\n".encode())
            stage = "cgroup"
            for cgroup in cgroups:
                _join(cgroup)
            stage = "log"
            _redirect(log)
            if room is not None:
                stage = "room"
                _run_in(room, command, report)
            stage = "program"
            _clean(report)
            os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
        except OSError as error:
            os.write(report, f"! {stage} {error.errno}\n".encode())
        os._exit(127)
    os._exit(0)


def _room(wanted: str) -> Any:
    """What standard input says of the room, and the functions that make it; None without a room."""
    if not wanted:
        return None
    import marshal  # noqa: PLC0415

    code, said = marshal.loads(_all_of(0))  # noqa: S302 - written by our own starter
    made: dict[str, Any] = {"__name__": "inside"}
    exec(code, made)  # noqa: S102
    return said, made


def _all_of(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 1 << 16):
        parts.append(part)
    return b"".join(parts)


def _run_in(room: Any, command: list[str], report: int) -> None:
    said, inside = room
    words = [os.fsencode(word) for word in command]
    router = os.open(said["router"], os.O_RDONLY)
    inside["join"](said["users"])
    inside["unshare"](inside["NEW_NETWORK"] | inside["NEW_MOUNTS"] | inside["NEW_IPC"] | inside["NEW_PIDS"])
    inside["connect"](said, router)
    if os.fork() != 0:
        os._exit(0)
    inside["arrange"](said)
    inside["first_process"](said, report)
    os.setsid()
    os.write(report, b"%d %d\n" % inside["own_number"]())
    inside["settle"](said)
    _clean(report)
    os.execve(words[0], words, said["environment"])  # noqa: S606


def _start_time() -> int:
    """Field 22 of /proc/self/stat, clock ticks since boot; 0 where there is no /proc."""
    try:
        with open("/proc/self/stat", encoding="ascii") as file:  # noqa: PTH123 - pathlib costs 10 ms to import
            return int(file.read().rsplit(")", 1)[1].split()[19])
    except FileNotFoundError:
        return 0


def _join(cgroup: str) -> None:
    descriptor = os.open(cgroup, os.O_WRONLY)
    try:
        os.write(descriptor, b"0")
    finally:
        os.close(descriptor)


def _redirect(log: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _clean(report: int) -> None:
    os.set_inheritable(report, False)  # exec closes it: the reader's sign that the program runs
    os.closerange(3, report)
    os.closerange(report + 1, max(report + 2, 1024))
    for number in signal.valid_signals():
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


if __name__ == "__main__":
    main(sys.argv[1:])
