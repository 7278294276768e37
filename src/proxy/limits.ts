/** Bounds of one connection that no option sets: bytes, and milliseconds. */

/** What an unreached server has yet to be sent; past it the client is not read. */
export const MOST_EARLY = 64 * 1024
/** What a handshake may hold whose meaning awaits the server's answer; past it the client is not read. */
export const MOST_UNRESOLVED = 64 * 1024
/** What a server may say before its client's PROXY header has come; past it the server is not read. */
export const MOST_POSTPONED = 64 * 1024
/** How long a client that was told the end may take to leave, and one whose server left. */
export const LINGER_MS = 5_000
export const AFTER_SERVER_MS = 60_000
/** How long a client may take to understand a refusal, where there is no login timeout. */
export const REFUSING_MS = 60_000
