"""The page about the command line is what the command line is."""

from __future__ import annotations

import cli_reference


def test_the_page_is_current_and_has_every_verb() -> None:
    page = cli_reference.PAGE.read_text(encoding="utf-8")

    assert set(cli_reference.documented(page)) == dict(cli_reference.verbs(cli_reference.app)).keys()
    assert cli_reference.written(page) == page, "run: python tests/cli_reference.py"


def test_every_option_says_what_it_is() -> None:
    silent = [
        f"{verb} {one.names[0]}"
        for verb, held in cli_reference.verbs(cli_reference.app)
        for one in held.assemble_argument_collection(parse_docstring=True)
        if one.show and not one.parameter.help
    ]

    assert not silent
