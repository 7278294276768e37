import { describe, expect, test } from 'vitest'
import { CommandQueue, type Queued } from '../../../dumpers/common/queue.ts'

class Item implements Queued<Item> {
  next: Item | undefined = undefined
  readonly name: string
  readonly cost: number

  constructor(name: string, cost = 1) {
    this.name = name
    this.cost = cost
  }
}

const open = (max: number) => new CommandQueue<Item>(max, (code) => new Item(`code ${code}`))

/** Shifts all out; their names. */
const drain = (queue: CommandQueue<Item>): string[] => {
  const names: string[] = []
  for (; queue.head !== undefined; queue.shift()) names.push(queue.head.name)
  return names
}

describe('a queue of commands', () => {
  test('is first in, first out, and knows what it holds', () => {
    const queue = open(9)
    queue.push(new Item('a', 5))
    queue.push(new Item('b', 7))
    expect([queue.length, queue.cost, queue.head?.name, queue.tail?.name]).toEqual([2, 12, 'a', 'b'])
    expect(drain(queue)).toEqual(['a', 'b'])
    expect([queue.length, queue.cost, queue.head, queue.tail]).toEqual([0, 0, undefined, undefined])
  })

  test('keeps placeholders in their place when it is full', () => {
    const queue = open(2)
    queue.push(new Item('a'))
    expect(queue.full).toBe(false)
    queue.push(new Item('b'))
    expect(queue.full).toBe(true)
    for (let code = 0; code < 3000; code++) expect(queue.pushPlaceholder(code % 256)).toBe(true)
    expect([queue.length, queue.tail]).toEqual([3002, undefined])
    queue.shift()
    expect(queue.full).toBe(true)
    const names = drain(queue)
    expect(names.slice(0, 3)).toEqual(['b', 'code 0', 'code 1'])
    expect(names).toHaveLength(3001)
    expect(names.at(-1)).toBe(`code ${2999 % 256}`)
    expect(queue.full).toBe(false)
  })

  test('says when there is no room even for placeholders', () => {
    const queue = open(1)
    queue.push(new Item('a'))
    let pushed = 0
    while (queue.pushPlaceholder(1)) pushed++
    expect(pushed).toBeGreaterThanOrEqual(4_000_000)
    expect(queue.dropPlaceholders()).toBe(pushed)
    expect([queue.length, queue.full]).toEqual([1, true])
    queue.shift()
    expect([queue.length, queue.full]).toEqual([0, false])
  })

  test('gives up the command behind its head', () => {
    const queue = open(9)
    queue.dropSecond()
    for (const name of ['a', 'b', 'c']) queue.push(new Item(name))
    queue.dropSecond()
    queue.dropSecond()
    expect([queue.length, queue.cost, queue.tail?.name]).toEqual([1, 1, 'a'])
    queue.push(new Item('d'))
    expect(drain(queue)).toEqual(['a', 'd'])
  })
})
