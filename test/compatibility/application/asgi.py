"""The application for ASGI servers."""
import asyncio

import pages


async def application(scope, receive, send):
    if scope["type"] == "http":
        await _answer(scope, receive, send)
    elif scope["type"] == "websocket" and scope["path"] == "/socket":
        await _echo(receive, send)
    elif scope["type"] == "lifespan":
        await _live(receive, send)


async def _answer(scope, receive, send):
    answer = pages.answer(await _request(scope, receive))
    await send({"type": "http.response.start", "status": answer.status,
                "headers": [(name.lower().encode(), value.encode()) for name, value in answer.fields]})
    async for part in pages.run_async(answer.steps, asyncio.sleep):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _request(scope, receive):
    content = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise pages.Died("the client left")
        content += event.get("body", b"")
        if not event.get("more_body"):
            break
    fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    client = (scope.get("client") or [""])[0]
    return pages.Request(scope["method"], scope["path"], scope["query_string"].decode(), fields, scope["scheme"], client,
                         bytes(content))


async def _echo(receive, send):
    await receive()  # websocket.connect
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        if event.get("text") == "close":
            await send({"type": "websocket.close", "code": 1000})
            return
        await send({**event, "type": "websocket.send"})


async def _live(receive, send):
    while True:
        event = await receive()
        await send({"type": event["type"] + ".complete"})
        if event["type"] == "lifespan.shutdown":
            return
