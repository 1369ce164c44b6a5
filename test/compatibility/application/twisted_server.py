#!/usr/bin/python3
"""usage: twisted_server.py native|wsgi HOST PORT

The application on Twisted Web, by resources of its own or as WSGI. Prints "ready PORT"."""
import sys

from twisted.internet import defer, reactor, task
from twisted.python import log
from twisted.web import resource, server, wsgi as twisted_wsgi

import pages


class Pages(resource.Resource):
    isLeaf = True

    def render(self, request):
        work = defer.ensureDeferred(self._answer(request))
        request.notifyFinish().addErrback(lambda _: work.cancel())
        work.addErrback(self._break_off, request)
        return server.NOT_DONE_YET

    async def _answer(self, request):
        path, _, query = request.uri.decode("latin-1").partition("?")
        fields = {name.decode("latin-1").lower(): values[0].decode("latin-1")
                  for name, values in request.requestHeaders.getAllRawHeaders()}
        scheme = "https" if request.isSecure() else "http"
        answer = pages.answer(pages.Request(request.method.decode(), path, query, fields, scheme,
                                            request.getClientAddress().host, request.content.read()))
        request.setResponseCode(answer.status, answer.reason.encode())
        for name, value in answer.fields:
            request.responseHeaders.addRawHeader(name, value)
        async for part in pages.run_async(answer.steps, lambda seconds: task.deferLater(reactor, seconds)):
            request.write(part)
        request.finish()

    @staticmethod
    def _break_off(failure, request):
        if failure.check(defer.CancelledError):
            return
        log.err(failure)
        if request.startedWriting:
            request.loseConnection()
        else:
            request.processingFailed(failure)


def main():
    log.startLogging(sys.stderr)
    if sys.argv[1] == "wsgi":
        from wsgi import application
        site = server.Site(twisted_wsgi.WSGIResource(reactor, reactor.getThreadPool(), application))
    else:
        site = server.Site(Pages())
    port = reactor.listenTCP(int(sys.argv[3]), site, interface=sys.argv[2])
    reactor.callWhenRunning(lambda: print("ready", port.getHost().port, flush=True))
    reactor.run()


if __name__ == "__main__":
    main()
