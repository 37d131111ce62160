import type { AdminClient } from './connection.ts';

/**
 * The id of a device that is named by its id or by what people call it.
 * @throws Error when there is none, or when several are called so
 */
export const findDevice = async (client: Pick<AdminClient, 'listDevices'>, named: string): Promise<string> => {
  // A selector has no way to write a quote within quotes.
  const quoted = named.includes('"') ? `'${named}'` : `"${named}"`;
  const { items } = await client.listDevices({ query: { selector: `id = ${quoted} or name = ${quoted}`, limit: 10 } });
  const byId = items.find(({ id }) => id === named);
  const [only] = items;
  if (byId !== undefined) return byId.id;
  if (only !== undefined && items.length === 1) return only.id;
  throw new Error(
    only === undefined
      ? `There is no device "${named}". List them with: aviary device list`
      : `Several devices are called "${named}"; name one by its id: ${items.map(({ id }) => id).join(', ')}`,
  );
};

/** How a command is told which device it is about. */
export const DEVICE_ARG = 'id or name of the device';
