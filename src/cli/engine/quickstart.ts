import { formatEndpoint } from '../../client/endpoint.ts';
import { messageOf } from '../../base/errors.ts';
import { randomHex64 } from '../../base/ids.ts';
import { Scope } from '../../base/scope.ts';
import { defineCommand, noArguments } from '../command.ts';
import { CliError } from '../errors.ts';
import { demoImage } from './_demo-image.ts';
import { answers, startPrivateEngine } from './_private-engine.ts';
import { Tour } from './_tour.ts';
import type { Session } from '../session.ts';

/** Names that nobody else has: what the tour removes at its end is its own. */
const mark = randomHex64().slice(0, 6);
const image = `gantry-quickstart:${mark}`;
const name = `gantry-quickstart-${mark}`;

export const quickstart = defineCommand({
  usage: '',
  summary: 'See a container run, from image to clean-up, in half a minute',
  details: 'Starts an engine of its own when none answers, and leaves nothing behind.',
  flags: {},
  args: noArguments,
  async run({ session }) {
    await using scope = new Scope();
    // An interrupted tour cleans up as well: SIGINT ends the step that runs, and the scope does the rest.
    const stop = interruptible();
    scope.defer(stop.release);
    try {
      await tour(session, scope, stop.interrupted);
    } catch (error) {
      throw new CliError(`gantry quickstart: ${messageOf(error)}`);
    }
    return 0;
  },
});

interface Interruption {
  readonly interrupted: Promise<never>;
  readonly release: () => void;
}

function interruptible(): Interruption {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const onSignal = () => reject(new Error('interrupted'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  return {
    interrupted: promise,
    release: () => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, onSignal);
    },
  };
}

async function tour(session: Session, scope: Scope, interrupted: Promise<never>): Promise<void> {
  const guide = new Tour(session, interrupted);
  guide.say('Gantry quickstart: an image, a container, a web page, and no trace of them at the end.');
  let host = hostOf(session);
  if (await answers(session.client)) guide.say(`The engine at ${host} answers.`);
  else {
    guide.say('No engine answers: one is started for this tour, with all its files in a temporary folder.');
    host = await startPrivateEngine(scope, interrupted);
  }
  guide.useEngine(host);

  await guide.step('Make an image out of the busybox of this machine, and load it.', {
    shown: `tar ... | docker load`,
    args: ['load', '--input', await demoImage(scope, image)],
    // Whatever happens from now on, the engine is left as it was.
    undo: { scope, args: ['image', 'rm', '--force', image] },
  });
  await guide.step('Look at it.', { args: ['images', image.split(':')[0] as string] });
  await guide.step('Run a web server in the background, and publish its port on a free one of this machine.', {
    args: ['run', '--detach', '--name', name, '--publish', '127.0.0.1::8080', image],
    undo: { scope, args: ['rm', '--force', '--volumes', name] },
  });
  await guide.step('See it run.', { args: ['ps', '--filter', `name=${name}`] });
  const address = (await guide.step('Ask where its port 8080 is published.', { args: ['port', name, '8080'] })).trim();
  await fetchPage(guide, `http://${address.split('\n')[0] ?? ''}/`);
  await guide.step('Read what the server has logged.', { args: ['logs', name] });
  await guide.step('Run a command inside the container.', { args: ['exec', name, 'ps'] });
  await guide.step('See what it uses.', { args: ['stats', '--no-stream', name] });
  await guide.step('Stop it ...', { args: ['stop', '--timeout', '1', name] });
  await guide.step('... remove it ...', { args: ['rm', name] });
  await guide.step('... and its image.', { args: ['image', 'rm', image] });
  guide.say(whatNext);
}

const hostOf = (session: Session): string => formatEndpoint(session.target.endpoint);

async function fetchPage(guide: Tour, url: string): Promise<void> {
  guide.announce('Fetch the page from this machine.', `curl ${url}`);
  // The server needs a moment between its start and its first answer.
  let failure: unknown;
  for (let attempt = 0; attempt < 50; attempt++) {
    try {
      const response = await guide.unlessInterrupted(fetch(url, { signal: AbortSignal.timeout(2000) }));
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      guide.show(await response.text());
      return;
    } catch (error) {
      if (messageOf(error) === 'interrupted') throw error;
      failure = error;
      await guide.unlessInterrupted(new Promise((resolve) => setTimeout(resolve, 100)));
    }
  }
  throw new Error(`${url} does not answer: ${messageOf(failure)}`, { cause: failure });
}

const whatNext = `That was all of it. What to try next:

  ./gantry daemon &                       an engine that stays (as root; stop it with kill)
  ./gantry pull 127.0.0.1:5000/name       an image from a registry
  ./gantry run --rm -it IMAGE sh          a shell in a container
  export DOCKER_HOST=unix:///run/gantry/gantry.sock
  docker ps                               the docker client you know, on the same engine
  ./gantry --help                         everything else`;
