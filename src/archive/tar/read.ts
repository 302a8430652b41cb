import { EngineError, internal, messageOf } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { TarEntry, TarLimits } from './entry.ts';
import { TarParser } from './parse.ts';

/** A member and its content. What of `body` was not read when the next member is asked for is passed over. */
export interface TarMember {
  readonly entry: TarEntry;
  readonly body: ByteStream;
}

type Step = { entry: TarEntry } | { data: Uint8Array } | 'end';

/**
 * The members of an archive, one after the other, as they are pulled: never more than one chunk of `source` is held.
 * The source is read to its end, and closed when the iteration ends early. @throws as `TarParser` does.
 */
export async function* readTar(source: ByteStream, limits?: TarLimits): AsyncGenerator<TarMember, void, undefined> {
  const steps = parsed(source, limits);
  // Ends the body of the member before: a late reader must not eat the next one's content.
  let current = {};
  try {
    for (let step = await steps.next(); !step.done; step = await steps.next()) {
      if (step.value === 'end' || 'data' in step.value) continue;
      const mine = {};
      current = mine;
      yield { entry: step.value.entry, body: memberBody(steps, () => current === mine) };
    }
  } finally {
    await steps.return(undefined);
  }
}

/** Reads up to this member's end. It is one generator: whoever reads it twice finds it finished. */
async function* memberBody(
  steps: AsyncGenerator<Step>,
  isCurrent: () => boolean,
): AsyncGenerator<Uint8Array, void, undefined> {
  // Not for-await: leaving that would close the archive with the member.
  while (isCurrent()) {
    const step = await steps.next();
    if (step.done === true || step.value === 'end') return;
    if ('data' in step.value) yield step.value.data;
  }
}

async function* parsed(source: ByteStream, limits: TarLimits | undefined): AsyncGenerator<Step, void, undefined> {
  let steps: Step[] = [];
  const parser = new TarParser(
    {
      entry: (entry) => steps.push({ entry }),
      data: (data) => steps.push({ data }),
      end: () => steps.push('end'),
    },
    limits,
  );
  for await (const chunk of source) {
    steps = [];
    let failure: EngineError | undefined;
    try {
      parser.push(chunk);
    } catch (error) {
      // Told after what came before it in the same chunk.
      failure = error instanceof EngineError ? error : internal(messageOf(error), error);
    }
    yield* steps;
    if (failure !== undefined) throw failure;
  }
  parser.finish();
}
