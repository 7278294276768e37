import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { type SignalSource, watchSignals } from '../../../src/commands/signals.ts'

const start = () => {
  const source = new EventEmitter()
  let reopened = 0
  const signals = watchSignals(() => reopened++, source as unknown as SignalSource)
  let isNow = false
  void signals.now.then(() => {
    isNow = true
  })
  return {
    signals,
    source,
    send: (signal: string) => source.emit(signal, signal),
    reopened: () => reopened,
    isNow: async () => {
      await Promise.resolve()
      return isNow
    },
  }
}

test.each([
  ['SIGTERM', 'drain'],
  ['SIGQUIT', 'drain'],
  ['SIGINT', 'now'],
])('%s: %s', async (signal, how) => {
  const { signals, send, isNow } = start()
  send(signal)
  expect(await signals.stop).toEqual({ how, signal })
  expect(await isNow()).toBe(how === 'now')
})

test.each(['SIGTERM', 'SIGQUIT', 'SIGINT'])('a second signal, %s, stops now', async (second) => {
  const { signals, send, isNow } = start()
  send('SIGTERM')
  expect(await isNow()).toBe(false)
  send(second)
  expect(await isNow()).toBe(true)
  expect(await signals.stop).toEqual({ how: 'drain', signal: 'SIGTERM' })
})

test('SIGHUP reopens and stops nothing', async () => {
  const { send, reopened, isNow } = start()
  send('SIGHUP')
  send('SIGHUP')
  expect(reopened()).toBe(2)
  expect(await isNow()).toBe(false)
})

test('off gives the signals back', () => {
  const { signals, source } = start()
  signals.off()
  expect(source.eventNames()).toEqual([])
})
