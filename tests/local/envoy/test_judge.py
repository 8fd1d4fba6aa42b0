"""What the OWASP Core Rule Set finds: its own published tests as attacks, and what is left alone."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from flyball.core.errors import FileError
from flyball.core.model import CoreRules
from flyball.local.envoy.judge.directives import DEBIAN, directives, rule_files

pytest.importorskip("libmodsecurity")
pytestmark = pytest.mark.skipif(not DEBIAN.exists(), reason="Debian's modsecurity-crs is not installed")

# From the regression tests of the OWASP Core Rule Set 3.3.4 (Apache License 2.0), at most 60 of each class.
ATTACKS = json.loads(Path(__file__).with_name("attacks.json").read_text())


USUAL = CoreRules()


class Answers(asyncio.Transport):
    """Keeps what is written, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


def answered(judging, *pieces: bytes) -> bytes:
    """The status of the answer to bytes as they come."""
    from flyball.local.envoy.judge.process import Connection

    connection, answers = Connection(judging), Answers()
    connection.connection_made(answers)
    for piece in pieces:
        if not answers.closed:
            connection.data_received(piece)
    return answers.written.split()[1]


def judge(rules: CoreRules = USUAL, *, blocks: bool = True, uploads: tuple[str, ...] = ()):
    from flyball.local.envoy.judge.process import Judge, Task

    return Judge(
        Task(
            socket="",
            told="",
            directives=directives(rules, rule_files(rules, Path())),
            skip_paths=rules.skip_paths,
            uploads=uploads,
            body_bytes=rules.body_bytes,
            blocks=blocks,
        )
    )


def request(path: str = "/", *, method: str = "GET", body: bytes = b"", **headers: str):
    from flyball.local.envoy.judge.process import Request

    told = {"host": "127.0.0.1:8080", "user-agent": "curl/8.5.0", "accept": "*/*"}
    told |= {name.replace("_", "-").lower(): value for name, value in headers.items()}
    if body:
        told |= {"content-length": str(len(body))}
        told.setdefault("content-type", "application/x-www-form-urlencoded")
    headed = [(name.encode(), value.encode()) for name, value in told.items()]
    return Request(method=method.encode(), url=path.encode(), headers=headed, body=bytearray(body))


@pytest.mark.parametrize(("paranoia", "least"), [(1, 0.8), (2, 0.95)])
def test_most_published_attacks_are_refused(paranoia: int, least: float) -> None:
    judging = judge(CoreRules(paranoia=paranoia))
    all_of, refused = Counter(), Counter()
    for one in ATTACKS:
        body = one["body"].encode()
        attack = request(one["path"], method=one["method"], body=body, **one["headers"])
        all_of[one["attack"]] += 1
        refused[one["attack"]] += not judging.lets_through(attack)
    assert set(all_of) == {"protocol", "files", "shell", "php", "node", "script", "sql", "session", "java"}
    assert refused.total() >= least * all_of.total(), (refused, all_of)
    for kind, count in all_of.items():
        assert refused[kind] > count / 2 or (kind, paranoia) == ("sql", 1), (kind, refused[kind], count)
    assert judging.counts.total() == refused.total()  # one rule for each, however many have matched


HONEST = (
    [
        request("/?q=it%27s+select+a+table+from+us&page=2"),
        request("/files/report(1).pdf", method="DELETE"),
        request(
            "/api",
            method="PATCH",
            body=b'{"text": "I\'d say: \\"yes\\" -- 3 > 2; isn\'t it?"}',
            content_type="application/json",
        ),
        request("/picture", method="PUT", body=b"\x89PNG\r\n\x1a\n\x00\xff" * 200, content_type="image/png"),
        request("/caf\u00e9?name=Zo\u00eb"),
    ]
    if DEBIAN.exists()
    else []
)


@pytest.mark.parametrize("honest", HONEST, ids=lambda one: one.url.decode())
def test_what_an_application_takes_is_its_own_affair(honest) -> None:
    judging = judge()
    assert judging.lets_through(honest)
    assert not judging.counts


ATTACK = "/page?id=1%27%20OR%20%271%27=%271"


def test_the_file_says_what_is_judged() -> None:
    assert not judge().lets_through(request(ATTACK))
    assert judge(CoreRules(skip_paths=("/page",))).lets_through(request(ATTACK))
    assert not judge(CoreRules(skip_paths=("/pag",))).lets_through(request(ATTACK))
    assert judge(CoreRules(skip_rules=(942100,))).lets_through(request(ATTACK))
    assert judge(CoreRules(threshold=100)).lets_through(request(ATTACK))
    counting = judge(blocks=False)
    assert counting.lets_through(request(ATTACK))
    assert counting.counts == {"942100": 1}


UNREADABLE = b"FROBNICATE /page/1?a=b HTTP/1.1\r\nhost: a\r\n\r\n"


def test_what_cannot_be_read_is_refused_only_where_rules_refuse(capfd: pytest.CaptureFixture[str]) -> None:
    blocking, counting = judge(), judge(blocks=False)
    assert answered(blocking, UNREADABLE) == b"403"
    assert answered(counting, UNREADABLE) == b"200"
    assert blocking.counts == counting.counts == {"unread": 1}
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [(one["refused"], one["method"], one["path"]) for one in told] == [
        (True, "FROBNICATE", "/page/1?a=b"),
        (False, "FROBNICATE", "/page/1?a=b"),
    ]


def test_what_cannot_be_read_is_no_matter_at_skipped_paths() -> None:
    skipping = judge(CoreRules(skip_paths=("/page",)))
    assert answered(skipping, UNREADABLE) == b"200"
    assert answered(skipping, UNREADABLE.replace(b"/page", b"/")) == b"403"
    read = b"POST /page HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    assert answered(skipping, read, b"nonsense\r\n") == b"200"
    assert answered(skipping, UNREADABLE[:17], UNREADABLE[17:]) == b"403"  # nobody knows where it ends
    assert skipping.counts == {"unread": 2}


def test_a_body_is_judged_but_where_files_are_taken() -> None:
    attack = request("/x", method="POST", body=b"id=1' OR '1'='1")
    assert not judge().lets_through(attack)
    assert judge(uploads=("/x",)).lets_through(attack)
    assert not judge(uploads=("/x",)).lets_through(request("/x?id=1%27%20OR%20%271%27=%271"))


def test_the_beginning_of_a_body_need_not_be_whole() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 200
    headers = {"content_type": "multipart/form-data; boundary=b"}
    assert judge(CoreRules(body_bytes=100)).lets_through(request("/x", method="POST", body=part, **headers))
    pretended = request("/x", method="POST", body=b'{"a', content_type="application/json", x_flyball_partial_body="1")
    assert not judge().lets_through(pretended)


def test_a_directory_without_rules_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="the OWASP Core Rule Set is not in"):
        rule_files(CoreRules(path="rules"), tmp_path)
