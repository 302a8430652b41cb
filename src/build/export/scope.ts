import type { BuildContent } from '../../spec/contract/build.ts';
import type { BuildJob } from '../control/job.ts';
import type { ExportRequest } from '../control/ports.ts';
import type { Logins } from '../frontend/base-image.ts';
import type { BuildResults } from '../frontend/build.ts';
import type { SolvePorts } from '../solve/ports.ts';

/** What an exporter works with. */
export interface ExportScope {
  readonly ports: SolvePorts;
  readonly job: BuildJob;
  readonly content: BuildContent;
  /** What is exported. */
  readonly results: BuildResults;
  readonly request: ExportRequest;
  readonly logins: Logins;
}

/** What clients get to know of what was exported (`containerimage.digest`). */
export type Exported = ReadonlyMap<string, string>;
