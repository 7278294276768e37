/** The operational log's line in its forms: JSON as it is written, LTSV, and for people. */
import { styleText } from 'node:util'

export type LineFormat = 'json' | 'ltsv' | 'console'

/** What moves a terminal's cursor, turns text around, or breaks a line: C0, C1, bidi, line separators. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

const escaped = (text: string): string =>
  text.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/** `label:value`, tabs between; backslash, tab and line ends in values as `\\`, `\t`, `\n`, `\r`. */
const ltsvLine = (entries: Readonly<Record<string, unknown>>): string =>
  Object.entries(entries)
    .map(([key, value]) => {
      const text = textOf(value).replace(/[\\\t\n\r]/g, (character) => ESCAPES[character] ?? '')
      return `${key.replace(/[^\w.-]/g, '_')}:${text}`
    })
    .join('\t')

const COLORS: Readonly<Record<string, 'red' | 'yellow' | 'green' | 'gray'>> = {
  fatal: 'red',
  error: 'red',
  warn: 'yellow',
  info: 'green',
}

const PLAIN = /^[^\s"=]+$/

/** `09:00:00.123 INFO  listening  listen_addr=127.0.0.1:15432` */
const consoleLine = (entries: Readonly<Record<string, unknown>>, hasColor: boolean): string => {
  const { level, ts, msg, pid: _, ...fields } = entries
  const name = String(level)
  const word = name.toUpperCase().padEnd(5)
  const pairs = Object.entries(fields).map(([key, value]) => {
    const text = textOf(value)
    return `${key}=${PLAIN.test(text) ? text : JSON.stringify(text)}`
  })
  const [time, rest] = [String(ts).slice(11, 23), escaped(`  ${pairs.join(' ')}`).trimEnd()]
  const message = escaped(String(msg ?? ''))
  if (!hasColor) return `${time} ${word} ${message}${rest}`
  const options = { validateStream: false }
  const color = styleText(COLORS[name] ?? 'gray', word, options)
  return `${styleText('gray', time, options)} ${color} ${message}${styleText('gray', rest, options)}`
}

/** Gives a line of JSON, its line feed included, the wanted form. */
export const formatLine = (json: string, format: LineFormat, hasColor = false): string => {
  if (format === 'json') return json
  const entries = JSON.parse(json) as Record<string, unknown>
  return `${format === 'ltsv' ? ltsvLine(entries) : consoleLine(entries, hasColor)}\n`
}
