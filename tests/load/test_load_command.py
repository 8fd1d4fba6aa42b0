"""`flyball load` as it is typed: what it prints, what it returns."""

import gzip
import json
import re
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flyball.cli.load import run
from flyball.core.errors import FileError
from load.scripted_server import bound


class Answering(BaseHTTPRequestHandler):
    """Says who it is; /missing is not there; /slow never answers before it is released."""

    protocol_version = "HTTP/1.1"
    released = threading.Event()

    def do_GET(self):
        if self.path == "/slow":
            self.released.wait(30)
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("x-flyball-instance", "web-10" if self.path == "/ten" else "web-2")
        self.send_header("content-length", "0")
        self.end_headers()

    def do_PUT(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def log_message(self, *_):
        pass


class Threads(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # the generator hangs up where a test says so


@pytest.fixture
def url():
    with bound() as listening, Threads(listening.getsockname(), Answering, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = listening
        server.server_activate()
        server.server_name, server.server_port = listening.getsockname()
        Answering.released.clear()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Answering.released.set()
        server.shutdown()
        thread.join()


def ended_well(code, printed):
    """On a machine that is too busy the generator rightly says that its numbers are not valid."""
    return code == (1 if "numbers not valid" in printed.err else 0)


def nowhere(name):
    raise AssertionError("an address needs no resolving")


def test_a_calm_load_prints_a_summary_and_returns_0(url, capsys):
    code = run(url, resolve=nowhere, rate=50, lasting="1200ms", evenly=True)
    printed = capsys.readouterr()
    assert ended_well(code, printed)
    assert re.search(r"^sent 60 in \d+\.\d s ", printed.out)
    assert "ok 60  failed 0" in printed.out
    assert "latency, from when due" in printed.out
    assert "web-2                            60  100%" in printed.out
    assert "web-2 100%" in printed.err


def test_a_name_is_resolved_and_a_path_is_joined(url, capsys):
    asked = []

    def resolve(name):
        asked.append(name)
        return url

    run("web", resolve=resolve, rate=20, lasting="100ms", path="/ten", json=True)
    run(resolve=resolve, rate=20, lasting="100ms", json=True)
    assert asked == ["web", ""]
    assert "web-10" in json.loads(capsys.readouterr().out.splitlines()[0])["by_instance"]


def test_json_has_the_promised_keys_on_stdout_alone(url, capsys):
    code = run(url, resolve=nowhere, stages="20:500ms,100:500ms", json=True, seed=9)
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert ended_well(code, printed)
    promised = {"sent", "ok", "failed", "by_status", "by_instance", "latency_ms", "send_lag_ms", "valid"}
    assert promised <= set(result)
    assert {"p50", "p95", "p99", "max"} <= set(result["latency_ms"])
    assert result["ok"] == result["sent"] == result["by_status"]["200"] == result["by_instance"]["web-2"]
    assert (result["valid"], result["seed"]) == (code == 0, 9)


def test_a_failure_returns_1_and_says_what_failed(url, capsys):
    assert run(url, resolve=nowhere, path="/missing", rate=20, lasting="100ms", evenly=True) == 1
    assert "failed: status 404, 2 times; first: answered 404 from web-2" in capsys.readouterr().out
    code = run(url, resolve=nowhere, path="/missing", rate=20, lasting="100ms", expect="200,404")
    assert ended_well(code, capsys.readouterr())


def test_a_recording_is_played_scaled_and_faster(url, tmp_path, capsys):
    recording = tmp_path / "day.csv.gz"
    recording.write_bytes(gzip.compress(b"t_seconds,requests_per_second\n0,100\n5,200\n"))
    run(url, resolve=nowhere, trace=recording, speed=10, scale=0.5, evenly=True, json=True)
    # 5 s at 100 and 5 s at 200, halved, in a tenth of the time
    assert json.loads(capsys.readouterr().out)["sent"] == 75


def test_a_long_recording_is_cut_and_that_is_said(url, tmp_path, capsys):
    recording = tmp_path / "week.csv"
    recording.write_text("0,5\n3600,5\n")
    code = run(url, resolve=nowhere, trace=recording, requests=3)
    printed = capsys.readouterr()
    assert ended_well(code, printed)
    assert "playing the first 600 s of 7200 s; --for plays more" in printed.err


def test_a_body_is_read_from_a_file(url, tmp_path, capsys):
    body = tmp_path / "body.txt"
    body.write_bytes(b"x" * 10)
    code = run(url, resolve=nowhere, rate=10, lasting="100ms", method="PUT", body=f"@{body}", headers=["A: b"])
    assert ended_well(code, capsys.readouterr())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rate": 1, "stages": "1:1s"}, "found --rate and --stages"),
        ({"rate": -1}, "0 or more"),
        ({"rate": 1, "lasting": "soon"}, "is not a duration"),
        ({"rate": 1, "timeout": "never"}, "is not a duration"),
        ({"rate": 1, "requests": -1}, "at least 1 request"),
        ({"rate": 1, "headers": ["nothing"]}, "is not a header"),
        ({"rate": 1, "expect": "fine"}, "not a list of statuses"),
        ({"rate": 1, "body": "@/no/such/file"}, "No such file"),
        ({"stages": "1"}, "is not a stage"),
    ],
)
def test_options_without_meaning_are_refused_before_anything_is_sent(options, says):
    with pytest.raises(FileError, match=says):
        run("http://127.0.0.1:1/", resolve=nowhere, **options)


@pytest.mark.parametrize("content", [None, b"\x1f\x8bbroken", b"\xff\xfe\x00", b"0,1\n0,1\n", b""])
def test_an_unreadable_recording_is_refused_by_name(tmp_path, content):
    recording = tmp_path / "bad.csv"
    if content is not None:
        recording.write_bytes(content)
    with pytest.raises(FileError, match=r"bad\.csv: "):
        run("http://127.0.0.1:1/", resolve=nowhere, trace=recording)


@pytest.mark.live
def test_ctrl_c_prints_what_was_measured_and_returns_130(url):
    program = (
        "import sys; from flyball.cli.load import run; "
        f"sys.exit(run({url + '/slow'!r}, resolve=str, rate=20, lasting='60s', evenly=True, json=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr.readline().strip()  # the first line of progress
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    result = json.loads(out)
    assert result["stopped"]
    assert result["unfinished"] == result["sent"] > 0


def test_who_asks_for_nothing_gets_fifty_a_second(url, capsys):
    code = run(url, resolve=nowhere, requests=10)
    said = capsys.readouterr()

    assert ended_well(code, said)
    assert "50 requests a second for 60s" in said.err
    assert re.search(r"^ok 10  failed 0$", said.out, re.MULTILINE)
