/**
 * The only door to native code. `node:ffi` is experimental, so nothing else imports it: with another binding only this
 * file changes. Each room declares the signatures of the functions that it calls and opens them here.
 */
import ffi from 'node:ffi';

/** Integers by width; `pointer` takes an address, a byte view, a string (passed NUL-terminated, UTF-8) or null. */
export type NativeType = 'i16' | 'i32' | 'u32' | 'i64' | 'u64' | 'pointer';

export interface NativeSignature {
  readonly arguments: readonly NativeType[];
  readonly return: NativeType | 'void';
}

export type NativePointer = bigint | string | NodeJS.ArrayBufferView | null;

/** A mapped tuple: one JavaScript type for each native one. */
type ArgumentsOf<Types extends readonly NativeType[]> = { -readonly [At in keyof Types]: Argument<Types[At]> };
type ResultsOf<Types extends readonly NativeType[]> = { -readonly [At in keyof Types]: Result<Types[At]> };
type Argument<Type> = Type extends 'i64' | 'u64' ? bigint : Type extends 'pointer' ? NativePointer : number;
type Result<Type> = Type extends 'void' ? void : Type extends 'i64' | 'u64' | 'pointer' ? bigint : number;

export type NativeFunctions<Signatures extends Readonly<Record<string, NativeSignature>>> = {
  readonly [Name in keyof Signatures]: (
    ...args: ArgumentsOf<Signatures[Name]['arguments']>
  ) => Result<Signatures[Name]['return']>;
};

/**
 * The functions of a shared library, or of the process itself (libc, libuv) for `null`. Byte views are pinned for the
 * length of the call only. A string with a NUL inside throws. @throws Error when library or symbol is missing.
 */
export function openLibrary<const Signatures extends Readonly<Record<string, NativeSignature>>>(
  path: string | null,
  signatures: Signatures,
): NativeFunctions<Signatures> {
  return ffi.dlopen(path, signatures).functions as unknown as NativeFunctions<Signatures>;
}

/**
 * The address of a view's bytes, for structures that point at other buffers. The caller keeps the view referenced for
 * as long as native code may follow the address.
 */
export const addressOf = (view: NodeJS.ArrayBufferView): bigint => ffi.getRawPointer(view);

/** The `uv_loop_t` of the calling thread. */
export const eventLoopAddress = (): bigint => ffi.getCurrentEventLoop();

const process_ = ffi.dlopen(null, { __errno_location: { arguments: [], return: 'pointer' } });
const errnoAddress = process_.functions.__errno_location();

/** errno of the calling thread: valid right after a call only, before anything else runs. */
export const lastErrno = (): number => ffi.getInt32(errnoAddress);

/**
 * A function that native code may call on this thread, as an address that stays valid for the life of the process.
 * Microtasks do not run after such a call: hand results over with `setImmediate`. `listener` must not throw.
 */
export function nativeCallback<const Arguments extends readonly NativeType[]>(
  argumentTypes: Arguments,
  listener: (...args: ResultsOf<Arguments>) => void,
): bigint {
  return process_.lib.registerCallback({ arguments: argumentTypes, return: 'void' }, listener as never);
}
