"""CherryPy sessions kept in the application's database, so that any server can answer any request.

The lock of a session is a row too: servers are processes of their own and share nothing else. It carries a time at which
it ends by itself, for the server that is killed while it holds one. Waiting is polling, since SQLite cannot notify; a lock
is held for one request, a few milliseconds, so few polls are made.
"""
import datetime
import json
import time
import uuid

import cherrypy
from cherrypy.lib import sessions

LOCK_SECONDS = 30       # longer than any request takes
WAIT_SECONDS = 10       # then 503: a browser's requests for one session wait for each other
POLL_SECONDS = 0.01

TAKE_LOCK = ("INSERT INTO session_locks VALUES (?, ?, ?) ON CONFLICT (id) "
             "DO UPDATE SET owner = excluded.owner, until = excluded.until WHERE session_locks.until < ?")
SAVE = ("INSERT INTO sessions VALUES (?, ?, ?) ON CONFLICT (id) "
        "DO UPDATE SET data = excluded.data, expires = excluded.expires")


class DatabaseSession(sessions.Session):
    """For tools.sessions.storage_class; takes its database from tools.sessions.database."""

    database = None
    _owner = None

    @classmethod
    def setup(cls, **settings):
        for name, value in settings.items():
            setattr(cls, name, value)

    def acquire_lock(self):
        owner = uuid.uuid4().hex
        limit = time.monotonic() + WAIT_SECONDS
        while not self._take_lock(owner):
            if time.monotonic() > limit:
                cherrypy.serving.response.headers["Retry-After"] = "1"
                raise cherrypy.HTTPError(503, "Another request holds this session.")
            time.sleep(POLL_SECONDS)
        self._owner = owner
        self.locked = True

    def _take_lock(self, owner):
        now = time.time()
        return self.database.connection().execute(TAKE_LOCK, (self.id, owner, now + LOCK_SECONDS, now)).rowcount == 1

    def release_lock(self):
        self.database.connection().execute("DELETE FROM session_locks WHERE id = ? AND owner = ?",
                                           (self.id, self._owner))
        self.locked = False

    def clean_up(self):
        now = time.time()
        self.database.connection().execute("DELETE FROM sessions WHERE expires < ?", (now,))
        self.database.connection().execute("DELETE FROM session_locks WHERE until < ?", (now,))
        self.database.close()  # runs on a thread of its own, every few minutes

    def _exists(self):
        return self._row() is not None

    def _row(self):
        return self.database.connection().execute("SELECT data, expires FROM sessions WHERE id = ?",
                                                  (self.id,)).fetchone()

    def _load(self):
        row = self._row()
        return row and (json.loads(row["data"]), datetime.datetime.fromtimestamp(row["expires"]))

    def _save(self, expiration_time):
        self.database.connection().execute(SAVE, (self.id, json.dumps(self._data), expiration_time.timestamp()))

    def _delete(self):
        self.database.connection().execute("DELETE FROM sessions WHERE id = ?", (self.id,))
