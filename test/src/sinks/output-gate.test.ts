import { describe, expect, test } from 'vitest'
import type { Intent } from '../../../src/event.ts'
import { GO, type Ticket, type Wait } from '../../../src/flow.ts'
import { OutputGate, type OutputGateOptions } from '../../../src/sinks/output-gate.ts'

const FACTS = { conn_id: 'c1' }
const LINE: Intent = { event: 'intent', at: 1, who: { dialect: 'postgresql' }, token: 0 }

const open = (given: Partial<OutputGateOptions> = {}) => {
  const state = { flushes: 0, isStuck: false, looks: [] as (() => void)[] }
  const gate = new OutputGate({
    flush: () => {
      state.flushes++
      return undefined
    },
    isStuck: () => state.isStuck,
    onFailure: 'block',
    clock: {
      nowMs: () => 0,
      after: (_, callback) => {
        state.looks.push(callback)
        return () => {
          state.looks = state.looks.filter((one) => one !== callback)
        }
      },
    },
    ...given,
  })
  return { gate, state, flow: gate.open() }
}

/** Notes who may go on. */
const waiting = () => {
  const gone: string[] = []
  const wait = (name: string, ticket: Ticket): void =>
    (ticket as Wait).whenReady(() => void gone.push(name))
  return { gone, wait }
}

test('what gave no line waits for nothing', () => {
  const { flow, gate, state } = open()
  expect(flow.ticket(0)).toBe(GO)
  gate.settle()
  expect(state.flushes).toBe(0)
})

test('chunks of a turn wait for one flush', () => {
  const { gate, state, flow } = open()
  const other = gate.open()
  const { gone, wait } = waiting()
  flow.take(FACTS, LINE)
  const ticket = flow.ticket(0)
  wait('first', ticket)
  expect(flow.ticket(0)).toBe(GO)
  other.take(FACTS, LINE)
  wait('second', other.ticket(0))
  expect(gone).toEqual([])
  gate.settle()
  expect(gone).toEqual(['first', 'second'])
  expect(state.flushes).toBe(1)
  wait('late', ticket)
  expect(gone).toEqual(['first', 'second', 'late'])
})

test('they wait for as long as the output is stuck, in order', () => {
  const told: string[] = []
  const tell = (what: string) => () => void told.push(what)
  const { gate, state, flow } = open({ onHeld: tell('held'), onReleased: tell('released') })
  const { gone, wait } = waiting()
  for (const name of ['first', 'second']) {
    state.isStuck = name === 'first'
    flow.take(FACTS, LINE)
    wait(name, flow.ticket(0))
    gate.settle()
  }
  expect(gone).toEqual([])
  state.isStuck = true
  expect(gate.isBlocked).toBe(true)
  state.looks.shift()?.()
  expect([gone, told]).toEqual([[], ['held']])
  state.isStuck = false
  state.looks.shift()?.()
  expect(told).toEqual(['held', 'released'])
  expect(gone).toEqual(['first', 'second'])
  expect(state.looks).toEqual([])
})

test('with "continue" they never do', () => {
  const { gate, state, flow } = open({ onFailure: 'continue' })
  const { gone, wait } = waiting()
  state.isStuck = true
  flow.take(FACTS, LINE)
  wait('first', flow.ticket(0))
  gate.settle()
  expect(gate.isBlocked).toBe(false)
  expect(gone).toEqual(['first'])
})

test('a flush that takes its time is waited for', async () => {
  let flushed: () => void = () => {}
  const { gate, flow } = open({ flush: () => new Promise((resolve) => (flushed = () => resolve())) })
  const { gone, wait } = waiting()
  flow.take(FACTS, LINE)
  wait('first', flow.ticket(0))
  gate.settle()
  await Promise.resolve()
  expect(gone).toEqual([])
  flushed()
  await Promise.resolve()
  await Promise.resolve()
  expect(gone).toEqual(['first'])
})

describe('a flush that brings to stable storage', () => {
  /** Each flush ends when it is told to. */
  const openSlow = (onFailure: 'block' | 'continue') => {
    const ends: ((error?: Error) => void)[] = []
    const told: string[] = []
    const flush = (): Promise<void> =>
      new Promise((resolve, reject) => {
        ends.push((error) => (error ? reject(error) : resolve()))
      })
    const both = open({
      ...{ flush, onFailure, onHeld: (why) => told.push(why?.message ?? 'stuck') },
      onReleased: () => told.push('released'),
    })
    const { gone, wait } = waiting()
    const say = (name: string): void => {
      both.flow.take(FACTS, LINE)
      wait(name, both.flow.ticket(0))
      both.gate.settle()
    }
    const end = async (error?: Error): Promise<void> => {
      ends.shift()?.(error)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return { ...both, ends, told, gone, say, end }
  }

  test('serves all that came while the one before it ran', async () => {
    const { ends, gone, say, end } = openSlow('block')
    for (const name of ['first', 'second', 'third']) say(name)
    expect(ends).toHaveLength(1)
    await end()
    expect([gone, ends.length]).toEqual([['first'], 1])
    await end()
    expect([gone, ends.length]).toEqual([['first', 'second', 'third'], 0])
  })

  test('fails: with "block" it is tried again before anybody goes on', async () => {
    const { gate, state, told, gone, say, end } = openSlow('block')
    say('first')
    await end(new Error('EIO'))
    say('second')
    expect([gate.isBlocked, gone, told]).toEqual([true, [], ['EIO']])
    state.looks.pop()?.()
    await end()
    expect([gate.isBlocked, gone, told]).toEqual([false, ['first', 'second'], ['EIO', 'released']])
  })

  test('fails: with "continue" all go on', async () => {
    const { told, gone, say, end } = openSlow('continue')
    say('first')
    await end(new Error('EIO'))
    expect([gone, told]).toEqual([['first'], ['EIO']])
    say('second')
    await end()
    expect([gone, told]).toEqual([
      ['first', 'second'],
      ['EIO', 'released'],
    ])
  })

  test.each(['block', 'continue'] as const)('hangs: %s', async (onFailure) => {
    const { gate, state, told, gone, say, end } = openSlow(onFailure)
    say('first')
    say('second')
    state.looks.shift()?.()
    say('third')
    const all = ['first', 'second', 'third']
    expect(gate.isBlocked).toBe(onFailure === 'block')
    expect(gone).toEqual(onFailure === 'block' ? [] : all)
    expect(told).toEqual([expect.stringContaining('fdatasync has run for')])
    await end()
    await end()
    expect([gate.isBlocked, gone, told.at(-1)]).toEqual([false, all, 'released'])
  })

  test('is done again for what could only be written when the output was free', async () => {
    const { state, ends, gone, say, end } = openSlow('block')
    state.isStuck = true
    say('first')
    await end()
    state.isStuck = false
    state.looks.pop()?.()
    expect([gone, ends.length]).toEqual([[], 1])
    await end()
    expect(gone).toEqual(['first'])
  })
})
