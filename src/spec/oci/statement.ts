/** In-toto statements, v0.1 (https://in-toto.io/Statement/v0.1). */
export const statementType = 'application/vnd.in-toto+json';

export interface StatementSubject {
  readonly name: string;
  readonly digest: { readonly sha256: string };
}

/** What is said of the subjects. */
export const statementOf = (predicateType: string, subject: readonly StatementSubject[], predicate: unknown) => ({
  _type: 'https://in-toto.io/Statement/v0.1',
  predicateType,
  subject,
  predicate,
});
