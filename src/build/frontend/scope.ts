import type { BuildContent } from '../../spec/contract/build.ts';
import type { BuildJob } from '../control/job.ts';
import type { SolvePorts } from '../solve/ports.ts';
import type { BuildOrigin } from './build.ts';
import type { Definition } from './definition.ts';
import type { Targets } from './options.ts';

/** What one build works with. */
export interface BuildScope extends BuildOrigin {
  readonly ports: SolvePorts;
  readonly job: BuildJob;
  readonly content: BuildContent;
  readonly definition: Definition;
  readonly targets: Targets;
}
