"""Instructions in user space for a hit, counted by callgrind: one run gives what the other gave, to 0.3 %."""
import callgrind
from workload import Session, Workload

_CONNECTIONS = 16
_REQUESTS = 4000

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
        self._counted = callgrind.count(self.settings, self.peer, "/hit", self.workload.fields, _CONNECTIONS, _REQUESTS)

    def result(self):
        return {"value": self._counted.instructions, "errors": self._counted.errors}
