import type { LoggedContainer, LogSettings } from '../../spec/contract/logs.ts';

/** Messages between the engine's thread and the one that sends logs. A shipment is known by a number. */
export type ShipRequest =
  | {
      readonly op: 'start';
      readonly key: number;
      readonly logPath: string;
      readonly container: LoggedContainer;
      readonly settings: LogSettings;
      readonly hostname: string;
      readonly pid: number;
    }
  /** Nobody writes any more: send what is there, then end. */
  | { readonly op: 'ended'; readonly key: number }
  /** End at once. */
  | { readonly op: 'stop'; readonly key: number };

export type ShipAnswer =
  | { readonly kind: 'over'; readonly key: number }
  | {
      readonly kind: 'say';
      readonly key: number;
      readonly level: 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };
