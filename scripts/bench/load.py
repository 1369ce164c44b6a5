"""The workloads: what is asked of a proxy, that its answers are right, and what is measured.

A workload prepares a proxy, measures it in a number of slices, and combines those into one run."""
import contextlib
import http.client
import json
import os
import random
import socket
import statistics
import struct
import time

from processes import Failed, Process, busy_seconds, cpu_seconds, ended_children_seconds, memory_bytes

_HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = b"x" * 1024  # every response, and the one that lies in memcached
_IDLE_SOURCES = [f"127.0.0.{n}" for n in range(2, 6)]  # each address has about 28,000 ports towards one server
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: no TIME_WAIT of thousands of connections is left for the next run
_SAMPLE = 500


def _check(peer, status, fields, content, hit):
    """That a response is the origin's, and from the cache exactly if it should be."""
    if status != 200 or content != PAGE:
        raise Failed(f"{peer.name} answers with status {status} and {len(content)} bytes instead of what the origin says")
    if peer.is_hit(fields) != hit:
        wrong = "a miss instead of a hit" if hit else "a hit instead of a miss"
        raise Failed(f"{peer.name} answers with {wrong}: {fields}")


class _Usage:
    """Processor time from its making on: of the proxy, and of both cores by whom."""

    def __init__(self, peer, origin, settings):
        self._peer, self._origin, self._settings = peer, origin, settings
        self._before = self._read()

    def _read(self):
        settings = self._settings
        return {"at": time.monotonic(), "peer": cpu_seconds(self._peer.pid), "origin": cpu_seconds(self._origin.pid),
                "wrk": ended_children_seconds(), "core": busy_seconds(settings.core),
                "load_core": busy_seconds(settings.load_core)}

    def end(self):
        after = self._read()
        return {name: after[name] - self._before[name] for name in after}


class Throughput:
    """As many requests as the proxy can answer over a number of kept-alive connections, by wrk."""

    unit = "requests/s"
    better = "higher"

    def __init__(self, path, connections, goal, text):
        self._path, self._connections, self.goal, self.text = path, connections, goal, text
        self._cached = path != "/pass"

    def prepare(self, peer, settings):
        self._verify(peer, (None, self._cached))  # the first stores what can be stored
        self._wrk(peer, settings)  # warm

    def slices(self, settings):
        return settings.seconds

    def measure(self, peer, origin, settings):
        usage = _Usage(peer, origin, settings)
        measured = self._wrk(peer, settings)
        if measured["requests"] == 0:
            raise Failed(f"{peer.name} answered nothing")
        used = usage.end()
        self._verify(peer, (self._cached,))
        return {**measured, **used}

    def combine(self, slices):
        total = {name: sum(one[name] for one in slices) for name in slices[0]}
        ours = total["peer"] + total["origin"] + total["wrk"]
        return {
            "value": total["requests"] * 1e6 / total["microseconds"],
            "cpu_us": total["peer"] * 1e6 / total["requests"],
            "p50_us": statistics.median(one["p50"] for one in slices),
            "p99_us": statistics.median(one["p99"] for one in slices),
            "response_bytes": total["bytes"] / total["requests"],
            "errors": sum(total[kind] for kind in ("connect", "read", "write", "status", "timeout")),
            "load_busy": total["load_core"] / total["at"],
            "others": max(0, total["core"] + total["load_core"] - ours) / (2 * total["at"]),
        }

    def _verify(self, peer, expected_hits):
        connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=5)
        for hit in expected_hits:
            connection.request("GET", self._path)
            response = connection.getresponse()
            content = response.read()
            fields = {name.lower(): value for name, value in response.getheaders()}
            if connection.sock is None:
                raise Failed(f"{peer.name} closes the connection after a response")
            _check(peer, response.status, fields, content, peer.is_hit(fields) if hit is None else hit)
        connection.close()

    def _wrk(self, peer, settings):
        with Process(["wrk", "-t1", f"-c{self._connections}", "-d1s", "--timeout", "5s", "-s",
                      os.path.join(_HERE, "summary.lua"), f"http://127.0.0.1:{peer.port}{self._path}"],
                     settings.load_core) as wrk:
            return json.loads(wrk.output(20).splitlines()[-1])


class Idle:
    """Kept-alive connections that wait after one request each: the private memory of the process, with less without."""

    unit = "bytes/connection"
    better = "lower"

    def __init__(self, connections, goal, text):
        self._connections, self.goal, self.text = connections, goal, text

    def prepare(self, peer, settings):
        pass

    def slices(self, settings):
        del settings
        return 1

    def combine(self, slices):
        return slices[0]

    def measure(self, peer, origin, settings):
        del origin  # asked once
        if settings.descriptors < self._connections + 500:
            raise Failed(f"{self._connections} connections need more open files than the limit, {settings.descriptors}")
        with contextlib.ExitStack() as clients:
            for hit in (None, True):  # stored, and what a first connection costs is paid
                self._exchange(peer, clients.enter_context(self._connect(peer)), hit)
            resident, private = memory_bytes(peer.pid)
            cpu = cpu_seconds(peer.pid)
            waiting = []
            for _ in range(self._connections):
                waiting.append(clients.enter_context(self._connect(peer)))
                self._exchange(peer, waiting[-1], True)
            cpu = cpu_seconds(peer.pid) - cpu
            resident_after, private_after = memory_bytes(peer.pid)
            sample = random.sample(waiting, min(_SAMPLE, len(waiting)))
            errors = sum(not self._is_served(peer, client) for client in sample)
        return {
            "value": (private_after - private) / self._connections,
            "cpu_us": cpu * 1e6 / self._connections,
            "resident_bytes": (resident_after - resident) / self._connections,
            "private_before": private,
            "errors": errors,
        }

    def _connect(self, peer):
        client = socket.socket()
        client.settimeout(5)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        client.bind((random.choice(_IDLE_SOURCES), 0))
        client.connect(("127.0.0.1", peer.port))
        return client

    def _exchange(self, peer, client, hit):
        client.sendall(b"GET /hit HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        data = b""
        while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < len(PAGE):
            part = client.recv(65536)
            if not part:
                raise Failed(f"{peer.name} closed a connection that should stay open")
            data += part
        head, _, content = data.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        _check(peer, int(start.split()[1]), fields, content, peer.is_hit(fields) if hit is None else hit)

    def _is_served(self, peer, client):
        try:
            self._exchange(peer, client, True)
            return True
        except (OSError, Failed):
            return False


# The goal of a throughput is a ratio to nginx, that of idle a number of bytes.
WORKLOADS = {
    "hit": Throughput("/hit", 64, 1.5, "1 KiB from the cache, 64 connections"),
    "pass": Throughput("/pass", 64, 1.0, "1 KiB that may not be cached, from a fast origin, 64 connections"),
    "page": Throughput("/page", 64, 1.4, "1 KiB that the application put into memcached, 64 connections"),
    "idle": Idle(10_000, 1024, "10,000 idle kept-alive connections after one request each"),
}
