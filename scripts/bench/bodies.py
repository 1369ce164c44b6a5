"""Reads bodies while others load a server, and compares each with what it has to be: a rendering of the page, once, whole."""
import contextlib
import socket
import threading
import time

import rendering
from processes import Failed

_PAUSE = 0.005  # seconds; it shall see much and load little
_PATIENCE = 30


def read_body(port, target, version="1.0"):
    """All that came after the head, up to the close: also what no length speaks of."""
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as connection:
        # The same host as the load's, or it would be another page for a cache.
        connection.sendall(f"GET {target} HTTP/{version}\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    head, end, body = b"".join(parts).partition(b"\r\n\r\n")
    if not end or b" 200 " not in head.partition(b"\r\n")[0] + b" ":
        raise Failed(f"{target} gave no page: {head[:200]!r}")
    return body


class Reader(contextlib.AbstractContextManager):
    """A thread that reads until it is left. Afterwards: `seen`, how often each rendering came, by (number, date); `wrong`,
    what was none; `missing`, what did not come at all."""

    def __init__(self, port, target):
        self._port, self._target = port, target
        self.seen, self.wrong, self.missing = {}, [], []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        turn = 0
        while not self._over.is_set():
            try:
                self._judge(read_body(self._port, self._target, ("1.0", "1.1")[turn % 2]))
            except (OSError, Failed) as failed:
                self.missing.append(str(failed))
            turn += 1
            time.sleep(_PAUSE)

    def _judge(self, body):
        found = rendering.rendering_of(body)
        if found:
            key = tuple(part.decode() for part in found)
            self.seen[key] = self.seen.get(key, 0) + 1
        else:
            self.wrong.append(f"{len(body)} bytes, beginning {body[:60]!r}")

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
