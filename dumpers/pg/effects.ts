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
import type { PgState, Scan } from './state.ts'

/** Texts that may hide another statement's text: SQL's EXECUTE. */
const EXECUTE = /execute/i

/**
 * `9`: tags of statements on data end in a number; those of statements that change a session end in a
 * letter.
 */
const LAST_DIGIT = 0x39

/**
 * The `index`-th statement of the execution's text has succeeded, with `tag`. One tag comes for each
 * statement
 * of a text, in order, so the tag says which one it was.
 */
export const applyTag = (state: PgState, execution: Execution, tag: string, index: number): void => {
  resolveExecute(state, execution, index)
  state.txn.succeeded()
  if (tag.charCodeAt(tag.length - 1) <= LAST_DIGIT) return
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
    case 'SAVEPOINT':
      applyNamed(state, execution, tag, index)
  }
}

const scanOf = (state: PgState, text: QueryText, index: number): Scan => {
  if (state.scan?.text === text) return state.scan
  const scan: Scan = { text, mayExecute: EXECUTE.test(text.text), statements: undefined }
  if (index > 0) state.scan = scan
  return scan
}

/** Undefined also where a long text was cut, within its last statement or behind it. */
const statementAt = (state: PgState, execution: Execution, index: number): SqlStatement | undefined => {
  const { text } = execution
  if (text === undefined) return undefined
  const scan = scanOf(state, text, index)
  scan.statements ??= splitStatements(text.text, text)
  const cut = text.truncated !== undefined && index >= scan.statements.length - 1
  return cut ? undefined : scan.statements[index]
}

const endTransaction = (state: PgState, execution: Execution, tag: string, index: number): void => {
  const words = statementAt(state, execution, index)?.words ?? []
  const control = isTransactionControl(words)
  if (tag === 'ROLLBACK' && control?.verb === 'rollback-to') {
    state.txn.rolledBackTo()
    state.identity.rolledBackTo(words.at(-1) ?? '')
    return
  }
  const outcome = tag === 'COMMIT' ? 'committed' : tag === 'ROLLBACK' ? 'rolled_back' : 'unknown'
  const who = execution.who ?? state.identity.who
  const reason = tag === 'PREPARE TRANSACTION' ? 'prepared' : undefined
  state.txn.end(outcome, control?.chain ?? false, state.now, who, reason)
}

const applyNamed = (state: PgState, execution: Execution, tag: string, index: number): void => {
  const { text } = execution
  const statement = statementAt(state, execution, index)
  if (text === undefined || statement === undefined) {
    forgetNames(state, tag)
    return
  }
  if (tag === 'PREPARE') {
    const found = parsePrepare(text.text, statement, text)
    if (found === undefined) return
    const body: QueryText = part(text, found.body)
    state.prepared.set({ name: found.name, text: body, oids: [], seq: execution.seq })
  } else if (tag === 'DEALLOCATE') {
    const found = parseDeallocate(text.text, statement, text)
    if (found !== undefined && 'name' in found) state.prepared.delete(found.name)
    else forgetNames(state, tag)
  } else if (tag === 'DECLARE CURSOR') {
    const found = parseDeclare(text.text, statement, text)
    if (found === undefined) return
    const { name, hold } = found
    state.setPortal({ name, hold, execution: undefined, text, stmtName: undefined, bytes: 0 })
  } else if (tag === 'CLOSE CURSOR') {
    const found = parseClose(text.text, statement, text)
    if (found !== undefined && 'name' in found) state.closePortal(state.portals.delete(found.name))
    else forgetNames(state, tag)
  } else if (tag === 'SAVEPOINT') {
    state.identity.savepoint(statement.words[1] ?? '')
  } else {
    if (tag === 'RESET' && statement.words[1] === 'role') {
      state.identity.resetRole()
      return
    }
    const change = parseSetRole(text.text, statement, text)
    if (change !== undefined) state.identity.setRole(change.role, change.local)
  }
}

/** A name was dropped and its text is not known: no name can be trusted to mean what it did. */
const forgetNames = (state: PgState, tag: string): void => {
  if (tag === 'DEALLOCATE') state.prepared.clear()
  else if (tag === 'CLOSE CURSOR') state.closePortals(true)
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
  if (text === undefined || !scanOf(state, text, index).mayExecute) return
  const statement = statementAt(state, execution, index)
  const found = statement && parseExecute(text.text, statement, text)
  const ran = found && state.prepared.get(found.name)?.text
  if (!ran) return
  const before = execution.executed
  if (before === undefined) execution.executed = ran
  else if (before.text.length + ran.text.length <= state.limits.maxQueryBytes)
    execution.executed = part(before, `${before.text};\n${ran.text}`)
  else execution.reason ??= 'executed_cut'
}
