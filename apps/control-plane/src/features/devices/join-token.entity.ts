import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A secret with which one device may join; only its hash is kept. */
@Entity('join_token')
export class JoinToken {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('bytea', { name: 'secret_hash' })
  secretHash!: Buffer;

  @Column('jsonb')
  labels!: Record<string, string>;

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date;

  @Column('timestamptz', { name: 'used_at', nullable: true })
  usedAt!: Date | null;

  @Column('text', { name: 'used_by', nullable: true })
  usedBy!: string | null;
}
