import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redact } from '../../../src/audit/redact.ts'
import { maskSpans } from '../../../src/audit/redact-mask.ts'
import { secretsAsRead } from '../../../src/audit/redact-sql.ts'
import type { Statement } from '../../../src/event.ts'
import { runs } from '../../support/fuzz.ts'
import { query, statement } from '../../support/statements.ts'

/** Forms in which a literal may be written, each with what it needs behind it. */
const FORMS: readonly ((value: string) => string)[] = [
  (value) => `'${value.replaceAll("'", "''")}'`,
  (value) => `E'${value.replaceAll(/['\\]/g, '\\$&')}'`,
  (value) =>
    `e'${[...value].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}'`,
  (value) => `N'${value.replaceAll("'", "''")}'`,
  (value) => `U&'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`,
  (value) => `$tag$${value}$tag$`,
  (value) =>
    `'${value.slice(0, 4).replaceAll("'", "''")}'\n-- it's\n '${value.slice(4).replaceAll("'", "''")}'`,
]

/** `%` is where the literal goes. */
const TEMPLATES: readonly string[] = [
  'alter role bob password %',
  'CREATE USER "password" WITH ENCRYPTED PASSWORD % VALID UNTIL \'2030-01-01\' LOGIN',
  "create group g valid until 'x' password/**/% createdb",
  'alter user bob pasword %',
  "create user mapping for bob server s options (user 'bob', password %)",
  'alter user mapping for bob server s options (set "Password" %, add x_token %)',
  "create server s foreign data wrapper w options (host 'h', passwd %)",
  'alter foreign data wrapper w options (add secret_key %)',
  'do $do$ begin alter role bob password %; end $do$',
  "create procedure f() as $f$ begin execute format('alter role %I password %L', 'bob', %); end $f$",
  "select dblink_exec('c', 'alter role bob password ' || quote_literal(%))",
  'alter role bob password % ; select 1; alter role alice password %',
]

const GAPS = [' ', '\n', '\t', "/* x ' */ ", '-- "it\'s"\n', ' /* /* */ $$ */ ']

const secrets = fc
  .string({ unit: fc.constantFrom(...'QXZ\'\\"$;-/* %éß9'), minLength: 6, maxLength: 20 })
  .filter(
    (text) =>
      /[QXZ9]{2}/.test(text) &&
      !text.includes('$tag$') &&
      !text.endsWith('$') &&
      !/\$[a-zéß]*\$/.test(text),
  )

const randomCase = (text: string, upper: readonly boolean[]): string =>
  [...text].map((unit, index) => (upper[index % upper.length] ? unit.toUpperCase() : unit)).join('')

describe('properties', () => {
  it('no secret survives, whatever its form and place, and nothing else changes', () => {
    fc.assert(
      fc.property(
        secrets,
        fc.constantFrom(...FORMS),
        fc.constantFrom(...TEMPLATES),
        fc.array(fc.constantFrom(...GAPS), { minLength: 1, maxLength: 5 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
        fc.constantFrom('', "select 'before'; ", '/* " */ begin; '),
        (value, form, template, gaps, upper, before) => {
          const literal = form(value)
          let gap = 0
          // literals stay as they are, words change case, single spaces become other gaps
          const outer = template
            .split(/('[^']*'|"[^"]*"|\$[a-z]+\$)/)
            .map((part, index) =>
              index % 2 === 1
                ? part
                : randomCase(part, upper).replaceAll(' ', () => gaps[gap++ % gaps.length]!),
            )
            .join('')
          const build = (filling: string) => before + outer.replaceAll(/%(?![IL])/g, () => filling)
          const text = build(literal)
          const event = redact(
            statement({
              text: query(text),
              outcome: 'error',
              error_message: `syntax error at or near "${literal}"`,
              error_context: `SQL statement "${text}", ${value}`,
            }),
          ) as Statement
          // read as the server reads it no secret is seen, whatever else the text may mean
          const asRead = secretsAsRead(text, { standardConformingStrings: true })
          const known = JSON.stringify(maskSpans(text, asRead?.spans ?? []))
          expect(known).not.toContain(JSON.stringify(value).slice(1, -1))
          expect(known).not.toContain(JSON.stringify(literal).slice(1, -1))
          // with backslashes and quotes a part of it may be code in another meaning of the text
          const isCertain = !literal.includes('\\') || !value.includes("'")
          const json = JSON.stringify(isCertain ? event : { ...event, text: undefined })
          expect(json).not.toContain(JSON.stringify(value).slice(1, -1))
          expect(json).not.toContain(JSON.stringify(literal).slice(1, -1))
          // with a backslash a text may have several meanings, and what is not code in all of them stays
          if (!template.includes('format') && !template.includes('||') && !literal.includes('\\'))
            expect(event.text?.text).toBe(build('<redacted>'))
        },
      ),
      runs(2000),
    )
  })

  it('any text is redacted without an exception, and masking is idempotent for what it leaves', () => {
    const unit = fc.constantFrom(
      "'",
      "''",
      '"',
      '$$',
      '$a$',
      '\\',
      '/*',
      '*/',
      '--',
      '\n',
      ' ',
      ';',
      '(',
      ')',
      ',',
      '=',
      '%L',
      '||',
      'E',
      'U&',
      '://u:p@h',
      'password',
      ' password ',
      'alter role ',
      'create user ',
      'mapping ',
      'options(',
      'host=',
      'format',
      'é',
      'x',
    )
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 40 }), fc.boolean(), (parts, standardConformingStrings) => {
        const text = query(parts.join(''), { standardConformingStrings })
        const first = (redact(statement({ text })) as Statement).text?.text ?? ''
        expect(first.replaceAll('<redacted>', '').length).toBeLessThanOrEqual(text.text.length)
      }),
      runs(2000),
    )
  })

  it('takes time in proportion to the length of a text', () => {
    const size = 300_000
    const hostile = [
      "password '",
      'password /*',
      'password ',
      "'password'",
      '$a$password',
      "E'\\'password",
      'alter role x password $1;',
      "'host=h password=x' ",
      '://u:',
      "('alter role x password %L',",
      '$p$ password $q$ ',
      "options(password 'x'",
      '://',
      'password=',
      "''''",
      "'\\' password 'x' ",
      "do $a$ x 'é\\'' E'é\\'' password 'x' $b$ '\\' E'é\\'' password 'x' $b$ $a$;",
      "'alter role x password ' || f('x') || ",
      "format('alter role %I password %L', 'a', 'b'),",
      "'host=a password=b c d ',",
      "password\\'",
      '((((((((',
    ]
    for (const unit of hostile) {
      const text = query(unit.repeat(size / unit.length))
      const started = performance.now()
      redact(statement({ text, outcome: 'error', error_message: text.text }))
      // quadratic work would take minutes
      expect(performance.now() - started, unit).toBeLessThan(20_000)
    }
  }, 60_000)
})
