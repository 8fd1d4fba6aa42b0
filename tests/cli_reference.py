"""The verbs of `docs/reference/cli.md`, made from the command line. Write them anew: python tests/cli_reference.py"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from cyclopts import App

from flyball.cli.main import app

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
BLOCK = re.compile(r"<!-- verb: (?P<verb>[a-z ]+) -->\n.*?<!-- end -->", re.DOTALL)


def written(page: str) -> str:
    """The page with every verb as the command line has it now."""
    known = dict(verbs(app))
    return BLOCK.sub(lambda block: _block(block["verb"], known[block["verb"]]), page)


def documented(page: str) -> list[str]:
    """The verbs that the page has blocks for."""
    return [block["verb"] for block in BLOCK.finditer(page)]


def verbs(group: App, before: str = "") -> Iterator[tuple[str, App]]:
    """Every shown verb with its name, such as `aws synth`."""
    for name in group:
        if name.startswith("-") or not group[name].show:
            continue
        verb = group[name]
        if verb.default_command is None:
            yield from verbs(verb, f"{before}{name} ")
        else:
            yield f"{before}{name}", verb


def _block(name: str, verb: App) -> str:
    arguments = [one for one in verb.assemble_argument_collection(parse_docstring=True) if one.show]
    usage = " ".join(["flyball", name, *(_usage(one) for one in arguments if _positional(one)), "[OPTIONS]"])
    if all(_positional(one) for one in arguments):
        usage = usage.removesuffix(" [OPTIONS]")
    lines = [f"<!-- verb: {name} -->", "```", usage, "```", "", verb.help.strip(), ""]
    if arguments:
        lines += ["| | default | |", "| --- | --- | --- |", *(_row(one) for one in arguments), ""]
    return "\n".join([*lines, "<!-- end -->"])


def _row(one: Any) -> str:
    default = one.field_info.default
    shown = "" if default in {None, False, one.field_info.empty, "", ()} else f"`{_text(default)}`"
    name = _positional_name(one) if _positional(one) else ", ".join(one.names)
    told = (one.parameter.help or "").replace("|", "\\|")
    return f"| `{name}{_value(one)}` | {shown} | {told} |"


def _text(default: Any) -> str:
    return str(default.value if isinstance(default, Enum) else default)


def _positional(one: Any) -> bool:
    return "POSITIONAL" in one.field_info.kind.name


def _positional_name(one: Any) -> str:
    return str(one.names[0]).removeprefix("--").upper()


def _usage(one: Any) -> str:
    name = _positional_name(one) + ("..." if one.field_info.kind.name == "VAR_POSITIONAL" else "")
    return name if one.required else f"[{name}]"


def _value(one: Any) -> str:
    if _positional(one) or one.hint is bool:
        return ""
    text = str(one.hint)
    choices = re.findall(r"'([a-z-]+)'", text)
    if choices:
        return " " + "\\|".join(choices)
    kinds = {"int": "N", "float": "X", "Path": "PATH"}
    return " " + next((shown for kind, shown in kinds.items() if kind in text), "TEXT")


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
