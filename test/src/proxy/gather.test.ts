import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Direction, type FlowObserver, GO } from '../../../src/flow.ts'
import { Gather } from '../../../src/proxy/gather.ts'
import { read, Stage } from './wire.ts'

const ignore = (): void => {}

/** An observer that writes down what it is shown. */
const noting = (name: string, notes: string[]): FlowObserver => ({
  dialled: ignore,
  secured: ignore,
  gap: ignore,
  closed: ignore,
  chunk: (from: Direction, chunk: Buffer, at: number) => {
    notes.push(`${name} ${from} ${chunk.length > 20 ? chunk.length : chunk} ${at}`)
    return GO
  },
})

describe('chunks', () => {
  let notes: string[]
  let wakes: (() => void)[]
  let gather: Gather
  let first: FlowObserver
  let second: FlowObserver
  beforeEach(() => {
    notes = []
    wakes = []
    gather = new Gather((callback) => wakes.push(callback))
    first = noting('first', notes)
    second = noting('second', notes)
  })

  test('wait for others and are shown in the order in which they came, with their times', () => {
    gather.add(first, 'frontend', Buffer.from('a'), 1)
    gather.add(second, 'frontend', Buffer.from('b'), 2)
    gather.add(first, 'backend', Buffer.from('c'), 3)
    expect(notes).toEqual([])
    expect(wakes).toHaveLength(1)
    wakes[0]?.()
    expect(notes).toEqual(['first frontend a 1', 'second frontend b 2', 'first backend c 3'])
  })

  test('are shown once', () => {
    gather.add(first, 'frontend', Buffer.from('a'), 1)
    gather.show()
    gather.show()
    wakes[0]?.()
    expect(notes).toEqual(['first frontend a 1'])
  })

  test('that come behind those that were shown have a time of their own to wait', () => {
    gather.add(first, 'frontend', Buffer.from('a'), 1)
    wakes[0]?.()
    gather.add(first, 'frontend', Buffer.from('b'), 2)
    expect(wakes).toHaveLength(2)
    wakes[1]?.()
    expect(notes).toEqual(['first frontend a 1', 'first frontend b 2'])
  })

  test('are shown without waiting for the time when there are many', () => {
    for (let at = 0; at < 300; at++) gather.add(first, 'frontend', Buffer.from('a'), at)
    expect(notes).toHaveLength(256)
    gather.show()
    expect(notes).toHaveLength(300)
    expect(notes.at(-1)).toBe('first frontend a 299')
  })

  test('that are long are shown at once, behind those that wait', () => {
    gather.add(first, 'frontend', Buffer.from('a'), 1)
    gather.add(second, 'backend', Buffer.alloc(5000), 2)
    expect(notes).toEqual(['first frontend a 1', 'second backend 5000 2'])
  })
})

describe('connections', () => {
  let stage: Stage
  beforeEach(() => {
    stage = new Stage()
  })
  afterEach(() => stage.stop())

  test('pass bytes on before they are shown, and show all before they end', async () => {
    await stage.listen({}, { gather: new Gather(ignore) })
    const { client, server, flow } = await stage.pair()
    client.write('question')
    expect(String(await read(server, 8))).toBe('question')
    server.write('answer')
    expect(String(await read(client, 6))).toBe('answer')
    expect(flow.chunks).toEqual([])
    client.end()
    server.end()
    await once(client.resume(), 'close')
    await flow.over
    expect(flow.chunks.map(({ from, bytes }) => `${from} ${bytes}`)).toEqual([
      'frontend question',
      'backend answer',
    ])
  })

  test('show at once what waits for the observer', async () => {
    await stage.listen({}, { gate: { settle() {}, isBlocked: false }, gather: new Gather(ignore) })
    const { client, server, flow } = await stage.pair()
    client.write('question')
    await read(server, 8)
    expect(flow.chunks).toHaveLength(1)
  })
})
