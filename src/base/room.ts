/** Something that takes bytes into room of its own: `reserve` gives at least one byte to fill, `advance` tells how many were. */
export interface Room {
  reserve(): Buffer;
  advance(length: number): void;
}

/** Copies all of `bytes` into the room, as often as more of it has to be reserved. @throws what `reserve` throws. */
export function copyInto(room: Room, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const space = room.reserve();
    const length = Math.min(space.length, bytes.length - at);
    space.set(length === bytes.length ? bytes : bytes.subarray(at, at + length));
    room.advance(length);
    at += length;
  }
}
