import { type DemoOptions, DemoStage } from './demo-stage.ts';
import type { DemoSummary } from './expectations.ts';
import { LearningAct } from './learning-act.ts';
import { ReleaseAct } from './release-act.ts';

/** The whole way: releases that come and go, and a fleet that makes its model better. */
export class DemoStory {
  readonly #stage: DemoStage;

  constructor(options: DemoOptions) {
    this.#stage = new DemoStage(options);
  }

  get address(): string {
    return this.#stage.address;
  }

  /** Tells the story to its end, and what became of it; control plane and devices stay until {@link stop}. */
  async tell(): Promise<DemoSummary> {
    const { expectations, narrator, signal } = this.#stage;
    try {
      await new ReleaseAct(this.#stage).play();
      await new LearningAct(this.#stage).play();
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      if (!signal.aborted) narrator.bad(words);
      return expectations.summary(narrator.seconds, words);
    }
    return expectations.summary(narrator.seconds);
  }

  /** Ends every process of the story. */
  async stop(): Promise<void> {
    await this.#stage.stop();
  }
}
