import type { Handler } from '../http/exchange.ts';
import type { OperationId } from '../operations.ts';

/** What one file of routes brings: handlers by operation. */
export type Handlers = Partial<Record<OperationId, Handler>>;
