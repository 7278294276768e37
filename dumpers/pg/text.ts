/**
 * Text of the wire → strings, by client_encoding, and the kept form of a statement's text.
 * {@link https://www.postgresql.org/docs/current/multibyte.html}
 */
import type { QueryText } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import * as common from '../common/query-text.ts'
import { decodingOfLabel, LATIN1, type TextDecoding, UTF8, WIN1252 } from '../common/text-decoding.ts'

/** PostgreSQL's names of encodings → the WHATWG labels that mean the same. */
const LABELS: Readonly<Record<string, string>> = {
  BIG5: 'big5',
  EUC_CN: 'gb2312',
  EUC_JP: 'euc-jp',
  EUC_KR: 'euc-kr',
  GB18030: 'gb18030',
  GBK: 'gbk',
  ISO_8859_5: 'iso-8859-5',
  ISO_8859_6: 'iso-8859-6',
  ISO_8859_7: 'iso-8859-7',
  ISO_8859_8: 'iso-8859-8',
  KOI8R: 'koi8-r',
  KOI8U: 'koi8-u',
  LATIN2: 'iso-8859-2',
  LATIN3: 'iso-8859-3',
  LATIN4: 'iso-8859-4',
  LATIN5: 'iso-8859-9',
  LATIN6: 'iso-8859-10',
  LATIN7: 'iso-8859-13',
  LATIN8: 'iso-8859-14',
  LATIN9: 'iso-8859-15',
  LATIN10: 'iso-8859-16',
  SJIS: 'shift_jis',
  SHIFT_JIS_2004: 'shift_jis',
  UHC: 'euc-kr',
  WIN866: 'ibm866',
  WIN874: 'windows-874',
  WIN1250: 'windows-1250',
  WIN1251: 'windows-1251',
  WIN1253: 'windows-1253',
  WIN1254: 'windows-1254',
  WIN1255: 'windows-1255',
  WIN1256: 'windows-1256',
  WIN1257: 'windows-1257',
  WIN1258: 'windows-1258',
}

/** The decoding of a client_encoding that the server reported; an unknown one is read as UTF-8. */
export const decodingOf = (clientEncoding: string): TextDecoding => {
  const name = clientEncoding.toUpperCase()
  if (name === 'LATIN1') return LATIN1
  if (name === 'WIN1252') return WIN1252
  const label = LABELS[name]
  return (label === undefined ? undefined : decodingOfLabel(name, label)) ?? UTF8
}

const CONFORMING: common.TextForm = { dialect: 'postgresql', standardConformingStrings: true }
const ESCAPING: common.TextForm = { dialect: 'postgresql', standardConformingStrings: false }

/** How the server lexes a text, by its standard_conforming_strings. */
export const formOf = (standardConformingStrings: boolean): common.TextForm =>
  standardConformingStrings ? CONFORMING : ESCAPING

/** A statement's text: `bytes[start … end)`, borrowed. */
export const makeText = (
  bytes: Bytes,
  start: number,
  end: number,
  decoding: TextDecoding,
  standardConformingStrings: boolean,
): QueryText => common.makeText(bytes, start, end, decoding, formOf(standardConformingStrings))

/** {@link makeText} for texts that come again and again, as a driver's Parse before each execution does. */
export const repeatedText = (
  bytes: Bytes,
  start: number,
  end: number,
  decoding: TextDecoding,
  standardConformingStrings: boolean,
): QueryText => common.repeatedText(bytes, start, end, decoding, formOf(standardConformingStrings))
