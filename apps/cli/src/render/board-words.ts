import type { BoardState } from '@aviary/protocol';

/** How a board is, in one line; only what it tells. */
export const boardWords = (state: BoardState): string => {
  const { temperatureC, acceleratorC, memoryFreeMB, swapUsedMB, diskFreeMB, load1 } = state;
  const { cpuMHz, gpuPercent, gpuMHz, powerW, throttled } = state;
  const words = [
    temperatureC === undefined ? undefined : `${temperatureC.toFixed(1)} °C`,
    acceleratorC === undefined ? undefined : `accelerator ${acceleratorC.toFixed(1)} °C`,
    load1 === undefined ? undefined : `load ${load1.toFixed(2)}`,
    cpuMHz === undefined ? undefined : `${cpuMHz} MHz`,
    gpuPercent === undefined ? undefined : `GPU ${gpuPercent.toFixed(0)} %`,
    gpuMHz === undefined ? undefined : `at ${gpuMHz} MHz`,
    powerW === undefined ? undefined : `${powerW.toFixed(1)} W`,
    memoryFreeMB === undefined ? undefined : `${memoryFreeMB} MB free`,
    swapUsedMB === undefined || swapUsedMB === 0 ? undefined : `${swapUsedMB} MB swapped`,
    diskFreeMB === undefined ? undefined : `${diskFreeMB} MB of disk free`,
    throttled === undefined || throttled.length === 0 ? undefined : `slowed down: ${throttled.join(', ')}`,
  ];
  return words.filter((word) => word !== undefined).join(', ');
};
