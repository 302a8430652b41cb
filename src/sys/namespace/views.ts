/** view.ts as promises, for the engine's main thread. */
import { callBlocking } from '../blocking/blocking.ts';
import type { OpenView, ViewRequest } from './view.ts';

export const openViewAsync = (request: ViewRequest): Promise<OpenView> => callBlocking('openView', request);
export const closeViewAsync = (view: OpenView): Promise<void> => callBlocking('closeView', view);
