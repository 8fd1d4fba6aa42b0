"""What an application costs on AWS when nobody uses it: said before anything is made."""

from __future__ import annotations

from flyball.core.errors import FileError
from flyball.core.model import Application, Nat
from flyball.prices import HOURS, at_min, bill, place, total


def sentence(app: Application) -> str:
    """The floor price of a month, and what of it the way out of the network costs."""
    try:
        lines = bill(app, at_min(app))
    except FileError as unknown:
        return f"what it costs is not known: {unknown}"
    ways = total(tuple(line for line in lines if line.price.item in {"nat.hour", "endpoint.hour"})) * HOURS
    cheaper = {Nat.ZONE: 'nat = "one" or "none"', Nat.ONE: 'nat = "none"', Nat.NONE: "no endpoints"}
    saving = f", ${ways:.0f} of it for the way out ([network] {cheaper[place(app).network.nat]} is cheaper)"
    return f"at least ${total(lines) * HOURS:.0f} a month, when nobody uses it{saving if ways else ''}: flyball cost"
