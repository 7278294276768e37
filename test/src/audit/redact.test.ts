import { describe, expect, it } from 'vitest'
import { redact } from '../../../src/audit/redact.ts'
import type {
  AuditEvent,
  BoundValues,
  MessageEvent,
  SessionAuth,
  Statement,
  Who,
} from '../../../src/event.ts'
import { query, statement, who } from '../../support/statements.ts'

const bound = (...texts: (string | null)[]): BoundValues => ({
  count: texts.length,
  typesKnown: false,
  text: (index) => texts[index] ?? null,
  byteLength: (index) => (texts[index] == null ? -1 : Buffer.byteLength(texts[index])),
  type: () => undefined,
  sha256: (index) => `hash of ${texts[index]}`,
})

const textsOf = (values: BoundValues | undefined): (string | null)[] =>
  Array.from({ length: values?.count ?? 0 }, (_, index) => values?.text(index) ?? null)

const redacted = (more: Partial<Statement>): Statement => redact(statement(more)) as Statement

const SECRET_TEXT = "alter role bob password 'hunter2' login"

describe('an event without secrets', () => {
  const events: [name: string, event: AuditEvent][] = [
    ['text', statement({ text: query('select 1') })],
    ['text that names a password', statement({ text: query("update t set password = 'x'") })],
    ['values', statement({ text: query('select $1'), values: bound('a longer value', null) })],
    ['error', statement({ text: query('x'), error_message: 'syntax error at or near "x"' })],
    [
      'refused log-in',
      {
        event: 'session.auth',
        at: 1,
        who,
        outcome: 'error',
        error_message: 'password authentication failed for user "bob"',
      },
    ],
    [
      'end',
      {
        event: 'session.end',
        at: 1,
        who,
        end_by: 'client',
        end_reason: 'closed',
        bytes_in: 0,
        bytes_out: 0,
        statements: 0,
        duration_us: 0,
      },
    ],
    ['gap', { event: 'gap', at: 1, who, gap_reason: 'tls' }],
    [
      'hex',
      { event: 'message', at: 1, who: { dialect: 'hex' }, direction: '->', fields: { ascii: SECRET_TEXT } },
    ],
  ]
  for (const [name, event] of events)
    it(`is itself: ${name}`, () => {
      expect(redact(event)).toBe(event)
    })
})

describe('texts', () => {
  it('are masked in every event that has one', () => {
    const text = query(SECRET_TEXT)
    const message: MessageEvent = {
      event: 'message',
      at: 1,
      who,
      direction: '->',
      text_key: 'query',
      text,
      fields: {},
    }
    for (const event of [
      statement({ text }),
      statement({ event: 'statement.open', text }),
      statement({ text: query('execute p'), executed: text }),
      { event: 'prepare', at: 1, who, stmt_seq: 1, outcome: 'success', text } as const,
      { event: 'replication', at: 1, who, text } as const,
      message,
    ]) {
      const json = JSON.stringify(redact(event))
      expect(json).not.toContain('hunter2')
      expect(json).toContain('alter role bob password <redacted> login')
    }
  })

  it('leave the event that was given as it is', () => {
    const event = statement({ text: query(SECRET_TEXT) })
    redact(event)
    expect(event.text?.text).toBe(SECRET_TEXT)
  })

  it('give the same masked text for the same text', () => {
    const text = query(SECRET_TEXT)
    expect(redacted({ text }).text).toBe(redacted({ text }).text)
  })

  it('are lexed by their own standard_conforming_strings', () => {
    const text = query("alter role bob password 'a\\'b' login", { standardConformingStrings: false })
    expect(redacted({ text }).text?.text).toBe('alter role bob password <redacted> login')
  })

  it('lose their hex form and their hash', () => {
    const truncated = { bytes: 2_000_000, sha256: 'abc', tail: 'xyz; select 1' }
    expect(redacted({ text: query(SECRET_TEXT, { hex: '\\x00', truncated }) }).text).toEqual(
      query('alter role bob password <redacted> login', {
        truncated: { bytes: 2_000_000, sha256: '', tail: '<redacted>; select 1' },
      }),
    )
  })

  it('keep hash and tail when neither end has a secret', () => {
    const text = query('select 1', {
      truncated: { bytes: 2_000_000, sha256: 'abc', tail: "drop table t; 'x'" },
    })
    expect(redacted({ text }).text).toBe(text)
  })
})

describe('the tail of a text that was cut', () => {
  const tail = (text: string) =>
    redacted({ text: query('select 1', { truncated: { bytes: 9, sha256: 'abc', tail: text } }) }).text
      ?.truncated?.tail

  it('has its secrets masked', () => {
    expect(tail("; alter role bob password 'hunter2'; select 'x'")).toBe(
      "; alter role bob password <redacted>; select 'x'",
    )
    expect(tail("; select dblink('host=h password=hunter2', 'x')")).not.toContain('hunter2')
  })

  it('cannot be arranged to hide a command', () => {
    for (const command of ['; drop table t; select ', ' from salaries where id = ', '; truncate/**/t --'])
      expect(tail(`select 'password'${command}'x'`)).toContain(command)
  })
})

describe('bound values', () => {
  it('are masked where the text takes them as secrets', () => {
    const { values } = redacted({
      text: query('alter role bob password $2'),
      values: bound('a', 'hunter2', null),
    })
    expect(textsOf(values)).toEqual(['a', '<redacted>', null])
    expect(values?.byteLength(1)).toBe(10)
    expect(values?.byteLength(0)).toBe(1)
    expect(values?.sha256(1)).toBeUndefined()
    expect(values?.sha256(0)).toBe('hash of a')
  })

  it('are masked where a statement is made of them', () => {
    const text = query("select dblink_exec($1, format('alter role %I password %L', $2, $3))")
    expect(textsOf(redacted({ text, values: bound('c', 'bob', 'x') }).values)).toEqual([
      'c',
      'bob',
      '<redacted>',
    ])
  })

  it('are masked when one of them is the pattern of such a statement', () => {
    const text = query('select format($1, $2, $3)')
    const values = bound('alter role %I password %L', 'bob', 'x')
    expect(textsOf(redacted({ text, values }).values)).toEqual([
      'alter role %I password %L',
      'bob',
      '<redacted>',
    ])
  })

  it('have the secret of a connection string masked', () => {
    const text = query('select dblink_connect($1, $2)')
    expect(textsOf(redacted({ text, values: bound('c', 'host=h password=hunter2') }).values)).toEqual([
      'c',
      'host=h password=<redacted>',
    ])
  })

  it('have the secret of a connection string in hex masked whole', () => {
    const hex = `\\x${Buffer.from('host=h password=hunter2').toString('hex')}`
    expect(textsOf(redacted({ text: query('select $1'), values: bound(hex) }).values)).toEqual([
      '<redacted>',
    ])
  })

  it('of bulk executes likewise', () => {
    const { rows } = redacted({
      text: query('select $1'),
      rows: [bound('plain value'), bound('postgres://u:hunter2@h')],
    })
    expect(rows?.map(textsOf)).toEqual([['plain value'], ['postgres://u:<redacted>@h']])
  })

  it('of a line of their own are masked by the text that they are bound to', () => {
    const line: MessageEvent = {
      event: 'message',
      at: 1,
      who,
      direction: '->',
      values_key: 'bind_values',
      values: bound('a', 'hunter2'),
      bound_text: query("select set_config('my.password', $2, $1)"),
      fields: {},
    }
    const event = redact(line) as MessageEvent
    expect(textsOf(event.values)).toEqual(['a', '<redacted>'])
  })

  it('of an SQL EXECUTE are masked in its text', () => {
    const executed = query("select dblink_exec('c', format('alter role %I password %L', $1, $2))")
    const event = redacted({ text: query("select 'a'; execute p('bob', 'hunter2'); select 'b'"), executed })
    expect(event.text?.text).toBe("select 'a'; execute p('bob', <redacted>); select 'b'")
  })
})

describe('error texts', () => {
  const error = (text: string, error_message: string) =>
    redacted({ text: query(text), error_message }).error_message

  it('lose the secrets of their statement', () => {
    expect(error("alter role bob pasword 'hunter2'", 'syntax error at or near "\'hunter2\'"')).toBe(
      'syntax error at or near "<redacted>"',
    )
    expect(error("alter role bob password 'it''s'", "it's is no password")).toBe(
      '<redacted> is no password',
    )
    expect(error('alter role bob password hunter2', 'syntax error at or near "hunter2"')).toBe(
      'syntax error at or near "<redacted>"',
    )
    expect(
      error("alter role bob password 'hunter2", 'unterminated quoted string at or near "\'hunter2"'),
    ).toBe('unterminated quoted string at or near "<redacted>"')
  })

  it('lose the forms in which a connection string is quoted', () => {
    const detail = (text: string, error_detail: string) =>
      redacted({ text: query(text), error_detail }).error_detail
    expect(
      detail(
        "select dblink_connect('postgres://a:hunter2/x@h/d')",
        'invalid integer value "hunter2" for "port"',
      ),
    ).toBe('invalid integer value "<redacted>" for "port"')
    expect(detail("select dblink_connect('host=h password=hun\\ter2')", 'bad "hunter2"')).toBe(
      'bad "<redacted>"',
    )
    expect(detail("select dblink_connect('postgres://a:hunter%32@h')", 'bad "hunter2"')).toBe(
      'bad "<redacted>"',
    )
  })

  it('lose a short secret only where it stands alone', () => {
    expect(error("alter role bob password 'ro'", 'role "bob" has no ro')).toBe(
      'role "bob" has no <redacted>',
    )
  })

  it('lose the secrets of bound values', () => {
    const event = redacted({
      text: query('select dblink_connect($1)'),
      values: bound('host=h password=hunter2'),
      error_detail: 'FATAL: hunter2 is wrong',
      error_context: "unnamed portal with parameters: $1 = 'host=h password=hunter2'",
    })
    expect(event.error_detail).toBe('FATAL: <redacted> is wrong')
    expect(event.error_context).toBe("unnamed portal with parameters: $1 = 'host=h password=<redacted>")
  })

  it('lose secrets on sight', () => {
    const event = redacted({
      error_internal_query: "ALTER ROLE bob PASSWORD 'hunter2'",
      error_context: 'SQL statement "ALTER ROLE bob PASSWORD \'hunter2\'"\nPL/pgSQL function f() line 1',
    })
    expect(event.error_internal_query).toBe('ALTER ROLE bob PASSWORD <redacted>')
    expect(event.error_context).toBe(
      'SQL statement "ALTER ROLE bob PASSWORD <redacted>"\nPL/pgSQL function f() line 1',
    )
  })

  it('of a transaction and a log-in as well', () => {
    const error_message = "could not run PASSWORD 'hunter2'"
    expect(
      JSON.stringify(
        redact({ event: 'txn.end', at: 1, who, txn_seq: 1, txn_outcome: 'rolled_back', error_message }),
      ),
    ).not.toContain('hunter2')
    expect(
      JSON.stringify(
        redact({
          event: 'session.auth',
          at: 1,
          who,
          outcome: 'error',
          error_message,
          startup_options: 'password=hunter2',
        }),
      ),
    ).not.toContain('hunter2')
    const end: AuditEvent = {
      event: 'session.end',
      at: 1,
      who,
      end_by: 'server',
      end_reason: 'closed',
      bytes_in: 0,
      bytes_out: 0,
      statements: 0,
      duration_us: 0,
      error_message: 'database "postgres://bob:hunter2@h/d" does not exist',
    }
    expect(redact(end)).toEqual({
      ...end,
      error_message: 'database "postgres://bob:<redacted>@h/d" does not exist',
    })
  })
})

describe('other keys', () => {
  it('a body that could not be decoded ends before its secret', () => {
    const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex')
    expect(redacted({ malformed: true, body_hex: hex("\0p\0alter user bob password 'x'") }).body_hex).toBe(
      hex('\0p\0'),
    )
    expect(redacted({ malformed: true, body_hex: hex('\0p\0select 1') }).body_hex).toBe(
      hex('\0p\0select 1'),
    )
    expect(redacted({ malformed: true, body_hex: `\\x${hex("a password 'x'")}` }).body_hex).toBe('\\x6120')
  })

  it('a body with values that are secrets is not shown', () => {
    const text = query("select set_config('app.secret', $1, false)")
    expect(redacted({ text, malformed: true, body_hex: '\\x0102' }).body_hex).toBe('\\x')
  })

  it('names of statements that are their texts', () => {
    expect(redacted({ stmt_name: "alter user bob password 'hunter2'" }).stmt_name).toBe(
      'alter user bob password <redacted>',
    )
  })

  it('names that are connection strings, with the same object for the same', () => {
    const database = 'postgres://bob:hunter2@h/d'
    const safe = (event: AuditEvent) => redact(event) as Extract<AuditEvent, { who: Who }>
    const secretive: Who = { dialect: 'postgresql', username: 'password reset', database }
    const events: AuditEvent[] = [
      { event: 'session.start', at: 1, who: secretive },
      { event: 'gap', at: 1, who: secretive, gap_reason: 'tls' },
      statement({ who: secretive, text: query('select 1') }),
    ]
    for (const event of events)
      expect(safe(event).who).toEqual({ ...secretive, database: 'postgres://bob:<redacted>@h/d' })
    expect(safe(events[0]!).who).toBe(safe(events[2]!).who)
  })

  it('startup options', () => {
    const options = (startup_options: string) =>
      (redact({ event: 'session.auth', at: 1, who, outcome: 'success', startup_options }) as SessionAuth)
        .startup_options
    expect(options('password=hunter2 or so DateStyle=ISO')).toBe('password=<redacted> DateStyle=ISO')
    expect(options('options=-c app.jwt_secret=hunter2 -c geqo=off')).toBe(
      'options=-c app.jwt_secret=<redacted> -c geqo=off',
    )
    expect(options('options=-c password_encryption=md5 client_encoding=UTF8')).toBe(
      'options=-c password_encryption=md5 client_encoding=UTF8',
    )
  })

  it('fields of a message', () => {
    const event = redact({
      event: 'message',
      at: 1,
      who,
      direction: '<-',
      text: query(SECRET_TEXT),
      fields: { error_message: 'hunter2 is bad', message_type: 'E', seq: 1 },
    }) as MessageEvent
    expect(event.fields).toEqual({ error_message: '<redacted> is bad', message_type: 'E', seq: 1 })
  })
})
