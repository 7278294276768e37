/** `querytap keygen`: a pair of keys for signing audit logs. */
import { closeSync, fchmodSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { makeKeys } from '../audit/seal.ts'
import { ConfigError } from '../errors.ts'

/** `audit.pem` → `audit.pub.pem` */
const publicName = (file: string): string => `${file.replace(/\.pem$/, '')}.pub.pem`

/** Writes a file that was not there before: a key is never overwritten. */
const writeNew = (path: string, text: string, mode: number): void => {
  let fd: number
  try {
    fd = openSync(path, 'wx', mode)
  } catch (error) {
    throw new ConfigError('environment', '--out', `${path}: ${(error as Error).message}`)
  }
  try {
    fchmodSync(fd, mode)
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Makes both files and answers what to tell about them. Throws ConfigError `environment`. */
export const makeKeyFiles = (file: string): string => {
  const { privatePem, publicPem, keyId } = makeKeys()
  const publicFile = publicName(file)
  writeNew(file, privatePem, 0o600)
  try {
    writeNew(publicFile, publicPem, 0o644)
  } catch (error) {
    rmSync(file)
    throw error
  }
  return [
    `key ${keyId}`,
    `private: ${file}  (dumpLog.signingKey; keep it where only querytap reads it)`,
    `public:  ${publicFile}  (querytap verify --key; keep a copy away from this machine)`,
    '',
  ].join('\n')
}
