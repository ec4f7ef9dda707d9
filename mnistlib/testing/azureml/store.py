"""Store of JSON documents in SQLite, each under a kind and a key."""

import json
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class Store:
    """JSON documents that survive a restart, in a database that is created if necessary; safe in any thread."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        # A power cut may cost the last second of a test's state; waiting for the disk would cost every test more.
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS documents ("
            " number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,"
            " UNIQUE (kind, key))"
        )

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def get(self, kind: str, key: str) -> Document | None:
        """Return the document, or None."""
        with self._lock:
            row = self._database.execute("SELECT body FROM documents WHERE kind=? AND key=?", (kind, key)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, kind: str, key: str, body: Document) -> Document:
        """Write a document, in place of any with this key; return it."""
        with self._lock:
            self._database.execute(
                "INSERT INTO documents (kind, key, body) VALUES (?, ?, ?)"
                " ON CONFLICT (kind, key) DO UPDATE SET body=excluded.body",
                (kind, key, json.dumps(body)),
            )
        return body

    def add(self, kind: str, key: str, body: Document) -> bool:
        """Write a document unless the key is taken; return whether it was written."""
        with self._lock:
            cursor = self._database.execute(
                "INSERT OR IGNORE INTO documents (kind, key, body) VALUES (?, ?, ?)", (kind, key, json.dumps(body))
            )
            return cursor.rowcount == 1

    def change(self, kind: str, key: str, change: Callable[[Document], None]) -> Document | None:
        """Change a document in place, without other writers; return the result, None for an unknown key."""
        with self._lock:
            body = self.get(kind, key)
            if body is None:
                return None
            change(body)
            return self.put(kind, key, body)

    def delete(self, kind: str, key: str) -> bool:
        """Delete the document; return whether it existed."""
        with self._lock:
            return self._database.execute("DELETE FROM documents WHERE kind=? AND key=?", (kind, key)).rowcount == 1

    def all(self, kind: str, *, prefix: str = "") -> list[Document]:
        """Return the documents with a key prefix, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT body FROM documents WHERE kind=? AND substr(key, 1, ?)=? ORDER BY number",
                (kind, len(prefix), prefix),
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def next_number(self, counter: str) -> int:
        """Return the next number of a counter: 1, 2, 3 and so on."""
        with self._lock:
            number = self.last_number(counter) + 1
            self.put("counter", counter, {"value": number})
            return number

    def last_number(self, counter: str) -> int:
        """Return the last number of a counter, 0 for a new one."""
        return int((self.get("counter", counter) or {"value": 0})["value"])

    def raise_number(self, counter: str, number: int) -> None:
        """Raise a counter to `number`, unless it is higher."""
        with self._lock:
            self.put("counter", counter, {"value": max(number, self.last_number(counter))})
