export interface LabelProblem {
  /** What stands there. */
  readonly part: string;
  readonly message: string;
}

interface LabelText {
  readonly labels: Readonly<Record<string, string>>;
  readonly problems: readonly LabelProblem[];
}

const KEY = /^[a-z][a-z0-9_.-]{0,62}$/;
const LONGEST_VALUE = 128;

/** What is wrong with a label, as the control plane would say it; undefined: nothing. */
export const labelProblem = (key: string, value: string): string | undefined => {
  if (!KEY.test(key)) {
    return `Expected a key of a-z, 0-9, “_”, “.” and “-” that begins with a letter, got “${key}”.`;
  }
  return value.length > LONGEST_VALUE
    ? `Expected at most ${LONGEST_VALUE} characters in ${key}, got ${value.length}.`
    : undefined;
};

/** Reads `site=lyon floor=2`, separated by spaces or commas; everything wrong in it, with its place. */
export const readLabels = (text: string): LabelText => {
  const labels: Record<string, string> = {};
  const problems: LabelProblem[] = [];
  for (const part of text.split(/[\s,]+/).filter((piece) => piece !== '')) {
    const at = part.indexOf('=');
    const key = at < 0 ? part : part.slice(0, at);
    const message = at < 0 ? `Expected key=value, got “${part}”.` : labelProblem(key, part.slice(at + 1));
    if (message !== undefined) problems.push({ part, message });
    else if (Object.hasOwn(labels, key)) problems.push({ part, message: `Expected ${key} once, got it twice.` });
    else labels[key] = part.slice(at + 1);
  }
  return { labels, problems };
};
