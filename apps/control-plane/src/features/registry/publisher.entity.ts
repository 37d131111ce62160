import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** Somebody who signs releases, offline; the control plane knows the public key only. */
@Entity('publisher')
export class Publisher {
  /** SHA-256 of the public key's PEM. */
  @PrimaryColumn('text', { name: 'key_id' })
  keyId!: string;

  @Column('text')
  name!: string;

  @Column('text', { name: 'public_key' })
  publicKey!: string;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt!: Date;
}
