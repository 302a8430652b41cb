/** The engine answered with an error. */
export class ApiError extends Error {
  /** HTTP status. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

/** Nothing answers at the endpoint. */
export class ConnectionError extends Error {
  readonly endpoint: string;

  constructor(endpoint: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ConnectionError';
    this.endpoint = endpoint;
  }
}

export const isNotFound = (error: unknown): boolean => error instanceof ApiError && error.status === 404;
