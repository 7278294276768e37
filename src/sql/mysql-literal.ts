/** Values of MySQL's literals (manual, "String Literals", "Hexadecimal Literals", "Bit-Value Literals"). */
import { hasBackslashEscapes, type ScanOptions, type Span } from './lexer.ts'
import { Builder, identity, type Literal } from './literal-builder.ts'

/** The literal at `token`; what is hexadecimal or binary is read as UTF-8. */
export const readMysqlLiteral = (text: string, token: Span, options: ScanOptions): Literal => {
  const raw = text.slice(token.start, token.end)
  const based = /^(?:(0x|x')([0-9a-f]*)|(?:0b|b')([01]*))/i.exec(raw)
  if (based) {
    const inside = token.start + 2
    return based[2] === undefined
      ? fromDigits(based[3]!, inside, 8, 2)
      : fromDigits(based[2], inside, 2, 16)
  }
  const inside = token.start + (/^n/i.test(raw) ? 2 : 1)
  return quoted(text, { start: inside, end: token.end }, text[inside - 1]!, hasBackslashEscapes(options))
}

/** The first byte may be written with fewer digits. */
const fromDigits = (digits: string, inside: number, perByte: number, radix: number): Literal => {
  const builder = new Builder(digits.length)
  let at = 0
  let end = digits.length % perByte || perByte
  while (at < digits.length) {
    const byte = Number.parseInt(digits.slice(at, end), radix)
    if (byte < 0x80) builder.add(String.fromCharCode(byte), inside + at, inside + end)
    else builder.addByte(byte, inside + at, inside + end)
    at = end
    end += perByte
  }
  return builder.finish()
}

const quoted = (text: string, { start, end }: Span, quote: string, backslashes: boolean): Literal => {
  const simple = text.indexOf(quote, start)
  if (simple === end - 1 && !(backslashes && text.slice(start, simple).includes('\\')))
    return identity(text.slice(start, simple), start)
  const builder = new Builder(end - start)
  let at = start
  while (at < end) {
    const unit = text[at]!
    if (unit === quote) {
      if (text[at + 1] !== quote || at + 1 >= end) break
      builder.add(quote, at, at + 2)
      at += 2
    } else if (unit === '\\' && backslashes && at + 1 < end) {
      const next = text[at + 1]!
      builder.add(SINGLE[next] ?? next, at, at + 2)
      at += 2
    } else {
      const from = at++
      while (at < end && text[at] !== quote && text[at] !== '\\') at++
      builder.addRun(text.slice(from, at), from)
    }
  }
  return builder.finish()
}

/** `\%` and `\_` keep their backslash, for LIKE. */
const SINGLE: Readonly<Record<string, string>> = {
  0: '\0',
  b: '\b',
  n: '\n',
  r: '\r',
  t: '\t',
  Z: '\x1a',
  '%': '\\%',
  _: '\\_',
}

/** The name that a word, or what stands in backticks or (with ANSI_QUOTES) double quotes, stands for. */
export const mysqlName = (text: string, token: Span): string => {
  const raw = text.slice(token.start, token.end)
  const mark = raw[0]!
  if (mark !== '`' && mark !== '"') return raw
  const closed = raw.length > 1 && raw.endsWith(mark)
  return raw.slice(1, closed ? -1 : undefined).replaceAll(mark + mark, mark)
}
