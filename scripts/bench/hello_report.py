"""What weighttp has found: as a table for people, and as rows of a README."""
import statistics

_BASE = "twisted"  # what others are compared with
_QUIET = 0.1  # of the two cores is the most that other processes may take


def errors(counts):
    """By kind; "0" when there were none."""
    return ", ".join(f"{kind} {count:,}" for kind, count in counts.items() if count) or "0"


def summarise(text, runs):
    """`runs`: for each server, in the order of the rounds. What is shown of a server is the run with the median rate,
    with the errors of all."""
    servers = {}
    for name, of in runs.items():
        rates = [one["value"] for one in of]
        middle = next(one for one in of if one["value"] == statistics.median_low(rates))
        servers[name] = {**middle, "min": min(rates), "max": max(rates), "errors": _sum([one["errors"] for one in of])}
    if _BASE in servers:
        for of in servers.values():
            of["times"] = of["value"] / servers[_BASE]["value"]
    return {"text": text, "unit": "requests/s", "peers": servers, "runs": runs}


def _sum(counts):
    kinds = {kind for one in counts for kind in one}
    return {kind: sum(one.get(kind, 0) for one in counts) for kind in sorted(kinds)}


def _cells(of):
    """(title, text) of each column."""
    yield "requests made", f"{of['made']:,}" + (f" of {of['asked']:,}" if of["made"] < of["asked"] else "")
    yield "seconds", f"{of['seconds']:.1f}"
    yield "requests/s", f"{of['value']:,.0f}"
    yield "x twisted", f"{of['times']:.2f}" if "times" in of else ""
    for measure in ("mean", "p50", "p99"):
        yield f"{measure} ms", f"{of[measure + '_us'] / 1000:,.2f}"
    yield "cpu us/request", f"{of['cpu_us']:.1f}" + (f" + {of['twisted_cpu_us']:.0f}" if of["twisted_cpu_us"] >= 1 else "")
    yield "errors", errors(of["errors"])
    yield "others", f"{of['others']:.0%}"


def _rows(result):
    return {name: dict(_cells(of)) for name, of in result["peers"].items()}


def show(name, result):
    rows = _rows(result)
    titles = list(next(iter(rows.values())))
    widths = {title: max(len(title), *(len(row[title]) for row in rows.values())) + 2 for title in titles}
    print(f"\n{name}: {result['text']}; a page of {next(iter(result['peers'].values()))['content_bytes']} bytes")
    print(" " * 14 + "".join(title.rjust(widths[title]) for title in titles))
    for server, row in rows.items():
        print(server.ljust(14) + "".join(row[title].rjust(widths[title]) for title in titles))
    if any(of["others"] > _QUIET for of in result["peers"].values()):
        print("other processes took much of the two cores: these figures are worth nothing; try again when the machine is quiet")


def markdown(results):
    titles = None
    for name, result in results.items():
        for server, row in _rows(result).items():
            if not titles:
                titles = ["", "server", *row]
                print("\n| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
            print(f"| `{name}` | {server} | " + " | ".join(row.values()) + " |")
