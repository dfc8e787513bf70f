#!/usr/bin/python3
"""asyncpg in its default mode: prepared statements, implicit transactions, Flush after Parse."""
import asyncio
import concurrent.futures
import re
import threading

import asyncpg

import lines

LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()


def wait(coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result()


def convert(params):
    return [int(p) if isinstance(p, int) else p for p in params]


class Driver:
    def open(self, url, hold=None):
        settings = {"phi.hold": hold} if hold else None
        self.conn = wait(asyncpg.connect(url, server_settings=settings, ssl=False))

    async def _run(self, prepared, params):
        rows = await prepared.fetch(*convert(params))
        m = re.search(r"(\d+)$", prepared.get_statusmsg() or "")
        return {"rows": [[None if v is None else str(v) for v in r] for r in rows], "count": int(m.group(1)) if m else -1}

    async def _once(self, sql, params):
        return await self._run(await self.conn.prepare(sql.replace("%s", "$1")), params)

    def run(self, sql, params=()):
        self.task = asyncio.run_coroutine_threadsafe(self._once(sql, params), LOOP)
        try:
            return self.task.result()
        except (asyncio.CancelledError, concurrent.futures.CancelledError):
            raise RuntimeError("cancelled") from None

    def cancel(self):
        # asyncpg sends a CancelRequest for a cancelled task; the server's error does not reach the caller
        self.task.cancel()

    def begin(self):
        self.tx = self.conn.transaction()
        wait(self.tx.start())

    def step(self, sql, params=()):
        return wait(self._once(sql, params))

    def rollback(self):
        wait(self.tx.rollback())

    def prepare(self, sql):
        self.prepared = wait(self.conn.prepare(sql.replace("%s", "$1")))

    def execute(self, params=()):
        return wait(self._run(self.prepared, params))

    def batch(self, list):  # pylint: disable=redefined-builtin
        sql = list[0][0].replace("%s", "$1")
        wait(self.conn.executemany(sql, [convert(p) for _, p in list]))
        return {"counts": [1] * len(list)}

    def close(self):
        wait(self.conn.close())


def known(e):
    if isinstance(e, asyncpg.PostgresError):
        return e.sqlstate or "", str(e)
    if isinstance(e, RuntimeError) and str(e) == "cancelled":
        return "57014", "cancelled"
    return None


lines.serve(Driver(), known)
