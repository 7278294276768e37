import { describe, expect, test } from 'vitest'
import { type Portal, PortalStore, type Prepared, PreparedStore } from '../../../dumpers/pg/statements.ts'

const prepared = (name: string, seq: number, text = `text ${seq}`): Prepared => ({
  name,
  seq,
  oids: [],
  text: { text, standardConformingStrings: true, dialect: 'postgresql' },
})

describe('prepared statements', () => {
  test('are found by name; the unnamed one is replaced by the next', () => {
    const store = new PreparedStore(10, 1e6)
    store.set(prepared('', 1))
    store.set(prepared('a', 2))
    store.set(prepared('', 3))
    expect([store.get('')?.seq, store.get('a')?.seq, store.get('b')]).toEqual([3, 2, undefined])
    expect(store.size).toBe(1)
  })

  test('are gone when they are closed', () => {
    const store = new PreparedStore(10, 1e6)
    store.set(prepared('', 1))
    store.set(prepared('a', 2))
    store.delete('a')
    store.delete('')
    store.delete('never there')
    expect([store.get('a'), store.get(''), store.bytes]).toEqual([undefined, undefined, 0])
    expect(store.evicted('a')).toBeUndefined()
  })

  test('past their number the oldest is given up, but not the number of its prepare record', () => {
    const store = new PreparedStore(3, 1e6)
    for (let seq = 1; seq <= 5; seq++) store.set(prepared(`s${seq}`, seq))
    expect([store.size, store.get('s1'), store.get('s2')]).toEqual([3, undefined, undefined])
    expect([store.evicted('s1'), store.evicted('s2'), store.evicted('s3')]).toEqual([1, 2, undefined])
  })

  test('past their bytes too', () => {
    const store = new PreparedStore(1000, 10_000)
    for (let seq = 1; seq <= 50; seq++) {
      store.set(prepared(`s${seq}`, seq, 'x'.repeat(1000)))
      expect(store.bytes).toBeLessThanOrEqual(10_000)
    }
    expect([store.get('s50')?.seq, store.evicted('s1')]).toEqual([50, 1])
  })

  test('one that is larger than all that may be held is held alone', () => {
    const store = new PreparedStore(10, 1000)
    store.set(prepared('small', 1))
    store.set(prepared('large', 2, 'x'.repeat(5000)))
    expect([store.get('small'), store.get('large')?.seq, store.evicted('small')]).toEqual([undefined, 2, 1])
  })

  test('a name that is used again means what it means now', () => {
    const store = new PreparedStore(1, 1e6)
    store.set(prepared('a', 1))
    store.set(prepared('b', 2))
    expect(store.evicted('a')).toBe(1)
    store.set(prepared('a', 3))
    expect([store.get('a')?.seq, store.evicted('a'), store.evicted('b')]).toEqual([3, undefined, 2])
    store.delete('b')
    expect(store.evicted('b')).toBeUndefined()
  })

  test('names without end cost no more than the bound', () => {
    const store = new PreparedStore(100, 100_000)
    const text = prepared('', 0).text
    for (let seq = 1; seq <= 50_000; seq++) store.set({ name: `s${seq}`, seq, oids: [], text })
    expect(store.size).toBeLessThanOrEqual(100)
    expect([store.evicted('s49900'), store.evicted('s1')]).toEqual([49_900, undefined])
  })

  test('all are gone at once (DEALLOCATE ALL, DISCARD ALL)', () => {
    const store = new PreparedStore(1, 1e6)
    for (const [index, name] of ['', 'a', 'b'].entries()) store.set(prepared(name, index))
    store.clear()
    expect([store.get(''), store.get('b'), store.evicted('a'), store.size, store.bytes]).toEqual([
      ...[undefined, undefined, undefined],
      ...[0, 0],
    ])
  })
})

const portal = (name: string, more: Partial<Portal> = {}): Portal => ({
  name,
  execution: undefined,
  text: undefined,
  stmtName: undefined,
  hold: false,
  bytes: 0,
  ...more,
})

describe('portals', () => {
  const open = (max = 10, maxBytes = 1e6) => {
    const store = new PortalStore(max, maxBytes)
    const gone: string[] = []
    const give = (one: Portal): void => {
      gone.push(one.name)
    }
    return { store, gone, set: (one: Portal) => store.set(one, give), give }
  }

  test('one that takes the place of another gives that one', () => {
    const { store, gone, set } = open()
    for (const name of ['', 'a', '', 'a', 'b']) set(portal(name))
    expect([gone, store.size]).toEqual([['', 'a'], 3])
  })

  test('the new one stands before the old one is given', () => {
    const { store, set } = open()
    set(portal('a'))
    let seen: number | undefined
    store.set(portal('a', { bytes: 7 }), () => {
      seen = store.get('a')?.bytes
    })
    expect(seen).toBe(7)
  })

  test('past their number or bytes the oldest is given', () => {
    const few = open(2)
    for (const name of ['a', 'b', 'c']) few.set(portal(name))
    expect(few.gone).toEqual(['a'])
    const small = open(100, 5000)
    for (const name of ['a', 'b', 'c']) small.set(portal(name, { bytes: 2000 }))
    expect(small.gone).toEqual(['a'])
    expect(small.store.bytes).toBeLessThanOrEqual(5000)
  })

  test('at the end of a transaction all but those WITH HOLD are given', () => {
    const { store, gone, set, give } = open()
    set(portal(''))
    set(portal('a'))
    set(portal('held', { hold: true }))
    store.drain(false, give)
    expect([gone, store.size]).toEqual([['', 'a'], 1])
    store.drain(true, give)
    expect([gone, store.size, store.bytes]).toEqual([['', 'a', 'held'], 0, 0])
  })

  test('what is closed is answered and gone', () => {
    const { store, gone, set } = open()
    set(portal('a', { bytes: 5 }))
    expect([store.delete('a')?.bytes, store.delete('a'), store.delete(''), store.bytes]).toEqual([
      ...[5, undefined, undefined],
      0,
    ])
    expect(gone).toEqual([])
  })
})
