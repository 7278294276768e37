/** Kinds of options: each knows what it takes, how it is written, and what to say when it is wrong. */
import { z } from 'zod'
import { isNetwork, parseAddress, parseRemoteAddress } from './address.ts'
import { parseDuration, parseSize, renderDuration, renderSize } from './units.ts'

/** As TOML has it. */
export type Written = string | number | boolean | readonly string[]

/** One option whose effective value is a `T`. */
export interface Option<T extends Written = Written> {
  /** one or more sentences for the operator; line breaks are where the comment may break */
  readonly doc: string
  /** what is wanted, for messages: `a duration such as "10s"` */
  readonly wanted: string
  readonly fallback: T
  /** a TOML value → the effective one */
  readonly schema: z.ZodType<T>
  /** the effective value → the TOML value that stands for it */
  readonly write: (value: T) => Written
  /** the text of a flag or a variable → the TOML value that it stands for */
  readonly fromText: (text: string) => unknown
}

/** The effective values of a table of options. */
export type ValuesOf<Table> = {
  readonly [Key in keyof Table]: Table[Key] extends Option<infer T> ? T : never
}

const asIs = <T>(value: T): T => value

const numeral = (text: string): unknown => (/^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text)

/** Text of any kind; empty where the option is not used. */
export const text = (fallback: string, doc: string): Option<string> => ({
  doc,
  fallback,
  wanted: 'a text',
  schema: z.string(),
  write: asIs,
  fromText: asIs,
})

/** Text that a check takes, or, where `fallback` is empty, no text at all. The check says what is wrong. */
const checkedText = (
  fallback: string,
  doc: string,
  wanted: string,
  check: (text: string) => string | undefined,
): Option<string> => ({
  ...text(fallback, doc),
  wanted,
  schema: z.string().check((context) => {
    if (context.value === '' && fallback === '') return
    const wrong = check(context.value)
    if (wrong !== undefined) context.issues.push({ code: 'custom', message: wrong, input: context.value })
  }),
})

const wrongOf = (parsed: unknown): string | undefined => (typeof parsed === 'string' ? parsed : undefined)
const ADDRESS_FORMS = 'host:port, [v6]:port, :port or the path of a Unix socket'

/** Where to listen, as text; empty where it is not told. */
export const listenAddress = (doc: string): Option<string> =>
  checkedText('', doc, `an address to listen on, ${ADDRESS_FORMS}`, (value) => wrongOf(parseAddress(value)))

/** What to dial, as text; empty where it is not told. */
export const remoteAddress = (doc: string): Option<string> =>
  checkedText('', doc, `a server's address, ${ADDRESS_FORMS}`, (value) =>
    wrongOf(parseRemoteAddress(value)),
  )

/** A file's name without a directory. */
export const fileName = (fallback: string, doc: string): Option<string> =>
  checkedText(fallback, doc, 'a file name without a directory', (value) =>
    /^[^./\0][^/\0]*$/.test(value) ? undefined : 'this is no plain file name',
  )

const FLAG_WORDS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
])

/** Strictly true or false. */
export const flag = (fallback: boolean, doc: string): Option<boolean> => ({
  doc,
  fallback,
  wanted: 'true or false',
  schema: z.boolean(),
  write: asIs,
  fromText: (written) => FLAG_WORDS.get(written.toLowerCase()) ?? written,
})

/** A whole number, `least` or more. */
export const count = (fallback: number, least: number, doc: string): Option<number> => ({
  doc,
  fallback,
  wanted: `a whole number, ${least} or more`,
  schema: z.int().min(least),
  write: asIs,
  fromText: numeral,
})

const measured = (
  kind: Pick<Option<number>, 'doc' | 'fallback' | 'wanted' | 'write'>,
  parse: (written: string | number) => number | undefined,
): Option<number> => ({
  ...kind,
  schema: z.union([z.string(), z.number()]).transform((written, context) => {
    const value = parse(written)
    if (value !== undefined) return value
    context.addIssue({ code: 'invalid_type', expected: 'custom' })
    return z.NEVER
  }),
  fromText: asIs,
})

/** What one timer of Node can wait, in whole days: 2^31 - 1 ms. A longer one would go off at once. */
export const LONGEST_TIMER = 24 * 86_400_000

const DURATION_FORMS = 'a duration such as "500ms", "10s", "1m", "1h" or "7d", or a number of seconds'

/** Milliseconds, written as `"10s"`. */
export const duration = (fallback: string, doc: string, most = Number.POSITIVE_INFINITY): Option<number> =>
  measured(
    {
      doc,
      fallback: parseDuration(fallback) ?? Number.NaN,
      wanted: Number.isFinite(most) ? `${DURATION_FORMS}, ${renderDuration(most)} or less` : DURATION_FORMS,
      write: renderDuration,
    },
    (written) => {
      const millis = parseDuration(written)
      return millis === undefined || millis > most ? undefined : millis
    },
  )

const SIZE_FORMS = 'a size such as "64KiB", "2MB" or "1GiB", or a number of bytes'

/** Bytes, written as `"64KiB"`. */
export const size = (fallback: string, doc: string, least = 0): Option<number> =>
  measured(
    {
      doc,
      fallback: parseSize(fallback) ?? Number.NaN,
      wanted: least > 0 ? `${SIZE_FORMS}, ${renderSize(least)} or more` : SIZE_FORMS,
      write: renderSize,
    },
    (written) => {
      const bytes = parseSize(written)
      return bytes === undefined || bytes < least ? undefined : bytes
    },
  )

const quoted = (words: readonly string[]): string => {
  const marked = words.map((word) => `"${word}"`)
  const last = marked.pop() ?? ''
  return marked.length === 0 ? last : `${marked.join(', ')} or ${last}`
}

/**
 * One of some words, the first being the default unless told. `later` are words that are known and refused,
 * and why; `same` spellings that stand for one of the words.
 */
export const choice = <const Words extends readonly [string, ...string[]]>(
  words: Words,
  doc: string,
  more: {
    readonly fallback?: Words[number]
    readonly later?: Readonly<Record<string, string>>
    readonly same?: Readonly<Record<string, Words[number]>>
  } = {},
): Option<Words[number]> => ({
  doc,
  fallback: more.fallback ?? words[0],
  wanted: quoted(words),
  schema: z.string().transform((written, context): Words[number] => {
    const word = more.same?.[written] ?? written
    if (words.includes(word)) return word
    const reason = more.later?.[written]
    if (reason === undefined) context.addIssue({ code: 'invalid_value', values: [...words] })
    else context.addIssue({ code: 'custom', message: reason })
    return z.NEVER
  }),
  write: asIs,
  fromText: asIs,
})

/** Networks in CIDR form. */
export const networks = (doc: string): Option<readonly string[]> => ({
  doc,
  fallback: [],
  wanted: 'a list of networks such as ["10.0.0.0/8", "::1"]',
  schema: z.array(z.string().refine(isNetwork, 'this is no address and no network in CIDR form')),
  write: asIs,
  fromText: (written) => written.split(',').map((item) => item.trim()),
})

/** Permission bits, written as an octal text `"0600"`. */
export const fileMode = (fallback: string, doc: string): Option<number> => ({
  doc,
  fallback: Number.parseInt(fallback, 8),
  wanted: 'permission bits as an octal text such as "0600"',
  schema: z
    .string()
    .regex(/^0?[0-7]{3}$/)
    .transform((octal) => Number.parseInt(octal, 8)),
  write: (mode) => `0${mode.toString(8).padStart(3, '0')}`,
  fromText: asIs,
})
