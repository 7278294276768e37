/**
 * Seals and their signatures. A seal is a SHA-256 in lower-case hex. What Ed25519 signs is not the seal
 * alone but {@link SIGNED} and the seal's 32 bytes, so that a signature made here means nothing anywhere
 * else, and none made elsewhere means anything here. {@link https://www.rfc-editor.org/rfc/rfc8032}
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'

/** What stands before the seal in what is signed. */
const SIGNED = Buffer.from('querytap seal 1\n', 'latin1')

const SEAL = /^[0-9a-f]{64}$/
const SIGNATURE = /^[0-9a-f]{128}$/

/** Is the text a seal: 64 lower-case hexadecimal digits? */
export const isSeal = (text: unknown): text is string => typeof text === 'string' && SEAL.test(text)

/** Signs seals. */
export interface Signer {
  readonly keyId: string
  /** 128 hexadecimal digits */
  sign(seal: string): string
}

/** Checks signatures. */
export interface Verifier {
  readonly keyId: string
  /** Was this seal signed with the private half of the key? False, too, for what is no signature. */
  isSignature(seal: string, signature: string): boolean
}

const messageOf = (seal: string): Buffer => Buffer.concat([SIGNED, Buffer.from(seal, 'hex')])

/** The first 16 digits of the SHA-256 of the public key in its DER form: a name, not a proof. */
const keyIdOf = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16)

const ed25519 = (key: KeyObject): KeyObject => {
  if (key.asymmetricKeyType !== 'ed25519')
    throw new Error(`a key of Ed25519 wanted, ${key.asymmetricKeyType ?? 'another'} got`)
  return key
}

/** A private key in PEM form. Throws Error when it is something else. */
export const readSigner = (pem: string | Buffer): Signer => {
  const key = ed25519(createPrivateKey(pem))
  return {
    keyId: keyIdOf(createPublicKey(key)),
    sign: (seal) => sign(null, messageOf(seal), key).toString('hex'),
  }
}

/** A public key in PEM form. Throws Error for another, and for a private one: it has no business here. */
export const readVerifier = (pem: string | Buffer): Verifier => {
  if (String(pem).includes('PRIVATE KEY')) throw new Error('the public key wanted, a private one got')
  const key = ed25519(createPublicKey(pem))
  return {
    keyId: keyIdOf(key),
    isSignature: (seal, signature) =>
      SIGNATURE.test(signature) && verify(null, messageOf(seal), key, Buffer.from(signature, 'hex')),
  }
}

/** A new pair, PKCS #8 and SPKI in PEM form. */
export const makeKeys = (): { readonly privatePem: string; readonly publicPem: string; keyId: string } => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    privatePem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    publicPem: String(publicKey.export({ type: 'spki', format: 'pem' })),
    keyId: keyIdOf(publicKey),
  }
}
