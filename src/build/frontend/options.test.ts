import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDockerfile } from '../dockerfile/parse.ts';
import { planBuild } from '../plan/plan.ts';
import { buildOptions } from './options.ts';

const host = { os: 'linux', architecture: 'amd64' };
const options = (...attributes: (readonly [string, string])[]) => buildOptions(new Map(attributes), host, undefined);

test('the name of the machine that steps see is an attribute, or a build argument', () => {
  assert.equal(options().hostname, undefined);
  assert.equal(options(['hostname', 'a']).hostname, 'a');
  assert.equal(options(['build-arg:BUILDKIT_SANDBOX_HOSTNAME', 'b'], ['hostname', 'a']).hostname, 'b');
});

test('a namespace is put before the ids of cache mounts', () => {
  const text = 'FROM scratch\nRUN --mount=type=cache,target=/c --mount=type=cache,id=../x,target=/d true\n';
  const file = parseDockerfile({ name: 'Dockerfile', text });
  const idsOf = (...attributes: (readonly [string, string])[]) => {
    const plan = planBuild({ file, options: options(...attributes), lookUp: () => undefined });
    assert.equal(plan.kind, 'plan');
    const definitions = plan.kind === 'plan' ? plan.graph.map(({ definition }) => definition) : [];
    return definitions
      .flatMap((one) => (one.kind === 'run' ? one.mounts : []))
      .map((mount) => 'id' in mount && mount.id);
  };
  assert.deepEqual(idsOf(), ['/c', '../x']);
  assert.deepEqual(idsOf(['build-arg:BUILDKIT_CACHE_MOUNT_NS', 'ns']), ['/ns/c', '/x']);
});
