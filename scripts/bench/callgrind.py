"""What a weir under callgrind does for requests in user space: instructions, by function too, allocations and locks."""
import collections
import contextlib
import glob
import os
import re
import subprocess

from answers import ask, check
from generator import ERRORS, Generator
from processes import Failed

_WARM = 1000
_PATIENCE = 120

_ALLOCATE = re.compile(r"malloc|calloc|realloc|reallocarray|aligned_alloc|memalign|posix_memalign|valloc|pvalloc|mallocx|"
                       r"rallocx|operator new(\[\])?\(.*|_Zn[wa]\w+")
_FREE = re.compile(r"free|cfree|dallocx|sdallocx|operator delete(\[\])?\(.*|_Zd[la]\w+")
_LOCK = re.compile(r"pthread_(mutex_(try)?lock|rwlock_(try)?(rd|wr)lock)(@.*)?")
_COMPRESSED = re.compile(r"\((\d+)\)(?: (.*))?$")


class Profile:
    """The dumps of callgrind at a path: its costs by function, and its calls of the allocator and of locks.

    An allocation is a call of one of the allocator's names from outside of the library that has it, so that `operator new` that
    asks `malloc` counts once."""

    def __init__(self, path):
        self.instructions = 0
        self.by_function = collections.Counter()  # (library or program, function): its own instructions
        self.allocations = collections.Counter()  # the function that allocates: how often
        self.frees = collections.Counter()
        self.locks = collections.Counter()
        for part in glob.glob(f"{path}.*"):
            with open(part, encoding="utf-8", errors="replace") as file:
                self._read(file)
        if self.instructions == 0:
            raise Failed("callgrind counted nothing")

    def _read(self, lines):
        names = {"ob": {}, "fn": {}}
        here = {"ob": "", "fn": ""}
        called = {}
        inclusive = False  # the line after calls= says what the callee cost
        for line in lines:
            key, equals, value = line.rstrip("\n").partition("=")
            if equals and key in ("ob", "fn"):
                here[key] = self._name(names[key], value)
            elif equals and key in ("cob", "cfn"):
                called[key[1:]] = self._name(names[key[1:]], value)
            elif key == "calls":
                self._call(here, {"ob": here["ob"], **called}, int(value.split()[0]))
                called = {}
                inclusive = True
            elif line[0] in "+-*" or line[0].isdigit():
                words = line.split()
                cost = int(words[1]) if len(words) > 1 else 0
                if not inclusive:
                    self.by_function[here["ob"], here["fn"]] += cost
                    self.instructions += cost
                inclusive = False

    @staticmethod
    def _name(known, value):
        number, name = _COMPRESSED.match(value).groups()
        if name is not None:
            known[number] = name
        return known[number]

    def _call(self, caller, callee, count):
        if caller["ob"] == callee["ob"]:
            return
        name = re.sub(r"'\d+$", "", callee["fn"])  # of a call within itself
        for names, counted in ((_ALLOCATE, self.allocations), (_FREE, self.frees), (_LOCK, self.locks)):
            if names.fullmatch(name):
                counted[caller["fn"]] += count


class Counted:
    """A profile of a number of requests."""

    def __init__(self, profile, requests, errors):
        self.profile, self.requests, self.errors = profile, requests, errors
        self.instructions = profile.instructions / requests
        self.allocations = profile.allocations.total() / requests


def count(settings, peer, path, fields, connections, requests):
    """Of a peer that is under callgrind: so many requests for the path with these fields, after some that do not count. Under
    callgrind a server is so slow that all connections wait whenever it looks, so that what is done once for several requests
    is shared as it is under load, and one run gives what the other gave. Of a pass-through that is so only in waves: otherwise
    an origin that has to wait for a core makes exchanges fewer that are under way at once, and these allocate less."""
    file_of_fields = os.path.join(settings.folder, "fields")
    with open(file_of_fields, "w", encoding="ascii", newline="") as file:
        file.write(fields)
    for old in glob.glob(f"{peer.counts}*"):
        os.remove(old)
    hit = path != "/pass"
    order = "requests" if hit else "waves"
    _verify(peer, path, None)
    _verify(peer, path, hit)
    with Generator(settings, settings.loading, peer.port, path, connections, fields=file_of_fields) as load:
        load.order(f"{order} {_WARM}")
        load.measured(_PATIENCE)
        with _instrumented(peer):
            load.order(f"{order} {requests}")
            measured = load.measured(_PATIENCE)
    _verify(peer, path, hit)
    return Counted(Profile(peer.counts), requests, sum(measured[kind] for kind in ERRORS))


def _verify(peer, path, hit):
    status, fields, content, _ = ask(peer.port, path)
    check(peer, status, fields, content, 1024, hit)


@contextlib.contextmanager
def _instrumented(peer):
    _control(peer, "--instr=on")
    yield
    _control(peer, "--instr=off")
    _control(peer, "--dump")


def _control(peer, what):
    done = subprocess.run(["callgrind_control", what, str(peer.pids[0])], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=_PATIENCE, check=False)
    if done.returncode != 0:
        raise Failed(f"callgrind_control {what}: {done.stdout.strip()[-2000:]}")
