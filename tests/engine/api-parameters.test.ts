/** Every operation of the groups Container, Exec, System and Volume with every parameter (`_api-parameters.ts`). */
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import type { Operation } from './_api-calls.ts';
import { containerCases } from './_api-container-cases.ts';
import { execCases, systemCases, volumeCases } from './_api-other-cases.ts';
import { apiParameters } from './_api-parameters.ts';
import { streamCases } from './_api-stream-cases.ts';
import { type Case, type Cases, worldOf } from './_api-world.ts';

/** The compiler holds it complete. */
const cases: Cases<Operation> = { ...containerCases, ...streamCases, ...execCases, ...systemCases, ...volumeCases };

const listOf = (operation: Operation): readonly (readonly [string | undefined, Case])[] => {
  const own = cases[operation];
  return typeof own === 'function' ? [[undefined, own]] : Object.entries<Case>(own);
};

engineSuite('the parameters of the API', {}, (engine) => {
  for (const operation of Object.keys(apiParameters) as Operation[]) {
    for (const [parameter, work] of listOf(operation)) {
      test(parameter === undefined ? operation : `${operation} ${parameter}`, async () => {
        const world = worldOf(engine());
        await work(world);
        world.calls.requireAsked(operation, parameter);
      });
    }
  }
});
