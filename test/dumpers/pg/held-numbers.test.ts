import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HeldNumbers } from '../../../dumpers/pg/held-numbers.ts'

test('numbers come out as they went in, whatever lies between them', () => {
  const step = fc.record({ skipped: fc.nat({ max: 3 }), shifts: fc.nat({ max: 2 }) })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const numbers = new HeldNumbers()
      const model: number[] = []
      let seq = 0
      for (const { skipped, shifts } of steps) {
        seq += skipped + 1
        numbers.push(seq)
        model.push(seq)
        for (let i = 0; i < shifts; i++) expect(numbers.shift()).toBe(model.shift() ?? 0)
      }
      while (model.length > 0) expect(numbers.shift()).toBe(model.shift())
    }),
  )
})
