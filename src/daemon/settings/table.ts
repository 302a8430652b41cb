import { containerSettings } from './containers.ts';
import { engineSettings } from './engine.ts';
import { networkSettings } from './network.ts';
import { registrySettings } from './registry.ts';
import type { Setting } from './setting.ts';

/** What this engine understands; everything else is refused, with the nearest name. docs/daemon.md shows the same. */
export const settings: readonly Setting[] = [
  ...engineSettings,
  ...containerSettings,
  ...networkSettings,
  ...registrySettings,
];
