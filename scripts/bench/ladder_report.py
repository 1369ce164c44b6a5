"""What the rungs of the ladder reached: medians of the rounds, as times the first rung, beside what was reached before."""
import statistics

from rungs import RUNGS

_MEASURES = ("value", "mean_ms", "p99_ms", "requests", "reached", "pages_per_second")
_FIRST = "0.1"
_PROXIES = ("weir", "nginx")


def summarise(runs):
    """`runs`: by rung and peer, in the order of the rounds."""
    base = runs.get(_FIRST, {}).get("apache")
    results = {}
    for name, by_peer in runs.items():
        peers = {}
        for peer, of in by_peer.items():
            values = [run["value"] for run in of]
            peers[peer] = {"min": min(values), "max": max(values), "errors": sum(run["errors"] for run in of),
                           **{measure: statistics.median(run[measure] for run in of) for measure in _MEASURES},
                           "cores": {kind: statistics.median(run["cores"][kind] for run in of) for kind in of[0]["cores"]},
                           "times_first": _times(base, of) if base else None,
                           "times_nginx": _times(by_peer["nginx"], of) if peer == "weir" and "nginx" in by_peer else None}
        results[name] = {"text": RUNGS[name].text, "before": RUNGS[name].before, "peers": peers, "runs": by_peer}
    return results


def _times(base, of):
    """Of each round, then the median: what slows the machine for a while slows both of a pair."""
    values = [b["value"] / a["value"] for a, b in zip(base, of)]
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _cells(name, peer, of, before):
    share = of["reached"] / of["requests"]
    yield from (name, peer, f"{of['value']:,.0f}", f"{of['min']:,.0f} to {of['max']:,.0f}")
    yield "" if of["times_first"] is None else f"{of['times_first']['median']:,.1f}"
    yield "" if before is None else f"{before:g}"
    yield "" if of["times_nginx"] is None else "{median:.2f} ({min:.2f} to {max:.2f})".format(**of["times_nginx"])
    yield from (f"{of['mean_ms']:,.1f}", f"{of['p99_ms']:,.1f}", f"{of['reached']:,.0f} ({share:.1%})")
    yield f"{of['cores'][peer] / of['value'] * 1e6:.1f}" if peer in _PROXIES else ""
    yield ", ".join(f"{kind} {cores:.2f}" for kind, cores in of["cores"].items() if cores >= 0.005)
    yield str(of["errors"])


_TITLES = ("rung", "by", "requests/s", "rounds", "x 0.1", "before", "x nginx (rounds)", "page mean ms", "p99 ms",
           "reached the application", "proxy us/request", "cores busy", "errors")


def _rows(results):
    for name, result in results.items():
        for peer, of in result["peers"].items():
            yield list(_cells(name, peer, of, result["before"]))


def show(results):
    rows = [list(_TITLES), *_rows(results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    print()
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print()
    for name, result in results.items():
        print(f"{name}: {result['text']}")
        for line in _verdicts(result):
            print("   " + line)


def _verdicts(result):
    before, weir = result["before"], result["peers"].get("weir") or result["peers"].get("cherrypy")
    if weir and before and weir["times_first"] is not None:
        times = weir["times_first"]["median"]
        yield (f"{times:,.1f} times 0.1; wanted: at least {before:g}, as before with nginx: " +
               ("reached" if times >= before else "NOT REACHED"))
    if weir and weir["times_nginx"] is not None:
        times = weir["times_nginx"]["median"]
        yield f"{times:.2f} times nginx here; wanted: at least 1: " + ("reached" if times >= 1 else "NOT REACHED")


def markdown(results):
    """The rows of the table in README.md."""
    print("\n| " + " | ".join(_TITLES) + " |")
    print("|---" * len(_TITLES) + "|")
    for row in _rows(results):
        print("| " + " | ".join(row) + " |")
