import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redact } from '../../../src/audit/redact.ts'
import type { Statement } from '../../../src/event.ts'
import { runs } from '../../support/fuzz.ts'
import { MYSQL_ORDINARY, MYSQL_SECRETS } from '../../support/secret-mysql.ts'
import { mysqlQuery, statement } from '../../support/statements.ts'

type Form = (value: string, noBackslashEscapes: boolean) => string

const escaped = (value: string, quote: string, noBackslashEscapes: boolean): string =>
  noBackslashEscapes
    ? value.replaceAll(quote, quote + quote)
    : value.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`)
const quoted =
  (quote: string, before = ''): Form =>
  (value, noBackslashEscapes) =>
    `${before}${quote}${escaped(value, quote, noBackslashEscapes)}${quote}`

/** Forms in which a literal may be written. */
const FORMS: readonly Form[] = [
  quoted("'"),
  quoted('"'),
  quoted("'", 'N'),
  (value) => `0x${Buffer.from(value).toString('hex')}`,
  (value) => `X'${Buffer.from(value).toString('hex')}'`,
  (value, plain) =>
    `${quoted("'")(value.slice(0, 3), plain)} /* ' */\n ${quoted('"')(value.slice(3), plain)}`,
]

/** `%` is where the literal goes. */
const TEMPLATES: readonly string[] = [
  'alter user bob identified by %',
  "CREATE USER IF NOT EXISTS 'bob'@'%h' IDENTIFIED BY % REQUIRE SUBJECT 's' ISSUER 'i'",
  "create user a identified by password %, `b`@`c` identified with mysql_native_password as % comment 'x'",
  'create user a identified via ed25519 using password(%) or mysql_native_password using % or unix_socket',
  'alter user a identified with caching_sha2_password by % replace % retain current password',
  "grant all privileges on *.* to 'bob'@'h' identified by % with grant option",
  'set password = %',
  'set password for bob@h = password(%)',
  "set @a = 'b', password = old_password(%), @c = 'd'",
  "select 'a', password(%), aes_encrypt('data', %) from t where a = 'b'",
  "change master to master_user='u', master_password = %, master_log_file='f'",
  "start replica user='u' password=% default_auth='p'",
  "create server s foreign data wrapper mysql options (user 'u', password %, host 'h')",
  'set global app_password = %',
  "create event e on schedule every 1 day comment 'c' do alter user bob identified by %",
  "create procedure p() begin if a = 'b' then set password for bob = %; end if; select 'x'; end",
  '/*!50000 alter user bob identified by % */',
  "clone instance from 'u'@'h':3306 identified by % require ssl",
]

const GAPS = [' ', '\n', '\t', "/* x ' */ ", '-- "it\'s"\n', '# `\n', ' /**/ ']

const secrets = fc
  .string({ unit: fc.constantFrom(...'QXZ\'\\"`;-/* #%éß9'), minLength: 6, maxLength: 20 })
  .filter((text) => /[QXZ9]{2}/.test(text) && !/[éß]\\/.test(text))

const build = (template: string, literal: string, gaps: readonly string[], before: string): string => {
  let gap = 0
  return (
    before +
    template
      .split(/('[^']*'|`[^`]*`|\/\*!50000 )/)
      .map((part, index) =>
        index % 2 === 1 ? part : part.replaceAll(' ', () => gaps[gap++ % gaps.length]!),
      )
      .join('')
      .replaceAll(/%(?!h)/g, () => literal)
  )
}

const redacted = (more: Partial<Statement>): Statement =>
  redact(statement({ outcome: 'error', ...more })) as Statement

describe('properties of redaction for MySQL', () => {
  it('no secret survives, whatever its form and place, and nothing else changes', () => {
    fc.assert(
      fc.property(
        secrets,
        fc.constantFrom(...FORMS),
        fc.constantFrom(...TEMPLATES),
        fc.array(fc.constantFrom(...GAPS), { minLength: 1, maxLength: 5 }),
        fc.constantFrom('', "select 'before'; ", '/* " */ begin; ', "select `a'b`; "),
        fc.boolean(),
        fc.nat(60),
        (value, form, template, gaps, before, noBackslashEscapes, cut) => {
          const literal = form(value, noBackslashEscapes)
          const text = build(template, literal, gaps, before)
          const at = text.indexOf(literal)
          const near = text.slice(Math.max(0, at - cut), Math.max(0, at - cut) + 80)
          const event = redacted({
            text: mysqlQuery(text, { standardConformingStrings: noBackslashEscapes }),
            error_message: `You have an error in your SQL syntax; … to use near '${near}' at line 1`,
          })
          const json = JSON.stringify(event)
          expect(json).not.toContain(JSON.stringify(value).slice(1, -1))
          expect(json).not.toContain(JSON.stringify(literal).slice(1, -1))
          const left = near.slice(near.indexOf(literal.slice(0, 4)))
          if (near.includes(literal.slice(0, 4)) && left.length > 6)
            expect(event.error_message).not.toContain(left)
          // with backslashes and double quotes it may be read with ANSI_QUOTES as well
          if (!text.includes('\\'))
            expect(event.text?.text).toBe(build(template, '<redacted>', gaps, before))
        },
      ),
      runs(3000),
    )
  }, 60_000)

  it('a statement that is cut anywhere gives nothing away', () => {
    for (const [text] of MYSQL_SECRETS)
      for (let end = text.indexOf('hunter2') + 4; end < text.length; end++) {
        if (!text.includes('hunter2') || /'hunter2'(?:;|.*@p)|quote|concat|\/\*|-- |using/i.test(text))
          break
        const cut = mysqlQuery(text.slice(0, end), { truncated: { bytes: 1e6, sha256: 'x' } })
        expect(redacted({ text: cut }).text?.text).not.toContain('hunt')
      }
  })

  it('the tail of a statement gives no password away', () => {
    for (const tail of [
      "unter2' require ssl",
      "x identified by 'hunter2'",
      'x IDENTIFIED WITH y AS "hunter2"',
      "x, master_password = 'hunter2', master_port = 1",
      "set password = password('hunter2')",
    ]) {
      const text = mysqlQuery("alter user bob identified by 'h", {
        truncated: { bytes: 1e6, sha256: 'x', tail },
      })
      expect(redacted({ text }).text?.truncated?.tail).not.toMatch(/unter2/)
    }
  })

  it('ordinary statements stay as they are, in other words and within programs', () => {
    const gap = fc.constantFrom(...GAPS)
    for (const text of MYSQL_ORDINARY)
      fc.assert(
        fc.property(gap, fc.boolean(), (space, upper) => {
          const said = text
            .split(/('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|\/\*.*?\*\/|# .*)/)
            .map((part, index) =>
              index % 2 === 1 ? part : (upper ? part.toUpperCase() : part).replaceAll(/ (?=\w+ )/g, space),
            )
            .join('')
          expect(redacted({ text: mysqlQuery(said) }).text?.text).toBe(said)
        }),
        runs(8),
      )
  })

  it('any text is redacted without an exception', () => {
    const unit = fc.constantFrom(
      ...[
        "'",
        "''",
        '"',
        '`',
        '\\',
        '/*',
        '*/',
        '/*!50000 ',
        '-- ',
        '#',
        '\n',
        ' ',
        ';',
        '(',
        ')',
        ',',
        '=',
      ],
      ...[
        '@',
        '?',
        ':=',
        'identified by ',
        'password ',
        'set ',
        'alter user ',
        'create ',
        'procedure ',
        'begin ',
      ],
      ...['end ', 'using ', 'with ', 'concat', 'aes_encrypt', '0x4142', 'é', 'x', '://u:p@h', 'select '],
    )
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 40 }), fc.boolean(), (parts, standardConformingStrings) => {
        const text = mysqlQuery(parts.join(''), { standardConformingStrings })
        const first = redacted({ text }).text?.text ?? ''
        expect(first.replaceAll('<redacted>', '').length).toBeLessThanOrEqual(text.text.length)
      }),
      runs(2000),
    )
  })

  it('takes time in proportion to the length of a text', () => {
    const size = 300_000
    const hostile = [
      ...[
        "password '",
        'password /*',
        'identified by ',
        "identified by 'x' ",
        'identified with ',
        "\\'",
        "'\\' ",
      ],
      ...[
        "set @s = 'alter user x identified by ''y''' ;",
        "concat('identified by ''', ",
        "'a' 'b' ",
        '/*! ',
        '/*!/* ',
      ],
      ...[
        'alter user ',
        "create user 'x'@",
        '((((',
        "password('",
        'select ',
        '0x414243 ',
        '_utf8 ',
        '@a := ',
        '?,',
      ],
      ...[
        "identified by password 'x' or ",
        'alter create ',
        'alter x user;',
        "x' identified by '",
        '*/',
        '-- \n',
      ],
      ...['begin if ', 'a@b ', 'é\\\' "\\" ', 'sql_mode \\\' password "\\'],
    ]
    for (const unit of hostile) {
      const text = mysqlQuery(unit.repeat(size / unit.length))
      const message = `near '${text.text}' at line 1`
      const started = performance.now()
      redacted({ text, error_message: message })
      // quadratic work would take minutes
      expect(performance.now() - started, unit).toBeLessThan(20_000)
    }
  }, 120_000)
})
