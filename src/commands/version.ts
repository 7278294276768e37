/** `querytap version` */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The nearest package.json above: this file is three directories deep when built, two in the sources. */
const packageFile = (directory: string): string => {
  const file = join(directory, 'package.json')
  return existsSync(file) ? file : packageFile(dirname(directory))
}

/** The package's version: `0.1.0`. */
export const readVersion = (): string => {
  const text = readFileSync(packageFile(dirname(fileURLToPath(import.meta.url))), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
