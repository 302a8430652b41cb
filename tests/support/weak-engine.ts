import { join } from 'node:path';
import { repository } from './docker-client.ts';
import { startEngine, type TestEngine } from './engine.ts';
import type { WeaknessName } from './weaknesses.ts';

/** An engine from the sources without one of its guards. To be disposed of. */
export const startWeakEngine = (
  weakness: WeaknessName,
  env: Readonly<Record<string, string>> = {},
  flags: readonly string[] = [],
): Promise<TestEngine> =>
  startEngine({
    program: [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      `--import=${join(import.meta.dirname, 'weaken.ts')}`,
      join(repository, 'src/bin/gantryd.ts'),
    ],
    flags,
    env: { ...env, GANTRY_TEST_WEAKNESS: weakness },
  });
