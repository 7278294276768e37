"""What Python's MySQL modules send: escaped texts, executemany, warnings, several results, LOCAL INFILE.
Prints what it got, one line each.

    python3 my_clients.py pymysql|MySQLdb PORT DATABASE [compress]
"""

import datetime
import decimal
import importlib
import os
import sys
import tempfile
import warnings

warnings.simplefilter("ignore")
SAMPLES = [
    0, -1, 2**63 - 1, 2**64 - 1, 1.5, -1e300, decimal.Decimal("12.500"), "", "it's; %s ?", "Zoë 漢字 🐘", "tab\tnewline\n\\ \"q\"",
    b"\x00\x01\xff'\\", None, True, datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 13, 14, 15, 678),
    datetime.timedelta(days=3, seconds=7), "x" * 100_000,
]


def show(label, *values):
    print(label, *(repr(value)[:300] for value in values))


def attempt(label, action):
    try:
        show(label, action())
    except Exception as error:
        show(label, type(error).__name__, error.args[0] if error.args else None)


def ask(cursor, text, values=None):
    cursor.execute(text, values)
    return cursor.fetchall()


def statements(connection, cursor):
    cursor.execute("CREATE TABLE python (id INT PRIMARY KEY AUTO_INCREMENT, t TEXT, b LONGBLOB, n DECIMAL(10,2)) ENGINE=InnoDB")
    for sample in SAMPLES:
        attempt("value", lambda: ask(cursor, "SELECT HEX(%s)" if isinstance(sample, bytes) else "SELECT %s", (sample,)))
    show("many", cursor.executemany("INSERT INTO python (t, n) VALUES (%s, %s)", [(f"row {n}; 'x'", n / 4) for n in range(300)]))
    show("each", cursor.executemany("UPDATE python SET n = n + %s WHERE id = %s", [(n, n + 1) for n in range(20)]))
    show("sum", ask(cursor, "SELECT COUNT(*), SUM(n), MAX(t) FROM python"))
    connection.commit()
    cursor.execute("DELETE FROM python WHERE id < 10")
    connection.rollback()
    show("left", ask(cursor, "SELECT COUNT(*) FROM python"))
    for text in ["SELEC 1", "SELECT * FROM nowhere", "INSERT INTO python (id) VALUES (1), (1)", "", "SELECT 1/0", "KILL 99999999"]:
        attempt(text, lambda: ask(cursor, text))
    show("named", ask(cursor, "SELECT %(a)s + %(b)s", {"a": 1, "b": 2}))
    cursor.execute("SELECT seq, REPEAT('r', seq %% 50) FROM seq_1_to_3000 WHERE seq > %s" % 0)
    show("rows", sum(len(row[1]) for row in cursor.fetchall()))


def procedures(cursor):
    cursor.execute("CREATE PROCEDURE two(IN a INT, INOUT b TEXT) BEGIN SELECT a; SELECT b, a + 1; SET b = CONCAT(b, '!'); END")
    cursor.callproc("two", (7, "it's"))
    while True:
        show("result", cursor.fetchall())
        if not cursor.nextset():
            break
    show("out", ask(cursor, "SELECT @_two_0, @_two_1"))


def local_file(cursor):
    with tempfile.TemporaryDirectory(prefix="querytap-py-") as directory:
        path = os.path.join(directory, "rows.tsv")
        with open(path, "w", encoding="utf8") as file:
            file.write("".join(f"{n}\tfrom a file ë {n}\n" for n in range(1000, 6000)))
        show("loaded", cursor.execute("LOAD DATA LOCAL INFILE %s INTO TABLE python CHARACTER SET utf8mb4 (id, t)", (path,)))
        attempt("no file", lambda: cursor.execute("LOAD DATA LOCAL INFILE %s INTO TABLE python", (path + ".missing",)))
    attempt("after", lambda: ask(cursor, "SELECT COUNT(*), MAX(t) FROM python"))


def main():
    name, port, database = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    module = importlib.import_module(name)
    options = {"host": "127.0.0.1", "port": port, "user": "root", "database": database, "charset": "utf8mb4", "local_infile": True}
    if len(sys.argv) > 4:
        options["compress"] = True
    connection = module.connect(**options)
    cursor = connection.cursor()
    statements(connection, cursor)
    procedures(cursor)
    local_file(cursor)
    attempt("ping", lambda: connection.ping())
    attempt("select_db", lambda: connection.select_db("mysql"))
    attempt("select_db", lambda: connection.select_db("no such database"))
    attempt("now", lambda: ask(connection.cursor(), "SELECT DATABASE()"))
    streamed = connection.cursor(importlib.import_module(f"{name}.cursors").SSCursor)
    streamed.execute("SELECT seq FROM seq_1_to_500")
    show("streamed", sum(row[0] for row in streamed))
    streamed.close()
    connection.close()


main()
