"""As many requests as a peer can answer over a number of connections."""
import os
import statistics
import time

from answers import ask, check
from generator import ERRORS, Generator, Wrk
from processes import Failed, busy_seconds, cpu_seconds, ended_children_seconds
from workload import Session, Workload

_WARM = "seconds 1"
_PATIENCE = 600  # for a number of requests, however slow a peer is
_LOG_PATIENCE = 5  # until the last line of a log is written


class Throughput(Workload):
    def __init__(self, path, connections, text, goals, able, usual, in_bytes=False, **more):
        super().__init__(text, goals, able, usual, **more)
        self.path, self.connections, self.in_bytes = path, connections, in_bytes
        self.cached = path != "/pass"
        if in_bytes:
            self.unit = "MB/s"

    def slices(self, settings):
        return 1 if settings.requests else settings.seconds

    def session(self, peer, servers, settings):
        return _Session(self, peer, servers, settings)


class _Session(Session):
    def __enter__(self):
        super().__enter__()
        workload, work = self.workload, self.workload.work
        self._slices = []
        self._asked = 0
        self._verify(None)  # stores what can be stored
        self._verify(workload.cached)
        self._loads = []
        try:
            for _ in range(work.workers):
                self._loads.append(self.enter_context(self._new_load()))
            self._load(_WARM)
        except BaseException:
            self.close()
            raise
        return self

    def _new_load(self):
        workload, work, settings = self.workload, self.workload.work, self.settings
        cores = settings.loading if work.workers == 1 else self._cores()
        connections = workload.connections // work.workers
        if settings.wrk:
            return Wrk(cores, self.peer.port, workload.path, connections, work.closing)
        return Generator(settings, cores, self.peer.port, workload.path, connections, work.content_bytes,
                         close=int(work.closing))

    def measure(self):
        settings = self.settings
        before = self._usage()
        measured = self._load(f"requests {settings.requests // len(self._loads)}" if settings.requests else "seconds 1")
        after = self._usage()
        if measured["requests"] == 0:
            raise Failed(f"{self.peer.name} answered nothing")
        self._verify(self.workload.cached)
        self._slices.append({**measured, **{name: after[name] - before[name] for name in after}})

    def result(self):
        slices = self._slices
        total = {name: sum(one[name] for one in slices) for name in slices[0]}
        amount = total["bytes"] / 1e6 if self.workload.in_bytes else total["requests"]
        missing = self._missing_lines()
        return {
            "value": amount * 1e6 / total["microseconds"],
            "cpu_us": total["peer"] * 1e6 / total["requests"],
            "p50_us": statistics.median(one["p50"] for one in slices),
            "p99_us": statistics.median(one["p99"] for one in slices),
            "response_bytes": total["bytes"] / total["requests"],
            "errors": sum(total[kind] for kind in ERRORS) + missing,
            **({"lines_missing": missing} if self.peer.access_log else {}),
            "load_busy": total["load_core"] / total["at"],
            "others": max(0, total["cores"] - total["ours"]) / (total["at"] * len(self._cores())),
        }

    def _cores(self):
        return self.settings.serving | self.settings.loading

    def _usage(self):
        """Processor time until now: of the peer, of all that is measured, and of the cores."""
        peer = sum(map(cpu_seconds, self.peer.pids))
        ours = [load.pid for load in self._loads if load.pid] + [server.pid for server in self.servers]
        return {"at": time.monotonic(), "peer": peer, "cores": busy_seconds(self._cores()),
                "ours": peer + sum(map(cpu_seconds, ours)) + ended_children_seconds(),
                "load_core": busy_seconds(self.settings.loading) / len(self.settings.loading)}

    def _load(self, order):
        for load in self._loads:
            load.order(order)
        parts = [load.measured(_PATIENCE) for load in self._loads]
        measured = {name: sum(part[name] for part in parts) for name in ("requests", "bytes", *ERRORS)}
        self._asked += measured["requests"]
        # Of two that run at once, the longer time and the worse latency.
        return {**measured, **{name: max(part[name] for part in parts) for name in ("microseconds", "p50", "p99")}}

    def _verify(self, hit):
        status, fields, content, stays = ask(self.peer.port, self.workload.path, self.workload.work.closing)
        check(self.peer, status, fields, content, self.workload.work.content_bytes, hit)
        if stays == self.workload.work.closing:
            raise Failed(f"{self.peer.name} {'keeps' if stays else 'closes'} the connection after a response")
        self._asked += 1

    def _missing_lines(self):
        """Of the access log: one for each request."""
        if not self.peer.access_log:
            return 0
        limit = time.monotonic() + _LOG_PATIENCE
        while (lines := _count_lines(self.peer.access_log)) < self._asked and time.monotonic() < limit:
            time.sleep(0.5)
        return max(0, self._asked - lines)


def _count_lines(path):
    if not os.path.exists(path):
        return 0
    with open(path, "rb") as file:
        return sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b""))
