"""What a build or a test sees of its caller's home: the caches and the settings of package installers.

All of it belongs to the caller and appears as the room's user's, so that a cache stays warm and stays the caller's.
Only caches may be written: what an installer runs must not replace programs that the caller runs later. No keys are
among it but those that installers themselves show to a registry (`.netrc`, `.npmrc`, the settings of pip and uv).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_WRITTEN = (
    ".bun/install/cache", ".cache/deno", ".cache/go-build", ".cache/node", ".cache/pip", ".cache/pnpm",
    ".cache/pypoetry", ".cache/uv", ".cache/yarn", ".cargo/git", ".cargo/registry", ".gradle",
    ".local/share/pnpm/store", ".m2", ".npm", ".yarn", "go/pkg",
)  # fmt: skip
_READ = (
    ".bun/bin", ".cargo/bin", ".cargo/config.toml", ".config/git", ".config/npm", ".config/pip", ".config/uv",
    ".gitconfig", ".local/share/uv/python", ".local/share/uv/tools", ".netrc", ".npmrc", ".pip", ".rustup",
    ".ssh/config", ".ssh/known_hosts", ".yarnrc", ".yarnrc.yml", "go/bin",
)  # fmt: skip
# What a variable names, or what lies below it.
_WRITTEN_VARIABLES = (
    "CARGO_HOME/git", "CARGO_HOME/registry", "NPM_CONFIG_CACHE", "PIP_CACHE_DIR", "UV_CACHE_DIR", "XDG_CACHE_HOME",
    "npm_config_cache",
)  # fmt: skip
_READ_VARIABLES = (
    "CARGO_HOME/bin",
    "CARGO_HOME/config.toml",
    "NPM_CONFIG_USERCONFIG",
    "PIP_CONFIG_FILE",
    "SSH_AUTH_SOCK",
    "UV_CONFIG_FILE",
    "UV_PYTHON_INSTALL_DIR",
    "npm_config_userconfig",
)
# Made when a command names the program: what is cached in a home that ends with the build is not cached.
_MADE = {
    "cargo": ".cargo/registry",
    "go": "go/pkg",
    "npm": ".npm",
    "npx": ".npm",
    "pip": ".cache/pip",
    "uv": ".cache/uv",
}


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
        split = (name.partition("/") for name in names)
        for path in (Path(environment[name], below) for name, _, below in split if name in environment):
            if path.is_absolute() and path.exists() and path != apart and path not in apart.parents:
                yield written, path
