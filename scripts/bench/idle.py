"""Kept-alive connections that wait after one request each: the private memory of the peer, with less without."""
import contextlib
import random
import socket
import struct

from answers import check
from processes import Failed, cpu_seconds, memory_bytes
from workload import Session, Workload

_SOURCES = [f"127.0.0.{n}" for n in range(2, 6)]  # each address has about 28,000 ports towards one server
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: no TIME_WAIT of thousands of connections is left for the next run
_SAMPLE = 500


class Idle(Workload):
    unit = "bytes/connection"
    higher_is_better = False

    def __init__(self, connections, *rest):
        super().__init__(*rest)
        self.connections = connections

    def session(self, peer, servers, settings):
        return _Session(self, peer, servers, settings)


class _Session(Session):
    def measure(self):
        count = self.workload.connections
        if self.settings.descriptors < count + 500:
            raise Failed(f"{count} connections need more open files than the limit, {self.settings.descriptors}")
        with contextlib.ExitStack() as clients:
            for hit in (None, True):  # stored, and what a first connection costs is paid
                self._exchange(clients.enter_context(self._connect()), hit)
            resident, private = self._memory()
            cpu = self._cpu()
            waiting = []
            for _ in range(count):
                waiting.append(clients.enter_context(self._connect()))
                self._exchange(waiting[-1], True)
            cpu = self._cpu() - cpu
            resident_after, private_after = self._memory()
            errors = sum(not self._is_served(client) for client in random.sample(waiting, min(_SAMPLE, count)))
        self._result = {
            "value": (private_after - private) / count,
            "cpu_us": cpu * 1e6 / count,
            "resident_bytes": (resident_after - resident) / count,
            "private_before": private,
            "errors": errors,
        }

    def result(self):
        return self._result

    def _memory(self):
        return [sum(values) for values in zip(*map(memory_bytes, self.peer.pids))]

    def _cpu(self):
        return sum(map(cpu_seconds, self.peer.pids))

    def _connect(self):
        client = socket.socket()
        client.settimeout(5)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        client.bind((random.choice(_SOURCES), 0))
        client.connect(("127.0.0.1", self.peer.port))
        return client

    def _exchange(self, client, hit):
        content_bytes = self.workload.work.content_bytes
        client.sendall(b"GET /hit HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        data = b""
        while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < content_bytes:
            part = client.recv(65536)
            if not part:
                raise Failed(f"{self.peer.name} closed a connection that should stay open")
            data += part
        head, _, content = data.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        check(self.peer, int(start.split()[1]), fields, content, content_bytes, hit)

    def _is_served(self, client):
        try:
            self._exchange(client, True)
            return True
        except (OSError, Failed):
            return False
