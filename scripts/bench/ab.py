"""ApacheBench, Debian's apache2-utils: a connection for each request, as many at once as told."""
import csv
import re
import tempfile
import time

from processes import Failed, Process

_ENOUGH = 1_000_000  # requests, for a run that its time ends
_NOTHING_CAME = "The timeout specified has expired"
_ROUNDED = 10  # milliseconds: from there on ab's mean, which it prints without decimals, is exact enough


def run(program, url, concurrency, requests=None, seconds=None, patience=30):
    """So many requests, or as many as come in the time. Requests a second, latencies in milliseconds (none without a response),
    and errors by kind. What is under way when the time is over counts nowhere."""
    limit = ["-n", requests, "-s", patience] if requests else ["-t", seconds, "-n", _ENOUGH, "-s", seconds]
    with tempfile.NamedTemporaryFile(mode="r", encoding="ascii", suffix=".csv") as percentiles:
        with Process([program, "-q", "-r", "-c", concurrency, *limit, "-e", percentiles.name, url], None) as ab:
            start = time.monotonic()
            try:
                text = ab.output((seconds or requests) + 2 * patience)
            except Failed as failed:
                # ab looks at its time when something comes, and fails when nothing does.
                if requests or _NOTHING_CAME not in str(failed):
                    raise
                return _without_figures(concurrency, str(failed), time.monotonic() - start)
        shares = {int(row[0]): float(row[1]) for row in csv.reader(percentiles) if row[0].isdigit()}
    errors = {name.lower(): int(count) for name, count in re.findall(r"(Connect|Receive|Length|Exceptions): (\d+)", text)}
    errors["status"] = int(_number(r"Non-2xx responses:\s+(\d+)", text, 0))
    total = _number(r"Total:\s+\d+\s+(\d+)", text)
    # With few at once there are so many requests that nearly none are under way at the end, and this is the mean.
    mean = total if total >= _ROUNDED else _number(r"Time per request:\s+([\d.]+) \[ms\] \(mean\)", text)
    return {"concurrency": concurrency, "requests": int(_number(r"Complete requests:\s+(\d+)", text)),
            "requests_per_second": _number(r"Requests per second:\s+([\d.]+)", text),
            "seconds": _number(r"Time taken for tests:\s+([\d.]+)", text),
            "body_bytes": int(_number(r"Document Length:\s+(\d+)", text)),
            "mean_ms": mean, "p50_ms": _percentile(shares, 50), "p99_ms": _percentile(shares, 99), "errors": errors}


def _percentile(shares, wanted):
    """With few requests ab has zeros at the end, where it has looked for one more than there were."""
    return max(value for share, value in shares.items() if share <= wanted)


def _without_figures(concurrency, text, seconds):
    complete = int(_number(r"Total of (\d+) requests completed", text, 0))
    return {"concurrency": concurrency, "requests": complete, "requests_per_second": complete / seconds, "seconds": seconds,
            "body_bytes": None, "mean_ms": None, "p50_ms": None, "p99_ms": None, "errors": {}}


def _number(pattern, text, otherwise=None):
    found = re.search(pattern, text)
    if found:
        return float(found[1])
    if otherwise is None:
        raise Failed(f"ab printed nothing like {pattern}: {text.strip()[-500:]}")
    return otherwise
