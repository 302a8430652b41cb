import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { exists } from '../support/image-archive.ts';
import { must } from '../support/run.ts';
import { eventually } from '../support/wait.ts';

/** The socket of an agent with one key, called `planted-comment`; gone with the test. */
export async function startAgent(t: TestContext): Promise<string> {
  const place = mkdtempSync(join(tmpdir(), 'gt-agent-'));
  const socket = join(place, 'agent');
  const child = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  t.after(async () => {
    child.kill();
    await once(child, 'exit');
    await rm(place, { recursive: true, force: true });
  });
  await eventually('the agent listens', () => exists(socket));
  await must('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'planted-comment', '-f', join(place, 'key')]);
  await must('ssh-add', ['-q', join(place, 'key')], { env: { SSH_AUTH_SOCK: socket } });
  return socket;
}
