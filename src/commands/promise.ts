/** What the options of a proxy's guarantee come to: "auto" is resolved here. */
import type { DumpLogConfig } from '../../config/load.ts'

export interface AuditPromise {
  readonly guarantee: 'observe' | 'written' | 'synced'
  readonly onFailure: 'block' | 'continue'
  readonly onUndecodable: 'refuse' | 'pass'
}

type Options = Pick<DumpLogConfig, 'guarantee' | 'onFailure' | 'onUndecodable'>

export const promiseOf = ({ guarantee, onFailure, onUndecodable }: Options): AuditPromise => {
  const isHeld = guarantee !== 'observe'
  return {
    guarantee,
    onFailure: onFailure === 'auto' ? (isHeld ? 'block' : 'continue') : onFailure,
    onUndecodable: onUndecodable === 'auto' ? (isHeld ? 'refuse' : 'pass') : onUndecodable,
  }
}
