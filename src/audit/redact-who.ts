/**
 * Who a session is, without secrets: a client that is given a connection string in the place of a name
 * sends it as that name. A password that somebody typed as a user's name cannot be told from one.
 */
import type { Who } from '../event.ts'
import { conninfoSecrets, isConninfo } from './redact-conninfo.ts'
import { maskSpans } from './redact-mask.ts'
import { inOrder } from './redact-spans.ts'

const NAMES = ['username', 'database', 'application_name', 'effective_username'] as const

/** One of the two stays the same as long as the other does, for what is known of it is kept per object. */
const known = new WeakMap<Who, Who>()

/** The same object when there is nothing to mask. */
export const redactWho = (who: Who): Who => {
  const before = known.get(who)
  if (before !== undefined) return before
  const patch: { [Key in (typeof NAMES)[number]]?: string } = {}
  for (const key of NAMES) {
    const name = who[key]
    if (name !== undefined && isConninfo(name)) patch[key] = withoutSecrets(name)
  }
  const isClean = NAMES.every((key) => patch[key] === undefined || patch[key] === who[key])
  const safe = isClean ? who : Object.freeze({ ...who, ...patch })
  known.set(who, safe)
  return safe
}

const withoutSecrets = (name: string): string => maskSpans(name, inOrder(conninfoSecrets(name).spans))
