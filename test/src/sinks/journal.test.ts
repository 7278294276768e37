import { readdirSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Clock } from '../../../src/sinks/clock.ts'
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
  who,
} from '../../support/journal-rig.ts'

useJournal()

describe('written', () => {
  test('an intent is in the file when its chunk may go on, and gone when its record is in the log', () => {
    open()
    const flow = journal.intents.open(facts)
    flow.take(facts, { event: 'intent', at: 1, who, token: 1, statement: statement(1) })
    const ticket = flow.ticket(0)
    expect(isReady(ticket)).toBe(false)
    expect(journaled()).toEqual([])
    journal.gate.settle()
    expect(isReady(ticket)).toBe(true)
    expect(journaled()).toEqual(['select 1'])
    emit({ ...statement(1), outcome: 'success', recovered: undefined })
    flow.settled(1)
    file.flush()
    flow.take(facts, { event: 'intent', at: 1, who, token: 2, statement: statement(2) })
    journal.gate.settle()
    expect(journaled()).toEqual(['select 2'])
  })
})

const PREPARE = { event: 'intent', at: 1, who, token: 0 } as const

describe('tickets', () => {
  test('nothing taken, or nothing that is journaled, waits for nothing', () => {
    open({ mask: (event) => (event.event === 'statement' && event.stmt_seq === 1 ? undefined : event) })
    const flow = journal.intents.open(facts)
    expect(flow.ticket(0)).toBe('go')
    flow.take(facts, PREPARE)
    flow.take(facts, intent(1))
    expect(flow.ticket(0)).toBe('go')
    journal.gate.settle()
    expect(journaled()).toEqual([])
  })

  test('bytes before the first message that waits need not wait; what follows on that connection does', () => {
    open()
    const flow = journal.intents.open(facts)
    flow.take(facts, intent(1))
    const [part, behind] = [flow.ticket(12), flow.ticket(0)]
    expect(part).toMatchObject({ kind: 'wait', from: 12 })
    expect(behind).toMatchObject({ kind: 'wait', from: 0 })
    expect(journal.intents.open({ conn_id: 'c2' }).ticket(0)).toBe('go')
    journal.gate.settle()
    expect([isReady(part), isReady(behind)]).toEqual([true, true])
    expect(flow.ticket(0)).toBe('go')
  })

  test('intents of all connections of a turn take one write', () => {
    let writes = 0
    open({
      write: (fd, buffer, offset, length, at) => {
        writes++
        return writeSync(fd, buffer, offset, length, at)
      },
    })
    const before = writes
    for (const conn_id of ['c1', 'c2', 'c3']) journal.intents.open({ conn_id }).take({ conn_id }, intent(1))
    journal.gate.settle()
    expect(writes - before).toBe(1)
    journal.gate.settle()
    expect(writes - before).toBe(1)
  })

  test('synced: what comes during an fdatasync joins the next', () => {
    const syncs: ((error: Error | null) => void)[] = []
    open({ guarantee: 'synced', sync: (_, callback) => syncs.push(callback) })
    const flows = ['c1', 'c2', 'c3'].map((conn_id) => journal.intents.open({ conn_id }))
    const ready: number[] = []
    for (const [index, flow] of flows.entries()) {
      flow.take(facts, intent(1))
      const ticket = flow.ticket(0)
      if (ticket !== 'go' && ticket.kind === 'wait') ticket.whenReady(() => ready.push(index))
      journal.gate.settle()
    }
    expect([syncs.length, ready]).toEqual([1, []])
    syncs[0]?.(null)
    expect([syncs.length, ready]).toEqual([2, [0]])
    syncs[1]?.(null)
    expect([syncs.length, ready]).toEqual([2, [0, 1, 2]])
  })
})

describe('a log that cannot be written', () => {
  const fail = (): never => {
    throw Object.assign(new Error('read-only file system'), { code: 'EROFS' })
  }

  test.each(['block', 'continue'] as const)(
    '%s: the journal fails, and recovers by itself',
    (onFailure) => {
      let isBroken = false
      const told: string[] = []
      const timers: (() => void)[] = []
      const clock: Clock = {
        nowMs: () => Date.now(),
        after: (ms, callback) => {
          if (ms < 60_000) timers.push(callback)
          return () => timers.splice(0)
        },
      }
      open({
        ...{ onFailure, clock, onTrouble: ({ message }) => told.push(message) },
        onRecovered: () => told.push('recovered'),
        write: (...args) => (isBroken ? fail() : writeSync(...args)),
      })
      const flow = journal.intents.open(facts)
      isBroken = true
      flow.take(facts, intent(1))
      const ticket = flow.ticket(0)
      journal.gate.settle()
      expect(isReady(ticket)).toBe(onFailure === 'continue')
      expect(journal.gate.isBlocked).toBe(onFailure === 'block')
      flow.take(facts, PREPARE)
      expect(flow.ticket(0) === 'go').toBe(onFailure === 'continue')
      isBroken = false
      for (const retry of timers.splice(0)) retry()
      expect(isReady(ticket)).toBe(true)
      expect(journal.gate.isBlocked).toBe(false)
      expect(journaled()).toEqual(['select 1'])
      expect(told).toEqual([expect.stringContaining('read-only file system'), 'recovered'])
    },
  )

  test('its own trouble holds everything, and nobody has to settle when it is over', () => {
    let room = false
    open({}, { write: (...args) => (room ? writeSync(...args) : fail()) })
    emit(statement(9))
    file.flush()
    expect(journal.gate.isBlocked).toBe(true)
    const flow = journal.intents.open(facts)
    flow.take(facts, PREPARE)
    const prepare = flow.ticket(0)
    flow.take(facts, intent(1))
    const ticket = flow.ticket(0)
    journal.gate.settle()
    expect([isReady(prepare), isReady(ticket), journaled()]).toEqual([false, false, []])
    room = true
    file.reopen()
    expect([isReady(prepare), isReady(ticket), journaled()]).toEqual([true, true, ['select 1']])
  })
})

describe('the files', () => {
  test('hold intents of any size, and many, and shrink again', () => {
    open({ segmentBytes: 4096 })
    const flow = journal.intents.open(facts)
    const texts = Array.from({ length: 50 }, (_, i) => `${i} ${'é'.repeat(i === 7 ? 100_000 : 100)}`)
    for (const [i, text] of texts.entries()) {
      flow.take(facts, intent(i + 1, text))
      journal.gate.settle()
    }
    expect(journaled()).toEqual(texts)
    for (const i of texts.keys()) flow.settled(i + 1)
    for (let i = 0; i < 1000; i++) {
      flow.take(facts, intent(100 + i))
      journal.gate.settle()
      flow.settled(100 + i)
    }
    flow.take(facts, intent(2000))
    journal.gate.settle()
    expect(journaled()).toEqual(['select 2000'])
    const sizes = readdirSync(dir)
      .filter((name) => name.includes('.journal-'))
      .map((name) => statSync(join(dir, name)).size)
    expect(sizes).toEqual([4096, 4096])
  })

  test('are made anew when the directory was taken away', () => {
    let now = Date.now()
    open({ clock: { nowMs: () => now, after: () => () => undefined } })
    const flow = journal.intents.open(facts)
    flow.take(facts, intent(1))
    journal.gate.settle()
    rmSync(dir, { recursive: true })
    now += 2000
    flow.take(facts, intent(2))
    journal.gate.settle()
    expect(journaled()).toEqual(['select 1', 'select 2'])
  })

  test('are gone after a clean end', async () => {
    open()
    const flow = journal.intents.open(facts)
    flow.take(facts, intent(1))
    journal.gate.settle()
    emit(statement(1))
    flow.close()
    await file.close()
    journal.close()
    expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([])
  })
})

describe('synced', () => {
  test('intents leave the journal when their records are on stable storage, over a rotation too', async () => {
    let now = Date.now()
    const timers: (() => void)[] = []
    const clock: Clock = {
      nowMs: () => now,
      after: (ms, callback) => {
        if (ms < 60_000) timers.push(callback)
        return () => undefined
      },
    }
    open({ guarantee: 'synced', clock, sync: (_, callback) => callback(null) })
    const flow = journal.intents.open(facts)
    flow.take(facts, intent(1))
    journal.gate.settle()
    emit(statement(1))
    flow.settled(1)
    file.flush()
    file.reopen()
    for (const timer of timers.splice(0)) timer()
    expect(journaled(), 'written is not enough').toEqual(['select 1'])
    await file.sync()
    now += 2000
    for (const timer of timers.splice(0)) timer()
    expect(journaled()).toEqual([])
  })
})
