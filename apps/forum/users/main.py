"""Users: who writes. `uvicorn --factory users.main:app`."""

from __future__ import annotations

import os

from forum.app import Settings, create_app
from forum.resource import Body, Line, Note, Resource, Stored
from msgspec import UNSET, UnsetType
from starlette.applications import Starlette


class NewUser(Body):
    name: Line
    about: Note = ""


class UserChange(Body):
    name: Line | UnsetType = UNSET
    about: Note | UnsetType = UNSET


class User(Stored):
    name: str
    about: str


USERS = Resource(
    name="users",
    singular="user",
    summary="People who write. Names need not differ; the id tells people apart. "
    "What a deleted user wrote stays, under an id that is not found any more.",
    new=NewUser,
    change=UserChange,
    stored=User,
)


def app() -> Starlette:
    """The service, set up from the environment."""
    return create_app(USERS, Settings.read(os.environ))
