"""Connections that never end the head of their request, beside ordinary requests."""
import contextlib
import re
import time

import stage
from findings import Findings
from slow_clients import start_servers

_RATE = 200
_ALONE = 15
_WARM = 4
_CONNECTIONS = 15000
_OVER = 5  # seconds in which they come
_HEAD_TIMEOUT = 10
_LATE = 2


def run(given, weir):
    count = max(1, round(_CONNECTIONS * given.scale))
    waves = max(1, round((given.seconds or 60) / (_OVER + _HEAD_TIMEOUT + _LATE)))
    with contextlib.ExitStack() as started:
        servers, _ = start_servers(started)
        front = started.enter_context(stage.Weir(weir, f"""
upstreams:
  app:
    servers: [{", ".join(f"127.0.0.1:{server.port}" for server in servers)}]
    max_in_flight: 10
    queue: {{length: 1000, timeout: 30s}}
"""))
        length = _WARM + _ALONE + waves * (_OVER + _HEAD_TIMEOUT + 30)
        load = started.enter_context(stage.Clients("open", front.port, records="heads", phases=f"{length}x{_RATE}"))
        stage.say(f"== heads: {_RATE} ordinary requests a second alone for {_ALONE} s, then {count:,} heads that never end, "
                  f"{waves} times")
        time.sleep(_WARM + _ALONE)
        times = [time.monotonic() - _ALONE, time.monotonic()]
        gone, open_at_most, left, refused = [], [], 0, 0
        for wave in range(waves):
            with stage.Clients("heads", front.port, count=count, over=_OVER, limit=_HEAD_TIMEOUT + 20) as heads:
                heads.wait(_OVER + _HEAD_TIMEOUT + 30)
                text = heads.process.logged()
            gone += [(float(at), int(status)) for at, status in re.findall(r"^gone (\S+) (\d+)$", text, re.MULTILINE)]
            most, still, no = map(int, re.search(r"^over (\d+) (\d+) (\d+)$", text, re.MULTILINE).groups())
            open_at_most.append(most)
            left += still
            refused += no
            stage.say(f"   {wave + 1} of {waves}: {most:,} open at once, {count - still - no:,} gone, {no:,} refused")
        times.append(time.monotonic())
        time.sleep(2)
        load.process.stop()
        return _judge(load.records(), times, count * waves, gone, open_at_most, left, refused, count)


def _judge(records, times, asked, gone, open_at_most, left, refused, count):
    found = Findings(f"heads: {count:,} connections that send a byte in 5 s, beside {_RATE} requests a second")
    alone, beside = stage.between(records, *times[:2]), stage.between(records, *times[1:])
    p99 = {}
    for name, some in (("alone", alone), ("beside them", beside)):
        latencies = stage.latencies(some)
        p99[name] = stage.percentile(latencies, 0.99)
        found.figure(f"ordinary, {name}: p50", stage.percentile(latencies, 0.5), "ms")
        found.figure(f"ordinary, {name}: p99", p99[name], "ms")
    found.at_most("ordinary: p99 beside to alone", p99["beside them"] / p99["alone"], 2)
    found.rule("every ordinary request is answered rightly", all(record.right for record in alone + beside),
               str(stage.count_words(alone + beside)))
    found.rule("all were open at once", min(open_at_most) == count, f"{min(open_at_most):,} of {count:,}")
    found.rule("none was refused", refused == 0, f"{refused:,}")
    found.rule("all are gone", left == 0 and len(gone) + refused == asked, f"{len(gone):,} of {asked:,}")
    found.figure("closed with 408", sum(status == 408 for _, status in gone))
    found.figure("closed without a word", sum(status == 0 for _, status in gone))
    found.rule("none got anything else", all(status in (0, 408) for _, status in gone))
    found.figure("gone after, at the earliest", min((at for at, _ in gone), default=float("nan")), "s")
    found.at_most("gone after, at the latest", max((at for at, _ in gone), default=float("nan")),
                  float(_HEAD_TIMEOUT + _LATE), "s")
    return found
