import { Args, Command } from '@oclif/core';
import { bashScript } from '../completion/bash-script.ts';
import { commandWords } from '../completion/command-words.ts';
import { fishScript } from '../completion/fish-script.ts';
import { zshScript } from '../completion/zsh-script.ts';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;
type Shell = keyof typeof SCRIPTS;

export default class Completion extends Command {
  static override summary = 'What your shell needs to complete commands, flags and their values';

  static override description =
    'The script is printed; its first lines say where it belongs. Completing asks no control plane.';

  static override examples = [
    'source <(<%= config.bin %> completion bash)',
    'source <(<%= config.bin %> completion zsh)',
    '<%= config.bin %> completion fish | source',
  ];

  static override args = {
    shell: Args.string({ description: 'your shell', options: Object.keys(SCRIPTS), required: true }),
  };

  async run(): Promise<void> {
    const { args } = await this.parse(Completion);
    this.log(SCRIPTS[args.shell as Shell](commandWords(this.config)).trimEnd());
  }
}
