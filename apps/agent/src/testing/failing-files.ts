import { SpoolDirectory, type SpoolFiles } from '../telemetry/spool-files.ts';

/** A real folder on a disk that can be made to refuse. */
export class FailingFiles implements SpoolFiles {
  /** What writing fails with now, e.g. `ENOSPC`. */
  refusesWriting: string | undefined;
  /** What removing fails with now. */
  refusesRemoving: string | undefined;
  /** Whether there is a reserve for what is urgent. */
  hasReserve = false;
  readonly #files: SpoolDirectory;

  constructor(path: string) {
    this.#files = new SpoolDirectory(path);
  }

  open = (): Promise<void> => this.#files.open();
  list = () => this.#files.list();
  read = (name: string) => this.#files.read(name);

  async write(name: string, content: string, urgent = false): Promise<void> {
    if (this.refusesWriting !== undefined && !(urgent && this.hasReserve)) throw failure(this.refusesWriting);
    await this.#files.write(name, content, urgent);
  }

  async remove(name: string): Promise<void> {
    if (this.refusesRemoving !== undefined) throw failure(this.refusesRemoving);
    await this.#files.remove(name);
  }
}

const failure = (code: string): Error => Object.assign(new Error(`${code}: the disk refuses`), { code });
