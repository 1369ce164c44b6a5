"""A server stops and starts again, and reloads where it can, while clients ask. Through weir there is another one beside it."""
import collections
import itertools
import os
import threading
import time

from client import Connection, Cut, Garbled, Silent
from content import answer_to_post, content
from no import No, wanted

_READERS = 4
_SIZE = 20_000
_AROUND = 0.4  # seconds of load before and after
_PAUSE = 0.005
_MAY_FAIL = ("refused", "cut", "status 502", "status 503", "status 504")  # a POST, which nobody may repeat


class Load:
    """Clients that ask until they are told to stop, and what became of their requests."""

    def __init__(self, site):
        self._address = site.address
        self._prefix = "/pair" if site.front else ""
        self._run_id = os.urandom(4).hex()
        self._stopped = threading.Event()
        self.gets, self.posts = collections.Counter(), {}
        self._threads = [threading.Thread(target=self._ask_in_turn, args=(number,)) for number in range(_READERS + 1)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _ask_in_turn(self, client):
        connection = None
        for number in itertools.count():
            if self._stopped.wait(_PAUSE):
                break
            name = f"{self._run_id}-{client}-{number}"
            word, connection = self._ask(connection, name, client == _READERS)
            if client == _READERS:
                self.posts[name] = word
            else:
                self.gets[word] += 1
        if connection:
            connection.socket.close()

    def _ask(self, connection, name, post):
        """What became of a request, and the connection if it may be used again."""
        word, kept = None, False
        try:
            connection = connection or Connection(self._address)
            target = f"/counted?id={name}" if post else f"/page?size={_SIZE}&n={name}"
            body = name.encode() if post else None
            response = connection.ask("POST" if post else "GET", self._prefix + target, body)
            kept = not response.closes
            right = answer_to_post(body) if post else content(target, _SIZE)
            word = f"status {response.status}" if response.status != 200 else "right"
            if word == "right" and response.content != right:
                word = "wrong content"
        except ConnectionRefusedError:
            word = "refused"
        except (Cut, ConnectionError):
            word = "cut"
        except Silent:
            word = "silent"
        except Garbled:
            word = "garbled"
        if kept:
            return word, connection
        if connection:
            connection.socket.close()
        return word, None


def restart(site):
    with Load(site) as load:
        time.sleep(_AROUND)
        site.server.restart()
        time.sleep(_AROUND)
        if site.server.kind.reloads_by:
            site.server.reload()
            time.sleep(2 * _AROUND)
    _nothing_twice(site, load)
    posts = collections.Counter(load.posts.values())
    told = [_said("GETs", load.gets), _said("POSTs", posts)]
    bad = [word for word in posts if word != "right" and word not in _MAY_FAIL]
    # A connection that the server has closed meanwhile is no failure of what is asked next.
    if site.front:
        site.ask("POST", "/upload", b"after the restart")
    wanted(set(load.gets) == {"right"} and not bad, "; ".join(told))
    return "; ".join(told)


def _said(name, words):
    failed = ", ".join(f"{count} {word}" for word, count in sorted(words.items()) if word != "right")
    return f"{sum(words.values())} {name}: {failed or 'all right'}"


def _nothing_twice(site, load):
    with open(os.path.join(site.folder, "journal"), encoding="ascii") as journal:
        executed = collections.Counter(journal.read().split())
    twice = [name for name in load.posts if executed[name] > 1]
    wanted(not twice, f"{len(twice)} POSTs were executed twice")
    missing = [name for name, word in load.posts.items() if word == "right" and not executed[name]]
    if missing:
        raise No(f"{len(missing)} POSTs were answered and not executed")
