/**
 * Hundreds of different SQL statements as scripts for psql: every kind of statement, literal and comment
 * that
 * a text can hold, and messages of several statements (`\;`). What they print does not depend on the time,
 * the process or the database's name, so that two runs can be compared byte by byte.
 */

const times = (count: number, make: (index: number) => string): string[] =>
  Array.from({ length: count }, (_, index) => make(index))

const ddl = (): string[] => [
  'CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, born date, note text, data jsonb)',
  'CREATE TABLE orders (id serial PRIMARY KEY, person int REFERENCES people DEFERRABLE, total numeric(12,2))',
  'CREATE UNIQUE INDEX people_name ON people (lower(name))',
  'CREATE VIEW totals AS SELECT person, sum(total) AS total FROM orders GROUP BY person',
  'CREATE MATERIALIZED VIEW names AS SELECT name FROM people',
  "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy; very')",
  'CREATE TYPE pair AS (a int, b text)',
  "CREATE DOMAIN short AS text CHECK (length(VALUE) < 10 AND VALUE <> ';')",
  'CREATE SEQUENCE numbers START 100 INCREMENT 5',
  'CREATE SCHEMA "odd name; DROP TABLE x"',
  'CREATE TABLE "odd name; DROP TABLE x"."T\'1" ("Col ""umn" int)',
  "ALTER TABLE people ADD COLUMN feeling mood DEFAULT 'ok'",
  'ALTER TABLE people RENAME COLUMN note TO remark',
  'COMMENT ON TABLE people IS $$it\'s a "comment"; -- not the end$$',
  'CREATE ROLE corpus_reader',
  'GRANT SELECT ON people TO corpus_reader',
  'CREATE UNLOGGED TABLE scratch (n int)',
  'CREATE RULE no_delete AS ON DELETE TO people DO INSTEAD (SELECT 1; SELECT 2)',
  'DROP RULE no_delete ON people',
  'TRUNCATE orders RESTART IDENTITY CASCADE',
  'ANALYZE people',
  'REINDEX TABLE people',
]

const functions = (): string[] => [
  'CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT a + b; $$',
  'CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT n; SELECT n * 2; END',
  "CREATE FUNCTION fails(t text) RETURNS void LANGUAGE plpgsql AS $body$ BEGIN RAISE EXCEPTION 'no: %', t USING ERRCODE = 'QT001'; END $body$",
  'CREATE PROCEDURE fill(n int) LANGUAGE plpgsql AS $p$ BEGIN FOR i IN 1..n LOOP INSERT INTO scratch VALUES (i); COMMIT; END LOOP; END $p$',
  'CREATE FUNCTION nested() RETURNS text LANGUAGE plpgsql AS $a$ DECLARE r text; BEGIN EXECUTE $b$ SELECT $c$deep; $c$ $b$ INTO r; RETURN r; END $a$',
  'SELECT add(1, 2), twice(21), nested()',
  'CALL fill(3)',
  "SELECT fails('because')",
  'DO $$ BEGIN PERFORM 1; END $$',
  "DO LANGUAGE plpgsql 'BEGIN PERFORM ''quoted; text''; END'",
  'CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.remark := coalesce(NEW.remark, $q$-$q$); RETURN NEW; END $$',
  'CREATE TRIGGER stamp BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION stamp()',
]

const people = (): string[] =>
  times(60, (n) => {
    const name = ["O''Hara", 'Zoë', '名前', 'Иван', 'a\tb', 'semi;colon', '--dash', '/*star', '$1', '\\'][
      n % 10
    ]
    const born = n % 7 === 0 ? 'NULL' : `'19${40 + n}-0${1 + (n % 9)}-1${n % 10}'`
    return `INSERT INTO people (id, name, born, data) VALUES (${n}, '${name} ${n}', ${born}, '{"n": ${n}}')`
  })

const dml = (): string[] => [
  ...people(),
  ...times(40, (n) => `INSERT INTO orders (person, total) VALUES (${n}, ${n}.${n}) RETURNING id`),
  ...times(20, (n) => `UPDATE people SET remark = 'note ${n}' WHERE id % 20 = ${n}`),
  ...times(10, (n) => `DELETE FROM orders WHERE person = ${n * 4}`),
  "INSERT INTO people (id, name) VALUES (1, 'twice') ON CONFLICT (id) DO UPDATE SET name = excluded.name || '!'",
  'MERGE INTO orders o USING people p ON o.person = p.id WHEN MATCHED THEN UPDATE SET total = total + 1 WHEN NOT MATCHED THEN DO NOTHING',
  'WITH gone AS (DELETE FROM orders WHERE total < 5 RETURNING *), kept AS (SELECT count(*) FROM orders) SELECT count(*), (SELECT * FROM kept) FROM gone',
  'REFRESH MATERIALIZED VIEW names',
]

const selects = (): string[] => [
  ...times(60, (n) => `SELECT ${n} AS n, repeat('${String.fromCharCode(97 + (n % 26))}', ${n}) AS text`),
  ...times(30, (n) => `SELECT id, name FROM people WHERE id BETWEEN ${n} AND ${n * 2} ORDER BY id`),
  ...times(
    20,
    (n) => `SELECT /* comment ${n}; /* nested */ */ count(*) FROM orders -- tail ${n}; not the end\n`,
  ),
  'TABLE totals',
  "VALUES (1, 'a'), (2, NULL), (3, '')",
  'WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 100) SELECT sum(n), max(n) FROM t',
  'SELECT g, g * 2 FROM generate_series(1, 2000) g',
  "SELECT repeat('x', 100000)",
  'SELECT',
  "SELECT NULL, '', ' '",
  'EXPLAIN (COSTS off) SELECT * FROM people WHERE id = 1',
  'SELECT name, rank() OVER (ORDER BY born NULLS LAST, id) FROM people WHERE data @> \'{"n": 3}\'',
  'SELECT * FROM people p JOIN LATERAL (SELECT count(*) FROM orders o WHERE o.person = p.id) c ON true ORDER BY p.id LIMIT 5',
]

const literals = (): string[] => [
  "SELECT 'it''s', E'it\\'s\\n\\t\\u00e9', U&'d\\0061t\\+000061', U&'d!0061t' UESCAPE '!'",
  "SELECT $$dollar 'quoted' \"text\"; -- $$, $tag$with $$ inside$tag$, B'101', X'1F', N'national'",
  "SELECT 'contin'\n  'ued', 'ünïcödé 漢字 🐘 \u2028 \u00a0'",
  'SELECT 1 AS "quoted ""identifier"", with; semicolon", 2 AS U&"d\\0061ta"',
  'SET standard_conforming_strings = off',
  "SELECT 'back\\\\slash', 'it\\'s; SELECT 1'",
  'SET standard_conforming_strings = on',
  'SELECT 1::int4, 2::bigint + -3, 4.5e-6, .5, 1000.',
  "SELECT '\\x00ff'::bytea, '{1,NULL,3}'::int[], '[2024-01-01,2024-02-01)'::daterange, interval '1 mon 2 days'",
  "SELECT '%', '\\', ':notavariable', '<redacted>', 'line\nbreak'",
]

const transactions = (): string[] => [
  'BEGIN',
  'SAVEPOINT a',
  "INSERT INTO people (id, name) VALUES (1000, 'in a transaction')",
  'SELECT 1 / 0',
  'SELECT 1',
  'ROLLBACK TO a',
  'RELEASE a',
  'SELECT count(*) FROM people WHERE id = 1000',
  'COMMIT',
  'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY',
  'DELETE FROM people',
  'COMMIT AND CHAIN',
  'ROLLBACK AND NO CHAIN',
  'START TRANSACTION',
  'SET CONSTRAINTS ALL DEFERRED',
  'INSERT INTO orders (person, total) VALUES (99999, 1)',
  'COMMIT',
  'ROLLBACK',
  "SET LOCAL statement_timeout = '20ms'",
  "SET statement_timeout = '20ms'",
  'SELECT pg_sleep(10)',
  'RESET statement_timeout',
]

const prepared = (): string[] => [
  'PREPARE person (int) AS SELECT id, name FROM people WHERE id = $1',
  ...times(15, (n) => `EXECUTE person(${n})`),
  'PREPARE person AS SELECT 1',
  'EXPLAIN (COSTS off) EXECUTE person(1)',
  'CREATE TABLE made AS EXECUTE person(2)',
  'DEALLOCATE person',
  'EXECUTE person(1)',
  'BEGIN',
  'DECLARE walk SCROLL CURSOR FOR SELECT g FROM generate_series(1, 50) g',
  ...times(10, (n) => `FETCH ${n} FROM walk`),
  'FETCH BACKWARD 3 FROM walk',
  'MOVE LAST IN walk',
  'CLOSE walk',
  'DECLARE held CURSOR WITH HOLD FOR SELECT 1',
  'COMMIT',
  'FETCH ALL FROM held',
  'CLOSE ALL',
  'DEALLOCATE ALL',
  'DISCARD ALL',
]

const errors = (): string[] => [
  'SELEC 1',
  'SELECT * FROM no_such_table',
  'SELECT no_such_function(1)',
  'SELECT 1 ) 2',
  "INSERT INTO people (id, name) VALUES (1, 'duplicate')",
  'INSERT INTO people (id) VALUES (77777)',
  "SELECT 'x'::int",
  'SELECT 1; SELECT 1 / 0; SELECT 2',
  "SELECT '2024-02-30'::date",
  'DROP TABLE no_such_table',
  'DROP TABLE IF EXISTS no_such_table',
  'CREATE TABLE people (id int)',
  'VACUUM ANALYZE people \\; SELECT 1',
  'LOCK TABLE people',
  "SELECT set_config('no.such', 'but fine', false)",
  'SHOW no_such_setting',
  'ALTER TABLE people DROP COLUMN id, DROP COLUMN nothing',
]

const together = (): string[] => [
  'SELECT 1 \\; SELECT 2 \\; SELECT 3',
  'BEGIN \\; INSERT INTO orders (person, total) VALUES (2, 2) \\; COMMIT',
  'SELECT 1 \\; SELECT 1 / 0 \\; SELECT 3',
  'BEGIN \\; SELECT 1 / 0 \\; COMMIT',
  'ROLLBACK',
  "SELECT ';' AS a \\; SELECT $$;$$ AS b \\; /* ; */ SELECT 3",
  'UPDATE people SET remark = NULL WHERE id < 3 \\; DELETE FROM orders WHERE id < 3 \\; TABLE totals',
  'CREATE TABLE passing (n int) \\; INSERT INTO passing SELECT generate_series(1, 10) \\; DROP TABLE passing',
  ...times(20, (n) => `SELECT ${n} \\; SELECT ${n} + 1 \\; SELECT 'last ${n}'`),
]

const copies = (): string[] => [
  'CREATE TABLE lines (n int, t text)',
  `COPY lines FROM STDIN;\n${times(50, (n) => `${n}\tline ${n}; SELECT 1; \\\\N`).join('\n')}\n\\.\n`,
  'COPY lines FROM STDIN WITH (FORMAT csv);\n100,"quoted; ""text"""\n101,\n\\.\n',
  'COPY lines FROM STDIN;\nnot a number\tx\n\\.\n',
  'COPY lines TO STDOUT',
  'COPY (SELECT n, t FROM lines WHERE n < 5 ORDER BY n) TO STDOUT WITH (FORMAT csv, HEADER)',
  'COPY lines TO STDOUT WITH (FORMAT binary) \\; SELECT 1',
  'COPY no_such_table TO STDOUT',
]

const settings = (): string[] => [
  "SET application_name = 'corpus; name'",
  'SET search_path = public, "odd name; DROP TABLE x"',
  'SHOW search_path',
  'RESET search_path',
  'SET ROLE corpus_reader',
  'SELECT current_user',
  "INSERT INTO people (id, name) VALUES (5000, 'not allowed')",
  'RESET ROLE',
  "SET client_encoding = 'LATIN1'",
  "SELECT 'Latin one'",
  'RESET client_encoding',
  "SET DateStyle = 'German'",
  "SELECT date '2024-12-31'",
  'RESET ALL',
  'LISTEN channel',
  "NOTIFY channel, 'payload; with ''quotes'''",
  'UNLISTEN *',
  'SELECT pg_advisory_lock(1), pg_advisory_unlock(1), txid_current_if_assigned() IS NULL',
]

const cleanUp = (): string[] => [
  'DROP OWNED BY corpus_reader',
  'DROP ROLE corpus_reader',
  '',
  ' ',
  '/* only a comment */',
]

const terminated = (statement: string): string =>
  statement.endsWith('\\.\n') ? statement : `${statement}\n;`

/** Scripts by name, to be run by `psql -X -f -` in this order in one empty database. About 600 messages. */
export const sqlCorpus = (): Readonly<Record<string, string>> => {
  const parts = {
    ddl,
    functions,
    dml,
    selects,
    literals,
    transactions,
    prepared,
    errors,
    together,
    copies,
    settings,
    cleanUp,
  }
  const scripts = Object.entries(parts).map(([name, make]) => [
    name,
    `${make().map(terminated).join('\n')}\n`,
  ])
  return Object.fromEntries(scripts) as Record<string, string>
}

/** A script that calls functions by the fast path: psql handles large objects that way. */
export const largeObjectScript = (file: string, copy: string): string => `
\\lo_import ${file} 'a large object'
SELECT count(*) FROM pg_largeobject_metadata;
\\lo_export :LASTOID ${copy}
\\lo_unlink :LASTOID
`
