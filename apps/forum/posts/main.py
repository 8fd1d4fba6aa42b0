"""Posts: what people write in threads. `uvicorn --factory posts.main:app`."""

from __future__ import annotations

import os

from forum.app import Settings, create_app
from forum.resource import Body, Id, Resource, Stored, Text
from msgspec import UNSET, UnsetType
from starlette.applications import Starlette


class NewPost(Body):
    thread_id: Id
    user_id: Id
    text: Text


class PostChange(Body):
    text: Text | UnsetType = UNSET


class Post(Stored):
    thread_id: str
    user_id: str
    text: str


POSTS = Resource(
    name="posts",
    singular="post",
    summary="What people write. A post is accepted when its thread and its user exist at that moment; "
    "it stays when they are deleted later.",
    new=NewPost,
    change=PostChange,
    stored=Post,
    references=(("thread_id", "threads"), ("user_id", "users")),
    listed_by=("thread_id",),
)


def app() -> Starlette:
    """The service, set up from the environment."""
    return create_app(POSTS, Settings.read(os.environ))
