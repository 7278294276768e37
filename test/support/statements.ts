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
