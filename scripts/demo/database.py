"""The questions that Flickr Killr asks its database, SQLite or PostgreSQL, in SQL that both take. It knows nothing of HTTP."""
import sqlite3
import threading
import time

USER = "SELECT id, name, joined, town FROM users WHERE "
NEWEST_OF_USER = ("SELECT id, title, created, views FROM photos WHERE user_id = ? AND id < ? "
                  "ORDER BY id DESC LIMIT ?")
COUNTS_OF_USER = "SELECT count(*) AS photos, coalesce(sum(views), 0) AS views FROM photos WHERE user_id = ?"
NEWEST = ("SELECT photos.id, title, created, views, users.name AS user_name FROM photos "
          "JOIN users ON users.id = photos.user_id ORDER BY photos.id DESC LIMIT ?")
PHOTO = ("SELECT photos.id, title, created, views, scene, users.name AS user_name FROM photos "
         "JOIN users ON users.id = photos.user_id WHERE photos.id = ?")

PAST_EVERY_ID = 2**63 - 1


def is_postgresql(place):
    return place.startswith("postgresql://")


def connect(place):
    if is_postgresql(place):
        import postgresql  # what it needs is not installed for the demo over SQLite
        return postgresql.Connection(place)
    # mode=rw: a database that is not there is an error, not an empty new one.
    connection = sqlite3.connect(f"file:{place}?mode=rw", uri=True, timeout=10, isolation_level=None)
    connection.row_factory = sqlite3.Row
    # With a write-ahead log this loses the last commits when the machine dies, and never the database.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


class Database:
    """One connection per thread, opened at the first question: sqlite3 connections do not move between threads."""

    def __init__(self, place):
        """place: the path of an SQLite file, or a URL of PostgreSQL's: postgresql://HOST/NAME."""
        self._place = place
        self._local = threading.local()

    def connection(self):
        """Of this thread. What is given to execute() has ? for values; rows are read by number and by name."""
        connection = getattr(self._local, "connection", None)
        if connection is None or getattr(connection, "closed", False):
            connection = self._local.connection = connect(self._place)
        return connection

    def close(self):
        """Closes this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def user(self, name_or_id):
        """A user by name, or by number when it is one; None when there is no such user."""
        if name_or_id.isascii() and name_or_id.isdigit() and len(name_or_id) < 19:
            return self.connection().execute(USER + "id = ?", (int(name_or_id),)).fetchone()
        return self.connection().execute(USER + "name = ?", (name_or_id,)).fetchone()

    def users(self, count):
        """`count` users spread evenly over all of them."""
        last = self.connection().execute("SELECT max(id) FROM users").fetchone()[0]
        ids = sorted({1 + last * number // count for number in range(count)})
        marks = ", ".join("?" * len(ids))
        return self.connection().execute(f"{USER} id IN ({marks}) ORDER BY id", ids).fetchall()

    def newest_of_user(self, user_id, before=None, count=24):
        """A user's newest photos, or the newest of those older than the photo `before`."""
        limit = PAST_EVERY_ID if before is None else before
        return self.connection().execute(NEWEST_OF_USER, (user_id, limit, count)).fetchall()

    def counts_of_user(self, user_id):
        return self.connection().execute(COUNTS_OF_USER, (user_id,)).fetchone()

    def newest(self, count):
        return self.connection().execute(NEWEST, (count,)).fetchall()

    def totals(self):
        """How many users and photos there are. Neither is ever removed, so the last number is the count, and cheap."""
        return self.connection().execute(
            "SELECT (SELECT max(id) FROM users) AS users, (SELECT max(id) FROM photos) AS photos").fetchone()

    def photo(self, photo_id):
        return self.connection().execute(PHOTO, (photo_id,)).fetchone()

    def upload(self, photo_id):
        """The uploaded image of a photo, or None when it is one of the generated ones."""
        return self.connection().execute("SELECT content_type, content FROM uploads WHERE photo_id = ?",
                                         (photo_id,)).fetchone()

    def add_photo(self, user_id, title, content_type, content):
        """Stores a photo and its image, both or neither; gives the photo's number."""
        connection = self.connection()
        with connection:
            connection.execute("BEGIN")
            photo_id = connection.execute(
                "INSERT INTO photos (user_id, title, created, views, scene) VALUES (?, ?, ?, 0, 0) RETURNING id",
                (user_id, title, int(time.time()))).fetchone()[0]
            connection.execute("INSERT INTO uploads VALUES (?, ?, ?)", (photo_id, content_type, content))
        return photo_id
