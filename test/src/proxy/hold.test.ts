import { expect, test } from 'vitest'
import type { Wait } from '../../../src/flow.ts'
import type { ListenerContext } from '../../../src/proxy/context.ts'
import { Deadlines } from '../../../src/proxy/deadlines.ts'
import { Hold } from '../../../src/proxy/hold.ts'

const waitFor = (isForReplies: boolean): Wait => ({
  kind: 'wait',
  from: 0,
  isForReplies,
  whenReady: () => undefined,
})

test('who waits for replies is not ended by blockTimeout, who waits for the log is', () => {
  const held = { now: 0, total: 0, timedOut: 0 }
  const options = { blockTimeout: 30_000 }
  const by = new Deadlines({ now: () => 0, steady: () => 0 }, () => undefined)
  const refused: string[] = []
  const context = { held, options } as unknown as ListenerContext
  const hold = new Hold(context, by, ({ reason }) => refused.push(reason))
  hold.held(waitFor(true))
  const first = by.block
  hold.timedOut()
  expect(refused).toEqual([])
  expect(by.block).toBeGreaterThanOrEqual(first)
  expect(by.block).toBeLessThan(Number.POSITIVE_INFINITY)
  hold.released()
  hold.held(waitFor(false))
  hold.timedOut()
  expect(refused).toEqual(['log_blocked'])
  expect(held).toEqual({ now: 1, total: 2, timedOut: 1 })
})
