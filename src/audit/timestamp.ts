/** Times of records: ISO 8601 with microseconds. */
import type { Micros } from '../event.ts'

export type Timezone = 'utc' | 'local'

const two = (value: number): string => (value < 10 ? `0${value}` : String(value))

/** Minutes east of UTC, as `+hh:mm`. */
const offsetText = (minutes: number): string => {
  const size = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`
}

const localSecond = (date: Date): string => {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/**
 * Makes a formatter: `2024-05-01T09:00:00.000123Z`, or with `local` the machine's time and its offset,
 * `2024-05-01T11:00:00.000123+02:00`. The text of the last second is kept, since records come in bursts.
 */
export const createTimestamp = (timezone: Timezone): ((at: Micros) => string) => {
  let second = Number.NaN
  let head = ''
  let tail = ''
  const turn = (to: number): void => {
    const date = new Date(to * 1000)
    second = to
    head = `${timezone === 'utc' ? date.toISOString().slice(0, 19) : localSecond(date)}.`
    tail = timezone === 'utc' ? 'Z' : offsetText(-date.getTimezoneOffset())
  }
  return (at) => {
    const whole = Math.floor(at / 1e6)
    if (whole !== second) turn(whole)
    return head + String(1_000_000 + (at - whole * 1e6)).slice(1) + tail
  }
}
