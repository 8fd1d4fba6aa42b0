"""What a build or a test sees of its caller's home: the caches and the settings of package installers, and no keys.

All of it belongs to the caller and appears as the room's user's, so that a cache stays warm and stays the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_WRITTEN = (
    ".bun", ".cache/deno", ".cache/go-build", ".cache/node", ".cache/pip", ".cache/pnpm", ".cache/pypoetry",
    ".cache/uv", ".cache/yarn", ".cargo", ".gradle", ".local/share/pnpm", ".local/share/uv", ".m2", ".npm", ".rustup",
    ".yarn", "go",
)  # fmt: skip
_READ = (
    ".config/git", ".config/npm", ".config/pip", ".config/uv", ".gitconfig", ".netrc", ".npmrc", ".pip",
    ".ssh/config", ".ssh/known_hosts", ".yarnrc", ".yarnrc.yml",
)  # fmt: skip
_WRITTEN_VARIABLES = (
    "CARGO_HOME", "NPM_CONFIG_CACHE", "PIP_CACHE_DIR", "UV_CACHE_DIR", "UV_PYTHON_INSTALL_DIR", "XDG_CACHE_HOME",
    "npm_config_cache",
)  # fmt: skip
_READ_VARIABLES = (
    "NPM_CONFIG_USERCONFIG",
    "PIP_CONFIG_FILE",
    "SSH_AUTH_SOCK",
    "UV_CONFIG_FILE",
    "npm_config_userconfig",
)
# Made when a command names the program: what is cached in a home that ends with the build is not cached.
_MADE = {"npm": ".npm", "npx": ".npm", "pip": ".cache/pip", "uv": ".cache/uv"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """The home, if there is one to be seen, and what of the caller's is seen (whether it may be written, path)."""

    home: Path | None
    paths: tuple[tuple[bool, Path], ...]


def belongings(command: str, environment: Mapping[str, str], *, apart: Path) -> Belongings:
    """What a command needs that runs with this environment; nothing in which `apart` lies."""
    home = Path(environment.get("HOME", ""))
    if not home.is_absolute() or home == Path("/") or not home.is_dir():
        return Belongings(home=None, paths=tuple(_named(environment, apart)))
    for word in set(re.findall(r"\w+", command)) & _MADE.keys():
        (home / _MADE[word]).mkdir(parents=True, exist_ok=True)
    kept = [(True, home / name) for name in _WRITTEN] + [(False, home / name) for name in _READ]
    found = [*kept, *_named(environment, apart)]
    return Belongings(home=home, paths=tuple((written, path) for written, path in found if path.exists()))


def _named(environment: Mapping[str, str], apart: Path) -> Iterator[tuple[bool, Path]]:
    for written, names in ((True, _WRITTEN_VARIABLES), (False, _READ_VARIABLES)):
        for path in (Path(environment[name]) for name in names if name in environment):
            if path.is_absolute() and path.exists() and path != apart and path not in apart.parents:
                yield written, path
