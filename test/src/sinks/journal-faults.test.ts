/** What the journal does where the file system, or a session, fails. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Ticket } from '../../../src/flow.ts'
import type { Clock } from '../../../src/sinks/clock.ts'
import type { JournalOptions } from '../../../src/sinks/journal.ts'
import {
  dir,
  emit,
  facts,
  file,
  intent,
  isReady,
  journal,
  journaled,
  open,
  statement,
  useJournal,
} from '../../support/journal-rig.ts'

useJournal()

/** Timers that the test fires. */
const openTimed = (options: Partial<JournalOptions>): { readonly fire: (ms: number) => void } => {
  const timers: { readonly ms: number; readonly callback: () => void }[] = []
  const clock: Clock = {
    nowMs: () => Date.now(),
    after: (ms, callback) => {
      const timer = { ms, callback }
      timers.push(timer)
      return () => timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0)
    },
  }
  open({ clock, ...options })
  const fire = (ms: number): void => {
    for (const timer of timers.filter((one) => one.ms === ms)) {
      timers.splice(timers.indexOf(timer), 1)
      timer.callback()
    }
  }
  return { fire }
}

describe('an fdatasync that hangs', () => {
  const HANG = { block: 5000, continue: 1000 }

  test.each(['block', 'continue'] as const)('%s: is trouble until it ends', (onFailure) => {
    const syncs: ((error: Error | null) => void)[] = []
    const told: string[] = []
    let writes = 0
    const { fire } = openTimed({
      ...{ guarantee: 'synced', onFailure, onTrouble: ({ message }) => told.push(message) },
      ...{ onRecovered: () => told.push('recovered'), sync: (_, callback) => syncs.push(callback) },
      write: (...args) => {
        writes++
        return writeSync(...args)
      },
    })
    const flow = journal.intents.open(facts)
    const take = (seq: number): Ticket => {
      flow.take(facts, intent(seq))
      const ticket = flow.ticket(0)
      journal.gate.settle()
      return ticket
    }
    const [first, second] = [take(1), take(2)]
    expect([isReady(first), isReady(second), journal.gate.isBlocked]).toEqual([false, false, false])
    fire(HANG[onFailure])
    const before = writes
    const third = take(3)
    fire(100)
    const goesOn = onFailure === 'continue'
    expect([first, second, third].map(isReady)).toEqual([goesOn, goesOn, goesOn])
    expect(journal.gate.isBlocked).toBe(!goesOn)
    expect(told).toEqual([expect.stringContaining('fdatasync has run for')])
    expect(writes, 'a write might hang as well').toBe(before)
    for (const end of syncs.splice(0)) end(null)
    for (const end of syncs.splice(0)) end(null)
    for (const end of syncs.splice(0)) end(null)
    expect([first, second, third].map(isReady)).toEqual([true, true, true])
    expect([journal.gate.isBlocked, told.at(-1)]).toEqual([false, 'recovered'])
    expect(journaled()).toEqual(['select 1', 'select 2', 'select 3'])
  })

  test('goes on where a write had failed before', () => {
    const syncs: ((error: Error | null) => void)[] = []
    let isBroken = false
    const { fire } = openTimed({
      ...{ guarantee: 'synced', sync: (_, callback) => syncs.push(callback) },
      write: (...args) => {
        if (isBroken) throw new Error('EIO')
        return writeSync(...args)
      },
    })
    const flow = journal.intents.open(facts)
    flow.take(facts, intent(1))
    journal.gate.settle()
    isBroken = true
    flow.take(facts, intent(2))
    const ticket = flow.ticket(0)
    journal.gate.settle()
    isBroken = false
    fire(5000)
    for (const ms of [100, 200]) fire(ms)
    for (let i = 0; i < 3; i++) for (const end of syncs.splice(0)) end(null)
    expect([isReady(ticket), journal.gate.isBlocked]).toEqual([true, false])
  })
})

describe('what is bounded', () => {
  test('with "continue": what is kept of intents while they cannot be written', () => {
    const fail = (): never => {
      throw new Error('EIO')
    }
    let isBroken = false
    open({
      ...{ onFailure: 'continue', segmentBytes: 4096 },
      write: (...args) => (isBroken ? fail() : writeSync(...args)),
    })
    const flow = journal.intents.open(facts)
    isBroken = true
    let waited = 0
    for (let seq = 1; seq <= 1000; seq++) {
      flow.take(facts, intent(seq, 'x'.repeat(1000)))
      const ticket = flow.ticket(0)
      if (ticket !== 'go') waited++
      journal.gate.settle()
      expect(isReady(ticket)).toBe(true)
    }
    expect(waited).toBeGreaterThan(10)
    expect(waited).toBeLessThan(100)
  })
})

describe('a session that ends without a word on what it had begun', () => {
  test('leaves the record that was taken', () => {
    open()
    const flow = journal.intents.open(facts)
    flow.take(facts, intent(1))
    flow.take(facts, intent(2))
    journal.gate.settle()
    emit(statement(1))
    flow.settled(1)
    flow.close()
    file.flush()
    const records = readFileSync(file.path, 'utf8').split('\n').slice(0, -1)
    expect(records.map((line) => JSON.parse(line))).toMatchObject([
      { log_seq: 1, stmt_seq: 1 },
      { log_seq: 2, stmt_seq: 2, query: 'select 2', outcome: 'unknown', recovered: true },
    ])
    journal.intents.open(facts).take(facts, intent(3))
    journal.gate.settle()
    expect(journaled()).toEqual(['select 3'])
  })
})

test('files of which only one could be made anew are made when that is possible', () => {
  let now = Date.now()
  const retries: (() => void)[] = []
  const after: Clock['after'] = (ms, callback) => {
    if (ms < 60_000) retries.push(callback)
    return () => undefined
  }
  open({ segmentBytes: 4096, clock: { nowMs: () => now, after } })
  const flow = journal.intents.open(facts)
  const take = (seq: number): void => {
    now += 2000
    flow.take(facts, intent(seq, 'x'.repeat(500)))
    journal.gate.settle()
  }
  const [a, b] = readdirSync(dir).filter((name) => /\.journal-[ab]$/.test(name)) as [string, string]
  const obstacle = join(dir, `${b}.tmp`)
  mkdirSync(obstacle)
  rmSync(join(dir, a))
  take(1)
  expect(journal.gate.isBlocked).toBe(true)
  rmSync(obstacle, { recursive: true })
  for (const retry of retries.splice(0)) retry()
  for (let seq = 2; seq < 50; seq++) take(seq)
  expect(journal.gate.isBlocked).toBe(false)
  expect(journaled()).toHaveLength(49)
})

test('a log that cannot be brought to stable storage is told of, once, and its end', async () => {
  let now = Date.now()
  const told: string[] = []
  const timers: (() => void)[] = []
  open({
    ...{ guarantee: 'synced', sync: (_, callback) => callback(null) },
    ...{ onTrouble: ({ message }) => told.push(message), onRecovered: () => told.push('recovered') },
    clock: {
      nowMs: () => now,
      after: (ms, callback) => {
        if (ms === 100) timers.push(callback)
        return () => undefined
      },
    },
  })
  let isBroken = true
  file.sync = () => (isBroken ? Promise.reject(new Error('EIO')) : Promise.resolve())
  const flow = journal.intents.open(facts)
  for (let seq = 1; seq <= 4; seq++) {
    if (seq === 3) isBroken = false
    flow.take(facts, intent(seq))
    journal.gate.settle()
    emit(statement(seq))
    flow.settled(seq)
    file.flush()
    now += 2000
    for (const timer of timers.splice(0)) timer()
    await Promise.resolve()
    await Promise.resolve()
  }
  expect(told).toEqual([expect.stringContaining('EIO'), 'recovered'])
})
