import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPlatform } from '../../spec/oci/platform.ts';
import { type BaseImage, plainOptions } from '../plan/options.ts';
import { planTask } from './planner.ts';
import { imageKey, type PlanTask, runPlanTask } from './task.ts';

const options = plainOptions(hostPlatform('x64'));
const task = (text: string, purpose: PlanTask['purpose'] = 'build'): PlanTask => ({
  purpose,
  source: { name: 'Dockerfile', text },
  options,
  images: new Map(),
});
const nowhere = (): never => assert.fail('no thread is needed');

test('what is short is planned at once; what makes much work goes to the thread, with the same outcome', async () => {
  const reply = await planTask(async () => nowhere(), task('FROM scratch as x\nCOPY a /\n'));
  assert.equal(reply.kind, 'plan');
  assert.deepEqual(reply.kind === 'plan' && reply.findings.map(({ rule }) => rule), ['FromAsCasing']);
  const doubling = Array.from({ length: 17 }, (_, at) => `ENV A${at + 1}=\${A${at}}\${A${at}}`).join('\n');
  const asked: PlanTask[] = [];
  const thread = (wanted: PlanTask) => {
    asked.push(wanted);
    // As it travels: nothing of it may be more than values.
    return Promise.resolve(structuredClone(runPlanTask(structuredClone(wanted))));
  };
  const much = task(`FROM scratch\nENV A0=x\n${doubling}\n`);
  assert.equal((await planTask(thread, much)).kind, 'plan');
  const long = task(`FROM scratch\n${'# comment\n'.repeat(10_000)}COPY a /\n`);
  assert.equal((await planTask(thread, long)).kind, 'plan');
  assert.deepEqual(asked, [much, long]);
});

test('faults and checks are answers', async () => {
  const fault = await planTask(async () => nowhere(), task('FROM scratch\nRUNN x\n'));
  assert.equal(fault.kind, 'fault');
  assert.match(fault.kind === 'fault' ? fault.fault.message : '', /unknown instruction: RUNN/);
  const check = task('FROM busybox as x\nCMD true\nUSER $A$ID\n', 'check');
  const reply = await planTask(async () => nowhere(), check);
  const [wanted] = reply.kind === 'wants' ? reply.images : [];
  assert.equal(wanted?.reference, 'docker.io/library/busybox:latest');
  const rulesWith = async (known: BaseImage | 'unknown') => {
    const images = new Map([[imageKey(wanted?.reference ?? '', 'linux/amd64'), known]]);
    const checked = await planTask(async () => nowhere(), { ...check, images });
    return checked.kind === 'checked' && checked.findings.map(({ rule }) => rule);
  };
  assert.deepEqual(await rulesWith('unknown'), ['FromAsCasing', 'JSONArgsRecommended']);
  const config = {
    os: 'linux',
    architecture: 'amd64',
    config: { Env: ['A=1'] },
    rootfs: { type: 'layers', diff_ids: [] },
    history: [],
  } as const;
  const known = { reference: wanted?.reference ?? '', config };
  assert.deepEqual(await rulesWith(known), ['FromAsCasing', 'JSONArgsRecommended', 'UndefinedVar']);
});
