import type { CreateExecRequest } from '../../spec/engine/container.ts';
import type { ExecEntry } from './entry.ts';

/** What the next engine must know of an exec, beside its process, as JSON. */
export const execMemo = ({ request, createdNs, isCheck }: ExecEntry): unknown => ({
  request,
  createdNs: createdNs.toString(),
  isCheck,
});

/** What `execMemo` wrote; undefined when it is something else. */
export function readExecMemo(
  memo: unknown,
): { readonly request: CreateExecRequest; readonly createdNs: bigint; readonly isCheck: boolean } | undefined {
  const { request, createdNs, isCheck } = (memo ?? {}) as Record<string, unknown>;
  const isRequest =
    typeof request === 'object' && request !== null && Array.isArray((request as CreateExecRequest).Cmd);
  if (!isRequest || typeof createdNs !== 'string' || !/^[0-9]{1,20}$/.test(createdNs)) return undefined;
  return { request: request as CreateExecRequest, createdNs: BigInt(createdNs), isCheck: isCheck === true };
}
