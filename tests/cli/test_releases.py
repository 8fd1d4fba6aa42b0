"""Deploys and rollbacks from the command line: which release is waited for."""

from __future__ import annotations

import pytest

from flyball.cli.releases import _release_of
from flyball.core.errors import Failed


def test_a_rollback_of_a_running_rollout_waits_for_the_release_gone_back_to() -> None:
    ended = {"kind": "rollout_failed", "release": 3, "reason": "rollout of release 3 ended by hand"}
    begun = {"kind": "rollout_started", "release": 1, "reason": "rolling back from release 3 to release 1: by hand"}
    assert _release_of([ended, begun]) == 1


def test_a_refusal_is_a_failure() -> None:
    with pytest.raises(Failed, match="is not known"):
        _release_of([{"kind": "refused", "release": 9, "reason": "release 9 is not known (any more)"}])
