/** What a start tells of that nobody would notice before it is needed. */
import { accessSync, constants } from 'node:fs'
import type { Config } from '../../config/load.ts'
import type { Log } from '../log.ts'

/** Why a program cannot be run; undefined too for one that is looked for in PATH. */
const faultOf = (program: string): string | undefined => {
  if (!program.includes('/')) return undefined
  try {
    accessSync(program, constants.X_OK)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** `toStdout`: the audit goes there. A hook that is missing may still come, so it stops nothing. */
export const warnAtStart = ({ log: own, dumpLog }: Config, toStdout: boolean, log: Log): void => {
  if (!dumpLog.enable && !toStdout)
    log.warn({}, 'no audit is written: neither to a file nor to the standard output')
  const hooks = {
    'log.rotationHook': own.rotationHook,
    'dumpLog.rotationHook': dumpLog.rotationHook,
    'dumpLog.checkpointHook': dumpLog.checkpointHook,
    'dumpLog.alertHook': dumpLog.alertHook,
  }
  for (const [option, program] of Object.entries(hooks)) {
    const error = faultOf(program)
    if (error !== undefined) log.warn({ option, error }, 'a hook cannot be run')
  }
}
