"""Medians of the runs: as a table for people, as rows of a README, and as JSON."""
import os
import platform
import statistics
import subprocess

_MEASURES = ("value", "cpu_us", "p50_us", "p99_us", "load_busy", "others", "response_bytes", "resident_bytes",
             "private_before", "stored_bytes", "stored_per_second", "lines_missing", "normal_p99_us", "reloads",
             "reloads_asked")
_BASES = ("nginx", "haproxy", "bare")  # what others are compared with


def summarise(workload, runs):
    """`runs`: for each peer, the runs of one workload in the order of the rounds."""
    peers = {}
    for name, of in runs.items():
        values = [run["value"] for run in of]
        peers[name] = {"min": min(values), "max": max(values), "errors": sum(run["errors"] for run in of),
                       **{measure: statistics.median(run[measure] for run in of) for measure in _MEASURES if measure in of[0]},
                       "times": {base: _times(runs[base], of) for base in _BASES if base in runs and base != name}}
    goals = []
    for goal in workload.goals:
        found = peers["weir"]["times"].get(goal.times, {}).get(goal.measure) if goal.times else peers["weir"][goal.measure]
        goals.append({"wanted": goal.text(workload.unit), "found": found, "reached": goal.judge(found)})
    return {"text": workload.text, "unit": workload.unit, "goals": goals, "peers": peers, "runs": runs}


def _times(base, of):
    """Of each round, then the median: what slows the machine for a while slows both of a pair."""
    values = [b["value"] / a["value"] for a, b in zip(base, of)]
    times = {"value": statistics.median(values), "min": min(values), "max": max(values)}
    if "cpu_us" in base[0] and all(run["cpu_us"] for run in base):
        times["cpu_us"] = statistics.median(b["cpu_us"] / a["cpu_us"] for a, b in zip(base, of))
    return times


def _number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"


def show(name, result):
    times = [(f"x {base}", 10, lambda of, base=base: of["times"].get(base, {}).get("value"), ".2f") for base in _BASES
             if base in result["peers"]]
    plain = [("min", 10, "min", None), ("max", 10, "max", None), ("cpu us/request", 16, "cpu_us", ".2f"),
             ("p50 us", 9, "p50_us", ",.0f"), ("p99 us", 9, "p99_us", ",.0f"), ("errors", 8, "errors", "d"),
             ("load core", 11, "load_busy", ".0%"), ("others", 8, "others", ".0%")]
    columns = [("median", 10, "value", None), *plain[:2], *times, *plain[2:]]
    print(f"\n{name}: {result['text']}; {result['unit']}")
    print(" " * 8 + "".join(title.rjust(width) for title, width, _, _ in columns))
    for peer, of in result["peers"].items():
        cells = []
        for _, width, measure, form in columns:
            value = measure(of) if callable(measure) else of.get(measure)
            cells.append(("" if value is None else format(value, form) if form else _number(value)).rjust(width))
        print(peer.ljust(8) + "".join(cells))
    for peer, of in result["peers"].items():
        if of.get("lines_missing"):
            print(f"{peer}: its log lacks {sum(run['lines_missing'] for run in result['runs'][peer]):,} lines")
    for goal in result["goals"]:
        verdict = {True: "reached", False: "NOT REACHED", None: "not measured"}[goal["reached"]]
        found = "" if goal["found"] is None else f"{_number(goal['found'])}; "
        print(f"weir: {found}wanted: {goal['wanted']}: {verdict}")


def markdown(results):
    """The rows of the table in README.md."""
    titles = ("Workload", "peer", "median (lowest to highest round)", "times nginx (rounds)", "times bare",
              "us a request (times nginx's)", "p50, p99 ms", "errors", "wanted of weir (found)")
    print("\n| " + " | ".join(titles) + " |")
    print("|---" * len(titles) + "|")
    for name, result in results.items():
        for peer, of in result["peers"].items():
            print(f"| `{name}` | {peer} | " + " | ".join(_cells(peer, of, result)) + " |")


def _cells(peer, of, result):
    nginx, bare = of["times"].get("nginx", {}), of["times"].get("bare", {})
    yield f"{_number(of['value'])} ({_number(of['min'])} to {_number(of['max'])}) {result['unit']}"
    yield f"{nginx['value']:.2f} ({nginx['min']:.2f} to {nginx['max']:.2f})" if nginx else ""
    yield f"{bare['value']:.2f}" if bare else ""
    times = f" ({nginx['cpu_us']:.2f})" if "cpu_us" in nginx else ""
    yield f"{of['cpu_us']:.1f}{times}" if "cpu_us" in of else ""
    yield f"{of['p50_us'] / 1000:.2f}, {of['p99_us'] / 1000:.2f}" if "p50_us" in of else ""
    yield str(of["errors"])
    goals = result["goals"] if peer == "weir" else []
    yield "; ".join(goal["wanted"] + ("" if goal["found"] is None else f" ({_number(goal['found'])})") for goal in goals)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"processor": models[0] if models else platform.machine(), "cores": os.cpu_count(),
            "memory_gib": round(memory / 2**30), "kernel": platform.release()}


def version(arguments):
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.strip().partition("\n")[0].removeprefix("nginx version: ")
