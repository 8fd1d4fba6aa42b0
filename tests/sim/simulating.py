"""`flyball simulate` as a user runs it."""

import json

from flyball.cli.main import outcome


def simulated(capsys, *words: str) -> dict:
    """What it tells as JSON."""
    assert outcome(["simulate", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)
