import { describe, expect, it } from 'vitest'
import { maskSpans } from '../../../src/audit/redact-mask.ts'
import { statementSecrets, valueSecrets } from '../../../src/audit/redact-sql.ts'
import type { ScanOptions } from '../../../src/sql/scan.ts'

const OFF: ScanOptions = { standardConformingStrings: false }

const masked = (text: string, options: ScanOptions = {}): string =>
  maskSpans(text, statementSecrets(text, options)?.spans ?? [])

/** Each text with its secrets written between « and »: they alone must go. */
const secret = (name: string, marked: string, options?: ScanOptions) => {
  it(name, () => {
    const text = marked.replaceAll(/[«»]/g, '')
    expect(masked(text, options)).toBe(marked.replaceAll(/«[^»]*»/g, '<redacted>'))
  })
}

describe('role statements', () => {
  secret('ALTER ROLE', "ALTER ROLE bob PASSWORD «'hunter2'»")
  secret('any case, any space, comments', "aLTeR/**/user bob wITH pASSword/* ' */--x\n«'it''s'»;")
  secret('no space', "alter role bob password«'x'»")
  secret(
    'options around',
    "create user bob login encrypted password «'x'» valid until '2030-01-01' createdb",
  )
  secret('VALID UNTIL before', "create role bob valid until 'infinity' unencrypted password «'x'»")
  secret('group', "create group g with password «'x'» user bob")
  secret('escape string', "alter role bob password «E'a\\'b'» login")
  secret('Unicode escapes', "alter role bob password «U&'a!0062'» uescape '!'")
  secret('dollar quotes', "alter role bob password «$$it's$$»; select 1")
  secret('tagged', 'alter role bob password «$q$a$$b$q$» nologin')
  secret('continued', "alter role bob password «'a'\n  'b'» nologin")
  secret('backslashes escape', "alter role bob password «'a\\'b'» nologin", OFF)
  secret('backslashes do not escape', "alter role bob password «'a\\'» nologin")
  secret('hashed beforehand', "ALTER USER bob PASSWORD «'SCRAM-SHA-256$4096:c2FsdA==$a:b'»")
  secret(
    'several statements',
    "begin; alter role a password «'x'»; alter role b password «'y'»; select 'z'",
  )
  secret('PASSWORD NULL', 'alter role bob password null')
  secret(
    'a role named password',
    "alter role password rename to x; create role password login; alter role password password «'x'»",
  )
  secret(
    'settings of a role',
    "alter role bob set search_path = 'a', 'b'; alter role bob in database d set x to 'y'",
  )
  secret(
    'password_encryption is none',
    "alter role bob set password_encryption = 'md5'; set password_encryption = 'md5'",
  )
})

describe('statements that the server refuses', () => {
  secret('unterminated', "alter role bob password «'hunter2 login; select 1»")
  secret('misspelt', "alter role bob pasword «'hunter2'»")
  secret('with =', "alter role bob password «= 'hunter2'»")
  secret('unquoted', 'alter role bob password «hunter2 valid until»')
  secret('a number', 'alter role bob password «12345»')
  secret('double quotes', 'alter role bob with password «"hunter2"»')
  secret('as a setting', "alter role bob set password to «'hunter2'»")
  secret('turned inside out', "select 'abc; alter role bob password «'hunter2'; select 1»")
})

describe('options', () => {
  secret('user mapping', "create user mapping for bob server s options (user 'bob', password «'x'»)")
  secret(
    'IF NOT EXISTS',
    'create user mapping if not exists for public server s options ("password" «\'x\'»)',
  )
  secret(
    'altered',
    "alter user mapping for b server s options (set password «'x'», add sslpassword «$$y$$»)",
  )
  secret('an unknown option of a user mapping', "create user mapping for bob server s options (jwt «'x'»)")
  secret('an escaped name', 'create user mapping for bob server s options (U&"p\\0061ssword" «\'x\'»)')
  secret('password_required', "alter user mapping for bob server s options (add password_required 'false')")
  secret(
    'server',
    "create server s foreign data wrapper w options (host 'h', password «'x'», api_key «'y'», port '1')",
  )
  secret('misspelt', "create server s foreign data wrapper w options (host 'h', pasword «'x'»)")
  secret('wrapper', "alter foreign data wrapper w options (set secret_access_key «'x'», add debug 'true')")
  secret('with =', "create server s foreign data wrapper w options (host = 'h', password = «'x'»)")
})

describe('connection strings', () => {
  secret('subscription', "create subscription s connection 'host=h user=u password=«x»' publication p")
  secret('misspelt', "select dblink_connect('host=h pasword=«x»')")
  secret('password in the middle', "alter subscription s connection 'password=«x» host=h'")
  secret('quoted value', "alter subscription s connection 'host=h password = «''a b\\'' c''» user=u'")
  secret('escaped space', "alter subscription s connection 'host=h password=«a\\ b» user=u'")
  secret('escape string', "select dblink_connect(E'host=h p\\x61ssword=«\\x61bc» user=u')")
  secret('URI', "select dblink_connect('postgres://bob:«hun:ter2»@h:5432/d?sslmode=require')")
  secret('URI with a slash in the password', "select dblink('postgresql://bob:«a/b»@h/d', 'select 1')")
  secret(
    'URI parameter',
    "select dblink('postgresql://h/d?user=u&password=«x»&sslmode=require', 'select 1')",
  )
  secret('no password in the URI', "select dblink('postgresql://bob@h:5432/d', 'select 1')")
  secret('several hosts', "select dblink('postgresql://h:5432,g:5433/d', 'select 1')")
  secret('setting', "alter system set primary_conninfo = 'host=h password=«x» user=u'")
  secret('set_config', "select set_config('primary_conninfo', 'host=h password=«x»', false)")
  secret('URI of another scheme', "select http_get('https://bob:«x»@h/p')")
  secret('a port is no password', "select http_get('http://h:8080/p?x=a@b')")
  secret('put together', "select dblink_connect('c', 'host=h password=' || «'x'»)")
  secret('formatted', "select dblink_connect(format('host=%s password=«%s»', 'h', «'x'»))")
})

describe('SQL within literals', () => {
  secret('DO', "do $$ begin alter role bob password «'x'»; perform 'y'; end $$ language 'plpgsql'")
  secret('DO with a plain literal', "do 'begin alter role bob password «''x''»; end'")
  secret(
    'function body',
    "create function f() returns void as $f$ alter role bob password «'x'» $f$ language 'sql'",
  )
  secret('EXECUTE', "do $$ begin execute 'alter role bob password «''x''»'; end $$")
  secret('dblink_exec', "select dblink_exec('c', 'alter role bob password «''it''''s''»')")
  secret(
    'nested dollar quotes',
    "do $a$ begin execute $b$ do $c$ begin alter role x password «'y'»; end $c$ $b$; end $a$",
  )
  secret(
    'format',
    "do $$ begin execute format('alter role %I password %L', 'bob', «'x'»); perform 'y'; end $$",
  )
  secret('format with quotes', "select format('alter role bob password «''%s''»', «'x'»)")
  secret('put together', "do $$ begin execute 'alter role bob password ' || quote_literal(«'x'»); end $$")
  secret(
    'put together of many',
    "do $$ begin execute 'alter role ' || 'bob' || ' password ' || quote_literal(«'x'»); end $$",
  )
  secret(
    'the quote in another piece',
    "select dblink_exec('c', 'alter role bob password ''' || «'x'» || «''''»)",
  )
  secret(
    'from a variable',
    "do $$ declare p text := «'x'»; begin execute format('alter role bob password %L', p); end $$",
  )
  secret(
    'a command beside it stays',
    "do $$ begin execute 'drop table t' || format('alter role %I password %L', 'b', «'x'»); end $$",
  )
  secret(
    'two levels up',
    "do $$ begin execute format('select dblink_exec(''c'', ''alter role x password %L'')', «'y'»); end $$",
  )
  secret(
    'user mapping',
    "do $$ begin execute 'create user mapping for b server s options (password «''x''»)'; end $$",
  )
  secret('as data', "insert into t values ('create user x password «''y''»', 'z')")
  secret('PREPARE', "prepare p as select dblink_connect('host=h password=«x»')")
})

describe('comments', () => {
  secret(
    'a statement commented out',
    "/* alter role bob password «'x'» */ select 1 -- password «'y'»\n, 'z'",
  )
})

describe('settings', () => {
  secret('of a session', "set app.jwt_secret to «'x'»; set session my.password = «'x'», «'y'»")
  secret('unquoted', 'set local my.password to «hunter2»; set my.password = default')
  secret('of a database', 'alter database d set "app.settings.jwt_secret" to «\'x\'»')
  secret('of a role', "alter role all in database d set app.password = «'x'»")
  secret('of a function', "alter function f() set app.secret = «'x'»")
  secret('set_config', "select set_config('app.jwt_secret', «'x'», false), set_config('a.b', 'y', false)")
  secret("MySQL's", "set password for «'bob'» = «password»(«'x'»)")
})

describe('as tools write it', () => {
  secret('psql, pgAdmin', 'ALTER USER "bob" PASSWORD «\'SCRAM-SHA-256$4096:a$b:c\'»')
  secret('Ansible', "CREATE USER \"bob\" WITH ENCRYPTED PASSWORD «'it''s'» LOGIN")
  secret('Vault', "CREATE ROLE \"v-1\" WITH LOGIN PASSWORD «'A1a-x'» VALID UNTIL '2030-01-01 00:00:00+00';")
  secret(
    'Patroni',
    "DO $$\nBEGIN\n SET local synchronous_commit = 'local';\n PERFORM * FROM pg_authid WHERE rolname = 'r';\n" +
      ' IF FOUND THEN\n ALTER ROLE "r" WITH REPLICATION PASSWORD «\'x\'»;\n ELSE\n' +
      ' CREATE ROLE "r" WITH REPLICATION PASSWORD «\'x\'»;\n END IF;\nEND;$$',
  )
  secret(
    "psql's \\gexec",
    "SELECT format('CREATE ROLE %I PASSWORD %L', 'a', «'x'») WHERE NOT EXISTS (SELECT 1 FROM r WHERE n = 'a')",
  )
  secret('pglogical', "SELECT pglogical.create_node(node_name := 'n', dsn := 'host=h password=«x»')")
  secret('Timescale', "SELECT add_data_node('n', host => 'h', password => «'x'»)")
  secret('md5 by hand', "select 'alter role b password «''md5»' || md5(«'x'» || «'b'») || «''''»")
  secret('the catalog', "update pg_authid set rolpassword = «'x'» where rolname = 'b'")
  secret('verifiers', "select 'a', «'md5d41d8cd98f00b204e9800998ecf8427e'», «'SCRAM-SHA-256$1:a$b:c'»")
  secret('ODBC', "select odbc('Driver=x;Uid=u;Pwd=«x;Database=d»')")
  secret('a psql command without its backslash', 'password «hunter2»')
  secret('a misspelt verb', "crate role bob login password «'x'»; altr user \"a b\" with password «'y'»")
  secret('Oracle', 'create user bob identified by «hunter2 profile p»')
  secret('words nobody quoted', "select dblink_connect('host=h password=«my pass word» user=u')")
  secret('in a program', "copy t from program 'curl https://bob:«x»@h/'")
  secret('but no code', "select run('x = 1 password = «1» os.system(2)')")
  secret('quotes nobody doubled', "alter role bob password «'it's' login»")
  secret('more than one literal', "alter role bob password «'a' || 'b'»")
  secret('USING', "do $$ begin execute 'alter role bob password $1' using «'x'», 'y'; end $$")
  secret('positions', "select format('alter role %2$I password %1$L', «'x'», 'bob')")
  secret('concat', "select concat('alter role bob password ', quote_literal(«'x'»), 'y')")
})

describe('what the server runs is not masked', () => {
  for (const text of [
    'create role password "superuser"; drop table t',
    "select password 'drop table t', secret 'x' from t",
    "select run(public.password 'drop table t')",
    "do $$ begin execute password 'drop table t'; end $$",
    "do $$ begin perform alter role, run('drop table t') from x; end $$",
    "do $$ begin execute left('alter role x password ', 0) || 'dr' || 'op table t'; end $$",
    "select format('alter role x password %L; %s', null, 'dr' || 'op table t')",
    "select dblink_exec('c', 'op table t'), format('alter role x password %L', run('xdrop'))",
    "create foreign table t (password text default run('xdrop')) server s",
    "select options(password 'x'), options(api_key 'y')",
    "(select options(password 'x')); with y as (select 1) select options(api_key 'y')",
    "do $$ begin x := options(password 'drop table t'); end $$",
    'do $$ x password \'\nimport os; os.system("x")\n\' $$ language plpython3u',
    "copy t from program 'a://b:`evil`@c'",
    "alter system set archive_command = 'a://b:`evil`@c'; alter system set ssl_passphrase_command to 'evil'",
    "do '/*host=x password=*/begin/**/drop/**/table/**/t;end'",
    "do 'begin/*postgres://a:*/drop/**/table/**/t;/*@*/end'",
  ])
    it(text, () => {
      expect(masked(text)).toBe(text)
    })

  it('but in bound values as well', () => {
    const found = statementSecrets("select dblink_exec($1), format('alter role x password %L', $2)", {})
    expect([...(found?.params ?? [])]).toEqual([2])
  })
})

describe('texts of several meanings', () => {
  const both = (name: string, marked: string) => {
    secret(`${name}, on`, marked)
    secret(`${name}, off`, marked, OFF)
  }
  both('one of which the server refuses', "create role bob password «'a\\'b'» login")
  both('the other one', "create role bob password «'a\\'» login")
  both('the same literals', "create role bob password «'a\\b'» login")
  both('within literals', "do $$ begin alter role bob password «'a\\'b'»; end $$")
  both('a command in one of them', "create role bob password «'a\\'»; drop table t; «--'»")
  both('options in one of them', "select password 'a\\', run(1), 'b', 'c\\', 'd'")
  both('half a character', "create role bob password «E'\ufffd\\'»; drop table t; «--'»")
  both(
    'a secret that is a comment in one of them',
    "alter role bob password «'--a\\'»; select 1; alter role al password «'--a\\'»",
  )
  both(
    'the same within literals',
    "do $$ begin alter role bob password «'--a\\'»; alter role al password «'--a\\'»\n; end $$",
  )
  both('a comment in all of them', "create role bob password «'a\\b'» /* 'c' */ login -- 'd'")
})

describe('what is not masked', () => {
  for (const text of [
    'select password from users',
    "update users set password = 'x' where name = 'y'",
    "insert into users (name, password) values ('a', 'b')",
    "select * from users where password = 'x' and secret <> 'y'",
    "select crypt('pw', gen_salt('bf'))",
    "insert into texts values ('Create user', 'Enter password', 'Save')",
    "insert into texts values ('Reset your password', 'Your user''s password isn''t set', 'a')",
    "select 'it''s' || 'C:\\temp' || E'\\n'",
    "create table users (name text default 'x', created_at timestamp)",
    "alter table users add password text default 'none'",
    "comment on column users.password is 'hashed'",
    "comment on role bob is 'x'",
    "select alter role, password p, 'x' from t; drop table t",
    "select 'https://example.com/a:b?c=d'",
    "grant create on schema s to bob; select 'password'",
    'select pg_catalog.format_type(a, b) as "password" from c',
  ])
    it(text, () => {
      expect(masked(text)).toBe(text)
    })
})

describe('parameters', () => {
  const params = (text: string) => [...(statementSecrets(text, {})?.params ?? [])]

  it('are secrets where a literal would be one', () => {
    expect(params('alter role bob password $2')).toEqual([2])
    expect(params("select format('alter role %I password %L', $1, $2)")).toEqual([2])
    expect(params("select dblink_exec($2, 'alter role bob password ' || quote_literal($1))")).toEqual([1])
    expect(params("select set_config('app.secret', $1, $2)")).toEqual([1])
    expect(params('update users set password = $1')).toEqual([])
    expect(params("alter role bob password 'x'")).toEqual([])
  })

  it('and nothing else in another meaning of the text', () => {
    expect(params("select '\\', '--', set_config('app.secret', $1, false)")).toEqual([1])
    expect(params("select '\\', set_config('app.secret', $1, false), '; select run($1) --'")).toEqual([])
  })
})

describe('bound values', () => {
  const value = (text: string) => maskSpans(text, valueSecrets(text, {}).secrets?.spans ?? [])

  it('are connection strings or SQL', () => {
    expect(value('host=h password=x')).toBe('host=h password=<redacted>')
    expect(value('postgres://u:p@h')).toBe('postgres://u:<redacted>@h')
    expect(value("alter role bob password 'x'")).toBe('alter role bob password <redacted>')
    expect(value('connect with host=h password=x please')).toBe(
      'connect with host=h password=<redacted> please',
    )
    expect(value('I forgot my password')).toBe('I forgot my password')
    expect(value('md5d41d8cd98f00b204e9800998ecf8427e')).toBe('<redacted>')
  })
})
