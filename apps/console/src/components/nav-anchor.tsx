import { Anchor, type AnchorProps, Button, type ButtonProps } from '@mantine/core';
import { createLink } from '@tanstack/react-router';
import type { AnchorHTMLAttributes } from 'react';

type LinkAttributes = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof AnchorProps | 'color'>;
type ButtonLinkAttributes = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof ButtonProps | 'color'>;

/** A link to a page of the console; where it leads is typed by the routes. */
export const NavAnchor = createLink((props: AnchorProps & LinkAttributes) => <Anchor size="sm" {...props} />);

/** The same, as a button. */
export const NavButton = createLink((props: ButtonProps & ButtonLinkAttributes) => <Button component="a" {...props} />);
