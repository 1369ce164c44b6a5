#!/usr/bin/python3
"""usage: tornado_server.py HOST PORT

The application on Tornado by its own handlers. Prints "ready PORT"."""
import asyncio
import signal
import sys

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket

import pages


class Pages(tornado.web.RequestHandler):
    def compute_etag(self):
        return None  # the application has its own

    async def _answer(self):
        request = self.request
        fields = {name.lower(): value for name, value in request.headers.get_all()}
        answer = pages.answer(pages.Request(request.method, request.path, request.query, fields, request.protocol,
                                            request.remote_ip, request.body))
        self.set_status(answer.status, answer.reason)
        self.clear_header("Content-Type")
        for name, value in answer.fields:
            self.add_header(name, value)
        async for part in pages.run_async(answer.steps, asyncio.sleep):
            self.write(part)
            await self.flush()

    get = head = post = _answer


class Socket(tornado.websocket.WebSocketHandler):
    def on_message(self, message):
        if message == "close":
            self.close(1000)
        else:
            self.write_message(message, binary=isinstance(message, bytes))


async def main():
    application = tornado.web.Application([("/socket", Socket), ("/.*", Pages)])
    sockets = tornado.netutil.bind_sockets(int(sys.argv[2]), sys.argv[1])
    server = tornado.httpserver.HTTPServer(application, xheaders=True)
    server.add_sockets(sockets)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    print("ready", sockets[0].getsockname()[1], flush=True)
    await stopped.wait()
    server.stop()
    await server.close_all_connections()


if __name__ == "__main__":
    asyncio.run(main())
