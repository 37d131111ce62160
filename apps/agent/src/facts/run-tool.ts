import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const TOOL_TIMEOUT_MS = 5_000;

/** Runs a program and gives what it prints; undefined where there is none, or where it fails. */
export type RunTool = (command: string, args: readonly string[]) => Promise<string | undefined>;

/** For what no file tells, once, when the agent starts. */
export const runTool: RunTool = async (command, args) => {
  try {
    const { stdout } = await promisify(execFile)(command, [...args], { timeout: TOOL_TIMEOUT_MS, encoding: 'utf8' });
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
};
