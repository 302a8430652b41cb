import type { Table } from './message.ts';

/** Messages of the services that a client offers on its session (session/*.proto of BuildKit, types/*.proto of fsutil). */
export const bytesMessage = { data: [1, 'bytes'] } as const satisfies Table;

export const healthResponse = { status: [1, 'int'] } as const satisfies Table;
export const nothing = {} as const satisfies Table;
