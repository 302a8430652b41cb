import type { DeviceRequest } from '../engine/container.ts';
import type { OciDevice, OciDeviceRule, OciHooks } from '../oci/runtime.ts';

/** What the devices that a container asks for by name change in it. */
export interface DeviceEdits {
  /** `NAME=value`; the container's own variables win. */
  readonly env: readonly string[];
  readonly devices: readonly OciDevice[];
  readonly rules: readonly OciDeviceRule[];
  readonly mounts: readonly DeviceMount[];
  readonly hooks: OciHooks;
  readonly additionalGids: readonly number[];
}

/** A bind of the host that belongs to a device; `target` is as the device's description has it. */
export interface DeviceMount {
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
}

/** Finds what `--gpus` and `--device vendor.com/class=name` mean on this host. */
export interface DeviceDrivers {
  /** @throws internal in Docker's words when nothing offers what is asked, invalid for requests that contradict themselves. */
  edits(requests: readonly DeviceRequest[]): Promise<DeviceEdits>;
}
