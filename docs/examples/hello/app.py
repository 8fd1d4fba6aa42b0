"""Says hello, and works a little for it. Needs nothing but Python."""

import hashlib
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GREETING = os.environ.get("GREETING", "Hello")
FROM = f"from {os.environ['FLYBALL_INSTANCE']}, release {os.environ['FLYBALL_RELEASE']}"


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    wbufsize = -1  # an answer is sent in one piece

    def do_GET(self):
        if self.path != "/health":
            hashlib.pbkdf2_hmac("sha256", b"work", b"salt", 4_000)  # about two milliseconds of it
        body = f"{GREETING} {FROM}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 512


server = Server((os.environ["HOST"], int(os.environ["PORT"])), Hello)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("hello is ready")
server.serve_forever()
