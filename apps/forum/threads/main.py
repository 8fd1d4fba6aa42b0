"""Threads: what is talked about, and the forum's front page. `uvicorn --factory threads.main:app`."""

from __future__ import annotations

import os

from forum.app import Settings, create_app
from forum.pages import front_page
from forum.resource import Body, Id, Line, Resource, Stored
from msgspec import UNSET, UnsetType
from starlette.applications import Starlette


class NewThread(Body):
    title: Line
    user_id: Id | None = None


class ThreadChange(Body):
    title: Line | UnsetType = UNSET


class Thread(Stored):
    title: str
    user_id: str | None


THREADS = Resource(
    name="threads",
    singular="thread",
    summary="What is talked about. `user_id` is who began it, if that is known. "
    "Deleting a thread does not delete its posts: they belong to another service and can still be read by their ids.",
    new=NewThread,
    change=ThreadChange,
    stored=Thread,
    references=(("user_id", "users"),),
)


def app() -> Starlette:
    """The service, set up from the environment."""
    return create_app(THREADS, Settings.read(os.environ), pages=front_page())
