/** Bandwidth limits of links, as synchronous calls for the syscall worker (`cable.ts` has their asynchronous twin). */
import { writeFileSync } from 'node:fs';
import { systemCode } from '../ffi/errors.ts';
import { addHelper, deleteLink, setLink } from './link.ts';
import { linkIndex } from './plug.ts';
import { netlinkFamily, NetlinkSocket } from './socket.ts';
import { addHooks, type Bucket, redirect, removeBucket, removeRedirect, setBucket } from './traffic.ts';

export interface LinkLimits {
  readonly name: string;
  /**
   * Name of the ifb that holds up what the link receives; it is made and removed with that limit. At most 15 bytes. Undefined
   * leaves what it receives as it is.
   */
  readonly helper: string | undefined;
  /** What the host sends into the link; undefined for no limit. */
  readonly sent: Bucket | undefined;
  /** What the host receives from it. */
  readonly received: Bucket | undefined;
}

/**
 * Gives links of this namespace these limits, whatever they had before; links that are not there are passed by, and lose
 * their helper. Limits that change do so without a gap.
 * @throws NetlinkError, ENOENT or ENOTSUP where the kernel lacks a part; the link that it failed at has no limit then.
 */
export function limitLinks(links: readonly LinkLimits[]): void {
  using socket = new NetlinkSocket(netlinkFamily.route);
  for (const link of links) {
    const index = linkIndex(link.name);
    if (index === 0) {
      removeHelper(socket, link.helper);
      continue;
    }
    try {
      limitSent(socket, index, link);
      limitReceived(socket, index, link);
    } catch (error) {
      removeAll(socket, index, link);
      throw error;
    }
  }
}

function limitSent(socket: NetlinkSocket, index: number, { name, sent }: LinkLimits): void {
  if (sent !== undefined) socket.request([setBucket(index, sent)], `limiting what ${name} gets`);
  else unless(absent, () => socket.request([removeBucket(index)], `lifting the limit of ${name}`));
}

function limitReceived(socket: NetlinkSocket, index: number, link: LinkLimits): void {
  const { name, helper, received } = link;
  if (helper === undefined) return;
  if (received === undefined) {
    removeReceived(socket, index, link);
    return;
  }
  const what = `limiting what ${name} sends`;
  let target = linkIndex(helper);
  if (target === 0) {
    // A filter that is there leads to a helper that is gone.
    unless(absent, () => socket.request([removeRedirect(index)], what));
    socket.request([addHelper(helper)], what);
    target = linkIndex(helper);
    withoutIpv6(helper);
  }
  socket.request([setBucket(target, received)], what);
  socket.request([setLink(target, { up: true })], what);
  unless(['EEXIST'], () => socket.request([addHooks(index)], what));
  unless(['ENOSPC'], () => socket.request([redirect(index, target)], what));
}

/** Nobody is to have an address there, and no router to be asked for one; a kernel without IPv6 has nothing to turn off. */
function withoutIpv6(name: string): void {
  unless(['ENOENT'], () => writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '1'));
}

/** The filter goes first: what it leads to a helper that is gone would be lost. */
function removeReceived(socket: NetlinkSocket, index: number, { name, helper }: LinkLimits): void {
  if (helper === undefined) return;
  unless(absent, () => socket.request([removeRedirect(index)], `lifting the limit of ${name}`));
  removeHelper(socket, helper);
}

function removeHelper(socket: NetlinkSocket, helper: string | undefined): void {
  if (helper === undefined || linkIndex(helper) === 0) return;
  unless(['ENODEV'], () => socket.request([deleteLink(helper)], `removing ${helper}`));
}

function removeAll(socket: NetlinkSocket, index: number, link: LinkLimits): void {
  unless(absent, () => socket.request([removeBucket(index)], `lifting the limit of ${link.name}`));
  removeReceived(socket, index, link);
}

const absent = ['ENOENT', 'EINVAL', 'ENODEV'];

function unless(codes: readonly string[], work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!codes.includes(systemCode(error) ?? '')) throw error;
  }
}
