import { Histogram } from '../../base/text/metrics.ts';

/** What the checks of all containers came to since the engine began; for its metrics. */
export class CheckCounts {
  total = 0;
  /** Those that could not be carried out; what a check says of its container is no matter. */
  failed = 0;
  /** Seconds until the command of a check ran. */
  readonly starts = new Histogram();
}
