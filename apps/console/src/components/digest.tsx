/** The beginning of a digest or an id; all of it in the tooltip. */
export const Digest = ({ value, length = 12 }: { value: string; length?: number }) => (
  <code className="mono" title={value}>
    {value.slice(0, length)}
  </code>
);
