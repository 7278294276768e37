/** Which of the known names a misspelt one was meant to be. */

/** How many letters have to be changed, put in, left out, or swapped with their neighbour. */
const distance = (a: string, b: string): number => {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const next = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const isSame = a[row - 1] === b[column - 1]
      let cost = Math.min((last[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1)
      cost = Math.min(cost, (last[column - 1] ?? 0) + (isSame ? 0 : 1))
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (isSwap) cost = Math.min(cost, (before[column - 2] ?? 0) + 1)
      next.push(cost)
    }
    before = last
    last = next
  }
  return last[b.length] ?? 0
}

/** Shorter beginnings than this could be those of anything. */
const MIN_BEGINNING = 3

/**
 * The known name that is nearest, if it is near: at most a third of its letters differ, or one of the two is
 * the beginning of the other. Case and marks do not count.
 */
export const nearest = (name: string, known: readonly string[]): string | undefined => {
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '')
  const meant = plain(name)
  const ranked = known
    .map((candidate) => ({ candidate, far: distance(meant, plain(candidate)) }))
    .sort((a, b) => a.far - b.far)
  const close = ranked.find(
    ({ candidate, far }) => far <= Math.max(1, Math.floor(plain(candidate).length / 3)),
  )
  const isBeginning = (other: string): boolean =>
    Math.min(meant.length, other.length) >= MIN_BEGINNING &&
    (other.startsWith(meant) || meant.startsWith(other))
  return (close ?? ranked.find(({ candidate }) => isBeginning(plain(candidate))))?.candidate
}
