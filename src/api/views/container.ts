import type { ContainerInspect, ContainerSummary } from '../../spec/engine/container.ts';

/** A list entry as clients of API 1.`minor` know it. */
export function containerSummaryView(summary: ContainerSummary, minor: number): ContainerSummary {
  if (minor >= 52) return summary;
  const { Health: _health, ...view } = summary;
  if (minor >= 48) return view;
  const { ImageManifestDescriptor: _descriptor, ...older } = view;
  return older;
}

/**
 * An inspected container as clients of API 1.`minor` know it. The addresses of the default bridge, which 1.52 took out
 * of `NetworkSettings` itself, and the container's own MAC address are there for older clients only.
 */
export function containerInspectView(view: ContainerInspect, minor: number): unknown {
  if (minor < 48) {
    const { ImageManifestDescriptor: _descriptor, ...older } = view;
    return older;
  }
  if (minor < 52) return view;
  const { SandboxID, SandboxKey, Ports, Networks } = view.NetworkSettings;
  const { MacAddress: _mac, ...Config } = view.Config;
  return { ...view, Config, NetworkSettings: { SandboxID, SandboxKey, Ports, Networks } };
}
