import { type DeviceFacts, FACT_PATHS, type FactPath, factValues } from '@aviary/hardware';

/** What a device knows of itself, beside its labels and its facts. */
export const SELECTOR_ATTRIBUTES = ['id', 'name', 'profile', 'release', 'model', 'presence'] as const;
export type SelectorAttribute = (typeof SELECTOR_ATTRIBUTES)[number];

export type SelectorKey =
  | { readonly attribute: SelectorAttribute }
  /** A label that people gave the device. */
  | { readonly label: string }
  /** The name of one of `FACT_PATHS`: what the agent found out about its board. */
  | { readonly fact: string };

export type SelectorComparison = '<' | '<=' | '>' | '>=';

/** A parsed selector: data, for whoever asks devices by it. */
export type Selector =
  | { readonly kind: 'all' }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Selector[] }
  | { readonly kind: 'not'; readonly operand: Selector }
  | { readonly kind: 'has'; readonly key: SelectorKey }
  /** Of a fact, values are as `factValues` has them. */
  | { readonly kind: 'in'; readonly key: SelectorKey; readonly values: readonly string[] }
  | {
      readonly kind: 'compare';
      readonly fact: string;
      readonly comparison: SelectorComparison;
      readonly value: number;
    };

/** Where the fact of a parsed selector is. @throws TypeError for a name that no parser let pass */
export const factPathOf = (name: string): FactPath => {
  const path = FACT_PATHS.find((candidate) => candidate.name === name);
  if (path === undefined) throw new TypeError(`expected the name of a fact, got "${name}"`);
  return path;
};

/** What a selector looks at. */
export interface SelectableDevice {
  readonly attributes: Readonly<Partial<Record<SelectorAttribute, string | null>>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly facts?: Partial<DeviceFacts> | undefined;
}

/** Only facts that are lists can have more than one. */
const ownValues = (key: SelectorKey, device: SelectableDevice): readonly string[] => {
  if ('fact' in key) return factValues(device.facts ?? {}, factPathOf(key.fact));
  const value = 'attribute' in key ? device.attributes[key.attribute] : labelOf(device, key.label);
  return value === null || value === undefined ? [] : [value];
};

const labelOf = ({ labels }: SelectableDevice, label: string): string | undefined =>
  Object.hasOwn(labels, label) ? labels[label] : undefined;

const COMPARE: Record<SelectorComparison, (own: number, value: number) => boolean> = {
  '<': (own, value) => own < value,
  '<=': (own, value) => own <= value,
  '>': (own, value) => own > value,
  '>=': (own, value) => own >= value,
};

/** Whether a device is meant. A comparison with something that the device does not have is false; its `not` is true. */
export const matchesSelector = (selector: Selector, device: SelectableDevice): boolean => {
  switch (selector.kind) {
    case 'all':
      return true;
    case 'and':
      return selector.operands.every((operand) => matchesSelector(operand, device));
    case 'or':
      return selector.operands.some((operand) => matchesSelector(operand, device));
    case 'not':
      return !matchesSelector(selector.operand, device);
    case 'has':
      return ownValues(selector.key, device).length > 0;
    case 'in':
      return ownValues(selector.key, device).some((value) => selector.values.includes(value));
    case 'compare': {
      const holds = COMPARE[selector.comparison];
      return ownValues({ fact: selector.fact }, device).some((own) => holds(Number(own), selector.value));
    }
  }
};
