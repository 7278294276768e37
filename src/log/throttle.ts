/** Keeps what repeats itself from filling the log. */

export interface ThrottleOptions {
  /** equal keys pass once in this time */
  readonly intervalMs: number
  /** milliseconds, of any clock */
  readonly now?: () => number
}

/** Keys remembered; the one that passed longest ago is forgotten first. */
const MAX_KEYS = 256

/**
 * Gives a function that answers a key with the number of its like that were held back since the last one
 * that passed, or with undefined where this one is to be held back.
 */
export const throttle = (options: ThrottleOptions): ((key: string) => number | undefined) => {
  const { intervalMs, now = () => performance.now() } = options
  const passed = new Map<string, { readonly at: number; held: number }>()
  return (key) => {
    const at = now()
    const last = passed.get(key)
    if (last !== undefined && at - last.at < intervalMs) {
      last.held += 1
      return undefined
    }
    passed.delete(key)
    passed.set(key, { at, held: 0 })
    if (passed.size > MAX_KEYS) passed.delete(passed.keys().next().value as string)
    return last?.held ?? 0
  }
}
