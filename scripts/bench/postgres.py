"""A PostgreSQL of the bench's own: in a folder of its own, on a unix socket there, gone at the end."""
import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from processes import Failed, Process

_BINARIES = "/usr/lib/postgresql/*/bin"  # where Debian has them, for each version
_NAME = "flickr"


def unprivileged_user():
    """Who runs what refuses to be run by root; None: whoever runs this is good enough. The user comes with Debian's package."""
    return "postgres" if os.geteuid() == 0 else None


class Postgres(contextlib.AbstractContextManager):
    """`url` is that of an empty database, for who may enter the folder: its owner and root. Nothing waits for the disk, since
    nothing has to survive the machine; all else is as it comes."""

    def __init__(self):
        found = sorted(glob.glob(_BINARIES), key=lambda path: int(path.split("/")[-2]))
        if not found:
            raise Failed(f"PostgreSQL is not there: no {_BINARIES}; scripts/setup bench installs it")
        self._binaries = found[-1]
        self._user = unprivileged_user()
        self.name = self._user or pwd.getpwuid(os.geteuid()).pw_name
        self._process = None
        self.folder = tempfile.mkdtemp(prefix="weir-postgres-", dir="/tmp")  # a socket's path may not be long
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
        self._process = Process(arguments, None, os.path.join(self.folder, "log"), user=self._user)
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
                self._process.signal(signal.SIGINT)  # without waiting for who is connected
                with contextlib.suppress(Failed):
                    self._process.await_value(lambda: None)
            self._process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
