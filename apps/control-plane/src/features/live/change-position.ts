/**
 * A place in the order in which changes are told: by transaction, then by number. Everything up to and with it has
 * been seen. Number 0 stands before the first change of its transaction.
 */
export interface ChangePosition {
  readonly transactionId: bigint;
  readonly id: bigint;
}

const POSITION = /^(\d{1,19})-(\d{1,19})$/;

/** As it stands in `id:` and in `Last-Event-ID`: `<transaction>-<number>`. */
export const formatPosition = ({ transactionId, id }: ChangePosition): string => `${transactionId}-${id}`;

/** @returns undefined when it is not one of ours */
export const parsePosition = (text: string): ChangePosition | undefined => {
  const [, transactionId, id] = POSITION.exec(text.trim()) ?? [];
  return transactionId === undefined || id === undefined
    ? undefined
    : { transactionId: BigInt(transactionId), id: BigInt(id) };
};

/** Whether `a` lies behind `b`. */
export const isAfter = (a: ChangePosition, b: ChangePosition): boolean =>
  a.transactionId === b.transactionId ? a.id > b.id : a.transactionId > b.transactionId;
