import { expect, test } from 'vitest'
import { SinkError } from '../../../src/errors.ts'
import { Trouble } from '../../../src/sinks/trouble.ts'

test('one that comes back at once is told again only when it lasts', () => {
  const told: string[] = []
  let now = 0
  const trouble = new Trouble({
    clock: { nowMs: () => now, after: () => () => {} },
    retry: () => {},
    onTrouble: ({ message }) => told.push(message),
    onRecovered: () => told.push('over'),
  })
  const fail = (message: string): void => trouble.on(new SinkError('write', message))
  fail('first')
  fail('first, still')
  trouble.over()
  now = 1000
  fail('second')
  trouble.over()
  expect(told).toEqual(['first', 'over'])
  now = 2000
  fail('third')
  now = 10_000
  fail('third, still')
  fail('third, for ever')
  expect(told).toEqual(['first', 'over', 'third, still'])
  trouble.over()
  expect(told.at(-1)).toBe('over')
})
