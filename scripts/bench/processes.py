"""Processes that the bench and tests start: pinned to a core, measured from /proc, and stopped by their id."""
import contextlib
import ctypes
import glob
import grp
import os
import pwd
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """The bench cannot go on; the message says why."""


class Process:
    """A child in a session of its own, so that Ctrl-C reaches only the bench, which then stops it; it also ends when the
    bench dies in any other way, by the signal `orphaned`. It runs on a set of cores, or on any when that is None. Its output goes
    to `log`, a path, or is kept for output() and answer() when that is None. With `told` it can be told lines on its standard
    input. It is of the user of that name, of this one's when that is None."""

    def __init__(self, arguments, cores, log=None, told=False, user=None, orphaned=signal.SIGTERM):
        def prepare():
            if cores is not None:
                os.sched_setaffinity(0, cores)
            _libc.prctl(_PR_SET_PDEATHSIG, orphaned)

        self.name = os.path.basename(arguments[0])
        self.log = log
        with open(log, "wb") if log else contextlib.nullcontext(subprocess.PIPE) as output:
            self._child = subprocess.Popen([str(a) for a in arguments], stdout=output, stderr=subprocess.STDOUT,
                                           stdin=subprocess.PIPE if told else subprocess.DEVNULL,
                                           preexec_fn=prepare, start_new_session=True, user=user,
                                           group=pwd.getpwnam(user).pw_gid if user else None, extra_groups=[] if user else None)
        self.pid = self._child.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def alive(self):
        return self._child.poll() is None

    def tell(self, line):
        self._child.stdin.write(line.encode() + b"\n")
        self._child.stdin.flush()

    def answer(self, seconds):
        """The next line that it prints, which must come within the time."""
        ready, _, _ = select.select([self._child.stdout], [], [], seconds)
        if not ready:
            raise Failed(f"{self.name} said nothing for {seconds} s")
        line = self._child.stdout.readline().decode(errors="replace")
        if not line:
            raise Failed(f"{self.name} ended with status {self._child.wait()} instead of an answer")
        return line

    def signal(self, number):
        self._child.send_signal(number)

    def status(self):
        """How it ended; None while it lives."""
        return self._child.poll()

    def stop(self, seconds=5):
        """By SIGTERM; what has not ended within the time is killed."""
        if self.alive():
            self._child.terminate()
            try:
                self._child.wait(seconds)
            except subprocess.TimeoutExpired:
                # With its children, which it does not stop any more. They are in the session that it leads.
                os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()
        for end in (self._child.stdin, self._child.stdout):
            if end:
                with contextlib.suppress(BrokenPipeError):
                    end.close()

    def output(self, seconds):
        """What it printed until its end, which must be a good one within the time."""
        try:
            text, _ = self._child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {seconds} s") from None
        text = text.decode(errors="replace")
        if self._child.returncode != 0:
            raise Failed(f"{self.name} ended with status {self._child.returncode}: {text.strip()[-2000:]}")
        return text

    def logged(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def await_value(self, find, seconds=10):
        """Waits until find() gives something, while the process lives. None when it ended before that."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            alive = self.alive()
            found = find()
            if found is not None or not alive:
                return found
            time.sleep(0.02)
        raise Failed(f"{self.name} did not start within {seconds} s: {self.logged().strip()[-2000:]}")

    def ready(self, seconds=10):
        """Where it listens, which it prints as "ready PORT", or with the path of a socket. It is stopped if it does not."""
        def said():
            found = re.search(r"^ready (\S+)\n", self.logged(), re.MULTILINE)
            return found[1] if found else None

        try:
            place = self.await_value(said, seconds)
            if place is None:
                raise Failed(f"{self.name} did not start: {self.logged().strip()[-2000:]}")
        except BaseException:
            self.stop()
            raise
        return place


class Served(contextlib.AbstractContextManager):
    """A process that is ready when this is made. Its log is NAME.log in the folder."""

    def __init__(self, name, arguments, folder, cores=None, told=False, seconds=10):
        self.process = Process(arguments, cores, os.path.join(folder, f"{name}.log"), told)
        self.process.name = name  # for what is said of it; python3 would say little
        self.pid = self.process.pid
        self.place = self.process.ready(seconds)
        self.port = int(self.place) if self.place.isdigit() else None  # a unix socket has none

    def __exit__(self, *_):
        self.process.stop()


def temporary_folder(name):
    """A folder in /tmp, where a socket's path is short enough. Who makes it removes it; those of makers that were killed go
    first."""
    for path in glob.glob(f"/tmp/{name}-*-*"):
        maker = path.split("-")[-2]
        if maker.isdigit() and not os.path.exists(f"/proc/{maker}"):
            shutil.rmtree(path, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir="/tmp")


def free_port(host="127.0.0.1"):
    """A port of this address that nobody has now; who binds it later has to be ready to try another."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def accepts(port, host="127.0.0.1"):
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return None


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def cpu_seconds(pid):
    """User and system time of all threads of a process."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def memory_bytes(pid):
    """(resident, private) memory of a process."""
    values = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        for line in file:
            name, _, rest = line.partition(":")
            if rest.endswith("kB\n"):
                values[name] = int(rest.split()[0]) * 1024
    return values["Rss"], values["Private_Clean"] + values["Private_Dirty"]


def shared_out_bytes(pids):
    """Memory of processes, in which what they share counts once."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
            total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    return total


def busy_seconds(cores):
    """How long cores have worked since the machine started, for whomever."""
    names = {f"cpu{core}" for core in cores}
    total = 0
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            if line.split(None, 1)[0] in names:
                user, nice, system, _, _, irq, softirq, steal = (int(value) for value in line.split()[1:9])
                total += user + nice + system + irq + softirq + steal
    return total / _TICKS_PER_SECOND


def idle_seconds():
    """How long all cores together have had nothing to do since the machine started. Exact, which the times in busy_seconds() are
    not for a load that keeps step with the clock: those are sampled at its ticks."""
    with open("/proc/stat", encoding="ascii") as file:
        _, _, _, idle, wait = (int(value) for value in file.readline().split()[1:6])
    return (idle + wait) / _TICKS_PER_SECOND


def ended_children_seconds():
    """User and system time of the children that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def raise_descriptor_limit():
    """As many as the system lets us have; children inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def user_and_group():
    return pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
