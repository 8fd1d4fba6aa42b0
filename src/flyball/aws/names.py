"""Names in templates. Needs no CDK: deployment asks for the same names."""

from __future__ import annotations


def logical(*names: str) -> str:
    """A logical id from names as in the file: ("my-web", "TargetGroup") -> "MyWebTargetGroup"."""
    words = (word for name in names for word in name.split("-"))
    return "".join(word[:1].upper() + word[1:] for word in words)


def image_parameter(service: str) -> str:
    """The stack parameter that holds the image of a service on Fargate."""
    return logical(service, "Image")


def release_parameter(service: str) -> str:
    """The stack parameter that holds the release of a service on EC2."""
    return logical(service, "Release")
