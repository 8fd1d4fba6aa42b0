"""What does Flyball consist of here? Every installed package that it needs, as CycloneDX JSON on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "flyball"


def needed(name: str, extras: Iterable[str]) -> Iterator[Requirement]:
    """What a package needs on this machine, with these extras."""
    for line in distribution(name).requires or ():
        wish = Requirement(line)
        if wish.marker is None or any(wish.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield wish


def graph(extras: Iterable[str]) -> dict[str, set[str]]:
    """Every package by name, and what each needs."""
    found: dict[str, set[str]] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    left = [(ROOT, frozenset(extras))]
    while left:
        name, asked = left.pop()
        if (name, asked) in seen:
            continue
        seen.add((name, asked))
        wishes = [(str(canonicalize_name(one.name)), frozenset(one.extras)) for one in needed(name, asked)]
        found.setdefault(name, set()).update(wish for wish, _ in wishes)
        left += wishes
    return found


def component(name: str) -> dict[str, Any]:
    """One package."""
    about = distribution(name).metadata
    version = about["Version"]
    licence = about.get("License-Expression") or about.get("License") or ""
    told = {"licenses": [{"license": {"name": licence}}]} if licence and "\n" not in licence else {}
    return {"type": "library", "bom-ref": name, "name": name, "version": version, **told} | (
        {"purl": f"pkg:pypi/{name}@{version}"} if name != ROOT else {"type": "application"}
    )


def main(extras: list[str]) -> int:
    """Print it; 2 with a sentence when an extra is unknown or not installed."""
    known = distribution(ROOT).metadata.get_all("Provides-Extra") or []
    wrong = sorted(set(extras) - set(known))
    if wrong:
        sys.stderr.write(f"there is no extra {wrong[0]!r}; choose from: {', '.join(known)}\n")
        return 2
    try:
        found = graph(extras)
    except PackageNotFoundError as missing:
        sys.stderr.write(f"{missing.name} is not installed: run bin/setup {' '.join(extras)}\n")
        return 2
    told = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(ROOT)},
        "components": [component(name) for name in sorted(found) if name != ROOT],
        "dependencies": [{"ref": name, "dependsOn": sorted(wishes)} for name, wishes in sorted(found.items())],
    }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
