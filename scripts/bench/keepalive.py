"""A million requests at random pauses to servers that close idle connections when they like."""
import contextlib
import json
import re
import time

import stage
from findings import Findings
from processes import Failed, Process, accepts, free_port

_HOT_CLIENTS = 1600  # of each kind of server: about as many requests as two cores can do
_RARE = {"gunicorn": 48, "cherrypy": 8}  # lanes of one client each; CherryPy keeps only ten connections
_PAUSES = "0.001:12"
_RARE_PAUSES = "0.3:12"

_UPSTREAM = """
  {name}:
    servers: [{servers}]
    max_in_flight: {threads}
    queue: {{length: 5000, timeout: 30s}}
    keepalive: {{idle_timeout: auto}}
"""


class Gunicorn(contextlib.AbstractContextManager):
    """One worker of ten threads, and everything else as it comes: idle connections are kept for 2 s."""

    def __init__(self, name):
        for _ in range(5):  # another process may take the port before gunicorn has it
            self.port = free_port()
            self._process = Process(["gunicorn", "--worker-class", "gthread", "--workers", 1, "--threads", 10, "--bind",
                                     f"127.0.0.1:{self.port}", "--chdir", stage.HERE, "wsgi_app:application"], None,
                                    stage.log_path(f"{name}.log"))
            if self._process.await_value(lambda: accepts(self.port)):
                return
            self._process.stop()
        raise Failed(f"gunicorn did not start: {self._process.logged().strip()[-2000:]}")

    def __exit__(self, *_):
        self._process.stop()


def _cherrypy(name):
    return stage.Served(name, ["/usr/bin/python3", f"{stage.HERE}/cherrypy_app.py"])


def _lanes():
    """(prefix, kind of server, clients, pauses, whether it is asked rarely)"""
    for kind, rare in _RARE.items():
        yield f"/{kind}", kind, _HOT_CLIENTS, _PAUSES, False
        for number in range(rare):
            yield f"/{kind}{number}", kind, 1, _RARE_PAUSES, True


def run(given, weir):
    lanes = list(_lanes())
    with contextlib.ExitStack() as started:
        # Lanes that are asked rarely have servers of their own, or the others would have all that CherryPy keeps.
        ports = {(kind, rare): started.enter_context(start(f"{kind}-{'rare' if rare else 'hot'}")).port
                 for kind, start in (("gunicorn", Gunicorn), ("cherrypy", _cherrypy)) for rare in (False, True)}
        upstreams = "".join(_UPSTREAM.format(name=prefix[1:], servers=f"127.0.0.1:{ports[kind, rare]}", threads=10)
                            for prefix, kind, _, _, rare in lanes)
        routes = "".join(f"  - {{match: {{path: {prefix}}}, upstream: {prefix[1:]}}}\n" for prefix, *_ in lanes)
        front = started.enter_context(stage.Weir(weir, f"upstreams:{upstreams}routes:\n{routes}"))
        clients = started.enter_context(stage.Clients(
            "pausing", front.port, requests=given.requests, seed=given.seed,
            lanes=",".join(f"{prefix}:{count}:{pauses}" for prefix, _, count, pauses, _ in lanes)))
        stage.say(f"== keepalive: {given.requests:,} requests to gunicorn and CherryPy at random pauses")
        begun = time.monotonic()
        _await_end(clients, given.requests, front)
        took = time.monotonic() - begun
        return _judge(given, clients.process.logged(), took, front.metrics())


def _await_end(clients, wanted, front):
    shown = 0
    while clients.process.alive():
        time.sleep(1)
        progress = re.findall(r"^progress (\d+) (\d+)$", clients.process.logged(), re.MULTILINE)
        for total, last in progress[shown:]:
            stage.say(f"   {int(total):,} of {wanted:,}, {int(last) / 10:,.0f} a second")
        shown = len(progress)
        if not front.alive():
            raise Failed(f"weir ended: {front.process.logged().strip()[-2000:]}")


def _judge(given, text, took, metrics):
    done = re.search(r"^done (.*)$", text, re.MULTILINE)
    if not done:
        raise Failed(f"the clients failed: {text.strip()[-2000:]}")
    counts = json.loads(done[1])
    found = Findings(f"keepalive: {given.requests:,} requests at random pauses to gunicorn and CherryPy")
    found.data["failures"] = re.findall(r"^failed .*$", text, re.MULTILINE)
    found.data["metrics"] = metrics
    for line in found.data["failures"][:10]:
        stage.say(f"   {line}")
    found.figure("took", took, "s")
    for name, count in counts.items():
        found.figure(name, count)
    right = counts.get("get right", 0) + counts.get("post right", 0)
    found.rule("not one 502", not any("status 502" in name for name in counts))
    found.rule("every request is answered rightly", right == given.requests, f"{right:,} of {given.requests:,}")
    return found
