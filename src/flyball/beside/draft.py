"""A `flyball.toml` for what was found: short, complete, with what remains to be done by hand as comments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from .detect import Draft

_BOUNDARY = (
    "# Instances reach only what this file names, and nobody else reaches them here. A service",
    '# that uses a server of this machine: egress = ["0.0.0.0/0", "host:5432"], and host instead of localhost.',
    'boundary = "closed"',
)


def written(name: str, drafts: Sequence[Draft]) -> str:
    """The text of the file."""
    found = ", ".join(draft.what for draft in drafts)
    lines = ["#:schema ./flyball.schema.json", f"# Found: {found}. Try: flyball check, flyball up"]
    lines += ["# Every key: flyball schema, and docs/reference/file.md", f"name = {_text(name)}"]
    for draft in drafts:
        lines += ["", *_service(draft)]
    lines += ["", "[network]", *_BOUNDARY]
    for store in sorted({store for draft in drafts for store in draft.stores}):
        lines += ["", f"[stores.{store}]", 'kind = "redis"']
    return "\n".join([*lines, ""])


def _service(draft: Draft) -> Iterator[str]:
    yield f"[services.{draft.name}]"
    for note in draft.notes:
        yield f"# {note}"
    if draft.source:
        yield f"source    = {_text(draft.source)}"
    if draft.build:
        yield f"build     = {_text(draft.build)}   # once per release"
    yield f"run       = {_text(draft.run)}   # one instance; it must listen on $PORT"
    yield f"routes    = [{', '.join(map(_text, draft.routes))}]   # what the balancer sends here"
    yield f"health    = {{ path = {_text(draft.health)} }}   # 2xx: may receive requests"
    if draft.stores:
        held = ", ".join(f"{store.upper().replace('-', '_')}_URL" for store in draft.stores)
        yield f"stores    = [{', '.join(map(_text, draft.stores))}]   # arrives as {held}"
    if draft.env:
        yield f"env       = {{ {', '.join(f'{name} = {_text(value)}' for name, value in draft.env)} }}"
    yield 'size      = { cpu = 0.25, memory = "512MB" }'
    yield "instances = { min = 1, max = 10 }"
    yield ""
    yield f"[services.{draft.name}.scale]"
    yield "target = { cpu = 50 }   # keep the average CPU of all instances at 50 %"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
