#!/usr/bin/python3
"""usage: scripts/demo/fill.py DATABASE [--users N] [--photos N]

Makes the demo's SQLite database: the same rows on every machine. The rows go to a file beside DATABASE which takes its
name at the end, so an interrupted run leaves nothing half done; a run that finds the database complete ends at once.
"""
import argparse
import contextlib
import fcntl
import itertools
import os
import random
import sqlite3
import sys
import time

VERSION = 1  # of the schema and of the generated rows; a database of another version is made anew
SEED = 2007  # the year in which Flickr Killr was shown

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, joined INTEGER NOT NULL, town TEXT NOT NULL);
CREATE TABLE photos (
  id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id),
  title TEXT NOT NULL,
  created INTEGER NOT NULL,     -- seconds since 1970
  views INTEGER NOT NULL,
  scene INTEGER NOT NULL        -- what pictures.scene draws the image from, unless it was uploaded
);
CREATE TABLE uploads (photo_id INTEGER PRIMARY KEY REFERENCES photos (id), content_type TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE sessions (id TEXT PRIMARY KEY, data TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE session_locks (id TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE filled (version INTEGER NOT NULL, users INTEGER NOT NULL, photos INTEGER NOT NULL);
"""

# Made after the rows are in, which is quicker than keeping it up to date. Its entries end in the row id, so a user's
# newest photos are read from it in order, without a sort.
INDEX = "CREATE INDEX photos_user_id ON photos (user_id)"

FIRST = ("ada alan anna ben boris carla chen clara dana david elena emil eva felix frank grace hana henry ida ivan jamie "
         "jane jonas karin kim lars lena leo lin maria max mia mira nina noah olga omar paul petra rosa ruth sam sara "
         "sven tom uma vera viktor yara zoe").split()
LAST = ("abbot adler baker berg bishop blum brook carter chan cole cruz dahl dean eder falk ford frey gray hahn hale "
        "hill holm hunt ives jung keller kern kraft lake lane lang lind marsh meyer moon noll north olsen park quist "
        "reed rossi sato shaw stone swan vogel ward west wolf").split()
TOWNS = "Aarhus Bergen Bilbao Cork Davis Ghent Graz Kyoto Leeds Lyon Oslo Palo-Alto Porto Quito Riga Turin".split()
QUALITY = ("quiet golden misty frozen burning silent last first broken endless hidden distant bright wild early late "
           "empty crowded blue windy").split()
THING = ("harbour valley bridge meadow summit river street garden forest island station orchard lighthouse canyon "
         "market desert lake village coast ridge").split()
MOMENT = ("at dawn|at noon|at dusk|in the rain|in the snow|in spring|in summer|in autumn|in winter|from the train|"
          "from above|after the storm|on a Sunday|by night|with friends|far from home").split("|")

FIRST_DAY = 1076371200  # 2004-02-10
LAST_DAY = 1331251200   # 2012-03-09


def user_name(number):
    """A name of its own for every number from 0 on."""
    turn, rest = divmod(number, len(FIRST) * len(LAST))
    name = f"{FIRST[rest % len(FIRST)]}-{LAST[rest // len(FIRST)]}"
    return f"{name}-{turn + 1}" if turn else name


def user_rows(users):
    for number in range(users):
        joined = FIRST_DAY + (LAST_DAY - FIRST_DAY) * number // users
        yield number + 1, user_name(number), joined, TOWNS[number * 7 % len(TOWNS)].replace("-", " ")


def photo_rows(users, photos):
    """A few users have thousands of photos, most have a handful, some have none."""
    dice = random.Random(SEED)
    for number in range(photos):
        owner = 1 + int(users * dice.random() ** 2)
        bits = dice.getrandbits(62)
        title = (f"{QUALITY[bits % len(QUALITY)]} {THING[(bits >> 8) % len(THING)]} "
                 f"{MOMENT[(bits >> 16) % len(MOMENT)]}").capitalize()
        created = FIRST_DAY + (LAST_DAY - FIRST_DAY) * number // photos
        yield number + 1, owner, title, created, (bits >> 24) % 1000, bits >> 30


class Progress:
    """Percent on one line of a terminal; elsewhere, in logs, a line for every quarter."""

    def __init__(self, what, total):
        self.what, self.total, self.done, self.shown = what, total, 0, 0

    def add(self, count):
        self.done += count
        percent = self.done * 100 // self.total
        step = 1 if sys.stdout.isatty() else 25
        if percent // step > self.shown // step:
            self.shown = percent
            end = "\n" if percent == 100 or not sys.stdout.isatty() else ""
            start = "\r" if sys.stdout.isatty() else ""
            print(f"{start}   {self.what}: {percent:3d} %", end=end, flush=True)


def insert(connection, table, rows, total):
    progress = Progress(f"{total:,} {table}", total)
    while batch := list(itertools.islice(rows, 20000)):
        marks = ", ".join("?" * len(batch[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", batch)
        progress.add(len(batch))


def is_complete(path, users, photos):
    """Whether `path` holds what this program makes for these numbers; uploads may have added photos since."""
    if not os.path.exists(path):
        return False
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            if connection.execute("SELECT version, users, photos FROM filled").fetchall() != [(VERSION, users, photos)]:
                return False
            counts = connection.execute("SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM photos)").fetchone()
            index = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'photos_user_id'").fetchone()
            return counts[0] == users and counts[1] >= photos and index is not None
    except sqlite3.DatabaseError:
        return False


def make(path, users, photos):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Nothing to protect while the file has no name: no journal, no waiting for the disk, one writer.
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
                                 + SCHEMA)
        connection.execute("BEGIN")
        insert(connection, "users", user_rows(users), users)
        insert(connection, "photos", photo_rows(users, photos), photos)
        print("   index on photos.user_id", flush=True)
        connection.execute(INDEX)
        connection.execute("INSERT INTO filled VALUES (?, ?, ?)", (VERSION, users, photos))
        connection.execute("COMMIT")
        connection.execute("ANALYZE")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        # Kept in the file from here on: readers of both servers go on while one of them writes.
        connection.execute("PRAGMA journal_mode = WAL")
    if not is_complete(path, users, photos):
        raise SystemExit(f"fill.py: {path} does not hold the rows just written; is the disk full?")
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def remove(*paths):
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def fill(path, users, photos):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second fill waits, then finds the work done
        if is_complete(path, users, photos):
            print(f"== {path} is filled: {users:,} users, {photos:,} photos")
            return
        print(f"== filling {path}: {users:,} users, {photos:,} photos", flush=True)
        start = time.monotonic()
        partial = path + ".partial"
        remove(partial, partial + "-wal", partial + "-shm")
        make(partial, users, photos)
        # An old log beside the new database would be replayed into it.
        remove(path, path + "-wal", path + "-shm")
        os.rename(partial, path)
        print(f"   done in {time.monotonic() - start:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Makes the demo's database, the same rows on every machine.")
    parser.add_argument("database")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--photos", type=int, default=1_000_000)
    arguments = parser.parse_args()
    if arguments.users < 1 or arguments.photos < 1:
        parser.error("--users and --photos are at least 1")
    try:
        fill(arguments.database, arguments.users, arguments.photos)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
