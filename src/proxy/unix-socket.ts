import { lstatSync, unlinkSync } from 'node:fs'
import { createConnection } from 'node:net'

const isSocket = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true

/** Does somebody listen there? Anything but a plain refusal counts as yes. */
const isServed = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createConnection({ path })
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'))
  })

/** Removes a socket's file that a process left behind; leaves everything else alone. */
export const clearStaleSocket = async (path: string): Promise<void> => {
  if (isSocket(path) && !(await isServed(path))) unlinkSync(path)
}
