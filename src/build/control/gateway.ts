import { EngineError } from '../../base/errors.ts';
import { type Method, type ServerCall, unary } from '../grpc/server.ts';
import {
  evaluateRequest,
  gatewaySolveRequest,
  gatewaySolveResponse,
  pong,
  returnRequest,
  rpcStatus,
} from '../wire/control.ts';
import { encode } from '../wire/encode.ts';
import { nothing } from '../wire/session.ts';
import { definitionOf } from '../frontend/linked.ts';
import { describeFailure } from './failure.ts';
import type { BuildJob } from './job.ts';
import type { ControlContext } from './service.ts';
import { returnedError } from './solve.ts';
import { workerRecord } from './worker.ts';

const bridge = '/moby.buildkit.v1.frontend.LLBBridge';
/** Names the build that a call is part of. */
const buildHeader = 'buildkit-controlapi-buildid';

/** Without `return` buildx waits for ever; the others say what these methods understand. */
const capabilities = [
  'solve.base',
  'return',
  'returnmap',
  'proto.refarray',
  'reference.output',
  'frontend.inputs',
  'gateway.solve.metadata',
  'gateway.evaluate',
  'gateway.solve.evaluate',
];

/** Of the builder; clients refuse by themselves what is not among these. */
const abilities = [
  'source.local',
  'exporter.multiple',
  'exporter.image.annotations',
  'exporter.image.attestations',
  'exporter.sourcedateepoch',
];

/** What a client calls that drives its build itself, as buildx does. */
export function gatewayMethods(context: ControlContext): [string, Method][] {
  const jobOf = (call: ServerCall): Promise<BuildJob> =>
    context.jobs.find(String(call.metadata[buildHeader] ?? ''), call.signal);
  return [
    [
      `${bridge}/Ping`,
      unary(nothing, pong, async (_message, call) => {
        await jobOf(call);
        return {
          frontendCaps: capabilities.map((id) => ({ id, enabled: true })),
          llbCaps: abilities.map((id) => ({ id, enabled: true })),
          workers: [await workerRecord(context.worker)],
        };
      }),
    ],
    [
      `${bridge}/Solve`,
      unary(gatewaySolveRequest, gatewaySolveResponse, async (request, call) => {
        const job = await jobOf(call);
        job.record.frontend = request.frontend;
        job.record.attributes = request.frontendOpt;
        try {
          const { refs, metadata } = await context.solver.solve(job, {
            frontend: request.frontend,
            options: request.frontendOpt,
            inputs: request.frontendInputs,
            definition: request.definition,
          });
          const { list, only } = refs ?? {};
          if (list === undefined) return { result: { ref: describedRef(only), metadata } };
          const described = new Map([...list].map(([platform, ref]) => [platform, describedRef(ref)]));
          return { result: { refs: { refs: described }, metadata } };
        } catch (error) {
          throw describeFailure(error, job);
        }
      }),
    ],
    [
      `${bridge}/Evaluate`,
      unary(evaluateRequest, nothing, async (_message, call) => {
        await jobOf(call);
        return {};
      }),
    ],
    [
      `${bridge}/Return`,
      unary(returnRequest, nothing, async ({ result, error }, call) => {
        const job = await jobOf(call);
        if (error === undefined) job.returned(result);
        else job.failed(returnedError(error, encode(rpcStatus, error)));
        return {};
      }),
    ],
    ...['ResolveImageConfig', 'ReadFile', 'ReadDir', 'StatFile', 'Inputs', 'NewContainer'].map(missing),
  ];
}

const describedRef = (ref: string | undefined) => ({
  id: ref ?? '',
  def: ref === undefined ? undefined : definitionOf(ref),
});

const missing = (name: string): [string, Method] => [
  `${bridge}/${name}`,
  async () => {
    throw new EngineError('not-implemented', `${name} is not implemented by this engine yet`);
  },
];
