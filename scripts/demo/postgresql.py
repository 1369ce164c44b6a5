"""A connection to PostgreSQL with the face of one of sqlite3's, as far as this application uses it; needs python3-psycopg2."""
import psycopg2
import psycopg2.extensions
import psycopg2.extras

Error = psycopg2.Error
_BYTEA = 17  # the number of the type


def _bytes(value, cursor):
    """As sqlite3 gives a BLOB; psycopg2 would give a memoryview."""
    return None if value is None else bytes(psycopg2.BINARY(value, cursor))


class Connection:
    """Every statement is a transaction of its own, but between "BEGIN" and the end of a "with" block."""

    def __init__(self, url):
        self._connection = psycopg2.connect(url, cursor_factory=psycopg2.extras.DictCursor)
        self._connection.autocommit = True
        psycopg2.extensions.register_type(psycopg2.extensions.new_type((_BYTEA,), "BYTES", _bytes), self._connection)

    @property
    def closed(self):
        """Whether nothing can be asked any more, since PostgreSQL has closed it, too."""
        return bool(self._connection.closed)

    def execute(self, query, values=()):
        cursor = self._connection.cursor()
        cursor.execute(query.replace("?", "%s"), values)
        return cursor

    def copy(self, table, lines):
        """Adds rows from a file of lines: columns with tabs between them."""
        self._connection.cursor().copy_expert(f"COPY {table} FROM STDIN", lines)

    def close(self):
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if not self.closed:
            self.execute("COMMIT" if kind is None else "ROLLBACK")
