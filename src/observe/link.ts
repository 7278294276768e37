import type { Link } from '../session.ts'

/**
 * What ties flows together: the cancel key of a session, by which another connection names it. Held in
 * memory only and never written out. Keys of sessions that ended are forgotten by their sessions.
 */
export const openLink = (): Link => {
  const owners = new Map<string, string>()
  return {
    claim: (key, connId) => {
      owners.set(key, connId)
    },
    release: (key, connId) => {
      if (owners.get(key) === connId) owners.delete(key)
    },
    find: (key) => owners.get(key),
  }
}
