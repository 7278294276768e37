/**
 * MySQL's and MariaDB's packets, built: what a client sends (`frontend`) as packets, what a server sends
 * (`backend`) as payloads, to be numbered by `packets`; whole answers by `resultSet` and `prepared`.
 */
export * from './my-backend.ts'
export * from './my-bytes.ts'
export * from './my-frontend.ts'
export { cstring, fromHex } from './pg-wire.ts'
