/**
 * Packets that may be answers to what a server asks during COM_CHANGE_USER, which are secrets. On a
 * compressed connection ids do not tell them from commands, the server's questions do: behind a
 * COM_CHANGE_USER of which nobody saw what came of it, only what is clearly a command is shown.
 */
import { Lexer } from '../../src/sql/scan.ts'
import { COM } from './capabilities.ts'
import type { CommandBody } from './record.ts'
import { textStart } from './request-text.ts'
import type { MysqlState } from './state.ts'

/** Most answers are random bytes, some a password behind no code at all: neither is a code and a word. */
const WORD = /^[a-z]{2}/i

/** Is it a text that a server would run? All that it runs begins with a word, in brackets or not. */
export const isClearlyCommand = (
  state: MysqlState,
  code: number,
  { bytes, start, end }: CommandBody,
): boolean => {
  if (code !== COM.QUERY && code !== COM.STMT_PREPARE) return false
  try {
    const from = textStart(state, code, bytes, start, end).textStart
    const lexer = new Lexer(state.text(bytes.subarray(from, end)), state.form)
    let more = lexer.next()
    while (more && lexer.isPunctuation('(')) more = lexer.next()
    return more && lexer.kind === 'word' && WORD.test(lexer.raw)
  } catch {
    return false
  }
}
