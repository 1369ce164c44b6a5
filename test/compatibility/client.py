"""A client that shows what is on the wire: it sends bytes as told, and sees interim responses, cut ones and stray bytes."""
import base64
import contextlib
import os
import socket
import struct

PATIENCE = 30  # seconds without a byte; only what hangs is waited for so long


class Cut(Exception):
    """The response ended before its end."""


class Ended(Cut):
    """It ended before its first byte."""


class Silent(Exception):
    """Nothing came for as long as was to be waited."""


class Garbled(Exception):
    """What came is no response."""


class Response:
    def __init__(self, status, version, fields):
        self.status, self.version, self.fields = status, version, fields
        self.content = b""
        self.framing = None  # "length", "chunked", "close" or "none"

    def values(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name):
        """The only value of it, or None."""
        values = self.values(name)
        if len(values) > 1:
            raise Garbled(f"{name} came {len(values)} times")
        return values[0] if values else None

    @property
    def closes(self):
        tokens = [token.strip().lower() for value in self.values("Connection") for token in value.split(",")]
        return "close" in tokens or (self.version == "HTTP/1.0" and "keep-alive" not in tokens) or self.framing == "close"


class Connection(contextlib.AbstractContextManager):
    def __init__(self, address, source="127.0.0.1", patience=PATIENCE):
        self.socket = socket.create_connection(address, timeout=patience, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def __exit__(self, *_):
        self.socket.close()

    def wait_at_most(self, seconds):
        self.socket.settimeout(seconds)

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, target, content=None, **fields):
        """Sends a whole request; names have _ for -."""
        self.send(head(method, target, None if content is None else len(content), **fields) + (content or b""))

    def ask(self, method, target, content=None, **fields):
        self.request(method, target, content, **fields)
        return self.response(method)

    def response(self, method="GET"):
        """The next final response with its content; raises Cut, Silent, Garbled."""
        found = self.head()
        while found.status < 200 and found.status != 101:
            found = self.head()
        found.content = b"".join(self.parts(found, method))
        return found

    def head(self):
        """The head of the next response, interim ones too."""
        while (end := self._rest.find(b"\r\n\r\n")) < 0:
            try:
                more = self._more()
            except Cut:
                more = False
            if not more:
                raise (Cut if self._rest else Ended)("the connection ended before a response")
        lines, self._rest = self._rest[:end].decode("latin-1").split("\r\n"), self._rest[end + 4:]
        words = lines[0].split(" ", 2)
        if len(words) < 2 or words[0] not in ("HTTP/1.1", "HTTP/1.0") or not words[1].isdigit():
            raise Garbled(f"a response begins with {lines[0][:60]!r}")
        fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        return Response(int(words[1]), words[0], fields)

    def parts(self, response, method="GET"):
        """The content as it comes."""
        length, coding = response.get("Content-Length"), response.get("Transfer-Encoding")
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            response.framing = "none"
        elif coding:
            response.framing = "chunked"
            yield from self._chunks()
        elif length is not None:
            response.framing = "length"
            yield from self._exactly(int(length))
        else:
            response.framing = "close"
            while self._rest or self._more():
                part, self._rest = self._rest, b""
                yield part

    def _chunks(self):
        while size := int(self._line().split(b";")[0], 16):
            yield from self._exactly(size)
            if self._line():
                raise Garbled("a chunk is longer than it says")
        while self._line():
            pass

    def _line(self):
        while (end := self._rest.find(b"\r\n")) < 0:
            if not self._more():
                raise Cut("the connection ended within a chunk")
        line, self._rest = self._rest[:end], self._rest[end + 2:]
        return line

    def _exactly(self, size):
        while size:
            if not self._rest and not self._more():
                raise Cut(f"{size} bytes are missing")
            part, self._rest = self._rest[:size], self._rest[size:]
            size -= len(part)
            yield part

    def take(self, size):
        return b"".join(self._exactly(size))

    def stray(self, patience):
        """What comes until the connection ends, or nothing does for so many seconds; nothing was asked."""
        before = self.socket.gettimeout()
        self.socket.settimeout(patience)
        with contextlib.suppress(Cut, Silent):
            while self._more():
                pass
        self.socket.settimeout(before)
        return self._rest

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise Silent(f"nothing came for {self.socket.gettimeout():g} s") from None
        except ConnectionError as error:
            raise Cut(f"the connection was reset: {error.strerror}") from None
        self._rest += data
        return bool(data)


def head(method, target, length=None, **fields):
    """The head of a request; Host unless it is given."""
    fields = {"Host": "www.example.org", **fields}
    if length is not None:
        fields["Content-Length"] = length
    lines = [f"{method} {target} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


class WebSocket:
    """A WebSocket over a connection, as RFC 6455 has it; frames of up to 64 KiB."""

    TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

    def __init__(self, connection, target):
        self._connection = connection
        key = base64.b64encode(os.urandom(16)).decode()
        connection.request("GET", target, Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Version=13,
                           Sec_WebSocket_Key=key, Origin="http://www.example.org")
        self.response = connection.head()

    def send(self, kind, data):
        length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + struct.pack(">H", len(data))
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self._connection.send(bytes([0x80 | kind]) + length + mask + masked)

    def receive(self):
        """(kind, data) of the next message; its parts are put together."""
        whole, kind = b"", None
        while True:
            first, second = self._connection.take(2)
            length = second & 0x7f
            if length == 126:
                length, = struct.unpack(">H", self._connection.take(2))
            elif length == 127:
                length, = struct.unpack(">Q", self._connection.take(8))
            kind = kind or first & 0x0f
            whole += self._connection.take(length)
            if first & 0x80:
                return kind, whole
