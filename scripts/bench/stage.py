"""What the workloads play on: native programs, folders, and for slow and chaos servers in Python, and weir, on ports of the
system's choice."""
import contextlib
import fcntl
import http.client
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import processes
from processes import Failed, Process, raise_descriptor_limit

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FOLDER = os.path.join(ROOT, "build", "bench")

# What each native program is made of, beside what is common.
_COMMON = ("loop", "content", "response_reader", "client")
_PROGRAMS = {
    "clients": ("clients", "open_load", "slow_clients", "slow_heads", "pausing_clients"),
    "slots": ("slots", "server"),
    "troubled": ("troubled", "server"),
}
PATIENCE = 30  # seconds, of the native clients


def say(text):
    print(text, flush=True)


@contextlib.contextmanager
def alone():
    """Two benches at once would measure each other."""
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, "running"), "w", encoding="utf-8") as running:
        try:
            fcntl.flock(running, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failed("another bench runs in this folder") from None
        yield


def main(name, run, verdict="fell short"):
    """Of a script of that name. run() gives what is wrong with what it has found, as lines that stand below the verdict; with
    any, and when it cannot go on, the exit status is 1. However it ends, contexts are left, which stop what was started."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    try:
        if wrong := run():
            sys.exit(f"\n{name}: {verdict}:\n  " + "\n  ".join(wrong))
    except Failed as failed:
        sys.exit(f"{name}: {failed}")
    except subprocess.CalledProcessError as failed:
        sys.exit(f"{name}: {' '.join(failed.cmd)} failed")
    except KeyboardInterrupt:
        with contextlib.suppress(BrokenPipeError):
            print(f"\n{name}: interrupted; everything is stopped", file=sys.stderr)
        sys.exit(130)


def installed_weir(weir, packages="bench"):
    """Installs what is missing of this group; gives the path of weir, which is built unless it is named."""
    subprocess.run([os.path.join(ROOT, "scripts", "setup"), packages], check=True)
    if not weir:
        subprocess.run([os.path.join(ROOT, "scripts", "build"), "release", "weir"], check=True)
        weir = os.path.join(ROOT, "build", "release", "weir")
    return os.path.abspath(weir)


def prepare(weir, packages="bench"):
    """As installed_weir(), and compiles the native programs."""
    weir = installed_weir(weir, packages)
    raise_descriptor_limit()
    native = os.path.join(HERE, "native")
    newest = max(os.path.getmtime(os.path.join(native, name)) for name in os.listdir(native))
    for name, parts in _PROGRAMS.items():
        if os.path.exists(program(name)) and os.path.getmtime(program(name)) > newest:
            continue
        say(f"== compiling {name}")
        subprocess.run(["g++", "-std=c++20", "-O2", "-Wall", "-Wextra",
                        *(os.path.join(native, f"{part}.cpp") for part in (*parts, *_COMMON)),
                        "-lcrypto", "-o", program(name)], check=True)
    return weir


def compiled(name):
    """A program of one source."""
    program, source = os.path.join(FOLDER, name), os.path.join(HERE, f"{name}.cpp")
    if os.path.exists(program) and os.path.getmtime(program) > os.path.getmtime(source):
        return program
    subprocess.run(["g++", "-std=c++20", "-O2", source, "-o", program], check=True)
    return program


def installed(name):
    # Debian has servers where the path of an ordinary user does not look.
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not program:
        raise Failed(f"{name} is not there")
    return program


@contextlib.contextmanager
def memory_folder():
    """A folder in memory for all peers. That of a run that was killed goes first."""
    noted = os.path.join(FOLDER, "memory_folder")
    if os.path.exists(noted):
        with open(noted, encoding="utf-8") as file:
            shutil.rmtree(file.read(), ignore_errors=True)
    path = tempfile.mkdtemp(prefix="weir-bench-", dir="/dev/shm")
    with open(noted, "w", encoding="utf-8") as file:
        file.write(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.remove(noted)


def program(name):
    return os.path.join(FOLDER, name)


def log_path(name):
    return os.path.join(FOLDER, name)


class Served(processes.Served):
    """One with its log in the folder of the bench."""

    def __init__(self, name, arguments, told=False):
        super().__init__(name, arguments, FOLDER, told=told)


class Weir(contextlib.AbstractContextManager):
    """weir with a configuration, which lies with its log in a folder; `listen` and `admin` are added to it."""

    _HEAD = "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\ndrain_timeout: 1s\nlog: {access: off}\n"

    def __init__(self, weir, config, folder=FOLDER):
        path = os.path.join(folder, "weir.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self._HEAD + config)
        self.process = Process([weir, "serve", path], None, os.path.join(folder, "weir.log"))
        try:
            self.port = self.process.await_value(lambda: self._logged_port("listening"), 60)
        except BaseException:
            self.process.stop()
            raise
        if self.port is None:
            raise Failed(f"weir did not start: {self.process.logged().strip()[-2000:]}")
        self._admin_port = self._logged_port("admin")

    def _logged_port(self, what):
        found = re.search(rf"{what} on 127\.0\.0\.1:(\d+)$", self.process.logged(), re.MULTILINE)
        return int(found[1]) if found else None

    def samples(self):
        """Every sample of the metrics by its name with labels, as NAME{LABEL="VALUE"}."""
        connection = http.client.HTTPConnection("127.0.0.1", self._admin_port, timeout=PATIENCE)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def metrics(self):
        """Every metric, summed over its labels; those that there are none of are missing."""
        values = {}
        for sample, value in self.samples().items():
            name = sample.partition("{")[0]
            values[name] = values.get(name, 0) + value
        return values

    def memory(self):
        """(most, now) resident bytes."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            values = dict(line.split(":", 1) for line in file)
        return tuple(int(values[name].split()[0]) * 1024 for name in ("VmHWM", "VmRSS"))

    def alive(self):
        return self.process.alive()

    def __exit__(self, *_):
        self.process.stop()


class Clients(contextlib.AbstractContextManager):
    """The native clients. With `records` every request is there when they have ended."""

    def __init__(self, kind, port, records=None, **options):
        self._records = log_path(f"{records}.records") if records else None
        arguments = [program("clients"), kind, "--port", port]
        for name, value in options.items():
            arguments += [f"--{name}", value]
        if records:
            arguments += ["--records", self._records]
        self.process = Process(arguments, None, log_path(f"clients-{records or kind}.log"))

    def wait(self, seconds):
        """Until they end by themselves, which has to be within the time."""
        limit = time.monotonic() + seconds
        while self.process.alive():
            if time.monotonic() > limit:
                raise Failed(f"the clients did not end within {seconds:.0f} s")
            time.sleep(0.05)
        if self.process.status() != 0:
            raise Failed(f"the clients failed: {self.process.logged().strip()[-2000:]}")

    def records(self):
        with open(self._records, encoding="ascii") as file:
            return [Record(*line.split()) for line in file]

    def phases(self):
        """The start of each phase."""
        return [float(at) for at in re.findall(r"^phase (\S+)", self.process.logged(), re.MULTILINE)]

    def __exit__(self, *_):
        self.process.stop()


class Record:
    """One request: when it was due, how long it took from there (seconds), and what became of it."""

    __slots__ = ("kind", "due", "latency", "status", "outcome", "bytes", "retry_after")

    def __init__(self, kind, due, latency, status, outcome, size, retry_after):
        self.kind = kind
        self.due = float(due)
        self.latency = int(latency) / 1e6
        self.status = int(status)
        self.outcome = outcome
        self.bytes = int(size)
        self.retry_after = retry_after == "1"

    @property
    def right(self):
        return self.outcome == "right"

    def word(self):
        return f"status {self.status}" if self.outcome == "status" else self.outcome


def between(records, start, end):
    return [record for record in records if start <= record.due < end]


def percentile(values, share):
    """The nearest rank; not a number without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def latencies(records):
    """In milliseconds. What failed, however quickly, took as long as the clients would have waited."""
    return [(record.latency if record.right else max(record.latency, PATIENCE)) * 1000 for record in records]


def mean(values):
    return sum(values) / len(values) if values else math.nan


def count_words(records):
    words = {}
    for record in records:
        words[record.word()] = words.get(record.word(), 0) + 1
    return dict(sorted(words.items()))


class Sampler(contextlib.AbstractContextManager):
    """Calls a function every second on a thread of its own and keeps what it gives."""

    def __init__(self, sample):
        self.samples = []
        self._sample = sample
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ended.wait(1):
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.samples.append(self._sample())

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
