import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { EXAMPLE_BOARDS, exampleFacts } from '../src/example-facts.ts';
import { matchProfile, specificity } from '../src/match-profile.ts';
import { type Profile, parseProfile } from '../src/profile.ts';

/** Everything that is wrong with a folder of firmware profiles, in words. */
export const problemsOf = (directory: string): { profiles: Profile[]; problems: string[] } => {
  const problems: string[] = [];
  const profiles: Profile[] = [];
  let names: string[];
  try {
    names = readdirSync(directory).filter((file) => file.endsWith('.json'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    return { profiles, problems: [`expected a folder of firmware profiles, one JSON file each: ${reason}`] };
  }
  for (const name of names) {
    try {
      const profile = parseProfile(JSON.parse(readFileSync(join(directory, name), 'utf8')));
      if (`${profile.id}.json` !== basename(name))
        problems.push(`${name}: expected the id ${basename(name, '.json')}, got ${profile.id}`);
      profiles.push(profile);
    } catch (error) {
      problems.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  if (profiles.length === 0) problems.push(`${directory}: expected at least one profile`);
  for (const board of EXAMPLE_BOARDS) {
    const { profile, candidates } = matchProfile(exampleFacts(board), profiles);
    if (profile?.id !== board) problems.push(`the example board ${board} is taken for ${profile?.id ?? 'none'}`);
    const equal = candidates.filter(
      (candidate) => candidate.matched && profile !== null && specificity(candidate.profile) === specificity(profile),
    );
    if (equal.length > 1) {
      problems.push(`${board}: ${equal.map((candidate) => candidate.profile.id).join(' and ')} fit equally well`);
    }
  }
  return { profiles, problems };
};

if (import.meta.main) {
  const [directory] = process.argv.slice(2);
  if (directory === undefined) {
    console.error('Usage: node check-profiles.ts DIRECTORY');
    process.exit(2);
  }
  const { profiles, problems } = problemsOf(directory);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exit(1);
  console.log(`${profiles.length} profiles ok`);
}
