"""Day two on AWS: what runs there, seen and acted upon in the words and the JSON of the local verbs."""

from . import events, logs, releases, upload
from .acts import scale, shell
from .place import There, there
from .seen import application

__all__ = ["There", "application", "events", "logs", "releases", "scale", "shell", "there", "upload"]
