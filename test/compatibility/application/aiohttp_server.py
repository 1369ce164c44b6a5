#!/usr/bin/python3
"""usage: aiohttp_server.py HOST PORT

The application on aiohttp by its own handlers. Prints "ready PORT"."""
import asyncio
import signal
import sys

from aiohttp import WSMsgType, web

import pages


async def page(request):
    fields = {name.lower(): value for name, value in request.headers.items()}
    answer = pages.answer(pages.Request(request.method, request.rel_url.raw_path, request.rel_url.raw_query_string, fields, request.scheme,
                                        request.remote, await request.read()))
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in answer.fields:
        response.headers.add(name, value)
    await response.prepare(request)
    async for part in pages.run_async(answer.steps, asyncio.sleep):
        await response.write(part)
    return response


async def socket(request):
    response = web.WebSocketResponse()
    await response.prepare(request)
    async for message in response:
        if message.type == WSMsgType.TEXT and message.data == "close":
            await response.close(code=1000)
        elif message.type == WSMsgType.TEXT:
            await response.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await response.send_bytes(message.data)
    return response


async def main():
    application = web.Application(client_max_size=100 * 1024 * 1024)  # 1 MiB as it comes
    application.router.add_get("/socket", socket)
    application.router.add_route("*", "/{rest:.*}", page)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, sys.argv[1], int(sys.argv[2]))
    await site.start()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    print("ready", runner.addresses[0][1], flush=True)
    await stopped.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
