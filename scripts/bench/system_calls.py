"""System calls a request, counted by strace, which slows the server so much that its connections wait whenever it looks."""
import contextlib
import os
import re
import time

from answers import ask, check
from generator import ERRORS, Generator
from peers import PEERS
from processes import Failed, Process
from servers import Origin

_CONNECTIONS = 64
_REQUESTS = 20_000
_WARM = 1000
_PATIENCE = 120
_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.MULTILINE)  # calls, errors if any, name


def count(settings, name, path, work):
    """{call: how often a request}, of a peer that is started for it; the most frequent first."""
    with contextlib.ExitStack() as started:
        origin = started.enter_context(Origin(settings.origin, settings.folder, settings.loading))
        peer = started.enter_context(PEERS[name](settings, work, origin.port, origin.port))  # memcached is not asked
        _verify(peer, path, None)
        _verify(peer, path, path != "/pass")
        load = started.enter_context(Generator(settings, settings.loading, peer.port, path, _CONNECTIONS))
        _ask(load, _WARM)
        with _traced(settings, peer) as summary:
            _ask(load, _REQUESTS)
        with open(summary, encoding="utf-8") as file:
            calls = {call: int(count) / _REQUESTS for count, call in _LINE.findall(file.read()) if call != "total"}
    if not calls:
        raise Failed("strace counted nothing")
    return dict(sorted(calls.items(), key=lambda item: -item[1]))


def _verify(peer, path, hit):
    status, fields, content, _ = ask(peer.port, path)
    check(peer, status, fields, content, 1024, hit)


def _ask(load, requests):
    load.order(f"requests {requests}")
    measured = load.measured(_PATIENCE)
    if errors := sum(measured[kind] for kind in ERRORS):
        raise Failed(f"{errors} wrong responses")


@contextlib.contextmanager
def _traced(settings, peer):
    summary = os.path.join(settings.folder, "system_calls")
    processes = [part for pid in peer.pids for part in ("-p", str(pid))]
    with Process(["strace", "-f", "-c", "-o", summary, *processes], None,
                 os.path.join(settings.folder, "strace.log")) as strace:
        strace.await_value(lambda: True if all(map(_is_traced, peer.pids)) else None)
        if not strace.alive():
            raise Failed(f"strace did not start: {strace.logged().strip()[-2000:]}")
        yield summary


def _is_traced(pid):
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii", errors="replace") as file:
            if "TracerPid:\t0\n" in file.read():
                return False
    return True
