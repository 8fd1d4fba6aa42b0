import threading
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import pytest
from visitor_board.lane import Lane, in_lane

from waiting import until


def test_no_more_than_the_places_run_at_once_and_all_run() -> None:
    lane, lock, inside, most, done = Lane(3), threading.Lock(), 0, 0, 0

    def work() -> None:
        nonlocal inside, most, done
        with lane.place():
            with lock:
                inside += 1
                most = max(most, inside)
            until(lambda: inside == 3 or done >= 48, every_s=0.001)  # the last two may be fewer
            with lock:
                inside -= 1
                done += 1

    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, done) == (3, 50)


def test_first_come_first_served() -> None:
    lane, order, threads = Lane(1), [], []

    def work(number: int) -> None:
        with lane.place():
            order.append(number)

    with lane.place():
        for number in range(20):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            until(lambda: len(lane._waiting) == len(threads))
    for thread in threads:
        thread.join()
    assert order == list(range(20))


def test_a_failing_request_gives_its_place_back() -> None:
    lane = Lane(1)
    for _ in range(3):
        with pytest.raises(KeyError), lane.place():
            raise KeyError


def test_health_goes_past_a_full_lane() -> None:
    hold, seen = threading.Event(), []

    def app(environ: dict[str, Any], _start: Any) -> Iterable[bytes]:
        seen.append(environ["PATH_INFO"])
        if environ["PATH_INFO"] != "/health":
            hold.wait(60)
        return [b""]

    serve = in_lane(app, places=1, past="/health", body_max=10)
    pages = [threading.Thread(target=serve, args=({"PATH_INFO": "/", "REQUEST_METHOD": "GET"}, None)) for _ in range(5)]
    for page in pages:
        page.start()
    until(lambda: seen == ["/"])
    serve({"PATH_INFO": "/health", "REQUEST_METHOD": "GET"}, None)
    assert seen == ["/", "/health"]
    hold.set()
    for page in pages:
        page.join()
    assert seen.count("/") == 5


def test_a_body_that_comes_slowly_holds_no_place() -> None:
    class Slow(BytesIO):
        asked = threading.Event()
        go = threading.Event()

        def read(self, size: int | None = -1, /) -> bytes:
            self.asked.set()
            self.go.wait(60)
            return super().read(size)

    bodies = []

    def app(environ: dict[str, Any], _start: Any) -> Iterable[bytes]:
        bodies.append(environ["wsgi.input"].read() if "wsgi.input" in environ else None)
        return [b""]

    serve = in_lane(app, places=1, past="/health", body_max=4)
    slow = Slow(b"0123456789")
    environ = {"PATH_INFO": "/", "REQUEST_METHOD": "POST", "wsgi.input": slow, "CONTENT_LENGTH": "10"}
    post = threading.Thread(target=serve, args=(environ, None))
    post.start()
    assert slow.asked.wait(60)
    serve({"PATH_INFO": "/", "REQUEST_METHOD": "GET"}, None)
    assert bodies == [None]
    slow.go.set()
    post.join()
    assert bodies == [None, b"01234"]
