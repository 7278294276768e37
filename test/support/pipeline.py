"""libpq's pipelines by psycopg 3: many statements before the first answer, errors inside a pipeline,
binary and text parameters, named statements, server-side cursors. Prints what it got, one line each.

    python3 pipeline.py CONNINFO
"""

import datetime
import decimal
import sys
import uuid

import psycopg
from psycopg.types.json import Jsonb


def show(label, *values):
    print(label, *(repr(value) for value in values))


def batches(conn):
    with conn.pipeline() as pipeline:
        cursors = [conn.execute("SELECT %s::int + %s::int", (n, n * 2)) for n in range(200)]
        pipeline.sync()
        show("sums", [cursor.fetchone()[0] for cursor in cursors])
        conn.execute("CREATE TABLE piped (n int PRIMARY KEY, t text)")
        cursor = conn.cursor()
        cursor.executemany(
            "INSERT INTO piped VALUES (%s, %s) RETURNING n", [(n, f"row {n}; 'x'") for n in range(300)], returning=True
        )
        conn.execute("UPDATE piped SET t = NULL WHERE n %% 3 = %s", (0,), prepare=True)
    show("count", conn.execute("SELECT count(*), count(t) FROM piped").fetchone())


def failures(conn):
    for round in range(10):
        try:
            with conn.pipeline():
                conn.execute("SELECT %s::text", (f"before {round}",))
                conn.execute("SELECT 1 / %s::int", (0,))
                conn.execute("DELETE FROM piped WHERE n = %s", (round,))
                conn.execute("SELECT %s::text", (f"after {round}",))
        except psycopg.Error as error:
            show("failed", round, error.sqlstate)
    show("left", conn.execute("SELECT count(*) FROM piped").fetchone())
    for query, values in [("SELECT %s::int", ("not a number",)), ("SELEC %s", (1,)), ("SELECT * FROM missing WHERE a = %s", (1,))]:
        try:
            with conn.pipeline():
                conn.execute("SELECT %s::int", (1,))
                conn.execute(query, values)
                conn.execute("SELECT %s::int", (2,))
        except psycopg.Error as error:
            show("failed", query, error.sqlstate)


def values(conn):
    samples = [
        True, False, None, 0, -1, 2**31 - 1, -(2**31), 2**40, 1.5, float("nan"), float("inf"), decimal.Decimal("123.4500"),
        "", "text", "O'Hara; $1", "Zoë 漢字 🐘", "tab\tnewline\n\\", b"\x00\x01\xff", b"", datetime.date(2024, 2, 29),
        datetime.time(13, 14, 15, 678), datetime.datetime(2024, 2, 29, 13, 14, 15),
        datetime.datetime(2024, 2, 29, 13, 14, 15, 678000, tzinfo=datetime.timezone.utc), datetime.timedelta(days=3, seconds=7),
        uuid.UUID("12345678-1234-5678-1234-567812345678"), Jsonb({"a": [1, None, "x"]}), [1, 2, 3], [None, "a,b", 'q"uote'],
    ]
    for placeholder in ("%t", "%b"):
        for sample in samples:
            try:
                with conn.transaction():
                    row = conn.execute(f"SELECT {placeholder}", (sample,)).fetchone()
                    show("value", placeholder, row[0])
            except psycopg.Error as error:
                show("value", placeholder, sample, error.sqlstate)


def cursors(conn):
    with conn.transaction(), conn.cursor(name="walk") as cursor:
        cursor.execute("SELECT g FROM generate_series(1, %s) g", (1000,))
        show("cursor", cursor.fetchmany(10), len(cursor.fetchall()))
    with conn.cursor() as cursor:
        show("stream", sum(row[0] for row in cursor.stream("SELECT generate_series(1, %s::int)", (500,))))
    for n in range(10):
        show("prepared", conn.execute("SELECT n, t FROM piped WHERE n = %s", (100 + n,), prepare=True).fetchone())


def main():
    with psycopg.connect(sys.argv[1], autocommit=True, prepare_threshold=1000) as conn:
        batches(conn)
        failures(conn)
        values(conn)
        cursors(conn)
    with psycopg.connect(sys.argv[1]) as conn:
        with conn.pipeline():
            for n in range(50):
                conn.execute("INSERT INTO piped VALUES (%s, 'in a transaction')", (1000 + n,))
        conn.rollback()
        show("rolled back", conn.execute("SELECT count(*) FROM piped WHERE n >= 1000").fetchone())


main()
