/**
 * Hundreds of different SQL statements as scripts for the mariadb CLI, for MariaDB and MySQL: every kind of
 * statement, literal and comment that a text can hold. What they print does not depend on the time, the
 * session or the database's name, so that two runs can be compared byte by byte.
 */

const times = (count: number, make: (index: number) => string): string[] =>
  Array.from({ length: count }, (_, index) => make(index))

const ddl = (): string[] => [
  'CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(80) NOT NULL, born DATE, note TEXT) ENGINE=InnoDB',
  'CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, person INT, total DECIMAL(12,2), KEY (person)) ENGINE=InnoDB',
  'CREATE TABLE kinds (a TINYINT, b BIGINT UNSIGNED, c DOUBLE, d DATETIME(3), e TIME, f YEAR, g BIT(5), h BLOB, i ENUM("x","y;z"), j SET("p","q"))',
  'CREATE UNIQUE INDEX people_name ON people (name)',
  'CREATE VIEW totals AS SELECT person, SUM(total) AS total FROM orders GROUP BY person',
  'CREATE TABLE `odd name; DROP TABLE x` (`Col ``umn` INT, `?` INT)',
  'INSERT INTO `odd name; DROP TABLE x` VALUES (1, 2)',
  'SELECT `Col ``umn`, `?` FROM `odd name; DROP TABLE x`',
  "ALTER TABLE people ADD COLUMN feeling VARCHAR(10) DEFAULT 'ok; very'",
  "ALTER TABLE people CHANGE note remark TEXT COMMENT 'it''s a \"comment\"; -- not the end'",
  'CREATE TABLE scratch (n INT)',
  'CREATE TABLE copied LIKE people',
  'RENAME TABLE copied TO renamed',
  'ANALYZE TABLE people',
  'CHECK TABLE people',
  'OPTIMIZE TABLE scratch',
  'SHOW TABLES',
  'DESCRIBE people',
  'SHOW INDEX FROM orders',
  'DROP TABLE renamed',
  'TRUNCATE TABLE scratch',
  'CREATE TEMPORARY TABLE passing (n INT)',
  'DROP TABLE passing',
]

const routines = (): string => `DELIMITER //
CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2//
CREATE PROCEDURE fill(IN n INT) BEGIN DECLARE i INT DEFAULT 0; WHILE i < n DO INSERT INTO scratch VALUES (i); SET i = i + 1; END WHILE; END//
CREATE PROCEDURE several(INOUT x INT) BEGIN SELECT 1 AS one; SELECT 2 AS two, 'it''s; //'; SET x = x + 1; END //
CREATE PROCEDURE fails() BEGIN INSERT INTO scratch VALUES (99); SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no; really'; END//
CREATE PROCEDURE handled() BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET @caught = 1; SELECT * FROM nowhere; SELECT @caught; END//
CREATE TRIGGER stamped BEFORE INSERT ON people FOR EACH ROW BEGIN SET NEW.remark = COALESCE(NEW.remark, '-'); END//
DELIMITER ;
SELECT twice(21);
CALL fill(5);
SET @x = 41;
CALL several(@x);
SELECT @x;
CALL fails();
CALL handled();
SELECT COUNT(*) FROM scratch;
SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY 1;
DROP FUNCTION twice;
DROP PROCEDURE nothing_such;
`

const NAMES = [
  "O\\'Hara",
  "O''Neil",
  'Zoë',
  '名前',
  'Иван',
  'a\\tb',
  'semi;colon',
  '--dash',
  '/*star',
  '?',
  '\\\\',
  '%_',
  '🐘',
]

const people = (): string[] =>
  times(60, (n) => {
    const born = n % 7 === 0 ? 'NULL' : `'19${40 + n}-0${1 + (n % 9)}-1${n % 10}'`
    return `INSERT INTO people (id, name, born) VALUES (${n}, '${NAMES[n % NAMES.length]} ${n}', ${born})`
  })

const dml = (): string[] => [
  ...people(),
  ...times(40, (n) => `INSERT INTO orders (person, total) VALUES (${n % 20}, ${n}.${n % 10}5)`),
  ...times(20, (n) => `UPDATE people SET remark = CONCAT(remark, ' ${n}') WHERE id % 20 = ${n}`),
  ...times(10, (n) => `DELETE FROM orders WHERE id = ${n * 3}`),
  ...times(10, (n) => `REPLACE INTO people (id, name) VALUES (${n}, 'replaced ${n}')`),
  "INSERT INTO people (id, name) VALUES (1, 'again') ON DUPLICATE KEY UPDATE remark = VALUES(name)",
  "INSERT IGNORE INTO people (id, name) VALUES (1, 'ignored')",
  "INSERT INTO people (id, name) SELECT id + 1000, CONCAT(name, '!') FROM people WHERE id < 5",
  'DELETE o FROM orders o JOIN people p ON p.id = o.person WHERE p.id = 3',
  "INSERT INTO kinds VALUES (-128, 18446744073709551615, 1e-300, '2024-02-29 13:14:15.678', '-838:59:59', 2024, b'10101', x'00ff27', 'y;z', 'p,q')",
  'SELECT a, b, c, d, e, f, g + 0, HEX(h), i, j FROM kinds',
]

const LITERALS = [
  "'plain'",
  "'it''s'",
  "'it\\'s; still'",
  '"double ""quoted"" \\" ; \'"',
  "'two' ' strings'",
  "N'national'",
  "_utf8mb4'introduced'",
  "_latin1 x'e9'",
  "x'4142'",
  '0x4142',
  "b'1000001'",
  '0b1000001',
  '1.5e10',
  '.5',
  '-7',
  "DATE '2024-02-29'",
  "TIMESTAMP '2024-02-29 13:14:15'",
  'NULL',
  'TRUE',
  "'line\nbreak'",
  "'\u2028\u0007'",
]

const COMMENTS = [
  'SELECT 1 -- to the end; SELECT 2',
  'SELECT 1 # to the end; SELECT 2',
  'SELECT /* in; between */ 1',
  "SELECT 1 /* 'unclosed */ , '/* no comment */'",
  'SELECT 5 --3',
  'SELECT 1 /*! + 1 */',
  'SELECT 1 /*!50000 + 1 */',
  'SELECT 1 /*!99999 + 1 */',
  'SELECT /*+ hint */ 1',
  '  \n\t SELECT 1',
  'SELECT 1 -- \n + 1',
  '(SELECT 1) UNION ALL (SELECT 2)',
]

const queries = (): string[] => [
  ...LITERALS.map((literal) => `SELECT ${literal}`),
  ...COMMENTS,
  ...times(30, (n) => `SELECT id, name, born FROM people WHERE id BETWEEN ${n} AND ${n + 3} ORDER BY id`),
  ...times(
    20,
    (n) =>
      `SELECT p.name, SUM(o.total) FROM people p JOIN orders o ON o.person = p.id WHERE p.id <= ${n} GROUP BY p.name ORDER BY 1`,
  ),
  'SELECT * FROM totals ORDER BY person',
  "SELECT COUNT(*) FROM people WHERE name LIKE '%\\\\%' OR name LIKE '%\\%%'",
  'SELECT IF(1, "a", "b"), CASE 2 WHEN 2 THEN "c" END, COALESCE(NULL, 3)',
  "SELECT GROUP_CONCAT(id ORDER BY id SEPARATOR '; ') FROM people",
  'SELECT id FROM people ORDER BY id LIMIT 3 OFFSET 5',
  'SELECT REPEAT("long ", 2000)',
  'EXPLAIN SELECT 1',
  'DO SLEEP(0)',
  'HANDLER people OPEN',
  'HANDLER people READ FIRST',
  'HANDLER people CLOSE',
]

const sessions = (): string[] => [
  'SET @a = 1, @b = "two; 2"',
  'SELECT @a, @b',
  'SELECT @c := 5, @c + 1',
  'SET NAMES latin1',
  "SELECT 'plain ASCII in latin1'",
  'SET NAMES utf8mb4',
  'SET SESSION sql_mode = CONCAT(@@sql_mode, ",ANSI_QUOTES")',
  'SELECT "id" FROM people WHERE id = 1',
  'SET SESSION sql_mode = "NO_BACKSLASH_ESCAPES"',
  "SELECT 'a\\', 'b'",
  'SET SESSION sql_mode = DEFAULT',
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  'SHOW VARIABLES LIKE "autocommit"',
  "PREPARE one FROM 'SELECT ? + 1 AS n, ''it''''s'' AS t'",
  'SET @n = 41',
  'EXECUTE one USING @n',
  'EXECUTE one USING @n',
  'EXECUTE one',
  'DEALLOCATE PREPARE one',
  'EXECUTE one USING @n',
  "PREPARE bad FROM 'SELEC ?'",
  'USE mysql\nSELECT COUNT(*) > 0 FROM user',
  'SELECT * FROM people',
  'LOCK TABLES user READ',
  'UNLOCK TABLES',
]

const transactions = (): string[] => [
  'START TRANSACTION',
  "INSERT INTO people (id, name) VALUES (500, 'rolled back')",
  'ROLLBACK',
  'BEGIN',
  'SAVEPOINT s1',
  "INSERT INTO people (id, name) VALUES (501, 'to the savepoint')",
  'ROLLBACK TO SAVEPOINT s1',
  "INSERT INTO people (id, name) VALUES (502, 'kept')",
  'RELEASE SAVEPOINT s1',
  'COMMIT',
  'SET autocommit = 0',
  'DELETE FROM people WHERE id = 502',
  'ROLLBACK',
  'SET autocommit = 1',
  'SELECT id FROM people WHERE id >= 500 AND id < 600',
  'START TRANSACTION READ ONLY',
  'DELETE FROM people',
  'COMMIT AND CHAIN',
  'CREATE TABLE commits_implicitly (n INT)',
  'ROLLBACK',
]

const errors = (): string[] => [
  'SELEC 1',
  'SELECT * FROM nowhere',
  'SELECT nothing FROM people',
  'INSERT INTO people (id, name) VALUES (1, NULL)',
  "INSERT INTO people (id, name) VALUES (1, 'twice')",
  'SELECT 1 FROM people WHERE id = (SELECT id FROM people)',
  'INSERT INTO scratch VALUES (1, 2)',
  'CALL nothing()',
  'DROP TABLE nowhere',
  "SELECT 'unclosed",
  "'",
  'SELECT CAST("x" AS INT',
  'KILL 99999999',
  'SELECT 1/0',
  'CREATE TABLE people (n INT)',
  'USE `no such database`',
  'GRANT NOTHING ON x TO y',
]

const script = (statements: readonly string[]): string => `${statements.join(';\n')};\n`

/** Scripts by name; each goes to the CLI as it is, with `--force`, in this order on one database. */
export const mySqlCorpus = (): Readonly<Record<string, string>> => ({
  ddl: script(ddl()),
  dml: script(dml()),
  routines: routines(),
  queries: script(queries()),
  transactions: script(transactions()),
  sessions: script(sessions()),
  errors: script(errors()),
})
