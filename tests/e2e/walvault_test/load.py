# SPDX-License-Identifier: PostgreSQL
"""Writers that keep a server busy, and know what they have committed."""

import contextlib
import threading

import psycopg2

ID_STRIDE = 10_000_000
LARGEST_PAYLOAD = 6000


class Load:
    """Several writers, each inserting rows in transactions of its own.

    A context manager: the writers work while it lasts. ``committed`` maps id to
    payload for every row whose commit was acknowledged. It is exact while the
    writers are ``paused()``, because then no transaction is open.
    """

    def __init__(self, pg, rng, writers=3):
        pg.sql("CREATE TABLE rows (id int PRIMARY KEY, payload text NOT NULL)")
        self.pg = pg
        self.committed = {}
        self._stopping = threading.Event()
        self._failures = []
        self._locks = [threading.Lock() for _ in range(writers)]
        self._threads = [
            threading.Thread(target=self._write, args=(number, rng.getrandbits(32)))
            for number in range(writers)
        ]

    def _write(self, number, seed):
        import random

        rng = random.Random(seed)
        next_id = (number + 1) * ID_STRIDE
        connection = self.pg.connect()
        try:
            with connection.cursor() as cursor:
                while not self._stopping.is_set():
                    count = rng.randint(1, 5)
                    with self._locks[number]:
                        self._insert(cursor, rng, range(next_id, next_id + count))
                    next_id += count
        except psycopg2.Error as error:
            self._failures.append(error)
        finally:
            connection.close()

    def _insert(self, cursor, rng, ids):
        rows = {id: rng.randbytes(rng.randint(1, LARGEST_PAYLOAD // 2)).hex() for id in ids}
        values = ",".join(["(%s,%s)"] * len(rows))
        flat = [field for row in rows.items() for field in row]
        cursor.execute(f"INSERT INTO rows VALUES {values}", flat)
        self.committed.update(rows)

    @contextlib.contextmanager
    def paused(self):
        """While this lasts no writer is in a transaction."""
        with contextlib.ExitStack() as stack:
            for lock in self._locks:
                stack.enter_context(lock)
            yield

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        assert not self._failures, self._failures
