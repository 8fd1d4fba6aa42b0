"""Where one application keeps what it must remember on this machine: the directory `.flyball/` beside its file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path

from flyball.core.errors import Failed, FileError

NAME = ".flyball"
VERSION = 1
# A Unix socket's whole path fits in 104 bytes on macOS and 108 on Linux: 70 for the directory, 30 for the name.
SOCKETS_BYTES = 70


class StateDirectory:
    """The state of one application. `root` is the `.flyball` directory itself; nothing exists before `create()`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.journal = root / "journal.db"  # SQLite file of observations, states and reasons
        self.xds = root / "xds"  # the balancer's configuration files
        self.logs = root / "logs"  # one file per instance, build, store and of the balancer
        self.releases = root / "releases"  # sources and builds, named by their content
        self.stores = root / "stores"  # the data that applications keep; nothing but the user deletes it
        self.processes = root / "processes"  # one JSON file per process that outlives the control plane
        self.balancer_file = self.processes / "balancer.json"
        self.standby_file = self.processes / "standby.json"  # the balancer that stands by
        self.tls = root / "tls"  # certificates: self-made, issued, and copies of the user's for the balancer
        self.store_password = root / "store-password"  # what the Redis servers of this application want to hear
        self.git = root / "git"  # bare repository that takes pushes
        self.spool = root / "spool"  # pushes that wait for the pipeline, one file each
        self.lock = root / "lock"  # held by the one control plane of this application
        self.control_file = root / "control.json"  # how the command line reaches the control plane
        self.load_file = root / "load.json"  # what the last `flyball load` measured, for a calibration
        self.limits_file = root / "cgroup"  # where this application's cgroups are
        self.regions = root / "regions"  # one state directory for each region
        self.edge_file = root / "edge.json"  # with regions: the edge's port and theirs
        self._sockets_outside = root / "sockets"  # where the sockets are when that is outside

    def of_region(self, region: str | None) -> StateDirectory:
        """The state of one region; this one itself without."""
        return self if region is None else StateDirectory(self.regions / region)

    @property
    def sockets(self) -> Path:
        """Directory for Unix sockets, of at most 70 bytes: inside the state directory where that is short enough."""
        with contextlib.suppress(FileNotFoundError):
            return Path(self._sockets_outside.read_text(encoding="utf-8"))
        inside = self.root.absolute() / "run"
        return inside if len(os.fsencode(inside)) <= SOCKETS_BYTES else _short_directory(self.root)

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
