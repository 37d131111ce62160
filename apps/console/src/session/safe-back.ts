/** Where somebody goes after logging in: a page of this console, never another site. */
export const safeBack = (back: unknown): string => (typeof back === 'string' && /^\/(?![/\\])/.test(back) ? back : '/');
