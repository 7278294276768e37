import { describe, expect, it } from 'vitest'
import { redact } from '../../../src/audit/redact.ts'
import type { AuditEvent, BoundValues, Prepare, QueryText, Statement, Who } from '../../../src/event.ts'
import { mysqlQuery, statement } from '../../support/statements.ts'

const who: Who = { dialect: 'mysql' }

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

const redacted = (more: Partial<Statement>): Statement => redact(statement({ who, ...more })) as Statement

describe('bound values', () => {
  const table: [text: string, values: string[], masked: string[]][] = [
    ['select password(?), ?', ['hunter2', 'x'], ['<redacted>', 'x']],
    ['select aes_encrypt(?, ?) from t where a = ?', ['data', 'hunter2', 'c'], ['data', '<redacted>', 'c']],
    ['change master to master_user = ?, master_password = ?', ['u', 'hunter2'], ['u', '<redacted>']],
    ['insert into users (name, password) values (?, ?)', ['a', 'hunter2'], ['a', 'hunter2']],
    [
      'insert into jobs values (?, ?)',
      ["alter user bob identified by 'hunter2'", 'mysql://u:hunter2@h/db'],
      ['alter user bob identified by <redacted>', 'mysql://u:<redacted>@h/db'],
    ],
    ['execute immediate ?', ["set password = 'hunter2'"], ['set password = <redacted>']],
    [
      "execute immediate concat(?, ?, '''')",
      ["set password = '", 'hunter2'],
      ["set password = '", '<redacted>'],
    ],
  ]
  for (const [text, values, masked] of table)
    it(`${text}: ${values.join(', ')}`, () => {
      const event = redacted({ text: mysqlQuery(text), values: bound(...values) })
      expect(textsOf(event.values ?? bound(...values))).toEqual(masked)
    })

  it('of each row of a bulk execution', () => {
    const rows = [bound('a', 'hunter2'), bound('b', null)]
    const event = redacted({ text: mysqlQuery('select concat(?, password(?))'), rows })
    expect(event.rows?.map(textsOf)).toEqual([
      ['a', '<redacted>'],
      ['b', null],
    ])
  })

  it('of a statement that SQL executes, its literals too', () => {
    const event = redacted({
      text: mysqlQuery("execute s using 'a', 'hunter2'"),
      executed: mysqlQuery('select ?, password(?)'),
    })
    expect(event.text?.text).toBe("execute s using 'a', <redacted>")
  })
})

describe('error texts', () => {
  const near = (quoted: string) =>
    `You have an error in your SQL syntax; check the manual … to use near '${quoted}' at line 1`
  const message = (text: string, quoted: string, more: Partial<QueryText> = {}) =>
    redacted({ text: mysqlQuery(text, more), error_number: 1064, error_message: near(quoted) })
      .error_message

  it('quote no secret', () => {
    expect(message("alter usr bob identified by 'hunter2'", "usr bob identified by 'hunter2'")).toBe(
      near('usr bob identified by <redacted>'),
    )
  })
  it('quote no beginning of one', () => {
    const text = `alter usr bob identified by 'hunter2${'x'.repeat(90)}'`
    expect(message(text, text.slice(6, 86))).toBe(near('usr bob identified by <redacted>'))
    expect(message(text, `${text.slice(6, 86)}...`)).toBe(near('usr bob identified by <redacted>...'))
  })
  it('quote no end of one', () => {
    expect(message("alter user bob identified by 'it's hunter2'", "s hunter2'")).toBe(near('<redacted>'))
  })
  it('quote nothing of a text within a text', () => {
    const text = "prepare s from 'alter usr bob identified by ''hunter2 and more'''"
    expect(message(text, "usr bob identified by 'hunter2 an")).toBe(
      near('usr bob identified by <redacted>'),
    )
  })
  it('quote no beginning of one in other messages', () => {
    const secret = 'hunter2'.repeat(20)
    const event = redacted({
      text: mysqlQuery(`change master to master_password='${secret}'`),
      error_message: `String '${secret.slice(0, 70)}' is too long for MASTER_PASSWORD (should be no longer than 96)`,
    })
    expect(event.error_message).toBe(
      "String '<redacted>' is too long for MASTER_PASSWORD (should be no longer than 96)",
    )
  })
  it('are left as they are without a secret', () => {
    expect(message('selekt 1', 'selekt 1')).toBe(near('selekt 1'))
    expect(message("selekt password from t where secret = 'x'", 'selekt password from')).toBe(
      near('selekt password from'),
    )
  })
  it('are masked where the text is not known', () => {
    const event = redact({
      event: 'txn.end',
      at: 1,
      who,
      txn_seq: 1,
      txn_outcome: 'unknown',
      error_message: "near 'set password = 'hunter2'' at line 1",
    } as AuditEvent) as { error_message?: string }
    expect(event.error_message).not.toContain('hunter2')
  })
})

describe('other events', () => {
  it('prepare', () => {
    const event = redact({
      event: 'prepare',
      at: 1,
      who,
      stmt_seq: 1,
      protocol: 'prepared',
      text: mysqlQuery("alter user bob identified by 'hunter2'"),
      outcome: 'success',
    } as unknown as AuditEvent) as Prepare
    expect(event.text?.text).toBe('alter user bob identified by <redacted>')
  })
  it('query attributes', () => {
    const event = redacted({
      text: mysqlQuery('select 1'),
      query_attributes: '{"note":"set password = \'hunter2\'"}',
    })
    expect(event.query_attributes).not.toContain('hunter2')
  })
  it('a text without its hash and its end', () => {
    const truncated = { bytes: 100, sha256: 'abc', tail: "ter2' require ssl" }
    const event = redacted({ text: mysqlQuery("alter user bob identified by 'hun", { truncated }) })
    expect(event.text).toMatchObject({
      text: 'alter user bob identified by <redacted>',
      truncated: { sha256: '', tail: "<redacted>' require ssl" },
    })
  })
})

describe('settings that change how a text is read', () => {
  const text = (sql: string, more: Partial<QueryText> = {}) =>
    redacted({ text: mysqlQuery(sql, more) }).text?.text
  const plain = { standardConformingStrings: true }

  it('NO_BACKSLASH_ESCAPES', () => {
    expect(text("set password = 'hunter2\\'; select 'x'", plain)).toBe(
      "set password = <redacted>; select 'x'",
    )
    expect(text("select 'a\\'; set password = 'hunter2'; select 'b'", plain)).toBe(
      "select 'a\\'; set password = <redacted>; select 'b'",
    )
  })
  it('set in the same text', () => {
    expect(
      text("set sql_mode='NO_BACKSLASH_ESCAPES'; select 'a\\'; set password = 'hunter2'; select 'b'"),
    ).not.toContain('hunter2')
  })
  it('known wrong', () => {
    expect(text("select 'a\\'; set password = 'hunter2'")).not.toContain('hunter2')
    expect(text("select 'a\\'', password('hunter2')", plain)).not.toContain('hunter2')
  })
  it('ANSI_QUOTES', () => {
    expect(text('alter user "b\\" identified by \'hunter2\'')).toBe(
      'alter user "b\\" identified by <redacted>',
    )
    expect(text('alter user "bob" identified by "hunter2"')).toBe(
      'alter user "bob" identified by <redacted>',
    )
  })
  it('a character set whose characters end in a backslash, read as another', () => {
    expect(text("set @a = 'é\\', password = 'hunter2'")).not.toContain('hunter2')
    expect(text("alter user 'é\\' identified by 'hunter2'")).not.toContain('hunter2')
  })
})
