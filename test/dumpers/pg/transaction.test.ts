import { describe, expect, test } from 'vitest'
import { Transaction } from '../../../dumpers/pg/transaction.ts'
import type { TxnEnd, Who } from '../../../src/event.ts'

const WHO: Who = { dialect: 'postgresql', username: 'alice' }
const ERROR = { error_code: '23505', error_message: 'duplicate' }

const open = () => {
  const ended: TxnEnd[] = []
  const changed: boolean[] = []
  const txn = new Transaction(
    (event) => ended.push(event),
    (rolledBack) => changed.push(rolledBack),
  )
  /** one statement that succeeds, and its ReadyForQuery */
  const run = (status: string) => {
    txn.succeeded()
    txn.ready(status, 1, WHO)
  }
  const told = () => ended.map(({ txn_seq, txn_outcome, reason }) => [txn_seq, txn_outcome, reason])
  return { txn, ended, changed, run, told }
}

describe('outside a block', () => {
  test('each statement is a transaction of its own, which is not told', () => {
    const { txn, run, told, changed } = open()
    for (const seq of [1, 2, 3]) {
      expect(txn.seq).toBe(seq)
      run('I')
    }
    expect(told()).toEqual([])
    expect(changed).toEqual([false, false, false])
  })

  test('a ReadyForQuery of nothing begins no new one', () => {
    const { txn, changed } = open()
    txn.ready('I', 1, WHO)
    txn.ready('I', 2, WHO)
    expect([txn.seq, changed]).toEqual([1, []])
  })

  test('a failure alone is told by its statement', () => {
    const { txn, told, changed } = open()
    txn.failed(ERROR)
    txn.ready('I', 1, WHO)
    expect([told(), changed]).toEqual([[], [true]])
  })

  test('a failure behind statements that succeeded undoes them, and is told', () => {
    const { txn, ended } = open()
    txn.succeeded()
    txn.failed(ERROR)
    txn.ready('I', 7, WHO)
    expect(ended).toEqual([
      { event: 'txn.end', at: 7, who: WHO, txn_seq: 1, txn_outcome: 'rolled_back', ...ERROR },
    ])
  })
})

describe('a block', () => {
  const begin = () => {
    const all = open()
    all.txn.begin()
    all.run('T')
    return all
  }

  test('that is committed', () => {
    const { txn, run, told } = begin()
    run('T')
    expect(txn.seq).toBe(1)
    txn.end('committed', false, 5, WHO)
    run('I')
    expect(told()).toEqual([[1, 'committed', undefined]])
    expect(txn.block).toBe(false)
  })

  test('that is rolled back because of an error says which', () => {
    const { txn, ended, changed } = begin()
    txn.failed(ERROR)
    txn.ready('E', 2, WHO)
    txn.end('rolled_back', false, 3, WHO)
    txn.ready('I', 3, WHO)
    expect(ended).toMatchObject([{ txn_outcome: 'rolled_back', ...ERROR }])
    expect(changed[0]).toBe(true)
  })

  test('whose error was undone by ROLLBACK TO does not name it', () => {
    const { txn, ended } = begin()
    txn.failed(ERROR)
    txn.ready('E', 2, WHO)
    txn.rolledBackTo()
    txn.end('rolled_back', false, 3, WHO)
    expect(ended[0]).not.toHaveProperty('error_code')
  })

  test('that is chained is followed by another at once', () => {
    const { txn, run, told } = begin()
    txn.end('committed', true, 2, WHO)
    run('T')
    expect([txn.seq, txn.block]).toEqual([2, true])
    txn.end('rolled_back', false, 3, WHO)
    run('I')
    expect(told()).toEqual([
      [1, 'committed', undefined],
      [2, 'rolled_back', undefined],
    ])
  })

  test('that is prepared has an outcome which nobody knows yet', () => {
    const { txn, told } = begin()
    txn.end('unknown', false, 2, WHO, 'prepared')
    expect(told()).toEqual([[1, 'unknown', 'prepared']])
  })

  test('that the server ended without a word is unknown', () => {
    const { run, told } = begin()
    run('I')
    expect(told()).toEqual([[1, 'unknown', undefined]])
  })

  test('that is known by its status alone is one', () => {
    const { txn, told } = open()
    txn.ready('T', 1, WHO)
    txn.closed(false, 2, WHO)
    expect(told()).toEqual([[1, 'rolled_back', 'connection_closed']])
  })

  test.each([
    [false, 'rolled_back'],
    [true, 'unknown'],
  ])('that is open when the connection ends, an answer awaited: %s', (pending, outcome) => {
    const { txn, told } = begin()
    txn.closed(pending, 9, WHO)
    txn.closed(pending, 9, WHO)
    expect(told()).toEqual([[1, outcome, 'connection_closed']])
  })
})

test('COMMIT outside a block is no end of one', () => {
  const { txn, told } = open()
  txn.end('committed', false, 1, WHO)
  expect(told()).toEqual([])
})
