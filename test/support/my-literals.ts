/**
 * Values as MySQL and MariaDB put them into the text of an `Execute` line of the general log, in place of
 * the question marks. Texts are handled as latin1 strings, one character for each byte that was sent.
 */

/** A literal read back: NULL, or its bytes. */
export interface Literal {
  /** a number is bare; MariaDB's `DATE'…'`, `TIME'…'` and `TIMESTAMP'…'` are typed */
  readonly kind: 'null' | 'bare' | 'quoted' | 'typed'
  /** latin1 string of the value's bytes; empty for NULL */
  readonly value: string
}

// strings, quoted names and comments, in which a question mark is no parameter
const OPAQUE =
  /'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`[^`]*`|--[ \t][^\n]*|#[^\n]*|\/\*(?!!|M!).*?\*\//gs

/** The text between its parameters: one more than there are parameters. */
export const betweenParameters = (text: string): string[] => {
  const hidden = text.replace(OPAQUE, (found) => '_'.repeat(found.length))
  const parts: string[] = []
  let from = 0
  for (let at = hidden.indexOf('?'); at >= 0; at = hidden.indexOf('?', at + 1)) {
    parts.push(text.slice(from, at))
    from = at + 1
  }
  return [...parts, text.slice(from)]
}

const ESCAPED: Readonly<Record<string, string>> = {
  '0': '\0',
  n: '\n',
  r: '\r',
  t: '\t',
  b: '\b',
  Z: '\x1a',
}
const LITERAL =
  /NULL|(DATE|TIMESTAMP|TIME)?(?:_[a-z0-9]+ ?)?'((?:[^'\\]|\\.|'')*)'|x'([0-9a-f]*)'|0x([0-9a-f]*)|[-+]?[0-9.]+(?:e[-+]?\d+)?|-?inf|nan/isy

const unescaped = (body: string): string =>
  body.replace(/\\(.)|''/gs, (_, escaped?: string) =>
    escaped === undefined ? "'" : (ESCAPED[escaped] ?? escaped),
  )

const literalAt = (text: string, at: number): { literal: Literal; end: number } | undefined => {
  LITERAL.lastIndex = at
  const match = LITERAL.exec(text)
  if (!match) return undefined
  const [whole, keyword, quoted, hex = match[4]] = match
  const end = at + whole.length
  if (whole === 'NULL') return { literal: { kind: 'null', value: '' }, end }
  if (quoted !== undefined) {
    return { literal: { kind: keyword ? 'typed' : 'quoted', value: unescaped(quoted) }, end }
  }
  if (hex !== undefined) {
    return { literal: { kind: 'quoted', value: Buffer.from(hex, 'hex').toString('latin1') }, end }
  }
  return { literal: { kind: 'bare', value: whole }, end }
}

/** The literals that turn the prepared text into the executed one; undefined when it is another text. */
export const literalsOf = (prepared: string, executed: string): Literal[] | undefined => {
  const [first = '', ...rest] = betweenParameters(prepared)
  if (!executed.startsWith(first)) return undefined
  const literals: Literal[] = []
  let at = first.length
  for (const part of rest) {
    const found = literalAt(executed, at)
    if (!found || !executed.startsWith(part, found.end)) return undefined
    literals.push(found.literal)
    at = found.end + part.length
  }
  return at === executed.length ? literals : undefined
}

const nameOf = (type: string | undefined): string => (type ?? '').toUpperCase().replace(/^MYSQL_TYPE_/, '')

const isSameNumber = (type: string, ours: string, logged: string): boolean => {
  if (type !== 'FLOAT' && type !== 'DOUBLE') return false
  const [a, b] = [Number(ours), Number(logged)]
  return a === b || (type === 'FLOAT' && Math.fround(a) === Math.fround(b))
}

const isSameBytes = (ours: string, logged: string, charset: BufferEncoding): boolean =>
  Buffer.from(ours, charset).toString('latin1') === logged ||
  (ours.startsWith('\\x') && ours.slice(2).toLowerCase() === Buffer.from(logged, 'latin1').toString('hex'))

const MOMENTS = new Set(['DATETIME', 'TIMESTAMP', 'TIME'])

/** MySQL 5.6 leaves the fraction of a second out of its log. */
const isSameMoment = (type: string, ours: string, { kind, value }: Literal): boolean =>
  kind === 'quoted' && MOMENTS.has(type) && ours.replace(/\.\d+$/, '') === value

/**
 * Is the value of the record the one that the server used? Floats may be spelt otherwise; a BLOB that is no
 * text is `\x` hex in the record.
 */
export const isSameValue = (
  ours: string | null,
  logged: Literal,
  type: string | undefined,
  charset: BufferEncoding = 'utf8',
): boolean => {
  if (logged.kind === 'null') return ours === null
  if (ours === null) return false
  return (
    isSameBytes(ours, logged.value, charset) ||
    isSameNumber(nameOf(type), ours, logged.value) ||
    isSameMoment(nameOf(type), ours, logged)
  )
}
