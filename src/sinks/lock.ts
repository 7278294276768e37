/**
 * Lock files: one process at a time looks after finished files, one writer has a log file of a fixed name.
 * The file names its holder; one whose holder is gone is taken over.
 */
import { randomBytes } from 'node:crypto'
import { linkSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { SinkError } from '../errors.ts'
import { type Identity, isAlive } from './owner.ts'
import { readRegular } from './regular.ts'

export interface Lock {
  /** marks the holder as alive for processes that cannot see it */
  touch(now: Date): void
  release(): void
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

/** Of what is no file, and hence nobody's lock, nothing. */
const textOf = (path: string): string => {
  try {
    return readRegular(path).toString('utf8')
  } catch (error) {
    if (error instanceof SinkError) return ''
    throw error
  }
}

const holderOf = (path: string): { readonly text: string; readonly silentMs: number } | undefined => {
  try {
    return { text: textOf(path), silentMs: Date.now() - statSync(path).mtimeMs }
  } catch {
    return undefined
  }
}

const isHeld = (text: string, own: Identity, silentMs: number): boolean => {
  try {
    return isAlive(JSON.parse(text) as Identity, own, silentMs)
  } catch {
    return false
  }
}

/** Moves a dead holder's lock away; a live one that slipped in between is put back. */
const clearStale = (path: string, stale: string): void => {
  const aside = `${path}.${randomBytes(4).toString('hex')}.tmp`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  try {
    if (textOf(aside) !== stale) linkSync(aside, path)
  } finally {
    rmSync(aside, { force: true })
  }
}

const lockAt = (path: string, text: string): Lock => ({
  touch: (now) => {
    try {
      utimesSync(path, now, now)
    } catch {
      // It was removed from outside; nothing here depends on it until the next taking.
    }
  },
  release: () => {
    if (holderOf(path)?.text === text) rmSync(path, { force: true })
  },
})

/**
 * Takes the lock, or answers undefined when a live process has it (this one too: a lock is not re-entrant).
 * Throws what the file system throws.
 */
export const acquireLock = (path: string, own: Identity): Lock | undefined => {
  const text = `${JSON.stringify({ ...own, key: randomBytes(8).toString('hex') })}\n`
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
  writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' })
  try {
    for (let round = 0; round < 3; round++) {
      try {
        // A link is made whole or not at all: nobody sees a lock without its holder's name.
        linkSync(temporary, path)
        return lockAt(path, text)
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error
      }
      const holder = holderOf(path)
      if (holder === undefined) continue
      if (isHeld(holder.text, own, holder.silentMs)) return undefined
      clearStale(path, holder.text)
    }
    return undefined
  } finally {
    rmSync(temporary, { force: true })
  }
}
