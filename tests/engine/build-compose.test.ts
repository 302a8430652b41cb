/** Everything that a compose file can say of a build, by compose itself and by bake, which it hands its builds to. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { testImage } from '../support/images.ts';
import { startRegistry } from '../support/registry.ts';
import { must } from '../support/run.ts';
import { onlyLong } from '../support/skip.ts';
import { engineSuite } from '../support/suite.ts';
import { startAgent } from './_agent.ts';
import { folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';

const own = mkdtempSync(join(tmpdir(), 'gt-compose-'));
after(() => rm(own, { recursive: true, force: true }));
const config = join(own, 'daemon.json');
await writeFile(config, JSON.stringify({ builder: { entitlements: { 'security-insecure': true } } }));

/** Those that this test runs with: nothing on this host has more. */
const [capabilities] = /^CapEff:.*$/m.exec(await readFile('/proc/self/status', 'utf8')) ?? [];

/** `agent` is the socket of an agent, `registry` where the base image of `pulled` is. */
const composeFile = (agent: string, registry: string): string =>
  lines(
    'name: all',
    'services:',
    '  app:',
    '    image: compose-all:1',
    '    build:',
    '      context: app',
    '      dockerfile: deep/Own.Dockerfile',
    '      target: wanted',
    '      args: ["GREETING=hello $$there", FROM_ENV]',
    '      labels: ["of=compose", "with.dots=a b"]',
    '      tags: ["compose-all:more", "compose-other:1"]',
    `      additional_contexts: ["more=./more", "tools=docker-image://${busybox}"]`,
    `      ssh: ["default=${agent}", "other=${agent}"]`,
    '      secrets: [key, { source: other, target: renamed }]',
    '      cache_from: ["type=local,src=./nowhere"]',
    '      extra_hosts: ["some.host=10.9.8.7", "six.host=[::1]"]',
    '      shm_size: 96m',
    '      ulimits: { nproc: 4321, nofile: { soft: 321, hard: 654 } }',
    '      platforms: ["linux/amd64"]',
    '      network: none',
    '  privileged:',
    '    build: { context: app, dockerfile: Privileged, privileged: true, network: host }',
    '  allowed:',
    '    build: { context: app, dockerfile: Privileged, entitlements: [security.insecure, network.host] }',
    '  again:',
    '    build: { context: app, dockerfile: Again, no_cache: true }',
    '  pulled:',
    '    build:',
    '      context: app',
    '      pull: true',
    '      dockerfile_inline: |',
    `        FROM ${registry}/base:1`,
    '        COPY f /f',
    '  statements:',
    '    build: { context: app, dockerfile: Again, provenance: "mode=max", sbom: "generator=compose-generator:1" }',
    'secrets:',
    '  key: { file: ./key }',
    '  other: { environment: OTHER }',
  );

const generator = lines(
  `FROM ${busybox}`,
  'COPY --chmod=755 <<"EOF" /scan',
  '#!/bin/sh',
  String.raw`printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{}}' > "$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"`,
  'EOF',
  'ENTRYPOINT ["/scan"]',
);

const files = {
  'app/deep/Own.Dockerfile': lines(
    `FROM ${busybox} AS wanted`,
    'ARG GREETING FROM_ENV',
    'RUN echo "$GREETING" $FROM_ENV > /said',
    'COPY --from=more g /g',
    'COPY --from=tools /bin/true /tool',
    'RUN --mount=type=secret,id=key --mount=type=secret,id=renamed cat /run/secrets/* | sha256sum > /sum',
    'RUN --mount=type=ssh --mount=type=ssh,id=other,target=/run/other test -S $SSH_AUTH_SOCK && test -S /run/other',
    'RUN grep -E "(some|six).host" /etc/hosts | tr -s "\\t" " " | sort > /found; grep -E "processes|files" /proc/self/limits >> /found; \\',
    '  df -k /dev/shm | grep -c 98304 >> /found; ls /sys/class/net >> /found',
    'CMD ["cat", "/said", "/g"]',
    'FROM wanted',
    'RUN false',
  ),
  'app/Privileged': lines(
    `FROM ${busybox}`,
    'RUN --security=insecure grep CapEff /proc/self/status > /caps',
    'RUN --network=host ls /sys/class/net > /links',
  ),
  'app/Again': lines(`FROM ${busybox}`, 'RUN cat /proc/sys/kernel/random/uuid > /once'),
  'app/f': 'file\n',
  'more/g': 'more\n',
  key: 'in a file,',
};

engineSuite(
  'compose files with all attributes of builds',
  {
    prepare: withBuildx,
    flags: [`--config-file=${config}`],
  },
  (engine) => {
    const { docker, built } = buildxOf(engine);
    const said = (image: string, ...command: readonly string[]) => docker.ok('run', '--rm', image, ...command);

    for (const isByBake of ['true', 'false']) {
      // The other one takes as long, and few have it: compose's next release drops it.
      test(`by COMPOSE_BAKE=${isByBake}`, { skip: isByBake === 'false' && onlyLong() }, async (t) => {
        await using registry = await startRegistry(engine().namespaces);
        await registry.push(await testImage('busybox'), 'base');
        const context = await folder(t, { ...files, 'compose.yaml': composeFile(await startAgent(t), registry.host) });
        const env = { COMPOSE_BAKE: isByBake, FROM_ENV: 'world', OTHER: 'in the environment' };
        const compose = async (...words: readonly string[]) => {
          const all = ['compose', '--project-directory', context, '--progress=plain', 'build', ...words];
          const { code, stdout, stderr } = await engine().docker(all, { env, timeout: 60_000 });
          assert.equal(code, 0, stdout + stderr);
        };

        await compose('app');
        assert.equal(await said('compose-all:1'), 'hello $there world\nmore');
        for (const name of ['compose-all:more', 'compose-other:1'])
          assert.equal(await said(name, 'ls', '/tool'), '/tool');
        const sum = await must('sha256sum', ['-'], { input: 'in a file,in the environment' });
        assert.equal(await said('compose-all:1', 'cat', '/sum'), sum);
        assert.equal(
          await said('compose-all:1', 'cat', '/found'),
          lines(
            '10.9.8.7 some.host',
            '::1 six.host',
            'Max processes             4321                 4321                 processes ',
            'Max open files            321                  654                  files     ',
            // Compose itself does not pass the size of /dev/shm on.
            isByBake === 'true' ? '1' : '0',
            'lo',
          ).trim(),
        );
        const labels = await docker.ok('image', 'inspect', '--format={{json .Config.Labels}}', 'compose-all:1');
        const { of, 'with.dots': dots } = JSON.parse(labels) as Record<string, string>;
        assert.deepEqual([of, dots], ['compose', 'a b']);

        // dockerd's own frontend has no `--security`.
        if (!isOracle()) await compose('privileged', 'allowed');
        for (const name of isOracle() ? [] : ['all-privileged', 'all-allowed']) {
          assert.equal(await said(name, 'cat', '/caps'), capabilities);
          assert.match(await said(name, 'cat', '/links'), /^(docker|br|g)\S*$/m);
        }

        await compose('again');
        const first = await said('all-again', 'cat', '/once');
        await compose('again');
        assert.notEqual(await said('all-again', 'cat', '/once'), first);

        await compose('pulled');
        assert.equal(await said('all-pulled', 'cat', '/f'), 'file');
        assert.match(await docker.ok('images', '--format={{.Repository}}:{{.Tag}}'), isOracle() ? /./ : /\/base:1/);
        await docker.ok('rmi', '-f', 'all-pulled');

        // dockerd has attestations only with its containerd image store; compose itself mixes their words up.
        if (isOracle() || isByBake === 'false') return;
        await built(await folder(t, { Dockerfile: generator }), '--tag=compose-generator:1');
        await compose('statements');
        const answer = await engine().api('GET', '/images/all-statements/attestations?statement=1');
        const types = answer.json<{ PredicateType: string }[]>().map(({ PredicateType }) => PredicateType);
        assert.deepEqual(types.sort(), ['https://slsa.dev/provenance/v1', 'https://spdx.dev/Document']);
      });
    }
  },
);
