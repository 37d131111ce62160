import { useCallback, useMemo, useState } from 'react';
import { ProblemError } from '../api/problem-error.ts';

export interface PlacedProblems {
  /** The error as a whole; undefined when all is well, or what was wrong has been changed since. */
  readonly error: unknown;
  /** What is wrong at a place, named as in the specification. */
  readonly at: (path: string) => string | undefined;
  /** Whether something is wrong at a place, or under it. */
  readonly isWrong: (place: string) => boolean;
  readonly take: (error: unknown) => void;
  /** Somebody changed what stands at a place, or under it. */
  readonly changed: (path: string) => void;
}

/** Where a path of the API stands in what the person wrote. */
const withoutPart = (path: string): string => path.replace(/^body\.?/, '');

const isUnder = (path: string, place: string): boolean => path === place || path.startsWith(`${place}.`);

/**
 * Holds what the control plane said of a form, until the place is changed.
 * @param placeOf by code, where an error belongs that names no place itself
 */
export const usePlacedProblems = (placeOf: Readonly<Record<string, string>>): PlacedProblems => {
  const [error, setError] = useState<unknown>(null);
  const [changes, setChanges] = useState<readonly string[]>([]);

  const take = useCallback((next: unknown) => {
    setError(next);
    setChanges([]);
  }, []);
  const changed = useCallback((path: string) => setChanges((before) => [...before, path]), []);

  return useMemo(() => {
    const all = error instanceof ProblemError ? problemsOf(error, placeOf) : [];
    const left = all.filter(({ path }) => !changes.some((place) => isUnder(path, place)));
    return {
      error: all.length > 0 && left.length === 0 ? null : error,
      at: (path) => left.find((problem) => problem.path === path)?.message,
      isWrong: (place) => left.some(({ path }) => isUnder(path, place)),
      take,
      changed,
    };
  }, [error, changes, placeOf, take, changed]);
};

const problemsOf = (error: ProblemError, placeOf: Readonly<Record<string, string>>) => {
  const place = placeOf[error.code];
  if (error.problems.length === 0 && place !== undefined) return [{ path: place, message: error.message }];
  return error.problems.map(({ path, message }) => ({ path: withoutPart(path), message }));
};
