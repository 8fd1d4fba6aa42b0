"""Where one application keeps what it must remember on this machine: the directory `.flyball/` beside its file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from flyball.core.errors import Failed, FileError

NAME = ".flyball"
VERSION = 1
# A Unix socket's whole path fits in 104 bytes on macOS and 108 on Linux: 70 for the directory, 30 for the name.
SOCKETS_BYTES = 70


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """The state of one application. `root` is the `.flyball` directory itself; nothing exists before `create()`."""

    root: Path

    @property
    def journal(self) -> Path:
        """SQLite file of observations, states and reasons."""
        return self.root / "journal.db"

    @property
    def xds(self) -> Path:
        """Directory of the balancer's configuration files."""
        return self.root / "xds"

    @property
    def logs(self) -> Path:
        """Directory of one log file per instance, build, store and of the balancer."""
        return self.root / "logs"

    @property
    def releases(self) -> Path:
        """Directory of sources and builds, named by their content."""
        return self.root / "releases"

    @property
    def stores(self) -> Path:
        """Directory of the data that applications keep. Nothing but the user deletes it."""
        return self.root / "stores"

    @property
    def processes(self) -> Path:
        """Directory of one JSON file per process that outlives the control plane."""
        return self.root / "processes"

    @property
    def git(self) -> Path:
        """Bare git repository that takes pushes."""
        return self.root / "git"

    @property
    def spool(self) -> Path:
        """Directory of pushes that wait for the pipeline, one file each."""
        return self.root / "spool"

    @property
    def lock(self) -> Path:
        """File locked by the one control plane of this application."""
        return self.root / "lock"

    @property
    def control_file(self) -> Path:
        """JSON file that tells the command line how to reach the control plane."""
        return self.root / "control.json"

    @property
    def balancer_file(self) -> Path:
        """JSON file that identifies the balancer's process."""
        return self.processes / "balancer.json"

    @property
    def limits_file(self) -> Path:
        """File that remembers where this application's cgroups are."""
        return self.root / "cgroup"

    @property
    def sockets(self) -> Path:
        """Directory for Unix sockets, of at most 70 bytes: inside the state directory where that is short enough."""
        with contextlib.suppress(FileNotFoundError):
            return Path(self._sockets_outside.read_text(encoding="utf-8"))
        inside = self.root.absolute() / "run"
        return inside if len(os.fsencode(inside)) <= SOCKETS_BYTES else _short_directory(self.root)

    @property
    def _sockets_outside(self) -> Path:
        """File that remembers where the sockets are when that is outside."""
        return self.root / "sockets"

    def remove_sockets(self) -> None:
        """Take the directory of the sockets away where it lies outside. Nothing listens there any more."""
        if self._sockets_outside.exists():
            directory = self.sockets
            for left in directory.glob("*.sock"):
                left.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody has put something else there
                directory.rmdir()
            self._sockets_outside.unlink(missing_ok=True)

    def application_id(self, name: str) -> str:
        """The application's name and a hash of this directory: two checkouts of one application differ."""
        return f"{name}-{_hash(self.root)}"

    def create(self) -> None:
        """Make every directory, for this user only.

        Raises FileError when a newer Flyball has written here, Failed when the disk is full or refuses.
        """
        self.check_version()
        try:
            self._make()
        except OSError as error:
            raise Failed(f"{self.root} cannot be made: {error.strerror}") from error

    def _make(self) -> None:
        for directory in (self.root, self.xds, self.logs, self.releases, self.stores, self.processes):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        _keep(self.root / ".gitignore", "*\n")
        sockets = self.sockets
        _make_private(sockets)
        if sockets.parent != self.root.absolute():
            _keep(self._sockets_outside, str(sockets))
        _keep(self.root / "version", f"{VERSION}\n")

    def check_version(self) -> None:
        """Raise FileError unless this directory is absent, new, or written in a format that this version reads."""
        file = self.root / "version"
        try:
            text = file.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return
        except OSError as error:
            raise FileError(f"{file} cannot be read: {error.strerror}") from error
        if not text.isdecimal():
            raise FileError(f"{file} holds {text!r}, not a format number: move {self.root} away to start afresh")
        if int(text) > VERSION:
            raise FileError(
                f"{self.root} was written by a newer flyball (format {text}, this one reads {VERSION}): "
                "use that version, or move the directory away to start afresh"
            )


def _keep(file: Path, text: str) -> None:
    """Write what is not there yet; by rename, for another command may read it at this moment."""
    if not (file.exists() and file.read_text(encoding="utf-8") == text):
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)


def _hash(root: Path) -> str:
    # Resolved: through a link it is the same application, with the same processes and cgroups.
    return hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:10]


def _short_directory(root: Path) -> Path:
    name = f"flyball-{os.getuid()}-{_hash(root)}"
    preferred = Path(tempfile.gettempdir()) / name
    return preferred if len(os.fsencode(preferred)) <= SOCKETS_BYTES else Path("/tmp") / name  # noqa: S108 - made 0700


def _make_private(directory: Path) -> None:
    """Make the directory 0700. Raises FileError when somebody else has made it first (it may lie in /tmp)."""
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise FileError(f"{directory} belongs to somebody else: remove it, or set TMPDIR to a directory of your own")
    directory.chmod(0o700)
