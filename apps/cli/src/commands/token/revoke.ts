import { AviaryCommand, nameArg } from '../../aviary-command.ts';
import { findById } from '../../find-by-id.ts';

export default class TokenRevoke extends AviaryCommand {
  static override summary = 'Revoke an API token: one of yours, or any for an admin';

  static override args = {
    token: nameArg({ description: 'its id, or the beginning of it', required: true }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TokenRevoke);
    const { client } = await this.connect(flags);
    const id = await findById(
      {
        what: 'token',
        listedBy: 'aviary token list',
        madeBy: 'aviary token create NAME --role viewer',
        page: async () => ({ items: (await client.listTokens({})).items, nextCursor: null }),
      },
      args.token,
    );
    await client.revokeToken({ params: { id } });
    this.log(`${id} is revoked.`);
  }
}
