import { parseSelector, SelectorError } from '@aviary/rollout';

/** What the address says which devices are shown. */
export interface DeviceFilter {
  /** As a person wrote it. */
  readonly selector?: string;
  readonly presence?: 'online' | 'offline';
  readonly profile?: string;
  /** The cursor of the page. */
  readonly after?: string;
}

const text = (value: unknown): string | undefined => {
  // A router reads `?selector=5` as a number.
  const given = typeof value === 'number' ? String(value) : value;
  return typeof given === 'string' && given.trim() !== '' ? given.trim() : undefined;
};

/** Reads the search part of an address; what it does not know is left out. */
export const readDeviceFilter = (search: Record<string, unknown>): DeviceFilter => {
  const [selector, profile, after] = [text(search.selector), text(search.profile), text(search.after)];
  return {
    ...(selector === undefined ? {} : { selector }),
    ...(search.presence === 'online' || search.presence === 'offline' ? { presence: search.presence } : {}),
    ...(profile === undefined ? {} : { profile }),
    ...(after === undefined ? {} : { after }),
  };
};

const KEYWORDS = new Set(['and', 'or', 'not', 'in', 'has', 'all']);

/** A value as a selector takes it; one that holds both kinds of quotes cannot be said. */
const quoted = (value: string): string => {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.:@/+-]*$/.test(value) && !KEYWORDS.has(value)) return value;
  return value.includes('"') ? `'${value}'` : `"${value}"`;
};

/** `key = value` of an attribute, e.g. `presence`. */
const condition = (key: string, value: string): string => `${key} = ${quoted(value)}`;

/** The devices with a label. Said in full, since a label may be called like an attribute. */
export const labelCondition = (key: string, value: string): string => condition(`label.${key}`, value);

/** What is wrong with a selector, with its place under the text; undefined: it can be read. */
export const selectorProblem = (selector: string | undefined): string | undefined => {
  if (selector === undefined) return undefined;
  try {
    parseSelector(selector);
    return undefined;
  } catch (error) {
    if (error instanceof SelectorError) return `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}`;
    throw error;
  }
};

/** The selector of all filters together; undefined: every device. That of the person has to be one that can be read. */
export const selectorOf = ({ selector, presence, profile }: DeviceFilter): string | undefined => {
  const others = [
    ...(presence === undefined ? [] : [condition('presence', presence)]),
    ...(profile === undefined ? [] : [profile === NO_PROFILE ? 'not has profile' : condition('profile', profile)]),
  ];
  if (selector === undefined) return others.length === 0 ? undefined : others.join(' and ');
  if (others.length === 0) return selector;
  return [`(${selector})`, ...others].join(' and ');
};

/** Stands for the devices that no profile fits. */
export const NO_PROFILE = 'none';
