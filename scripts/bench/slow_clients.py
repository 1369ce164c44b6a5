"""Thousands of clients that take or give content slowly, and idle ones, beside ordinary requests: what do these notice of it, and
what the CherryPy servers?"""
import contextlib
import http.client
import json
import threading
import time

import stage
from content import answer_to_post, content
from findings import Findings
from processes import Failed

_RATE = 200  # ordinary requests a second
_ALONE = 20
_WARM = 4
_RAMP = 20
_SETTLE = 2
_PAGES, _UPLOADS, _IDLE, _SAMPLES = 2000, 2000, 6000, 20
_PAGE_BYTES, _UPLOAD_BYTES = 1024 * 1024, 256 * 1024
_MEMORY_MAX = 64  # MiB
_RESIDENT_MAX = 256  # MiB

_CONFIG = """
buffering: {{memory_max: {memory}MiB}}
cache: {{memory: 16MiB}}
upstreams:
  app:
    servers: [127.0.0.1:{ports[0]}, 127.0.0.1:{ports[1]}]
    max_in_flight: 10   # CherryPy's threads
    queue: {{length: 1000, timeout: 30s}}
"""


class Probe(contextlib.AbstractContextManager):
    """One quick client that asks again and again, a little later each time: how long is a server held for it?"""

    def __init__(self, port, path, ask):
        self.asked = 0
        self.wrong = []
        self._port, self._path, self._ask = port, path, ask
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._ended.wait(0.1):
            target = f"{self._path}&by=probe&n={self.asked}"
            self.asked += 1
            try:
                if wrong := self._ask(connection, target):
                    self.wrong.append(wrong)
            except (OSError, http.client.HTTPException) as failed:
                self.wrong.append(repr(failed))
                connection.close()
        connection.close()

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()


def _ask_page(connection, target):
    connection.request("GET", target)
    response = connection.getresponse()
    got = response.read()
    return None if response.status == 200 and got == content(target, _PAGE_BYTES) else \
        f"page: status {response.status}, {len(got):,} bytes"


def _ask_upload(connection, target):
    sent = content(target, _UPLOAD_BYTES)
    connection.request("POST", target, body=sent)
    response = connection.getresponse()
    got = response.read()
    return None if response.status == 200 and got == answer_to_post(sent) else f"upload: status {response.status}, {got!r}"


class Crowd:
    """What the slow clients say of themselves."""

    def __init__(self, clients):
        self._clients = clients

    def counts(self):
        lines = [line for line in self._clients.process.logged().splitlines(keepends=True)
                 if line.startswith("{") and line.endswith("\n")]
        return json.loads(lines[-1]) if lines else None

    def lost(self):
        return [line for line in self._clients.process.logged().splitlines() if line.startswith("lost")]

    def ended(self):
        return not self._clients.process.alive()


def _line(counts):
    return ", ".join(f"{counts[name]['under_way']:,} of {counts[name]['wanted']:,} {text}" for name, text in
                     (("page", "pages"), ("upload", "uploads"), ("idle", "idle")))


def start_servers(started):
    """Two CherryPy servers, and where they write how long each request held them."""
    logs = [stage.log_path(f"held-{name}.txt") for name in ("one", "two")]
    return [started.enter_context(stage.Served(f"cherrypy-{number}", [
        "/usr/bin/python3", f"{stage.HERE}/cherrypy_app.py", "--held", log])) for number, log in enumerate(logs)], logs


def run(given, weir):
    seconds = given.seconds or 60
    scaled = {name: max(1, round(count * given.scale)) for name, count in
              (("pages", _PAGES), ("uploads", _UPLOADS), ("idle", _IDLE), ("samples", _SAMPLES))}
    with contextlib.ExitStack() as started:
        servers, held_logs = start_servers(started)
        front = started.enter_context(stage.Weir(weir, _CONFIG.format(
            memory=_MEMORY_MAX, ports=[server.port for server in servers])))
        samples = started.enter_context(stage.Sampler(front.metrics)).samples
        length = _WARM + _ALONE + _RAMP * 4 + _SETTLE + seconds + 30
        load = started.enter_context(stage.Clients("open", front.port, records="slow", phases=f"{length}x{_RATE}"))
        probes = [started.enter_context(Probe(front.port, path, ask)) for path, ask in (
            (f"/page?size={_PAGE_BYTES}", _ask_page), (f"/upload?size={_UPLOAD_BYTES}", _ask_upload))]
        stage.say(f"== slow: {_RATE} ordinary requests a second alone for {_ALONE} s")
        time.sleep(_WARM)
        times = {"alone": time.monotonic()}
        time.sleep(_ALONE)
        times["twins"] = time.monotonic()
        stage.say(f"   then for {_RAMP} s as many pages as the slow clients will ask for, by quick ones")
        with stage.Clients("open", front.port, records="twins", mix="page",
                           phases=f"{_RAMP}x{scaled['pages'] / _RAMP}") as twins:
            twins.wait(_RAMP + 40)
            twins_right = stage.count_words(twins.records())
        times["ramp"] = time.monotonic()
        clients = started.enter_context(stage.Clients("slow", front.port, ramp=_RAMP, **scaled))
        crowd = Crowd(clients)
        _await_crowd(crowd)
        times["beside"] = time.monotonic()
        before = crowd.counts()
        stage.say(f"   under way: {_line(before)}; measuring for {seconds} s")
        _watch(crowd, front, seconds)
        times["end"] = time.monotonic()
        after = crowd.counts()
        time.sleep(2)  # for those that were due last
        load.process.stop()
        if given.finish:
            _await_end(crowd, front)
        metrics = front.metrics()
        most, _ = front.memory()
        data = {"counts_before": before, "counts": crowd.counts(), "counts_after": after, "lost": crowd.lost(),
                "metrics": {name: value for name, value in metrics.items() if "spool" in name or "saved" in name},
                "probes_wrong": [wrong for probe in probes for wrong in probe.wrong], "times": times,
                "twins": twins_right}
        spooled = max((sample.get("weir_spool_bytes", 0) for sample in samples), default=0)
        return _judge(given, load.records(), held_logs, data, most, spooled)


def _check(front):
    if not front.alive():
        raise Failed(f"weir ended: {front.process.logged().strip()[-2000:]}")


def _await_crowd(crowd):
    """Until all of them are under way, or it takes three times as long as it should: then what is there is measured."""
    limit = time.monotonic() + 3 * _RAMP
    counts = None
    while time.monotonic() < limit:
        time.sleep(0.5)
        counts = crowd.counts()
        if counts and all(counts[name]["under_way"] >= counts[name]["wanted"] for name in ("page", "upload", "idle")):
            time.sleep(_SETTLE)
            return
    if not counts:
        raise Failed("the slow clients did not start")
    stage.say("   not all of them are under way, but it goes on")


def _watch(crowd, front, seconds):
    limit = time.monotonic() + seconds
    while (left := limit - time.monotonic()) > 0:
        time.sleep(min(10, left))
        _check(front)
        stage.say(f"   {_line(crowd.counts())}; weir has {front.memory()[1] / 2**20:.0f} MiB")


def _await_end(crowd, front):
    stage.say("   waiting until all are done")
    limit = time.monotonic() + 600
    while not crowd.ended():
        if time.monotonic() > limit:
            raise Failed("the slow clients did not end within 600 s")
        _watch(crowd, front, 10)


def _read_held(logs):
    """(kind, by, start, seconds) of every request that a server had."""
    held = []
    for log in logs:
        with open(log, encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    path, by, start, microseconds = line.split()
                    held.append((path.lstrip("/"), by, float(start), int(microseconds) / 1e6))
    return held


def _judge_ordinary(found, records, times):
    alone = stage.between(records, times["alone"], times["twins"])
    twins = stage.between(records, times["twins"], times["ramp"])
    ramp = stage.between(records, times["ramp"], times["beside"])
    beside = stage.between(records, times["beside"], times["end"])
    p99 = {}
    for name, some in (("alone", alone), ("beside as many quick pages", twins),
                       ("while the slow ones come", ramp), ("beside them", beside)):
        latencies = stage.latencies(some)
        p99[name] = stage.percentile(latencies, 0.99)
        found.figure(f"ordinary, {name}: p50", stage.percentile(latencies, 0.5), "ms")
        found.figure(f"ordinary, {name}: p99", p99[name], "ms")
    found.at_most("ordinary: p99 beside to alone", p99["beside them"] / p99["alone"], 2)
    every = alone + twins + ramp + beside
    expected = int((times["end"] - times["alone"]) * _RATE) - 3
    found.rule("every ordinary request is answered rightly",
               len(every) >= expected and all(record.right for record in every), str(stage.count_words(every)))


def _judge_held(found, held, times, finish):
    """The time of a thread, by kind: beside the slow clients, to the same without. The pages that slow clients asked for all
    came within the ramp; they are compared with as many at that pace for quick clients, or the load would be what is seen."""
    end = float("inf") if finish else times["end"]

    def compare(text, one, other):
        for name, some in (("without", one), ("with", other)):
            found.figure(f"server held for {text}, {name} slow clients: mean, p50, p99",
                         f"{stage.mean(some) * 1000:.2f}, {stage.percentile(some, 0.5) * 1000:.2f}, "
                         f"{stage.percentile(some, 0.99) * 1000:.2f} ms ({len(some):,})")
        found.at_most(f"server held for {text}: with to without", stage.mean(other) / stage.mean(one), 1.2)

    def of(kind, start, stop, slow=False):
        return [s for k, by, at, s in held
                if k == kind and times[start] <= at < stop and (not slow or by not in ("-", "probe"))]

    for kind in ("quick", "page", "upload"):
        compare(kind, of(kind, "alone", times["twins"]), of(kind, "beside", end))
    compare("page at the pace of the ramp", of("page", "twins", times["ramp"]), of("page", "ramp", times["beside"], True))


def _judge(given, records, held_logs, data, most, spooled):
    times, before, after, counts = data["times"], data["counts_before"], data["counts_after"], data["counts"]
    wanted = {name: counts[name]["wanted"] for name in ("page", "upload", "idle")}
    found = Findings(f"slow: {wanted['page']:,} slow pages, {wanted['upload']:,} slow uploads and {wanted['idle']:,} idle ones "
                     f"beside {_RATE} requests a second")
    found.data.update(data)
    _judge_ordinary(found, records, times)
    _judge_held(found, _read_held(held_logs), times, given.finish)
    found.rule("pages for quick clients are right", set(data["twins"]) <= {"right"}, str(data["twins"]))
    elapsed = after["at"] - before["at"]
    for name, text in (("page", "read"), ("upload", "sent")):
        found.rule(f"every slow {name} was under way", before[name]["under_way"] == wanted[name],
                   f"{before[name]['under_way']:,} at the beginning, {after[name]['under_way']:,} at the end")
        found.figure(f"{text} by each slow {name}", (after[name]["bytes"] - before[name]["bytes"]) / elapsed / wanted[name],
                     "bytes/s")
    found.rule("every idle connection stays", after["idle"]["under_way"] == wanted["idle"], f"{after['idle']['under_way']:,}")
    kinds = ("page", "upload", "idle", "sample_page", "sample_upload")
    found.rule("none was lost or got wrong content", not any(counts[name]["lost"] + counts[name]["wrong"] for name in kinds),
               ", ".join(f"{name} {counts[name]['lost']:,} and {counts[name]['wrong']:,}" for name in kinds))
    for name in ("sample_page", "sample_upload"):
        found.rule(f"{name}s that went faster are right", counts[name]["right"] > 0, f"{counts[name]['right']:,}")
    if given.finish:
        for name in ("page", "upload"):
            found.rule(f"every slow {name} is right at its end", counts[name]["right"] == wanted[name],
                       f"{counts[name]['right']:,}")
    found.rule("quick pages and uploads are right", not data["probes_wrong"], "; ".join(data["probes_wrong"][:3]) or "all")
    found.at_most(f"weir's resident memory at most, with memory_max {_MEMORY_MAX} MiB", most / 2**20, _RESIDENT_MAX, "MiB")
    written = data["metrics"].get("weir_spool_written_bytes_total", 0)
    found.rule("content went to the spool", written > 0 and spooled > 0,
               f"{written / 2**20:,.0f} MiB written, at most {spooled / 2**20:,.0f} MiB at once")
    return found
