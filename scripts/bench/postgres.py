"""A PostgreSQL of the bench's own: in a folder of its own, on a unix socket there, gone at the end."""
import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess

from processes import Failed, Process, temporary_folder

_INITDB = "/usr/lib/postgresql/*/bin/initdb"  # where Debian has it for each version, beside the others; not of a client alone
_NAME = "flickr"
_AT_ONCE = signal.SIGINT  # to end; at SIGTERM it would wait for who is connected


def unprivileged_user():
    """Who runs what refuses to be run by root; None: whoever runs this is good enough. The user comes with Debian's package."""
    return "postgres" if os.geteuid() == 0 else None


class Postgres(contextlib.AbstractContextManager):
    """`url` is that of an empty database, for who may enter the folder: its owner and root. Nothing waits for the disk, since
    nothing has to survive the machine; all else is as it comes."""

    def __init__(self):
        found = sorted(glob.glob(_INITDB), key=lambda path: int(path.split("/")[-3]))
        if not found:
            raise Failed(f"PostgreSQL is not there: no {_INITDB}; scripts/setup test installs it")
        self._binaries = os.path.dirname(found[-1])
        self._user = unprivileged_user()
        self.name = self._user or pwd.getpwuid(os.geteuid()).pw_name
        self._process = None
        self.folder = temporary_folder("weir-postgres")
        try:
            if self._user:
                shutil.chown(self.folder, self._user)
            self._start()
        except BaseException:
            self.__exit__()
            raise
        self.pid = self._process.pid
        self.url = f"postgresql:///{_NAME}?host={self.folder}&user={self.name}"

    def _start(self):
        data = os.path.join(self.folder, "data")
        done = subprocess.run([self._binary("initdb"), "--pgdata", data, "--username", self.name, "--auth=trust", "--no-locale",
                               "--encoding=UTF8", "--no-sync"], user=self._user, cwd="/", text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise Failed(f"initdb failed: {done.stdout.strip()[-2000:]}")
        settings = {"listen_addresses": "", "unix_socket_directories": self.folder, "fsync": "off", "synchronous_commit": "off",
                    "full_page_writes": "off"}
        arguments = [self._binary("postgres"), "-D", data]
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        self._process = Process(arguments, None, os.path.join(self.folder, "log"), user=self._user,
                                orphaned=_AT_ONCE)
        if not self._process.await_value(lambda: self._ask("postgres", "SELECT 1").returncode == 0 or None, 60):
            raise Failed(f"PostgreSQL did not start: {self._process.logged().strip()[-2000:]}")
        self.ask(f"CREATE DATABASE {_NAME}", "postgres")

    def _binary(self, name):
        return os.path.join(self._binaries, name)

    def _ask(self, database, query):
        return subprocess.run([self._binary("psql"), "-XAtq", "-h", self.folder, "-U", self.name, "-d", database, "-c", query],
                              text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ask(self, query, database=_NAME):
        """The rows of the answer, as lines with | between the columns."""
        done = self._ask(database, query)
        if done.returncode != 0:
            raise Failed(f"PostgreSQL: {done.stderr.strip()}")
        return done.stdout.splitlines()

    def __exit__(self, *_):
        if self._process:
            if self._process.alive():
                self._process.signal(_AT_ONCE)
                with contextlib.suppress(Failed):
                    self._process.await_value(lambda: None)
            self._process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
