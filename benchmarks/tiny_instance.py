"""The smallest instance: answers every request with "ok" on $PORT. One process, no imports that take time or memory."""

import _socket
import os
import select


def main() -> None:
    server = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    server.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", int(os.environ["PORT"])))
    server.listen(128)
    poll = select.epoll()
    poll.register(server.fileno(), select.EPOLLIN)
    while True:
        for file, _ in poll.poll():
            if file == server.fileno():
                accepted, _ = server._accept()  # noqa: SLF001 (the bare module has no other)
                poll.register(accepted, select.EPOLLIN)
            else:
                answer(poll, file)


def answer(poll: select.epoll, file: int) -> None:
    try:
        asked = os.read(file, 65536)
        if asked:
            os.write(file, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            return
    except ConnectionError:
        pass
    poll.unregister(file)
    os.close(file)


if __name__ == "__main__":
    main()
