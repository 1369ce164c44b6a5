"""Twice the load that the servers can do, then half of it."""
import http.client
import json

import stage
from findings import Findings

_SLOTS = 10
_WORK = 0.05
_CAPACITY = _SLOTS / _WORK
_DEADLINE = 1
_CALM_AFTER = 2
_CALM_SECONDS = 15

_CONFIG = """
upstreams:
  app:
    servers: [127.0.0.1:{port}]
    max_in_flight: {slots}
    queue: {{length: 1000, timeout: {deadline}s}}
"""


def run(given, weir):
    seconds = given.seconds or 60
    with stage.Served("slots", [stage.program("slots"), "--slots", _SLOTS, "--milliseconds", round(_WORK * 1000)]) as slots, \
            stage.Weir(weir, _CONFIG.format(port=slots.port, slots=_SLOTS, deadline=_DEADLINE)) as front:
        half = _CAPACITY / 2
        phases = f"5x{half},{seconds}x{2 * _CAPACITY},{_CALM_SECONDS}x{half}"
        stage.say(f"== overload: {_CAPACITY:.0f} a second can be done; {2 * _CAPACITY:.0f} for {seconds} s, then {half:.0f}")
        with stage.Clients("open", front.port, records="overload", phases=phases) as load:
            load.wait(seconds + 5 + _CALM_SECONDS + 60)
            records = load.records()
            _, start, fall = load.phases()
        connection = http.client.HTTPConnection("127.0.0.1", slots.port, timeout=5)
        connection.request("GET", "/stats")
        stats = json.loads(connection.getresponse().read())
        return _judge(records, start, fall, stats)


def _judge(records, start, fall, stats):
    found = Findings(f"overload: twice the load that can be done for {fall - start:.0f} s")
    under = stage.between(records, start, fall)
    answered = [record for record in under if record.right]
    refused = [record for record in under if record.status == 503]
    in_time = sum(start <= record.due + record.latency < fall for record in records if record.right)
    found.figure("asked for", len(under) / (fall - start), "requests/s")
    found.figure("answered with 503", len(refused) / len(under), "of those")
    found.at_least("goodput of capacity", in_time / (fall - start) / _CAPACITY, 0.95)
    latencies = [record.latency for record in answered]
    found.figure("p50 of what is answered with 200", stage.percentile(latencies, 0.5), "s")
    found.at_most("p99 of what is answered with 200", stage.percentile(latencies, 0.99), float(_DEADLINE), "s")
    found.figure("p99 of the 503s", stage.percentile([record.latency for record in refused], 0.99), "s")
    found.rule("every 503 says Retry-After", refused and all(record.retry_after for record in refused),
               f"{sum(record.retry_after for record in refused):,} of {len(refused):,}")
    found.rule("nothing else than right answers and 503", len(answered) + len(refused) == len(under),
               str(stage.count_words(under)))
    found.rule(f"never more than {_SLOTS} at the server", stats["violations"] == 0,
               f"at most {stats['most_at_once']}, {stats['violations']:,} times too many")
    seconds = [stage.between(records, fall + i, fall + i + 1) for i in range(_CALM_SECONDS)]
    normal = [bool(s) and all(r.right for r in s) and stage.percentile([r.latency for r in s], 0.99) <= 2 * _WORK
              for s in seconds]
    calm_after = next((i for i in range(_CALM_SECONDS) if all(normal[i:])), _CALM_SECONDS)
    found.at_most("after the load fell, normal again (p99 under twice the work, no 503)", calm_after, _CALM_AFTER, "s")
    later = [record.latency for record in stage.between(records, fall + _CALM_AFTER, fall + _CALM_SECONDS)]
    found.figure("p99 from then on", stage.percentile(later, 0.99), "s")
    return found
