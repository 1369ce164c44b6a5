#!/usr/bin/python3
"""usage: test/support/websocket_echo.py

A WebSocket server (RFC 6455) that sends every message back, on 127.0.0.1 and a port of the system's choice. Prints "ready PORT"
when it listens. A request that is no WebSocket handshake gets a page that says so.
"""
import base64
import hashlib
import socketserver
import struct

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOSE = 8


def read_head(stream):
    """The request line and the fields, names in lower case."""
    line = stream.readline()
    fields = {}
    while (field := stream.readline().strip()):
        name, _, value = field.partition(b":")
        fields[name.lower()] = value.strip()
    return line, fields


def read_frame(stream):
    """Opcode and unmasked content, or None at the end of the stream."""
    start = stream.read(2)
    if len(start) < 2:
        return None
    opcode, size = start[0] & 15, start[1] & 127
    if size == 126:
        size, = struct.unpack(">H", stream.read(2))
    elif size == 127:
        size, = struct.unpack(">Q", stream.read(8))
    mask = stream.read(4) if start[1] & 128 else bytes(4)
    content = stream.read(size)
    return opcode, bytes(byte ^ mask[at % 4] for at, byte in enumerate(content))


def frame(opcode, content):
    size = len(content)
    if size < 126:
        head = struct.pack(">BB", 128 | opcode, size)
    elif size < 65536:
        head = struct.pack(">BBH", 128 | opcode, 126, size)
    else:
        head = struct.pack(">BBQ", 128 | opcode, 127, size)
    return head + content


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        line, fields = read_head(self.rfile)
        if not line:
            return
        key = fields.get(b"sec-websocket-key")
        if fields.get(b"upgrade", b"").lower() != b"websocket" or key is None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nno handshake")
            return
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while (got := read_frame(self.rfile)):
            opcode, content = got
            self.wfile.write(frame(opcode, content))
            if opcode == CLOSE:
                return


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Handler) as server:
        print("ready", server.server_address[1], flush=True)
        server.serve_forever()
