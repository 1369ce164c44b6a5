"""Medians of the runs, as a table for people and as JSON."""
import os
import platform
import statistics
import subprocess

_MEASURES = ("value", "cpu_us", "p50_us", "p99_us", "load_busy", "others", "response_bytes", "resident_bytes",
             "private_before")


def summarise(workload, runs, names):
    """`runs`: for each name, the runs of one workload in the order of the rounds."""
    peers = {}
    for name in names:
        values = [run["value"] for run in runs[name]]
        summary = {"min": min(values), "max": max(values), "errors": sum(run["errors"] for run in runs[name])}
        for measure in _MEASURES:
            if measure in runs[name][0]:
                summary[measure] = statistics.median(run[measure] for run in runs[name])
        peers[name] = summary
    base, ours = names[0], names[-1]
    # Of each round, then the median: what slows the machine for a while slows both of a pair.
    pairs = [b["value"] / a["value"] for a, b in zip(runs[base], runs[ours])]
    ratio = {"value": statistics.median(pairs), "min": min(pairs), "max": max(pairs)}
    ratio["cpu"] = statistics.median(b["cpu_us"] / a["cpu_us"] for a, b in zip(runs[base], runs[ours]))
    higher = workload.better == "higher"
    reached = ratio["value"] >= workload.goal if higher else peers[ours]["value"] <= workload.goal
    return {"text": workload.text, "unit": workload.unit, "goal": workload.goal, "reached": reached, "peers": peers,
            "ratio": ratio, "runs": runs}


def show(name, result, names):
    columns = [("", 8), (result["unit"], 18), ("min", 10), ("max", 10), ("cpu us/request", 16), ("p50 us", 8),
               ("p99 us", 8), ("errors", 8), ("load core", 11), ("others", 8)]
    print(f"\n{name}: {result['text']}")
    print("".join(title.rjust(width) if title else " " * width for title, width in columns))
    for peer in names:
        of = result["peers"][peer]

        def cell(measure, form, of=of):
            return format(of[measure], form) if measure in of else ""

        cells = [peer.ljust(8), cell("value", ",.0f"), cell("min", ",.0f"), cell("max", ",.0f"), cell("cpu_us", ".2f"),
                 cell("p50_us", ",.0f"), cell("p99_us", ",.0f"), cell("errors", "d"), cell("load_busy", ".0%"),
                 cell("others", ".0%")]
        print("".join(cell.rjust(width) for cell, (_, width) in zip(cells, columns)))
    ratio = result["ratio"]
    line = f"{names[-1]}/{names[0]}: {ratio['value']:.2f} (rounds: {ratio['min']:.2f} to {ratio['max']:.2f}), " \
           f"processor time a request {ratio['cpu']:.2f}"
    goal = f"at least {result['goal']} times {names[0]}" if result["unit"] == "requests/s" else \
        f"at most {result['goal']:,} {result['unit']}"
    print(f"{line}; wanted: {goal}: {'reached' if result['reached'] else 'NOT REACHED'}")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"processor": models[0] if models else platform.machine(), "cores": os.cpu_count(),
            "memory_gib": round(memory / 2**30), "kernel": platform.release()}


def version(arguments):
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.strip().partition("\n")[0].removeprefix("nginx version: ")
