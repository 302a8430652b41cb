import { attribute, flags, nested, type NetlinkMessage, textAttribute, u32, u32Attribute } from './message.ts';

/**
 * Requests about traffic control: linux/rtnetlink.h (struct tcmsg), linux/pkt_sched.h and linux/pkt_cls.h. What a link
 * sends waits in its queue (qdisc) at the root; what it receives can only be led elsewhere, by a filter.
 */

const type = { newQueue: 36, deleteQueue: 37, newFilter: 44, deleteFilter: 45 } as const;
const replace = 0x100;
const attr = { kind: 1, options: 2 } as const;

const root = 0xffffffff;
/** Handle and priority tell what is the engine's from what others put on the same link. */
const mark = 0x6761;
const rootHandle = (mark << 16) >>> 0;
/** Where `clsact` sits, and its hook for what comes in. */
const hooks = { parent: 0xfffffff1, handle: 0xffff0000, ingress: 0xfffffff2 } as const;

/** struct tcmsg. */
function header(place: { index: number; handle: number; parent: number; info?: number }): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeInt32LE(place.index, 4);
  bytes.writeUInt32LE(place.handle, 8);
  bytes.writeUInt32LE(place.parent, 12);
  bytes.writeUInt32LE(place.info ?? 0, 16);
  return bytes;
}

const request = (messageType: number, extra: number, ...parts: Uint8Array[]): NetlinkMessage => ({
  type: messageType,
  flags: flags.request | extra,
  body: Buffer.concat(parts),
});

const bucketAttr = { parameters: 1, rate64: 4, burst: 6 } as const;
/** Links of this kind need no table of packet sizes (TC_LINKLAYER_ETHERNET). */
const ethernet = 1;
const largest32 = 0xffffffff;

/** How fast a link sends: a bucket of `burst` bytes is filled with `rate` bytes a second; at most `queue` bytes wait. */
export interface Bucket {
  readonly rate: number;
  readonly burst: number;
  readonly queue: number;
}

/**
 * A link sends no faster than its bucket allows (tc-tbf(8)); one that is there takes the new values. Frames larger than the
 * burst are dropped. The kernel answers ENOENT when it lacks sch_tbf.
 */
export function setBucket(index: number, { rate, burst, queue }: Bucket): NetlinkMessage {
  // struct tc_tbf_qopt: rate and peak (struct tc_ratespec, 12 bytes each), limit, buffer, mtu.
  const parameters = Buffer.alloc(36);
  parameters.writeUInt8(ethernet, 1);
  parameters.writeUInt32LE(Math.min(rate, largest32), 8);
  parameters.writeUInt32LE(queue, 24);
  const rate64 = Buffer.alloc(8);
  rate64.writeBigUInt64LE(BigInt(rate));
  return request(
    type.newQueue,
    flags.create | replace,
    header({ index, handle: rootHandle, parent: root }),
    textAttribute(attr.kind, 'tbf'),
    nested(
      attr.options,
      attribute(bucketAttr.parameters, parameters),
      u32Attribute(bucketAttr.burst, burst),
      ...(rate > largest32 ? [attribute(bucketAttr.rate64, rate64)] : []),
    ),
  );
}

/** The engine's bucket goes; the kernel answers ENOENT or EINVAL when there is none. */
export const removeBucket = (index: number): NetlinkMessage =>
  request(type.deleteQueue, 0, header({ index, handle: rootHandle, parent: root }));

/** The place for filters of what a link receives; EEXIST when it is there, ENOENT when the kernel lacks sch_ingress. */
export const addHooks = (index: number): NetlinkMessage =>
  request(
    type.newQueue,
    flags.create | flags.exclusive,
    header({ index, handle: hooks.handle, parent: hooks.parent }),
    textAttribute(attr.kind, 'clsact'),
  );

const everyProtocol = 0x0300;
const filterInfo = ((mark << 16) | everyProtocol) >>> 0;
const selectorAttr = { selector: 5, actions: 7 } as const;
const actionAttr = { kind: 1, options: 2 } as const;
const redirectParameters = 2;
const stolen = 4;
const toEgress = 1;

/**
 * Everything that the link `index` receives goes through the queue of the link `target` (an ifb, which gives it back
 * afterwards): tc-u32(8), tc-mirred(8). ENOSPC when there is such a filter, whatever its target: its number is taken.
 */
export function redirect(index: number, target: number): NetlinkMessage {
  // struct tc_u32_sel with one key that matches everything.
  const selector = Buffer.alloc(32);
  selector.writeUInt8(1, 0);
  selector.writeUInt8(1, 2);
  // struct tc_mirred: index, capabilities, action, two counters, direction, link.
  const action = Buffer.concat([u32(0), u32(0), u32(stolen), u32(0), u32(0), u32(toEgress), u32(target)]);
  const node = 1;
  return request(
    type.newFilter,
    flags.create | flags.exclusive,
    header({ index, handle: node, parent: hooks.ingress, info: filterInfo }),
    textAttribute(attr.kind, 'u32'),
    nested(
      attr.options,
      attribute(selectorAttr.selector, selector),
      nested(
        selectorAttr.actions,
        nested(
          1,
          textAttribute(actionAttr.kind, 'mirred'),
          nested(actionAttr.options, attribute(redirectParameters, action)),
        ),
      ),
    ),
  );
}

/** The filter of `redirect` goes, the place stays; the kernel answers ENOENT or EINVAL when there is none. */
export const removeRedirect = (index: number): NetlinkMessage =>
  request(type.deleteFilter, 0, header({ index, handle: 0, parent: hooks.ingress, info: filterInfo }));
