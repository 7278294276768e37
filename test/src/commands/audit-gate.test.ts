import { expect, it } from 'vitest'
import { openAuditGate } from '../../../src/commands/audit-gate.ts'
import type { AuditPromise } from '../../../src/commands/promise.ts'
import type { Wait } from '../../../src/flow.ts'
import type { StreamSink } from '../../../src/sinks/stdout.ts'

const BLOCKING: AuditPromise = { guarantee: 'written', onFailure: 'block', onUndecodable: 'refuse' }

const openShown = (promise: AuditPromise) => {
  const told: string[] = []
  const shown = { isBehind: true }
  const gate = openAuditGate({
    ...{ promise, detail: 'statement', maxStatements: 1000 },
    ...{ file: undefined, shown: shown as StreamSink },
    reports: (output) => ({
      onTrouble: ({ code, message }) => told.push(`${output} ${code}: ${message}`),
      onRecovered: (lost) => told.push(`${output} lost ${lost}`),
    }),
  })
  return { gate, told, shown }
}

it('holds statements for the reader of the standard output, and tells so', async () => {
  const { gate, told, shown } = openShown(BLOCKING)
  const flow = gate?.intents.open({ conn_id: 'C' })
  flow?.take({ conn_id: 'C' }, { event: 'intent', at: 1, who: { dialect: 'mysql' }, token: 1 })
  const ticket = flow?.ticket(0) as Wait
  let isGone = false
  ticket.whenReady(() => {
    isGone = true
  })
  gate?.gate.settle()
  expect([gate?.gate.isBlocked, isGone]).toEqual([true, false])
  expect(told).toEqual(['stdout write: statements wait for the reader of the standard output'])
  shown.isBehind = false
  await expect.poll(() => isGone).toBe(true)
  expect(told.slice(1)).toEqual(['stdout lost 0'])
  gate?.close()
})

it('has nothing to hold where nothing is promised', () => {
  expect(openShown({ guarantee: 'observe', onFailure: 'continue', onUndecodable: 'pass' }).gate).toBe(
    undefined,
  )
})
