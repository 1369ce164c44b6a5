"""Instructions in user space for a hit, counted by callgrind over 16 connections: under it a server is so slow that all of
them wait whenever it looks, so that what is done once for several requests is shared as it is under load, and a run gives what
the run before gave, to a fifth of a per cent. What is done before the first of them does not count."""
import glob
import os
import re
import subprocess

from answers import ask, check
from generator import ERRORS, Generator
from processes import Failed
from workload import Session, Workload

_CONNECTIONS = 16
_REQUESTS = 4000
_WARM = 200
_PATIENCE = 120

# Beside Host: what a browser sends on following a link, ten fields.
BROWSER = """User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8
Accept-Language: en-US,en;q=0.5
Accept-Encoding: gzip, deflate, br, zstd
Referer: http://127.0.0.1/
Connection: keep-alive
Cookie: session_id=0123456789abcdef
Upgrade-Insecure-Requests: 1
Sec-Fetch-Dest: document
Sec-Fetch-Mode: navigate
""".replace("\n", "\r\n")


class Instructions(Workload):
    unit = "instructions/request"
    higher_is_better = False
    rounds = 1

    def __init__(self, fields, *rest, **more):
        super().__init__(*rest, **more)
        self.fields = fields

    def session(self, peer, servers, settings):
        return _Session(self, peer, servers, settings)


class _Session(Session):
    def measure(self):
        fields = os.path.join(self.settings.folder, "fields")
        with open(fields, "w", encoding="ascii", newline="") as file:
            file.write(self.workload.fields)
        for old in glob.glob(f"{self.peer.counts}*"):
            os.remove(old)
        self._verify(None)
        self._verify(True)
        with Generator(self.settings, self.settings.loading, self.peer.port, "/hit", _CONNECTIONS, fields=fields) as load:
            load.order(f"requests {_WARM}")
            load.measured(_PATIENCE)
            self._control("--instr=on")
            load.order(f"requests {_REQUESTS}")
            measured = load.measured(_PATIENCE)
            self._control("--instr=off")
            self._control("--dump")
        self._verify(True)
        self._result = {"value": self._counted() / _REQUESTS, "errors": sum(measured[kind] for kind in ERRORS)}

    def result(self):
        return self._result

    def _verify(self, hit):
        status, fields, content, _ = ask(self.peer.port, "/hit")
        check(self.peer, status, fields, content, self.workload.work.content_bytes, hit)

    def _control(self, what):
        done = subprocess.run(["callgrind_control", what, str(self.peer.pids[0])], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=_PATIENCE, check=False)
        if done.returncode != 0:
            raise Failed(f"callgrind_control {what}: {done.stdout.strip()[-2000:]}")

    def _counted(self):
        total = 0
        for path in glob.glob(f"{self.peer.counts}.*"):
            with open(path, encoding="utf-8", errors="replace") as file:
                total += sum(int(count) for count in re.findall(r"^totals: (\d+)$", file.read(), re.MULTILINE))
        if total == 0:
            raise Failed("callgrind counted nothing")
        return total
