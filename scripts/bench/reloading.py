"""Hits at a fixed rate while weir is told again and again to read its configuration: their p99 then, times that of normal
seconds. A latency counts from when the request was due."""
import statistics
import time

from answers import ask, check
from generator import ERRORS, Generator
from workload import Session, Workload

_RATE = 10_000
_CONNECTIONS = 64
_PAUSE = 0.1
_PATIENCE = 60


class Reloading(Workload):
    unit = "times the p99 of normal seconds"
    higher_is_better = False

    def slices(self, settings):
        return settings.seconds

    def session(self, peer, servers, settings):
        return _Session(self, peer, servers, settings)


class _Session(Session):
    def __enter__(self):
        super().__enter__()
        for hit in (None, True):
            status, fields, content, _ = ask(self.peer.port, "/hit")
            check(self.peer, status, fields, content, self.workload.work.content_bytes, hit)
        self._normal, self._reloading = [], []
        self._changes = 0
        self._load = self.enter_context(
            Generator(self.settings, self.settings.loading, self.peer.port, "/hit", _CONNECTIONS))
        try:
            self._second(False)  # warm
        except BaseException:
            self.close()
            raise
        return self

    def measure(self):
        """A normal second and one with reloads; which comes first alternates."""
        for reloads in (False, True) if len(self._normal) % 2 == 0 else (True, False):
            (self._reloading if reloads else self._normal).append(self._second(reloads))

    def result(self):
        # Two signals that come before weir looks are one, so there may be fewer than were asked for.
        done = self.peer.reloads()
        seconds = self._normal + self._reloading
        p99 = {name: statistics.median(one["p99"] for one in of)
               for name, of in (("normal", self._normal), ("reloading", self._reloading))}
        return {
            "value": p99["reloading"] / p99["normal"],
            "p50_us": statistics.median(one["p50"] for one in self._reloading),
            "p99_us": p99["reloading"],
            "normal_p99_us": p99["normal"],
            "reloads": done,
            "reloads_asked": self._changes,
            "errors": sum(one[kind] for one in seconds for kind in ERRORS) + (done < self._changes / 2),
        }

    def _second(self, reloads):
        self._load.order(f"rate {_RATE} 1")
        if reloads:
            end = time.monotonic() + 1 - _PAUSE
            while time.monotonic() < end:
                self._changes += 1
                # A server more, a server less; hits ask neither.
                self.peer.configure(", 127.0.0.1:9" if self._changes % 2 else "")
                self.peer.reload()
                time.sleep(_PAUSE)
        return self._load.measured(_PATIENCE)
