"""The load: generator.cpp, which checks every response, or wrk, which others know. Both keep one core busy."""
import contextlib
import json
import os

from processes import Failed, Process

_HERE = os.path.dirname(os.path.abspath(__file__))
ERRORS = ("connect", "read", "write", "status", "content", "timeout")


class Generator(contextlib.AbstractContextManager):
    """Its connections are made when it is, and stay for all its runs, unless they are closed after each request."""

    def __init__(self, settings, cores, port, target, connections, content_bytes=1024, **options):
        arguments = [settings.generator, "--port", port, "--target", target, "--connections", connections, "--bytes",
                     content_bytes]
        for name, value in options.items():
            arguments += [f"--{name}", value]
        self._process = Process(arguments, cores, told=True)
        self.pid = self._process.pid
        try:
            if self._process.answer(30) != "ready\n":
                raise Failed("the generator did not start")
        except BaseException:
            self._process.stop()
            raise

    def order(self, order):
        self._process.tell(order)

    def measured(self, seconds):
        """What came of the order, which ends within the time."""
        return json.loads(self._process.answer(seconds))

    def __exit__(self, *_):
        self._process.stop()


class Wrk(contextlib.AbstractContextManager):
    """In the place of a Generator; a process for each run."""

    def __init__(self, cores, port, target, connections, closing):
        self._arguments = ["wrk", "-t1", f"-c{connections}", "--timeout", "5s", "-s", os.path.join(_HERE, "summary.lua")]
        if closing:
            self._arguments += ["-H", "Connection: close"]
        self._url = f"http://127.0.0.1:{port}{target}"
        self._cores = cores
        self._process = None
        self.pid = None  # its processor time is that of a child that has ended

    def order(self, order):
        kind, seconds = order.split()
        if kind != "seconds":
            raise Failed("wrk runs for a time, not for a number of requests")
        self._process = Process([*self._arguments, f"-d{seconds}s", self._url], self._cores)

    def measured(self, seconds):
        with self._process as wrk:
            return {**json.loads(wrk.output(seconds).splitlines()[-1]), "content": 0}

    def __exit__(self, *_):
        if self._process:
            self._process.stop()
