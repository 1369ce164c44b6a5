"""Plots by gnuplot, as SVG: throughput and latency side by side, and curves."""
import os
import subprocess

_COLOURS = {"apache": "#c4a000", "cherrypy": "#729fcf", "nginx": "#4e9a06", "haproxy": "#3465a4", "varnish": "#75507b",
            "weir": "#cc0000", "bare": "#babdb6", "twisted": "#c4a000", "weir-twisted": "#ef2929", "nginx-twisted": "#8ae234"}

_HEAD = """set terminal svg size {width},420 font "sans,13" background "white"
set output "{target}"
set style data histograms
set style histogram errorbars gap 1.5 lw 1
set style fill solid 0.9 border -1
set bars 0.6
set boxwidth 0.9
set grid ytics back lc rgb "#dddddd"
set key outside right top
set xtics scale 0
{axis}
"""


def draw(results, folder, prefix="", scale="set yrange [0:*]"):
    """Writes throughput.svg and latency.svg, of those workloads that have such figures; gives their paths. `scale` is that of
    throughput."""
    rates = {name: result for name, result in results.items() if result["unit"] == "requests/s"}
    waits = {name: result for name, result in results.items() if "p99_us" in next(iter(result["peers"].values()))}
    drawn = []
    if rates:
        drawn.append(_plot(rates, os.path.join(folder, f"{prefix}throughput.svg"),
                           'set title "Requests a second: median, lowest and highest round"\n'
                           f'set ylabel "thousand"\n{scale}',
                           lambda of: [of[measure] / 1000 for measure in ("value", "min", "max")]))
    if waits:
        drawn.append(_plot(waits, os.path.join(folder, f"{prefix}latency.svg"),
                           'set title "Latency: p50, and a line to p99"\nset ylabel "ms"\nset logscale y',
                           lambda of: [of[measure] / 1000 for measure in ("p50_us", "p50_us", "p99_us")]))
    return drawn


def draw_ladder(results, folder):
    """Writes ladder.svg: requests a second on each rung; gives its path."""
    return _plot(results, os.path.join(folder, "ladder.svg"),
                 'set title "Requests a second: median, lowest and highest round"\nset logscale y\nset yrange [1:*]',
                 lambda of: [of[measure] for measure in ("value", "min", "max")])


def _plot(results, target, axis, figures):
    peers = [peer for peer in _COLOURS if any(peer in result["peers"] for result in results.values())]
    lines = []
    for number, peer in enumerate(peers):
        lines.append(f"$data{number} << END")
        for name, result in results.items():
            of = result["peers"].get(peer)
            values = " ".join(f"{value:.6g}" for value in figures(of)) if of else "NaN NaN NaN"
            lines.append(f'"{name}" {values}')
        lines.append("END")
    series = [f'$data{number} using 2:3:4:xtic(1) title "{peer}" linecolor rgb "{_COLOURS[peer]}"'
              for number, peer in enumerate(peers)]
    script = _HEAD.format(width=260 + 40 * len(results) * (len(peers) + 1), target=target, axis=axis) + "\n".join(lines) + \
        "\nplot " + ", ".join(series) + "\n"
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return target


_CURVES = """set terminal svg size 760,480 font "sans,13" background "white"
set output "{target}"
set title "{title}"
set xlabel "{x}"
set ylabel "{y}"
set logscale xy
set format y "%.0f"
set grid ytics xtics back lc rgb "#dddddd"
set key center right
"""


def draw_curves(target, title, x, y, curves):
    """`curves`: by name, a list of points (x, y). Both axes are logarithmic. Gives the path."""
    colours = ("#cc0000", "#4e9a06", "#3465a4", "#75507b", "#babdb6")
    lines = [line for number, points in enumerate(curves.values())
             for line in (f"$curve{number} << END", *(f"{a:.6g} {b:.6g}" for a, b in points), "END")]
    series = [f'$curve{number} using 1:2 with linespoints pt 7 ps 0.6 lw 2 lc rgb "{colours[number % len(colours)]}" '
              f'title "{name}"' for number, name in enumerate(curves)]
    script = _CURVES.format(target=target, title=title, x=x, y=y) + "\n".join(lines) + "\nplot " + ", ".join(series) + "\n"
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return target
