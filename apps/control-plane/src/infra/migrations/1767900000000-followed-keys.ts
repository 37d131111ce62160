import type { MigrationInterface, QueryRunner } from 'typeorm';
import { follow } from './change-triggers.ts';

/** Pages follow the boards that ask to join. A board asks again every few seconds, which tells nothing new. */
export class FollowedKeys1767900000000 implements MigrationInterface {
  name = 'FollowedKeys1767900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      follow({ table: 'joining_key', topic: 'joining-keys', id: 'fingerprint', shown: ['state', 'device_id'] }),
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop function tell_new_joining_key, tell_changed_joining_key cascade');
  }
}
