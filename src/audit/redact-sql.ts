/**
 * Where an SQL text holds a secret. Masked are: what follows PASSWORD (or another name of a secret) as a
 * literal, where that is no expression of a type of that name; every literal of CREATE/ALTER ROLE, USER and
 * GROUP but that of VALID UNTIL and of SET; of OPTIONS (…) the values of secret names, of a user mapping all
 * but those of known harmless names; values of settings with a secret's name; the secret in a connection
 * string, wherever that stands; the same inside of literals (function bodies, DO, dynamic SQL); what is put
 * into such a statement in a secret's place.
 *
 * Not masked is an application's own data: `UPDATE users SET password = 'x'`, `crypt('x', …)`.
 *
 * How a text is to be read depends on settings that may have changed since the server last told them. So a
 * text that has more than one meaning is read in each way that there is; the ways in which the server would
 * refuse it are left out; and of the others' secrets those are masked that are a secret or a comment in all
 * of them: by no other rule can it be that nobody's password is seen and no command is hidden.
 */
import { hasBackslashEscapes, type ScanOptions, type Span } from '../sql/scan.ts'
import { conninfoSecrets, isConninfo, quotableForms } from './redact-conninfo.ts'
import { Found, type Hints, isOpen, NO_HINTS, type Secrets, type Source } from './redact-found.ts'
import { Level, type LevelOptions, type Pattern, piecesOf, type Read } from './redact-level.ts'
import { looseSecrets, plainSecrets } from './redact-loose.ts'
import { MysqlLevel } from './redact-mysql-level.ts'
import { MYSQL_VERIFIER } from './redact-mysql-words.ts'
import { beginsCommand, isPlain, isSecretName, isVerifier, maySecret } from './redact-names.ts'

/** In literals deeper within literals only what is a secret on sight is masked. */
const MAX_DEPTH = 6
/**
 * A text with its literals is read so many times at most, levels and meanings multiplied: what nobody
 * writes but to hide something, or to keep us busy, is not masked.
 */
const MAX_READS = 12
/** short ones are read in any case */
const FREE_LENGTH = 4096
/** A shorter literal cannot hold a secret with its name. */
const SHORTEST = 8

/** The secrets of a statement's text; `cut` when the text is only the beginning of what was sent. */
export const statementSecrets = (text: string, options: ScanOptions, cut = false): Secrets | undefined =>
  maySecret(text, options.dialect) ? collect(text, options, cut) : undefined

/** The secrets of a statement some of whose bound values are pieces that lack a secret, by number. */
export const patternSecrets = (
  text: string,
  options: ScanOptions,
  patterns: ReadonlyMap<number, Pattern>,
): Secrets | undefined => collect(text, options, true, patterns)

/** The secrets of a text that is read in one way, the server's own: no more are masked than these. */
export const secretsAsRead = (text: string, options: ScanOptions): Secrets | undefined =>
  collect(text, options, false, undefined, true)

/** The secrets of a bound value, a connection string or SQL, and what it lacks. */
export const valueSecrets = (
  value: string,
  options: ScanOptions,
): { readonly secrets: Secrets | undefined; readonly pattern: Pattern | undefined } => {
  if (!maySecret(value, options.dialect)) return { secrets: undefined, pattern: undefined }
  const found = new Found()
  const work = workFor(value)
  const hints = readValue({ text: value, options, depth: 1, source: itself, found, work })
  return { secrets: found.secrets(value), pattern: isOpen(hints) ? { value, hints } : undefined }
}

/** What a secret's name alone tells: the secret stands in the next piece. */
const OPEN: Hints = { ...NO_HINTS, end: 'open' }

const itself: Source = (start, end) => ({ start, end })

const collect = (
  text: string,
  options: ScanOptions,
  cut: boolean,
  patterns?: ReadonlyMap<number, Pattern>,
  asRead = false,
): Secrets | undefined => {
  const found = new Found()
  const work = workFor(text)
  const whole: Text = { text, options, depth: 0, source: itself, found, work, cut, patterns, asRead }
  const { refused } = readText(whole)
  if (refused) maskRefused(text, options, found)
  return found.secrets(text)
}

/** Nothing of a text is run that the server refuses; its literals may be turned inside out. */
const maskRefused = (text: string, options: ScanOptions, found: Found): void => {
  let start = text.length
  for (const span of [...found.spans, ...looseSecrets(text, options)]) start = Math.min(start, span.start)
  if (start === text.length) return
  found.maskAll({ start, end: text.length }, piecesOf(text.slice(start), options))
}

/** A text, and what is to be done with it. */
interface Text {
  readonly text: string
  readonly options: ScanOptions
  readonly depth: number
  readonly source: Source
  readonly found: Found
  /** characters that may still be read */
  readonly work: { left: number }
  readonly cut?: boolean
  readonly patterns?: ReadonlyMap<number, Pattern> | undefined
  /** in one way only */
  readonly asRead?: boolean | undefined
}

const workFor = (text: string) => ({ left: MAX_READS * text.length + FREE_LENGTH })

interface Reading extends Read {
  readonly found: Found
}

const scsReadings = (options: ScanOptions): readonly ScanOptions[] => {
  const standardConformingStrings = options.standardConformingStrings !== false
  return [{ standardConformingStrings }, { standardConformingStrings: !standardConformingStrings }]
}

/** The ways to read a text that has backslashes, the likeliest first. */
const readingsOf = (text: string, options: ScanOptions): readonly ScanOptions[] => {
  const readings = scsReadings(options)
  if (!/[^\0-\x7f]\\/.test(text)) return readings
  return [...readings, ...readings.map((reading) => ({ ...reading, wideBackslashes: true }))]
}

const readText = (text: Text): Read => {
  const { options, asRead, work } = text
  const first = readAs(text, options)
  if (options.dialect === 'mysql' && !asRead) return readMysql(text, first)
  if (!first.isAmbiguous || asRead) {
    text.found.take(first.found)
    return first
  }
  const readings = readingsOf(text.text, options)
  if (text.depth > 0 && work.left < readings.length * text.text.length) return { ...first, hints: NO_HINTS }
  const all = readings.map((reading) => readAs(text, reading))
  const possible = all.filter(({ refused }) => !refused)
  if (possible.length > 0) text.found.takeCommon(possible.map(({ found }) => found))
  else for (const { found } of text.depth > 0 ? all.slice(0, 1) : all) text.found.take(found)
  const told = possible.length === 0 ? all : possible
  return {
    // a piece that lacks something lacks it in any reading, unless that is refused
    hints: told.find(({ hints }) => hints !== NO_HINTS)?.hints ?? NO_HINTS,
    literals: Math.max(...told.map(({ literals }) => literals)),
    refused: possible.length === 0,
    isAmbiguous: true,
  }
}

/**
 * MySQL's server says with each reply whether backslashes escape, so that reading counts unless it cannot
 * be; ANSI_QUOTES it says nowhere, nor which executable comments it runs, and a character set may be known
 * wrong. Where these make a difference, what any possible reading calls a secret is masked.
 */
const readMysql = (text: Text, first: Reading): Read => {
  const { options, work, depth } = text
  const { found } = text
  const tooMuch = depth > 0 && work.left < 4 * text.text.length
  const mayVary = first.isAmbiguous || (depth === 0 && /\/\*M?!/.test(text.text))
  const others = mayVary && !tooMuch ? mysqlReadings(text.text, options, first.refused) : []
  const all = [first, ...others.map((reading) => readAs(text, reading))]
  const possible = all.filter(({ refused }) => !refused)
  const told = possible.length === 0 ? all : possible
  for (const reading of told) found.take(reading.found)
  return {
    hints: told.find(({ hints }) => hints !== NO_HINTS)?.hints ?? NO_HINTS,
    literals: Math.max(...told.map(({ literals }) => literals)),
    refused: possible.length === 0,
    isAmbiguous: first.isAmbiguous,
  }
}

/** The other ways to read a text with backslashes in literals, or with executable comments. */
const mysqlReadings = (text: string, options: ScanOptions, refused: boolean): readonly ScanOptions[] => {
  const noBackslashEscapes = !hasBackslashEscapes(options)
  const told: ScanOptions = { dialect: 'mysql', noBackslashEscapes }
  const readings: ScanOptions[] = []
  if (/\/\*M?!/.test(text)) readings.push({ ...told, skipExecutable: true })
  if (text.includes('"')) readings.push({ ...told, ansiQuotes: options.ansiQuotes !== true })
  if (/[^\0-\x7f]\\/.test(text)) readings.push({ ...told, wideBackslashes: true })
  if (refused || /sql_mode/i.test(text))
    readings.push({ dialect: 'mysql', noBackslashEscapes: !noBackslashEscapes })
  return readings
}

const readAs = (whole: Text, options: ScanOptions): Reading => {
  const { text, depth, source, work, patterns, asRead } = whole
  const found = new Found()
  work.left -= text.length
  const nested = (value: string, from: Source, cut = false): Hints => {
    if (value.length < SHORTEST || work.left < value.length) return NO_HINTS
    if (/^\w+$/.test(value)) return isSecretName(value.toLowerCase()) ? OPEN : NO_HINTS
    return readValue({ text: value, options, depth: depth + 1, source: from, found, work, asRead, cut })
  }
  const of: LevelOptions = { text, options, depth, source, found, nested, patterns }
  const level = options.dialect === 'mysql' ? new MysqlLevel(of) : new Level(of)
  return { ...level.read(whole.cut === true), found }
}

/** A literal's or a bound value: connection string, or SQL, or neither. */
const readValue = (value: Text): Hints => {
  const { text, options, depth, source, found } = value
  const mask = ({ start, end }: Span) => {
    found.mask(source(start, end), ...quotableForms(text.slice(start, end)))
  }
  if (isVerifier(text)) {
    mask({ start: 0, end: text.length })
    return NO_HINTS
  }
  if (options.dialect === 'mysql')
    for (const { index, 0: verifier } of text.matchAll(MYSQL_VERIFIER))
      mask({ start: index, end: index + verifier.length })
  if (isConninfo(text)) {
    const { spans, holes, end } = conninfoSecrets(text)
    spans.forEach(mask)
    return { ...NO_HINTS, conninfo: true, holes, end }
  }
  if (depth > MAX_DEPTH) {
    plainSecrets(text, options).forEach(mask)
    return NO_HINTS
  }
  const { hints, literals } = readText(value)
  if (literals > 0 || beginsCommand(text)) return hints
  // in a text that may be code after all, what may be more than a value stays
  const { spans, holes, end } = conninfoSecrets(text)
  spans.filter((span) => isPlain(text.slice(span.start, span.end))).forEach(mask)
  return holes.length > 0 || end !== 'closed' ? { ...hints, conninfo: true, holes, end } : hints
}
