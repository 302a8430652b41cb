import type { Draft } from '../../build/wire/message.ts';
import type { solveRequest } from '../../build/wire/control.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { credentialsOf } from '../registry/server.ts';
import { requireGantry } from '../image/require-gantry.ts';
import type { Session } from '../session.ts';
import { type BuildFlags, buildArguments, cacheEntries, frontendAttributes, proxyArguments } from './_attributes.ts';
import { type Call, callOf, printAnswer } from './_call.ts';
import { displayFor } from './_display.ts';
import { failureText, warningsText } from './_failure.ts';
import { buildFlags, limitFlags, type ProgressMode } from './_flags.ts';
import { type Inputs, inputsOf } from './_inputs.ts';
import { type Outputs, outputsOf } from './_outputs.ts';
import { finishLock, type Lock, lockOf } from './_lock.ts';
import { pushResult } from './_push.ts';
import { imageIdOf, metadataText, removeResult, writeResult } from './_results.ts';
import { agentsOf, secretsOf } from './_secrets.ts';
import { showContext } from './_show-context.ts';
import { ask, solve } from './_solve.ts';
import { type Stores, storesOf } from './_stores.ts';
import type { Warning } from './progress/events.ts';
import { contentMethods } from './session/content.ts';
import type { Method } from './session/grpc.ts';
import { openControl, openSession, randomName } from './session/open.ts';
import { receiveExports } from './session/receive.ts';
import { sendFolders } from './session/send-folder.ts';
import { credentialsMethod, healthMethod, secretMethod, uploadMethod } from './session/services.ts';
import { sshMethods } from './session/ssh.ts';

export const build = defineCommand({
  usage: '[OPTIONS] PATH | URL | -',
  summary: 'Build an image from a Dockerfile',
  aliases: ['gantry build', 'gantry image build', 'gantry builder build', 'gantry buildx build'],
  flags: buildFlags,
  args: exactly(1),
  async run({ session, flags, given, args: [context = '.'] }) {
    for (const name of limitFlags) {
      if (given.has(name)) session.err(`WARNING: --${name} has no effect on builds\n`);
    }
    const call = callOf(flags);
    const mode = modeOf(flags);
    const inputs = await inputsOf(context, flags);
    if (flags['show-context']) {
      session.out(showContext(inputs));
      return 0;
    }
    const outputs = call === undefined ? await outputsOf(session, flags) : noOutputs;
    if (flags.iidfile !== '' && outputs.exporters.some(({ type }) => type === 'local' || type === 'tar')) {
      throw new CliError('local and tar exporters are incompatible with image ID file');
    }
    const caches = (flag: 'cache-from' | 'cache-to') => cacheEntries(flag, flags[flag]);
    const stores = storesOf(caches('cache-from'), caches('cache-to'), outputs);
    const lock = call === undefined ? lockOf(context, flags) : undefined;
    const wishes = { session, flags, inputs, outputs, stores, mode, lock };
    const own = flags['build-volume'].length > 0 || flags.jobs > 0 || flags.squash;
    if (own || lock !== undefined || flags['print-graph'] !== undefined) {
      await requireGantry(
        session,
        '--build-volume, --jobs, --lock, --print-graph and --squash need an engine of Gantry',
      );
    }
    const request = await requestOf(wishes);
    for (const path of [flags.iidfile, flags['metadata-file']]) removeResult(path);
    const answered = await buildWith(wishes, request, call);
    if (call !== undefined) return printAnswer(session, call, answered.metadata);
    if (lock !== undefined) finishLock(lock, answered.response);
    report(session, flags, answered);
    return 0;
  },
});

const noOutputs: Outputs = { exporters: [], targets: new Map(), pushes: [], layout: undefined };

function modeOf({ quiet, progress }: BuildFlags): ProgressMode {
  if (!quiet) return progress;
  if (progress !== 'auto' && progress !== 'quiet') {
    throw new CliError(`progress=${progress} and quiet cannot be used together`);
  }
  return 'quiet';
}

interface Wishes {
  readonly session: Session;
  readonly flags: BuildFlags;
  readonly inputs: Inputs;
  readonly outputs: Outputs;
  readonly stores: Stores;
  readonly mode: ProgressMode;
  readonly lock: Lock | undefined;
}

type Request = Draft<typeof solveRequest> & { readonly ref: string };

async function requestOf({ session, flags, inputs, outputs, stores, lock }: Wishes): Promise<Request> {
  const args = buildArguments(flags['build-arg'], session.env);
  for (const [name, value] of proxyArguments(session.config.proxies ?? {}, '', args)) args.set(name, value);
  const { imports } = stores;
  const exports = [...stores.exports];
  if (args.get('BUILDKIT_INLINE_CACHE') === '1') exports.push({ type: 'inline', attrs: new Map() });
  const [first] = outputs.exporters;
  const own = frontendAttributes(flags, args, session.env);
  const attributes = new Map([...own, ...inputs.attributes, ...(lock?.attributes ?? [])]);
  // BuildKit's frontend reads them itself.
  const forFrontend = imports.map(({ type, attrs }) => ({ Type: type, Attrs: Object.fromEntries(attrs) }));
  if (imports.length > 0) attributes.set('cache-imports', JSON.stringify(forFrontend));
  return {
    ref: randomName(),
    frontend: 'dockerfile.v0',
    frontendAttrs: attributes,
    // Older engines know one exporter.
    ...(first === undefined ? {} : { exporter: first.type, exporterAttrs: first.attrs }),
    exporters: outputs.exporters,
    cache: { exports, imports },
    entitlements: [
      ...flags.allow.flatMap((text) => text.split(',')).filter((text) => text !== ''),
      ...(flags.network === 'host' ? ['network.host'] : []),
    ],
  };
}

interface Answered {
  readonly ref: string;
  readonly response: ReadonlyMap<string, string>;
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  readonly warnings: readonly Warning[];
}

/** Builds with a session of its own, shows it, and pushes what is to be pushed. @throws CliError */
async function buildWith(wishes: Wishes, request: Request, call: Call | undefined): Promise<Answered> {
  const { session, flags, inputs, outputs, stores, mode } = wishes;
  const methods = methodsOf(wishes);
  const display = displayFor(session, mode);
  const abort = new AbortController();
  const onSignal = (): void => {
    if (abort.signal.aborted) process.exit(130);
    abort.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal);
  const warnings: Warning[] = [];
  const opened = await Promise.all([
    openSession(session.client, methods, inputs.contextFolder),
    openControl(session.client),
  ]);
  const [served, connection] = opened;
  let response: ReadonlyMap<string, string> = new Map();
  let metadata: ReadonlyMap<string, Uint8Array> = new Map();
  try {
    const options = {
      request: { ...request, session: served.id },
      signal: abort.signal,
      onEvent(event: Parameters<typeof display.take>[0]) {
        warnings.push(...event.warnings);
        display.take(event);
      },
    };
    if (call === undefined) {
      response = await solve(connection, options);
      stores.finish(response);
    } else {
      const asked: [string, string][] = [['requestid', call.requestId], ...call.attributes];
      const frontendAttrs = new Map([...(request.frontendAttrs ?? []), ...asked]);
      frontendAttrs.set('frontend.caps', 'moby.buildkit.frontend.subrequests');
      metadata = await ask(connection, { ...options, request: { ...options.request, frontendAttrs } });
    }
    for (const name of outputs.pushes) await pushResult(session, name, display, abort.signal);
    display.finish();
  } catch (error) {
    display.finish();
    session.err(shownWarnings(warnings, flags, mode));
    throw new CliError(abort.signal.aborted ? 'ERROR: failed to build: context canceled' : failureText(error));
  } finally {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, onSignal);
    await Promise.all([served.close(), connection.close()]);
  }
  session.err(shownWarnings(warnings, flags, mode));
  return { ref: request.ref, response, metadata, warnings };
}

const shownWarnings = (warnings: readonly Warning[], { debug }: BuildFlags, mode: ProgressMode): string =>
  ['quiet', 'none', 'rawjson'].includes(mode) ? '' : warningsText(warnings, debug);

function methodsOf({ session, flags, inputs, outputs, stores }: Wishes): ReadonlyMap<string, Method> {
  const { env } = session;
  const agents = agentsOf(flags.ssh, env);
  return new Map<string, Method>([
    healthMethod,
    ['/moby.filesync.v1.FileSync/DiffCopy', sendFolders(inputs.folders)],
    credentialsMethod(() => credentialsOf(session)),
    secretMethod(secretsOf(flags.secret, env), env),
    ...(inputs.uploads.size === 0 ? [] : [uploadMethod(inputs.uploads)]),
    ...(agents.size === 0 ? [] : sshMethods(agents)),
    ...(stores.folders.size === 0 ? [] : contentMethods(stores.folders)),
    ...(outputs.targets.size === 0 ? [] : [receiveExports(outputs.targets)]),
  ]);
}

function report(session: Session, flags: BuildFlags, { ref, response, warnings }: Answered): void {
  const id = imageIdOf(response);
  if (flags.quiet || flags.progress === 'quiet') session.out(id === '' ? '' : `${id}\n`);
  if (flags.iidfile !== '') writeResult(flags.iidfile, id);
  if (flags['metadata-file'] !== '') {
    const shownWarnings = session.env['BUILDX_METADATA_WARNINGS'] === '1' ? warnings : [];
    writeResult(
      flags['metadata-file'],
      metadataText(response, { 'buildx.build.ref': `default/default/${ref}` }, shownWarnings),
    );
  }
}
