#!/usr/bin/python3
"""usage: as that of scripts/demo/server.py

The same server, but what it keeps in memcached are bodies alone, as nginx's memcached_pass reads them: the form that
scripts/python/weir_pages.py has for weir begins with a head, which nginx would take for a part of the body.
"""
import os
import sys
import threading

import pylibmc

_SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(_SCRIPTS, "demo"), os.path.join(_SCRIPTS, "python")]

import server  # noqa: E402
import weir_pages  # noqa: E402


class PlainPages(weir_pages.Pages):
    def __init__(self, servers):
        super().__init__(servers, purge_log=False)
        self._plain, self._local = servers, threading.local()

    def put(self, host, path, body, *, query="", scheme="http", lifetime=0, **_):
        key = self.key(host, path, query=query, scheme=scheme)
        if not hasattr(self._local, "client"):
            self._local.client = pylibmc.Client(self._plain)
        return key is not None and self._local.client.set(key, body, lifetime)


weir_pages.Pages = PlainPages
server.main()
