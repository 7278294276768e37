/*
 * What libmariadb can put on the wire and other connectors do not: every type of bound value, bulk executes
 * with indicators, cursors, long data, prepare and execute in one go, non-blocking execution, and the
 * commands that are not SQL. Prints what it got, so that two runs can be compared byte by byte.
 *
 *     my-workload PORT DATABASE [compress]
 */
#include <mysql.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define MAX_COLUMNS 32
#define COLUMN_BYTES 65536

static MYSQL *db;
static char column_bytes[MAX_COLUMNS][COLUMN_BYTES];

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, mysql_error(db));
  exit(1);
}

static void show_bytes(const char *bytes, unsigned long length) {
  for (unsigned long i = 0; i < length && i < 200; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    if (byte < 32 || byte == 127 || byte == '\\') printf("\\%02x", byte);
    else putchar(byte);
  }
  if (length > 200) printf("...%lu", length);
}

/* ---- text protocol ---- */

static void show_result(MYSQL_RES *result) {
  MYSQL_ROW row;
  while ((row = mysql_fetch_row(result))) {
    unsigned long *lengths = mysql_fetch_lengths(result);
    for (unsigned i = 0; i < mysql_num_fields(result); i++) {
      if (row[i]) show_bytes(row[i], lengths[i]);
      else printf("NULL");
      putchar(i + 1 < mysql_num_fields(result) ? '\t' : '\n');
    }
  }
  mysql_free_result(result);
}

static void show_results(void) {
  for (;;) {
    MYSQL_RES *result = mysql_store_result(db);
    if (result) show_result(result);
    else if (mysql_field_count(db)) printf("error %u\n", mysql_errno(db));
    else printf("affected %lld, id %llu, warnings %u\n", (long long)mysql_affected_rows(db),
                (unsigned long long)mysql_insert_id(db), mysql_warning_count(db));
    int next = mysql_next_result(db);
    if (next > 0) printf("error %u %s\n", mysql_errno(db), mysql_sqlstate(db));
    if (next != 0) return;
  }
}

static void query(const char *sql) {
  if (mysql_real_query(db, sql, strlen(sql))) printf("error %u %s\n", mysql_errno(db), mysql_sqlstate(db));
  else show_results();
}

/* ---- binary protocol ---- */

static MYSQL_STMT *prepare(const char *sql) {
  MYSQL_STMT *statement = mysql_stmt_init(db);
  if (mysql_stmt_prepare(statement, sql, strlen(sql)))
    printf("prepare: error %u %s\n", mysql_stmt_errno(statement), mysql_stmt_sqlstate(statement));
  return statement;
}

static void show_row(MYSQL_BIND *columns, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    if (columns[i].is_null_value) printf("NULL");
    else show_bytes(column_bytes[i], columns[i].length_value);
    putchar(i + 1 < count ? '\t' : '\n');
  }
}

static void show_rows(MYSQL_STMT *statement, int limit) {
  MYSQL_BIND columns[MAX_COLUMNS];
  unsigned count = mysql_stmt_field_count(statement);
  memset(columns, 0, sizeof columns);
  for (unsigned i = 0; i < count; i++) {
    columns[i].buffer_type = MYSQL_TYPE_STRING;
    columns[i].buffer = column_bytes[i];
    columns[i].buffer_length = COLUMN_BYTES;
    columns[i].length = &columns[i].length_value;
    columns[i].is_null = &columns[i].is_null_value;
  }
  mysql_stmt_bind_result(statement, columns);
  while (limit-- > 0) {
    int status = mysql_stmt_fetch(statement);
    if (status == 1) printf("fetch: error %u\n", mysql_stmt_errno(statement));
    if (status == 1 || status == MYSQL_NO_DATA) return;
    show_row(columns, count);
  }
}

static void show_outcome(MYSQL_STMT *statement) {
  if (mysql_stmt_errno(statement)) {
    printf("error %u %s\n", mysql_stmt_errno(statement), mysql_stmt_sqlstate(statement));
    return;
  }
  do {
    if (mysql_stmt_field_count(statement)) show_rows(statement, 1 << 30);
    else printf("affected %lld\n", (long long)mysql_stmt_affected_rows(statement));
    mysql_stmt_free_result(statement);
  } while (mysql_stmt_more_results(statement) && mysql_stmt_next_result(statement) == 0);
}

static void execute(MYSQL_STMT *statement) {
  mysql_stmt_execute(statement);
  show_outcome(statement);
}

static MYSQL_BIND value(enum enum_field_types type, void *buffer, unsigned long length) {
  MYSQL_BIND bind;
  memset(&bind, 0, sizeof bind);
  bind.buffer_type = type;
  bind.buffer = buffer;
  bind.buffer_length = length;
  bind.length_value = length;
  return bind;
}

static MYSQL_BIND text(const char *text) { return value(MYSQL_TYPE_STRING, (void *)text, strlen(text)); }

static MYSQL_BIND unsigned_value(enum enum_field_types type, void *buffer) {
  MYSQL_BIND bind = value(type, buffer, 0);
  bind.is_unsigned = 1;
  return bind;
}

/* one value by one statement of its own */
static void echo(MYSQL_BIND bind) {
  MYSQL_STMT *statement = prepare("SELECT ? AS v, HEX(?) AS h");
  MYSQL_BIND both[2] = {bind, bind};
  mysql_stmt_bind_param(statement, both);
  execute(statement);
  mysql_stmt_close(statement);
}

static void integers(void) {
  int8_t tiny[] = {0, 1, -1, INT8_MIN, INT8_MAX};
  int16_t small[] = {0, -1, INT16_MIN, INT16_MAX};
  int32_t normal[] = {0, -1, INT32_MIN, INT32_MAX};
  int64_t big[] = {0, -1, INT64_MIN, INT64_MAX};
  for (size_t i = 0; i < COUNT(tiny); i++) {
    echo(value(MYSQL_TYPE_TINY, &tiny[i], 0));
    echo(unsigned_value(MYSQL_TYPE_TINY, &tiny[i]));
  }
  for (size_t i = 0; i < COUNT(small); i++) {
    echo(value(MYSQL_TYPE_SHORT, &small[i], 0));
    echo(unsigned_value(MYSQL_TYPE_SHORT, &small[i]));
  }
  for (size_t i = 0; i < COUNT(normal); i++) {
    echo(value(MYSQL_TYPE_LONG, &normal[i], 0));
    echo(unsigned_value(MYSQL_TYPE_LONG, &normal[i]));
  }
  for (size_t i = 0; i < COUNT(big); i++) {
    echo(value(MYSQL_TYPE_LONGLONG, &big[i], 0));
    echo(unsigned_value(MYSQL_TYPE_LONGLONG, &big[i]));
  }
}

static void floats(void) {
  float single[] = {0, 1.5f, -0.1f, 3.4028234e38f, 1.17549435e-38f, 16777216, 123456.789f};
  double wide[] = {0, -0.0, 0.1, -1.5, 1e300, 5e-324, 1.7976931348623157e308, 123456789012345678.0, 1e15, 1e-5};
  for (size_t i = 0; i < COUNT(single); i++) echo(value(MYSQL_TYPE_FLOAT, &single[i], 0));
  for (size_t i = 0; i < COUNT(wide); i++) echo(value(MYSQL_TYPE_DOUBLE, &wide[i], 0));
}

static MYSQL_TIME moment(unsigned year, unsigned month, unsigned day, unsigned hour, unsigned minute,
                         unsigned second, unsigned long micros) {
  MYSQL_TIME time;
  memset(&time, 0, sizeof time);
  time.year = year, time.month = month, time.day = day;
  time.hour = hour, time.minute = minute, time.second = second, time.second_part = micros;
  return time;
}

static void times(void) {
  MYSQL_TIME moments[] = {
      moment(2024, 2, 29, 13, 14, 15, 678), moment(2024, 2, 29, 13, 14, 15, 0), moment(2024, 2, 29, 0, 0, 0, 0),
      moment(1999, 12, 31, 23, 59, 59, 999999), moment(0, 0, 0, 0, 0, 0, 0), moment(9999, 12, 31, 0, 0, 1, 0),
  };
  for (size_t i = 0; i < COUNT(moments); i++) {
    moments[i].time_type = MYSQL_TIMESTAMP_DATETIME;
    echo(value(MYSQL_TYPE_DATETIME, &moments[i], 0));
    echo(value(MYSQL_TYPE_TIMESTAMP, &moments[i], 0));
    moments[i].time_type = MYSQL_TIMESTAMP_DATE;
    echo(value(MYSQL_TYPE_DATE, &moments[i], 0));
  }
  MYSQL_TIME spans[] = {
      moment(0, 0, 0, 0, 0, 0, 0), moment(0, 0, 0, 13, 14, 15, 0), moment(0, 0, 0, 13, 14, 15, 678900),
      moment(0, 0, 0, 100, 0, 0, 0), moment(0, 0, 0, 838, 59, 59, 0), moment(0, 0, 3, 4, 5, 6, 7),
  };
  for (size_t i = 0; i < COUNT(spans); i++) {
    spans[i].time_type = MYSQL_TIMESTAMP_TIME;
    echo(value(MYSQL_TYPE_TIME, &spans[i], 0));
    spans[i].neg = 1;
    echo(value(MYSQL_TYPE_TIME, &spans[i], 0));
  }
}

static void strings(void) {
  static char many[100000];
  memset(many, 'x', sizeof many);
  const char *samples[] = {"", "it's; ?", "Zo\xc3\xab \xe6\xbc\xa2 \xf0\x9f\x90\x98", "a\tb\n\\ \"q\" `t`", "NULL"};
  enum enum_field_types types[] = {MYSQL_TYPE_STRING, MYSQL_TYPE_VAR_STRING, MYSQL_TYPE_BLOB, MYSQL_TYPE_TINY_BLOB,
                                   MYSQL_TYPE_MEDIUM_BLOB, MYSQL_TYPE_LONG_BLOB};
  for (size_t i = 0; i < COUNT(types); i++)
    for (size_t j = 0; j < COUNT(samples); j++)
      echo(value(types[i], (void *)samples[j], strlen(samples[j])));
  char bytes[] = {0, 1, '\'', '\\', (char)0xff, 26, '\n', '\r'};
  echo(value(MYSQL_TYPE_BLOB, bytes, sizeof bytes));
  echo(value(MYSQL_TYPE_STRING, many, sizeof many));
  const char *numbers[] = {"0", "-1.50", "12345678901234567890.123456789"};
  for (size_t i = 0; i < COUNT(numbers); i++) {
    echo(value(MYSQL_TYPE_NEWDECIMAL, (void *)numbers[i], strlen(numbers[i])));
    echo(value(MYSQL_TYPE_DECIMAL, (void *)numbers[i], strlen(numbers[i])));
  }
  echo(value(MYSQL_TYPE_JSON, "{\"a\": [1, null]}", 16));
}

static void nulls(void) {
  my_bool yes = 1;
  echo(value(MYSQL_TYPE_NULL, NULL, 0));
  enum enum_field_types types[] = {MYSQL_TYPE_TINY, MYSQL_TYPE_LONGLONG, MYSQL_TYPE_DOUBLE, MYSQL_TYPE_DATE,
                                   MYSQL_TYPE_VAR_STRING, MYSQL_TYPE_BLOB, MYSQL_TYPE_NEWDECIMAL};
  int64_t zero = 0;
  for (size_t i = 0; i < COUNT(types); i++) {
    MYSQL_BIND bind = value(types[i], &zero, 0);
    bind.is_null = &yes;
    echo(bind);
  }
  /* more than eight parameters: a second byte of the bitmap */
  MYSQL_STMT *statement = prepare("SELECT ?,?,?,?,?,?,?,?,?,?,?");
  MYSQL_BIND binds[11];
  int32_t numbers[11];
  my_bool null[11];
  for (int i = 0; i < 11; i++) {
    numbers[i] = i, null[i] = i % 3 == 0;
    binds[i] = value(MYSQL_TYPE_LONG, &numbers[i], 0);
    binds[i].is_null = &null[i];
  }
  mysql_stmt_bind_param(statement, binds);
  execute(statement);
  for (int i = 0; i < 11; i++) null[i] = i % 2;
  execute(statement);
  mysql_stmt_close(statement);
}

/* the types go with the first execute alone */
static void again(void) {
  MYSQL_STMT *statement = prepare("SELECT ? + 1, CONCAT('<', ?, '>')");
  int32_t number = 0;
  char word[16];
  MYSQL_BIND binds[] = {value(MYSQL_TYPE_LONG, &number, 0), value(MYSQL_TYPE_STRING, word, 0)};
  binds[1].length = &binds[1].length_value;
  mysql_stmt_bind_param(statement, binds);
  unsigned long length;
  for (number = 0; number < 30; number++) {
    length = (unsigned long)snprintf(word, sizeof word, "w'%d", number);
    binds[1].length = &length;
    if (number == 0) mysql_stmt_bind_param(statement, binds);
    execute(statement);
  }
  int64_t wide = 1LL << 40;
  binds[0] = value(MYSQL_TYPE_LONGLONG, &wide, 0);
  mysql_stmt_bind_param(statement, binds);
  execute(statement);
  mysql_stmt_close(statement);
}

static void long_data(void) {
  MYSQL_STMT *statement = prepare("SELECT LENGTH(?), MD5(?), ?");
  int32_t number = 7;
  MYSQL_BIND binds[] = {value(MYSQL_TYPE_BLOB, NULL, 0), value(MYSQL_TYPE_STRING, NULL, 0),
                        value(MYSQL_TYPE_LONG, &number, 0)};
  mysql_stmt_bind_param(statement, binds);
  for (int i = 0; i < 3; i++) mysql_stmt_send_long_data(statement, 0, "piece'\\\n", 8);
  mysql_stmt_send_long_data(statement, 1, "", 0);
  mysql_stmt_send_long_data(statement, 1, "whole", 5);
  execute(statement);
  /* what was sent is forgotten by a reset */
  mysql_stmt_send_long_data(statement, 0, "forgotten", 9);
  mysql_stmt_reset(statement);
  MYSQL_BIND plain[] = {text("a"), text("b"), value(MYSQL_TYPE_LONG, &number, 0)};
  mysql_stmt_bind_param(statement, plain);
  execute(statement);
  /* a parameter that there is not: an error that the next execute tells */
  mysql_stmt_bind_param(statement, binds);
  mysql_stmt_send_long_data(statement, 0, "x", 1);
  mysql_stmt_send_long_data(statement, 1, "y", 1);
  execute(statement);
  mysql_stmt_close(statement);
}

static void cursors(void) {
  unsigned long type = CURSOR_TYPE_READ_ONLY, rows = 7;
  MYSQL_STMT *statement = prepare("SELECT seq, REPEAT('r', seq % 5) FROM numbers WHERE seq > ? ORDER BY seq");
  mysql_stmt_attr_set(statement, STMT_ATTR_CURSOR_TYPE, &type);
  mysql_stmt_attr_set(statement, STMT_ATTR_PREFETCH_ROWS, &rows);
  int32_t above = 10;
  MYSQL_BIND bind = value(MYSQL_TYPE_LONG, &above, 0);
  mysql_stmt_bind_param(statement, &bind);
  execute(statement);
  above = 35;
  execute(statement);
  /* left in the middle, and executed anew */
  above = 0;
  mysql_stmt_execute(statement);
  show_rows(statement, 10);
  above = 30;
  mysql_stmt_reset(statement);
  execute(statement);
  mysql_stmt_execute(statement);
  show_rows(statement, 2);
  mysql_stmt_close(statement);
  /* no result: no cursor, but MySQL 5.6 does not log that execute either */
  if (!mariadb_connection(db)) return;
  statement = prepare("UPDATE kinds SET v = v WHERE id = ?");
  mysql_stmt_attr_set(statement, STMT_ATTR_CURSOR_TYPE, &type);
  mysql_stmt_bind_param(statement, &bind);
  execute(statement);
  mysql_stmt_close(statement);
}

/* columns of arrays, one indicator for each value */
static void bulk(void) {
  MYSQL_STMT *statement = prepare("INSERT INTO bulk (id, name, n, at) VALUES (?, ?, ?, ?)");
  int32_t ids[] = {1, 2, 3, 4, 5};
  char *names[] = {"one", "it's; two", "", "\xe6\xbc\xa2", NULL};
  unsigned long lengths[] = {3, 9, 0, 3, 0};
  double numbers[] = {0.5, -1, 2, 3, 4};
  MYSQL_TIME moments[] = {moment(2024, 1, 2, 3, 4, 5, 0), moment(2024, 1, 2, 0, 0, 0, 0),
                          moment(2024, 1, 2, 3, 4, 5, 6), moment(1999, 1, 1, 1, 1, 1, 0), moment(0, 0, 0, 0, 0, 0, 0)};
  MYSQL_TIME *times[] = {&moments[0], &moments[1], &moments[2], &moments[3], &moments[4]};
  char named[] = {STMT_INDICATOR_NONE, STMT_INDICATOR_NONE, STMT_INDICATOR_NONE, STMT_INDICATOR_NONE,
                  STMT_INDICATOR_NULL};
  char defaults[] = {STMT_INDICATOR_NONE, STMT_INDICATOR_DEFAULT, STMT_INDICATOR_NULL, STMT_INDICATOR_NONE,
                     STMT_INDICATOR_DEFAULT};
  char none[] = {0, 0, 0, 0, STMT_INDICATOR_NULL};
  MYSQL_BIND binds[] = {value(MYSQL_TYPE_LONG, ids, 0), value(MYSQL_TYPE_STRING, names, 0),
                        value(MYSQL_TYPE_DOUBLE, numbers, 0), value(MYSQL_TYPE_DATETIME, times, 0)};
  binds[1].length = lengths;
  binds[1].u.indicator = named;
  binds[2].u.indicator = defaults;
  binds[3].u.indicator = none;
  unsigned count = COUNT(ids);
  mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, &count);
  mysql_stmt_bind_param(statement, binds);
  execute(statement);
  for (size_t i = 0; i < COUNT(ids); i++) ids[i] += 10;
  execute(statement);
  /* a row that is there already: rows before it stay or not as the engine likes */
  execute(statement);
  mysql_stmt_close(statement);

  statement = prepare("UPDATE bulk SET name = ?, n = ? WHERE id = ?");
  for (size_t i = 0; i < COUNT(ids); i++) numbers[i] *= 3;
  char kept[] = {STMT_INDICATOR_IGNORE, STMT_INDICATOR_NONE, STMT_INDICATOR_NONE, STMT_INDICATOR_IGNORE,
                 STMT_INDICATOR_NULL};
  MYSQL_BIND updates[] = {binds[1], binds[2], binds[0]};
  updates[0].u.indicator = kept;
  mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, &count);
  mysql_stmt_bind_param(statement, updates);
  execute(statement);
  mysql_stmt_close(statement);
  query("SELECT * FROM bulk ORDER BY id");

  /* too many values for one packet of 16 MiB are not needed: a thousand rows of one are bulk enough */
  statement = prepare("INSERT INTO many (n) VALUES (?)");
  static int32_t thousand[1000];
  for (int i = 0; i < 1000; i++) thousand[i] = i * i;
  MYSQL_BIND bind = value(MYSQL_TYPE_LONG, thousand, 0);
  count = 1000;
  mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, &count);
  mysql_stmt_bind_param(statement, &bind);
  execute(statement);
  mysql_stmt_close(statement);
  query("SELECT COUNT(*), SUM(n) FROM many");
}

/* COM_STMT_PREPARE and an execute of the statement "just prepared", without waiting in between */
static void direct(void) {
  const char *texts[] = {"INSERT INTO kinds (v) VALUES (?)", "SELECT id, v FROM kinds WHERE v = ?", "SELEC ?",
                         "SELECT id FROM missing WHERE a = ?"};
  for (size_t i = 0; i < COUNT(texts); i++) {
    MYSQL_STMT *statement = mysql_stmt_init(db);
    unsigned count = 1;
    mysql_stmt_attr_set(statement, STMT_ATTR_PREBIND_PARAMS, &count);
    MYSQL_BIND bind = text("direct'ly");
    mysql_stmt_bind_param(statement, &bind);
    mariadb_stmt_execute_direct(statement, texts[i], strlen(texts[i]));
    show_outcome(statement);
    mysql_stmt_close(statement);
  }
}

static void procedures(void) {
  MYSQL_STMT *statement = prepare("CALL results(?, ?)");
  int32_t number = 5;
  MYSQL_BIND binds[] = {value(MYSQL_TYPE_LONG, &number, 0), text("in")};
  mysql_stmt_bind_param(statement, binds);
  execute(statement);
  execute(statement);
  mysql_stmt_close(statement);
  query("CALL results(1, @out); SELECT @out; SELECT 1; INSERT INTO kinds (v) VALUES ('multi'); SELECT * FROM nowhere; SELECT 2");
}

static void failures(void) {
  mysql_stmt_close(prepare("SELEC ?"));
  mysql_stmt_close(prepare("SELECT * FROM nowhere WHERE a = ?"));
  MYSQL_STMT *statement = prepare("INSERT INTO kinds (id, v) VALUES (?, 'twice')");
  int32_t id = 1;
  MYSQL_BIND bind = value(MYSQL_TYPE_LONG, &id, 0);
  mysql_stmt_bind_param(statement, &bind);
  execute(statement);
  execute(statement);
  id = 1000;
  execute(statement);
  query("DROP TABLE IF EXISTS soon_gone");
  query("CREATE TABLE soon_gone (a INT)");
  MYSQL_STMT *gone = prepare("SELECT * FROM soon_gone");
  query("DROP TABLE soon_gone");
  execute(gone);
  mysql_stmt_close(gone);
  mysql_stmt_close(statement);
}

/* the calling program waits for the socket itself */
static void wait_for(int *status) {
  struct pollfd socket = {mysql_get_socket(db), 0, 0};
  if (*status & MYSQL_WAIT_READ) socket.events |= POLLIN;
  if (*status & MYSQL_WAIT_WRITE) socket.events |= POLLOUT;
  poll(&socket, 1, 10000);
  *status = (socket.revents & POLLIN ? MYSQL_WAIT_READ : 0) | (socket.revents & POLLOUT ? MYSQL_WAIT_WRITE : 0);
}

static void asynchronous(void) {
  MYSQL_STMT *statement = prepare("SELECT ? * 2, ?");
  int32_t number;
  MYSQL_BIND binds[] = {value(MYSQL_TYPE_LONG, &number, 0), text("later")};
  mysql_stmt_bind_param(statement, binds);
  for (number = 0; number < 10; number++) {
    int failed;
    int status = mysql_stmt_execute_start(&failed, statement);
    while (status) {
      wait_for(&status);
      status = mysql_stmt_execute_cont(&failed, statement, status);
    }
    show_outcome(statement);
  }
  mysql_stmt_close(statement);
  /* several queries before the first answer */
  const char *texts[] = {"SELECT 'first'", "SELECT * FROM nowhere", "INSERT INTO kinds (v) VALUES ('piped')", "SELECT 'last'"};
  for (size_t i = 0; i < COUNT(texts); i++) mysql_send_query(db, texts[i], strlen(texts[i]));
  for (size_t i = 0; i < COUNT(texts); i++) {
    if (mysql_read_query_result(db)) printf("error %u\n", mysql_errno(db));
    else show_results();
  }
}

static void commands(const char *database) {
  printf("ping %d\n", mysql_ping(db));
  printf("select_db %d\n", mysql_select_db(db, "mysql"));
  query("SELECT DATABASE()");
  printf("select_db %d %u\n", mysql_select_db(db, "no such database"), mysql_errno(db));
  printf("select_db %d\n", mysql_select_db(db, database));
  MYSQL_RES *fields = mysql_list_fields(db, "kinds", "%");
  printf("fields %u\n", fields ? mysql_num_fields(fields) : 0);
  mysql_free_result(fields);
  fields = mysql_list_fields(db, "kinds", "i%");
  printf("fields %u\n", fields ? mysql_num_fields(fields) : 0);
  mysql_free_result(fields);
  printf("no fields %d\n", mysql_list_fields(db, "nowhere", NULL) == NULL);
  printf("statistics %d\n", mysql_stat(db) != NULL);
  printf("option %d\n", mysql_set_server_option(db, MYSQL_OPTION_MULTI_STATEMENTS_OFF));
  query("SELECT 1; SELECT 2");
  printf("option %d\n", mysql_set_server_option(db, MYSQL_OPTION_MULTI_STATEMENTS_ON));
  query("SELECT 1; SELECT 2");
  printf("debug %d\n", mysql_dump_debug_info(db));
  printf("refresh %d\n", mysql_refresh(db, REFRESH_TABLES));
  printf("kill %d %u\n", mysql_kill(db, 99999999), mysql_errno(db));
  MYSQL_RES *processes = mysql_list_processes(db);
  printf("processes %d\n", processes != NULL);
  mysql_free_result(processes);
  query("SET NAMES latin1");
  query("SELECT 'Zo\xeb', HEX('Zo\xeb')");
  query("SET NAMES utf8mb4");
  query("PREPARE inner_one FROM 'SELECT ? AS v, \"in text\" AS t'");
  query("SET @a = 'x''y'");
  query("EXECUTE inner_one USING @a");
  query("EXECUTE IMMEDIATE 'SELECT 1 + ?' USING 2");
  query("DEALLOCATE PREPARE inner_one");
  query("EXECUTE inner_one USING @a");
  printf("reset %d\n", mysql_reset_connection(db));
  query("SELECT @a, DATABASE()");
  printf("change_user %d\n", mysql_change_user(db, "changed", "sesame", database));
  query("SELECT CURRENT_USER(), DATABASE()");
  printf("change_user %d %u\n", mysql_change_user(db, "changed", "wrong", database), mysql_errno(db));
}

static void tables(void) {
  query("CREATE TABLE kinds (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100))");
  query("CREATE TABLE bulk (id INT PRIMARY KEY, name VARCHAR(20) DEFAULT 'none', n DOUBLE DEFAULT 42, at DATETIME(6))");
  query("CREATE TABLE many (n INT)");
  query("CREATE TABLE numbers (seq INT PRIMARY KEY)");
  char insert[512] = "INSERT INTO numbers VALUES (1)";
  for (int i = 2; i <= 40; i++) snprintf(insert + strlen(insert), 8, ",(%d)", i);
  query(insert);
  query("CREATE PROCEDURE results(IN a INT, OUT b TEXT) BEGIN SELECT a; SELECT a + 1, 'second'; SET b = 'out'; END");
}

static void connect_to(unsigned port, const char *database, int compressed) {
  db = mysql_init(NULL);
  unsigned protocol = MYSQL_PROTOCOL_TCP;
  mysql_options(db, MYSQL_OPT_PROTOCOL, &protocol);
  mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  mysql_options(db, MYSQL_OPT_NONBLOCK, NULL);
  if (compressed) mysql_options(db, MYSQL_OPT_COMPRESS, NULL);
  unsigned long flags = CLIENT_MULTI_STATEMENTS | CLIENT_REMEMBER_OPTIONS;
  if (!mysql_real_connect(db, "127.0.0.1", "root", "", database, port, NULL, flags)) fail("connect");
}

int main(int count, char **arguments) {
  if (count < 3) return 2;
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  connect_to((unsigned)atoi(arguments[1]), arguments[2], count > 3);
  tables();
  integers();
  floats();
  times();
  strings();
  nulls();
  again();
  long_data();
  cursors();
  bulk();
  direct();
  procedures();
  failures();
  asynchronous();
  commands(arguments[2]);
  mysql_close(db);
  return 0;
}
