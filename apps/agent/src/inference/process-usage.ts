export interface ProcessUsage {
  /** Resident memory of all processes together. */
  readonly rssBytes: number;
  /** CPU time since the sample before over wall time; 100 is one core. */
  readonly cpuPercent: number;
}

/** Reads /proc with descriptors that stay open; spawns nothing. */
export interface ProcessUsageMeter {
  /** Usage of the given processes together. A process that is gone counts nothing. */
  sample(pids: readonly number[]): ProcessUsage;
  close(): void;
}

export declare function createProcessUsageMeter(): ProcessUsageMeter;
