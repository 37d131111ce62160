import { Link } from '@tanstack/react-router';
import { labelCondition } from './device-filter.ts';
import classes from './labels.module.css';

/** Labels of a device; each leads to all devices that have it. */
export const Labels = ({ labels }: { labels: Readonly<Record<string, string>> }) => {
  const entries = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return <span className={classes.none}>none</span>;
  return (
    <span className={classes.labels}>
      {entries.map(([key, value]) => (
        <Link
          key={key}
          to="/devices"
          search={{ selector: labelCondition(key, value) }}
          className={classes.label}
          title={`All devices with ${key}=${value}`}
        >
          {key}={value}
        </Link>
      ))}
    </span>
  );
};
