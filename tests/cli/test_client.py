"""The command line's end of the control API: a control plane that ends while it answers is one that is not running."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from flyball.cli.client import Control


def test_an_answer_that_breaks_off_is_none(tmp_path: Path) -> None:
    control = Control(tmp_path / "flyball.toml")
    control.paths.create()
    path = control.paths.sockets / "control.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"applica')
            connection.close()

        answering = threading.Thread(target=answer)
        answering.start()
        assert not control.running()
        answering.join()
    path.unlink()
    control.paths.sockets.rmdir()
