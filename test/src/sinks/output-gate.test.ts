import { expect, test } from 'vitest'
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
