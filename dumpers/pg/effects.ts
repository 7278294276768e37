/** What a statement that succeeded changes for the ones after it, known by its command tag and its text. */
import type { QueryText } from '../../src/event.ts'
import {
  isTransactionControl,
  parseClose,
  parseDeallocate,
  parseDeclare,
  parseExecute,
  parsePrepare,
  parseSetRole,
  type SqlStatement,
  splitStatements,
} from '../../src/sql/scan.ts'
import type { Execution } from './execution.ts'
import type { PgState } from './state.ts'

/** Texts that may hide another statement's text: SQL's EXECUTE. */
const EXECUTE = /execute/i

/** Tags that change nothing but data are told apart by their first letter, before anything is compared. */
const FIRST_LETTERS = new Set('BCDPRS'.split('').map((letter) => letter.charCodeAt(0)))

/**
 * The `index`-th statement of the execution's text has succeeded, with `tag`. One tag comes for each statement
 * of a text, in order, so the tag says which one it was.
 */
export const applyTag = (state: PgState, execution: Execution, tag: string, index: number): void => {
  resolveExecute(state, execution, index)
  state.txn.succeeded()
  if (!FIRST_LETTERS.has(tag.charCodeAt(0))) return
  switch (tag) {
    case 'BEGIN':
    case 'START TRANSACTION':
      state.txn.begin()
      return
    case 'COMMIT':
    case 'ROLLBACK':
    case 'PREPARE TRANSACTION':
      endTransaction(state, execution, tag, index)
      return
    case 'DEALLOCATE ALL':
      state.prepared.clear()
      return
    case 'DISCARD ALL':
      state.prepared.clear()
      state.closePortals(true)
      state.identity.setRole(null, false)
      return
    case 'CLOSE CURSOR ALL':
      state.closePortals(true)
      return
    case 'PREPARE':
    case 'DEALLOCATE':
    case 'DECLARE CURSOR':
    case 'CLOSE CURSOR':
    case 'SET':
    case 'RESET':
      applyNamed(state, execution, tag, index)
  }
}

const statementAt = (execution: Execution, index: number): SqlStatement | undefined => {
  const { text } = execution
  return text === undefined ? undefined : splitStatements(text.text, text)[index]
}

const endTransaction = (state: PgState, execution: Execution, tag: string, index: number): void => {
  const control = isTransactionControl(statementAt(execution, index)?.words ?? [])
  if (tag === 'ROLLBACK' && control?.verb === 'rollback-to') {
    state.txn.rolledBackTo()
    return
  }
  const outcome = tag === 'COMMIT' ? 'committed' : tag === 'ROLLBACK' ? 'rolled_back' : 'unknown'
  const who = execution.who ?? state.identity.who
  const reason = tag === 'PREPARE TRANSACTION' ? 'prepared' : undefined
  state.txn.end(outcome, control?.chain ?? false, state.now, who, reason)
}

const applyNamed = (state: PgState, execution: Execution, tag: string, index: number): void => {
  const { text } = execution
  const statement = statementAt(execution, index)
  if (text === undefined || statement === undefined) return
  if (tag === 'PREPARE') {
    const found = parsePrepare(text.text, statement, text)
    if (found === undefined) return
    const body: QueryText = part(text, found.body)
    state.prepared.set({ name: found.name, text: body, oids: [], seq: execution.seq })
  } else if (tag === 'DEALLOCATE') {
    const found = parseDeallocate(text.text, statement, text)
    if (found !== undefined && 'name' in found) state.prepared.delete(found.name)
  } else if (tag === 'DECLARE CURSOR') {
    const found = parseDeclare(text.text, statement, text)
    if (found === undefined) return
    const { name, hold } = found
    state.setPortal({ name, hold, execution: undefined, text, stmtName: undefined, bytes: 0 })
  } else if (tag === 'CLOSE CURSOR') {
    const found = parseClose(text.text, statement, text)
    if (found !== undefined && 'name' in found) state.closePortal(state.portals.delete(found.name))
  } else {
    const change = parseSetRole(text.text, statement, text)
    if (change !== undefined) state.identity.setRole(change.role, change.local)
  }
}

/** A part of a text, lexed as its whole is. */
const part = (whole: QueryText, text: string): QueryText => ({
  text,
  standardConformingStrings: whole.standardConformingStrings,
  dialect: whole.dialect,
})

/** If the `index`-th statement is a SQL EXECUTE, the text that it runs goes to the record too. */
export const resolveExecute = (state: PgState, execution: Execution, index: number): void => {
  const { text } = execution
  if (text === undefined || !EXECUTE.test(text.text)) return
  const statement = statementAt(execution, index)
  const found = statement && parseExecute(text.text, statement, text)
  const ran = found && state.prepared.get(found.name)?.text
  if (!ran) return
  const before = execution.executed
  execution.executed = before === undefined ? ran : part(before, `${before.text};\n${ran.text}`)
}
