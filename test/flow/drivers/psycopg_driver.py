#!/usr/bin/python3
"""psycopg 3 in its default mode: a transaction begins with the first statement."""
import psycopg

import lines


class Driver:
    def open(self, url, hold=None):
        self.conn = psycopg.connect(url, options=f"-c phi.hold={hold}" if hold else None)
        self.conn.add_notice_handler(lambda d: None)

    def _result(self, cur):
        return {"rows": [[None if v is None else str(v) for v in r] for r in cur.fetchall()] if cur.description else [], "count": cur.rowcount}

    def run(self, sql, params=(), prepare=None):
        try:
            answer = self._result(self.conn.execute(sql, tuple(params) or None, prepare=prepare))
            self.conn.commit()
            return answer
        except BaseException:
            self.conn.rollback()
            raise

    def cancel(self):
        self.conn.cancel()

    def begin(self):
        pass

    def step(self, sql, params=()):
        return self._result(self.conn.execute(sql, tuple(params) or None))

    def rollback(self):
        self.conn.rollback()

    def prepare(self, sql):
        self.prepared = sql

    def execute(self, params=()):
        return self.run(self.prepared, params, prepare=True)

    def batch(self, list):  # pylint: disable=redefined-builtin
        try:
            with self.conn.pipeline():
                curs = [self.conn.execute(sql, tuple(params) or None) for sql, params in list]
            counts = [c.rowcount for c in curs]
            self.conn.commit()
            return {"counts": counts}
        except BaseException:
            self.conn.rollback()
            raise

    def close(self):
        self.conn.close()


lines.serve(Driver(), lambda e: (e.sqlstate or "", str(e)) if isinstance(e, psycopg.Error) else None)
