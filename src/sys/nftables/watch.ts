import { attributesIn, textOf } from '../netlink/message.ts';
import { netlinkFamily, NetlinkSocket } from '../netlink/socket.ts';
import { Poll, READABLE } from '../poll/poll.ts';
import { changedTable, isRemoval, type TableName } from './encode.ts';

/** NFNLGRP_NFTABLES: the kernel's notices of every change of a table. */
const changesGroup = 7;

/**
 * Calls `removed` once, soon after anything but elements of maps was removed from the table `table` of the calling thread's
 * namespace, by whomever. Disposing of the result ends the watch; it does not keep the process alive.
 */
export function watchTable(table: TableName, removed: () => void): Disposable {
  const socket = new NetlinkSocket(netlinkFamily.netfilter);
  socket.subscribe(changesGroup);
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    poll.close();
    socket[Symbol.dispose]();
  };
  const poll = new Poll(socket.fd, READABLE, () => {
    const { messages, lost } = socket.receive();
    // All kinds of objects carry the name of their table in attribute 1.
    const hit = messages.some(
      (message) => isRemoval(message, table.family) && textOf(attributesIn(message.body, 4).get(1)) === table.name,
    );
    if (!hit && !lost) return;
    close();
    removed();
  }).unref();
  return { [Symbol.dispose]: close };
}

/**
 * Calls `changed` with the names of tables soon after rules, chains or tables of that name have changed in the calling
 * thread's namespace, by whomever; with nothing when the kernel had to drop notices. Elements of maps are no such change.
 * It does not keep the process alive. @throws SystemError
 */
export function watchChanges(changed: (tables: ReadonlySet<string> | undefined) => void): Disposable {
  const socket = new NetlinkSocket(netlinkFamily.netfilter);
  socket.subscribe(changesGroup);
  const poll = new Poll(socket.fd, READABLE, () => {
    const { messages, lost } = socket.receive();
    if (lost) return changed(undefined);
    const tables = new Set(messages.flatMap((message) => changedTable(message) ?? []));
    if (tables.size > 0) changed(tables);
  }).unref();
  return {
    [Symbol.dispose]() {
      poll.close();
      socket[Symbol.dispose]();
    },
  };
}
