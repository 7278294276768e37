/** Builders of statements' events. */
import type { QueryText, Statement, Who } from '../../src/event.ts'

export const who: Who = { dialect: 'postgresql' }

export const query = (text: string, more: Partial<QueryText> = {}): QueryText => ({
  text,
  standardConformingStrings: true,
  dialect: 'postgresql',
  ...more,
})

export const statement = (more: Partial<Statement>): Statement => ({
  event: 'statement',
  at: 1,
  who,
  stmt_seq: 1,
  protocol: 'simple',
  outcome: 'success',
  ...more,
})

/** A text of MySQL's, in which backslashes escape. */
export const mysqlQuery = (text: string, more: Partial<QueryText> = {}): QueryText =>
  query(text, { dialect: 'mysql', standardConformingStrings: false, ...more })
