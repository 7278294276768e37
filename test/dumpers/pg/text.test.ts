import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { TAIL_BYTES } from '../../../dumpers/common/long-text.ts'
import { UTF8 } from '../../../dumpers/common/text-decoding.ts'
import { PgSession } from '../../../dumpers/pg/session.ts'
import { decodingOf, makeText, repeatedText } from '../../../dumpers/pg/text.ts'
import type { Bytes } from '../../../src/flow.ts'
import {
  answered,
  converse,
  LIMITS,
  ofKind,
  openContext,
  type Plain,
  sent,
} from '../../support/canonical.ts'
import { backend, fromHex, frontend, loggedIn } from '../../support/pg-wire.ts'

const sha256 = (bytes: Bytes | string) => createHash('sha256').update(bytes).digest('hex')

// [client_encoding, hex, text]
const ENCODINGS: [string, string, string][] = [
  ['UTF8', 'c3bc e282ac f09f9880', 'ü€😀'],
  ['SQL_ASCII', 'c3bc', 'ü'],
  ['LATIN1', 'fc 80', 'ü\u0080'],
  ['LATIN9', 'a4', '€'],
  ['WIN1252', '80 81 92 9f a0 ff', '€\x81’Ÿ\xa0ÿ'],
  ['WIN1251', 'c0', 'А'],
  ['KOI8R', 'c1', 'а'],
  ['EUC_JP', 'c6fc', '日'],
  ['SJIS', '93fa', '日'],
  ['EUC_KR', 'c7d1', '한'],
  ['GBK', 'd6d0', '中'],
  ['BIG5', 'a4a4', '中'],
  ['utf8', 'c3bc', 'ü'],
]

describe('client_encoding', () => {
  test.each(ENCODINGS)('%s: %s', (encoding, hex, expected) => {
    const bytes = Buffer.concat([Buffer.from('aa'), fromHex(hex), Buffer.from('bb')])
    const decoding = decodingOf(encoding)
    const made = makeText(bytes, 2, bytes.length - 2, decoding, true)
    expect(made).toEqual({ text: expected, standardConformingStrings: true, dialect: 'postgresql' })
  })

  test('one that this Node lacks never throws', () => {
    expect(decodingOf('LATIN10').text(Buffer.from('plain'))).toBe('plain')
  })

  test('one that is not known is read as UTF-8 where it is', () => {
    expect(decodingOf('MULE_INTERNAL').text(Buffer.from('ü'))).toBe('ü')
  })
})

describe('bytes that are not of the encoding are kept as hex beside the text', () => {
  test.each([
    ['UTF8', '61 ff 62', 'a\ufffdb'],
    ['UTF8', '61 c3', 'a\ufffd'],
    ['UTF8', 'ed a0 80', '\ufffd\ufffd\ufffd'],
    ['EUC_JP', '61 ff', 'a\ufffd'],
  ])('%s %s', (encoding, hex, text) => {
    const bytes = fromHex(hex)
    expect(makeText(bytes, 0, bytes.length, decodingOf(encoding), true)).toMatchObject({
      text,
      hex: `\\x${bytes.toString('hex')}`,
    })
  })

  test('but a replacement character that was sent is a character', () => {
    const bytes = Buffer.from('a\ufffdb')
    expect(makeText(bytes, 0, bytes.length, UTF8, true).hex).toBeUndefined()
  })
})

describe('in a session', () => {
  const run = (maxQueryBytes: number, message: Bytes): Plain => {
    const session = new PgSession(openContext({ limits: { ...LIMITS, maxQueryBytes } }))
    const events = converse(session, [
      sent(frontend.startup({ user: 'u' })),
      answered(loggedIn()),
      sent(message),
      answered(backend.parseComplete(), backend.commandComplete('SELECT 1'), backend.readyForQuery()),
    ])
    return [...ofKind(events, 'statement'), ...ofKind(events, 'prepare')][0]!
  }

  test.each([99, 100, 101, 20_000, 300_000])('a Query of %i bytes, 100 of which are kept', (length) => {
    const text = Array.from({ length }, (_, i) => String.fromCharCode(97 + (i % 26))).join('')
    const expected =
      length <= 100
        ? text
        : {
            text: text.slice(0, 100),
            truncated: { bytes: length, sha256: sha256(text), tail: text.slice(100).slice(-TAIL_BYTES) },
            standardConformingStrings: true,
          }
    expect(run(100, frontend.query(text)).text).toEqual(expected)
    expect(run(100, frontend.parse(text, 'name', [23])).text).toEqual(expected)
  })

  test('a Parse with more types than are kept: its text ends where it ends', () => {
    const record = run(100, frontend.parse('select 1', 'name', Array(30_000).fill(23)))
    expect(record).toMatchObject({ event: 'prepare', stmt_name: 'name', text: 'select 1' })
  })

  test('a long text and more types than are kept', () => {
    const text = 'x'.repeat(1000)
    const record = run(100, frontend.parse(text, 'name', Array(30_000).fill(23)))
    expect(record.text).toMatchObject({
      text: text.slice(0, 100),
      truncated: { bytes: 1000, sha256: sha256(text), tail: text.slice(100) },
    })
  })
})

test('a repeated text is one object, whatever stood in its place before', () => {
  const make = (text: string | Buffer, decoding = UTF8, standard = true) => {
    const bytes = Buffer.concat([Buffer.from('xx'), Buffer.from(text as string)])
    return repeatedText(bytes, 2, bytes.length, decoding, standard)
  }
  const first = make('select $1')
  expect(make('select $1')).toBe(first)
  expect(make('select $1', UTF8, false)).not.toBe(first)
  for (let i = 0; i < 1000; i++) expect(make(`select ${i}`).text).toBe(`select ${i}`)
  const latin1 = decodingOf('LATIN1')
  expect(make(Buffer.from([0xe9]), latin1).text).toBe('é')
  expect(make(Buffer.from([0xe9])).hex).toBe('\\xe9')
  expect(make('é').text).toBe('é')
  expect(make('x'.repeat(2000)).text).toHaveLength(2000)
})
