"""Many stored responses: memory of the peer beyond their heads, keys and content.

Memory is that of the processes, shared memory counted once, and of nginx's files in /dev/shm. The key is the URL, the head
that of the origin's response."""
import http.client
import os
import random
import time

from answers import ask, check, head_bytes
from generator import ERRORS, Generator
from processes import Failed, shared_out_bytes
from workload import Session, Workload

_PATH = "/stored/{:07d}"
_CONNECTIONS = 32
_SAMPLE = 1000
_SETTLE = 2  # seconds in which an allocator gives back what it does not use
_PATIENCE = 600


class Stored(Workload):
    unit = "bytes/response"
    higher_is_better = False
    rounds = 1

    def __init__(self, count, *rest, **more):
        super().__init__(*rest, **more)
        self.count = count

    def session(self, peer, servers, settings):
        return _Session(self, peer, servers, settings)


class _Session(Session):
    def measure(self):
        content_bytes = self.workload.work.content_bytes
        count = self.settings.requests or self.workload.count
        status, fields, content, _ = ask(self.peer.port, "/hit")  # what a first request costs is paid
        check(self.peer, status, fields, content, content_bytes, None)
        before = self._memory()
        with Generator(self.settings, self.settings.loading, self.peer.port, _PATH.format(0), _CONNECTIONS, content_bytes,
                       distinct=1) as load:
            load.order(f"requests {count}")
            measured = load.measured(_PATIENCE)
        time.sleep(_SETTLE)
        after = self._memory()
        said = head_bytes(self.servers.origin.port, _PATH.format(0)) + content_bytes + \
            len(f"http://127.0.0.1:{self.peer.port}{_PATH.format(0)}")
        self._result = {
            "value": (after - before) / count - said,
            "stored_bytes": said,
            "stored_per_second": count * 1e6 / measured["microseconds"],
            "errors": sum(measured[kind] for kind in ERRORS) + self._missing(count),
        }

    def result(self):
        return self._result

    def _memory(self):
        files = 0
        for folder, _, names in os.walk(self.peer.memory_folder):
            files += sum(os.stat(os.path.join(folder, name)).st_blocks * 512 for name in names)
        return shared_out_bytes(self.peer.pids) + files

    def _missing(self, count):
        """How many of a sample are not there any more."""
        missing = 0
        connection = http.client.HTTPConnection("127.0.0.1", self.peer.port, timeout=10)
        for number in random.sample(range(count), min(_SAMPLE, count)):
            status, fields, content, _ = ask(self.peer.port, _PATH.format(number), connection=connection)
            check(self.peer, status, fields, content, self.workload.work.content_bytes, None)
            missing += not self.peer.is_hit(fields)
        connection.close()
        if missing == min(_SAMPLE, count):
            raise Failed(f"{self.peer.name} stored nothing")
        return missing
