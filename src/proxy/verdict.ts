/** What becomes of a client that was accepted. */
import type { Refusal } from '../flow.ts'

/** `limit_untold`: turned away without words, too many wait for theirs; `blocked`: by the log. */
export type Verdict = 'welcome' | 'not_allowed' | 'limit' | 'limit_untold' | 'blocked'

export const LOG_BLOCKED: Refusal = {
  reason: 'log_blocked',
  message: 'the audit log cannot be written',
}

/** What those are told that are turned away in words. */
export const REFUSALS: Readonly<Partial<Record<Verdict, Refusal>>> = {
  limit: { reason: 'connection_limit', message: 'too many connections' },
  blocked: LOG_BLOCKED,
}
