import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { isSeal, makeKeys, readSigner, readVerifier } from '../../../src/audit/seal.ts'

const SEAL = '5e'.repeat(32)
const OTHER = '5f'.repeat(32)

/** A key pair that never changes, so that its name and what it signs must not either. */
const PRIVATE = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
`
const PUBLIC = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
`

describe('a signature', () => {
  const signer = readSigner(PRIVATE)
  const verifier = readVerifier(PUBLIC)

  it('is right for its seal and its key alone', () => {
    const signature = signer.sign(SEAL)
    expect(signature).toMatch(/^[0-9a-f]{128}$/)
    expect(verifier.isSignature(SEAL, signature)).toBe(true)
    expect(verifier.isSignature(OTHER, signature)).toBe(false)
    expect(readVerifier(makeKeys().publicPem).isSignature(SEAL, signature)).toBe(false)
  })

  it.each(['', 'zz'.repeat(64), '00'.repeat(64), '00'.repeat(63)])('is not %j', (signature) => {
    expect(verifier.isSignature(SEAL, signature)).toBe(false)
  })

  it('is the same for both halves of a pair, and stays the same', () => {
    expect(signer.keyId).toBe(verifier.keyId)
    expect(signer.sign(SEAL)).toBe(readSigner(PRIVATE).sign(SEAL))
    expect(signer.keyId).toBe('06e3fd8fda29bb60')
  })
})

describe('keys', () => {
  it('come in pairs', () => {
    const { privatePem, publicPem, keyId } = makeKeys()
    expect(readSigner(privatePem).keyId).toBe(keyId)
    expect(readVerifier(publicPem).keyId).toBe(keyId)
    expect(makeKeys().keyId).not.toBe(keyId)
  })

  it('are of Ed25519', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = { type: 'pkcs8', format: 'pem' } as const
    expect(() => readSigner(privateKey.export(pem))).toThrow('a key of Ed25519 wanted, ec got')
    expect(() => readVerifier(publicKey.export({ type: 'spki', format: 'pem' }))).toThrow('Ed25519 wanted')
    expect(() => readSigner('nonsense')).toThrow()
  })

  it('are not taken one for the other', () => {
    expect(() => readVerifier(PRIVATE)).toThrow('the public key wanted, a private one got')
    expect(() => readSigner(PUBLIC)).toThrow()
  })
})

describe('isSeal', () => {
  it.each([
    [SEAL, true],
    [SEAL.toUpperCase(), false],
    [SEAL.slice(1), false],
    [`${SEAL}\n`, false],
    [1, false],
  ])('%j: %s', (text, expected) => {
    expect(isSeal(text)).toBe(expected)
  })
})
