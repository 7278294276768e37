import { describe, expect, test } from 'vitest'
import { Identity } from '../../../dumpers/pg/identity.ts'

const logIn = (): Identity => {
  const identity = new Identity()
  identity.set('username', 'alice')
  identity.reported('session_authorization', 'alice')
  return identity
}

test('is the same object until something changes, and then another', () => {
  const identity = logIn()
  const { who } = identity
  identity.set('username', 'alice')
  identity.reported('is_superuser', 'off')
  const superuser = identity.who
  identity.reported('is_superuser', 'off')
  expect(identity.who).toBe(superuser)
  expect(superuser).not.toBe(who)
  expect(who).toEqual({ dialect: 'postgresql', username: 'alice' })
  expect(Object.isFrozen(who)).toBe(true)
})

test('what the server reports', () => {
  const identity = logIn()
  identity.reported('application_name', 'psql')
  identity.reported('server_version', '15.13')
  identity.reported('is_superuser', 'on')
  identity.reported('TimeZone', 'UTC')
  expect(identity.who).toEqual({
    dialect: 'postgresql',
    username: 'alice',
    application_name: 'psql',
    server_version: '15.13',
    is_superuser: true,
  })
})

test('an application name that is taken back is gone', () => {
  const identity = logIn()
  identity.reported('application_name', 'psql')
  identity.reported('application_name', '')
  expect(identity.who).not.toHaveProperty('application_name')
})

test('names are cut to a length that no server exceeds', () => {
  const identity = new Identity()
  identity.set('username', 'x'.repeat(10_000))
  expect(identity.who.username).toHaveLength(256)
})

describe('effective user', () => {
  const effective = (identity: Identity) => identity.who.effective_username

  test('is told where it differs', () => {
    const identity = logIn()
    expect(effective(identity)).toBeUndefined()
    identity.reported('session_authorization', 'bob')
    expect(effective(identity)).toBe('bob')
    identity.reported('session_authorization', 'alice')
    expect(effective(identity)).toBeUndefined()
  })

  test('is the role that was set, until it is reset', () => {
    const identity = logIn()
    identity.setRole('auditor', false)
    identity.transactionEnded(false)
    expect(effective(identity)).toBe('auditor')
    identity.setRole(null, false)
    expect(effective(identity)).toBeUndefined()
  })

  test('SET SESSION AUTHORIZATION resets the role', () => {
    const identity = logIn()
    identity.setRole('auditor', false)
    identity.reported('session_authorization', 'bob')
    expect(effective(identity)).toBe('bob')
  })

  test('a role that was set in a transaction is gone when that rolls back', () => {
    const identity = logIn()
    identity.setRole('before', false)
    identity.transactionEnded(false)
    identity.setRole('inside', false)
    expect(effective(identity)).toBe('inside')
    identity.transactionEnded(true)
    expect(effective(identity)).toBe('before')
  })

  test('SET LOCAL ROLE ends with its transaction, committed or not', () => {
    for (const rolledBack of [false, true]) {
      const identity = logIn()
      identity.setRole('before', false)
      identity.transactionEnded(false)
      identity.setRole('local', true)
      expect(effective(identity)).toBe('local')
      identity.transactionEnded(rolledBack)
      expect(effective(identity)).toBe('before')
    }
  })

  test('SET LOCAL ROLE, then SET ROLE: the latter stays', () => {
    const identity = logIn()
    identity.setRole('local', true)
    identity.setRole('session', false)
    identity.transactionEnded(false)
    expect(effective(identity)).toBe('session')
  })

  test('SET ROLE, then SET LOCAL ROLE: the former comes back', () => {
    const identity = logIn()
    identity.setRole('session', false)
    identity.setRole('local', true)
    identity.transactionEnded(false)
    expect(effective(identity)).toBe('session')
  })

  test('SET LOCAL ROLE twice: what was before both comes back', () => {
    const identity = logIn()
    identity.setRole('one', true)
    identity.setRole('two', true)
    identity.transactionEnded(false)
    expect(effective(identity)).toBeUndefined()
  })
})
