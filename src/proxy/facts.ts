/** What is known of a connection, as its records have it. */
import type { Socket } from 'node:net'
import type { FlowFacts } from '../flow.ts'
import { clientOf, localOf, peerOf, showAddress } from './address.ts'
import type { ListenerContext } from './context.ts'

/** Before its server is dialled. */
export const firstFacts = ({ options, connId }: ListenerContext, client: Socket): FlowFacts => {
  const listening = localOf(client) ?? showAddress(options.address)
  const addr = clientOf(client, options.address)
  return {
    conn_id: connId(),
    ...(options.name !== undefined && { listener: options.name }),
    ...(addr !== undefined && { client_addr: addr }),
    proxy_listen_addr: listening,
    remote_addr: showAddress(options.remote),
  }
}

/** When its server was reached. */
export const dialledFacts = (facts: FlowFacts, server: Socket): FlowFacts => {
  const own = localOf(server)
  const remote = peerOf(server)
  return {
    ...facts,
    ...(own !== undefined && { proxy_client_addr: own }),
    ...(remote !== undefined && { remote_addr: remote }),
  }
}
