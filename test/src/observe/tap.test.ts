import { describe, expect, test } from 'vitest'
import { type FlowEnd, type FlowFacts, type FlowObserver, GO, type OpenFlow } from '../../../src/flow.ts'
import { tap } from '../../../src/observe/tap.ts'

const FACTS: FlowFacts = { conn_id: 'c1' }
const DIALLED: FlowFacts = { conn_id: 'c1', remote_addr: '127.0.0.1:1' }
const END: FlowEnd = { by: 'client', reason: 'closed', bytesIn: 3, bytesOut: 0 }
const CHUNK = Buffer.from('abc')

type Call = 'open' | 'dialled' | 'midStream' | 'secured' | 'chunk' | 'gap' | 'closed'
const CALLS: readonly Call[] = ['open', 'dialled', 'midStream', 'secured', 'chunk', 'gap', 'closed']

/** Notes its calls, and throws at one of them. */
const noting = (calls: string[], at?: Call): OpenFlow => {
  const called = (call: Call) => {
    calls.push(call)
    if (call === at) throw new Error(`broken at ${call}`)
  }
  const observer: FlowObserver = {
    dialled: () => called('dialled'),
    midStream: () => called('midStream'),
    secured: () => called('secured'),
    chunk: () => {
      called('chunk')
      return GO
    },
    gap: () => called('gap'),
    closed: () => called('closed'),
  }
  return () => {
    called('open')
    return observer
  }
}

const live = (open: OpenFlow): void => {
  const observer = open(FACTS, 1)
  observer.dialled(DIALLED, 2)
  observer.midStream?.(2)
  observer.secured('frontend', 'TLSv1.3', 3)
  expect(observer.chunk('frontend', CHUNK, 4)).toBe(GO)
  observer.gap('backend', 9, 5)
  observer.closed(END, 6)
}

describe('tap', () => {
  test('hands everything on', () => {
    const calls: string[] = []
    live(
      tap(noting(calls), {
        onError: () => {
          throw new Error('no error was expected')
        },
      }),
    )
    expect(calls).toEqual(CALLS)
  })

  test.each(CALLS)('takes an observer off that throws at %s, tells it once, and asks it no more', (at) => {
    const calls: string[] = []
    const errors: [string, FlowFacts][] = []
    live(tap(noting(calls, at), { onError: (error, facts) => errors.push([String(error), facts]) }))
    expect(errors).toEqual([[`Error: broken at ${at}`, at === 'open' ? FACTS : DIALLED]])
    expect(calls).toEqual(CALLS.slice(0, CALLS.indexOf(at) + 1))
  })

  test.each(CALLS)('lets another one see the rest after an exception at %s', (at) => {
    const rest: string[] = []
    const fallback = noting(rest)(FACTS, 0)
    rest.length = 0
    const told: FlowFacts[] = []
    live(
      tap(noting([], at), {
        onError: () => {},
        onDetached: (facts) => {
          told.push(facts)
          return fallback
        },
      }),
    )
    expect(told).toEqual([at === 'open' ? FACTS : DIALLED])
    // A flow's end is told once more, to who has not heard of it.
    expect(rest).toEqual(at === 'closed' ? ['closed'] : CALLS.slice(CALLS.indexOf(at) + 1))
  })

  test('survives a fallback that throws too', () => {
    const errors: unknown[] = []
    live(tap(noting([], 'dialled'), { onError: (e) => errors.push(e), onDetached: noting([], 'open') }))
    live(
      tap(noting([], 'dialled'), {
        onError: (e) => errors.push(e),
        onDetached: () => noting([], 'chunk')(FACTS, 0),
      }),
    )
    expect(errors.map(String)).toEqual(['Error: broken at dialled', 'Error: broken at dialled'])
  })

  test('survives an onError that throws', () => {
    const onError = () => {
      throw new Error('no log either')
    }
    live(tap(noting([], 'open'), { onError }))
  })

  test('tells whether the client is logged in, if somebody knows', () => {
    const knowing =
      (loggedIn: boolean): OpenFlow =>
      () => ({ ...noting([])(FACTS, 0), loggedIn })
    expect(tap(knowing(false), { onError: () => {} })(FACTS, 1).loggedIn).toBe(false)
    expect(tap(knowing(true), { onError: () => {} })(FACTS, 1).loggedIn).toBe(true)
    expect(tap(noting([], 'open'), { onError: () => {} })(FACTS, 1).loggedIn).toBeUndefined()
  })
})
