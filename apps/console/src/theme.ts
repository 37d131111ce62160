import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from '@mantine/core';

/** The accent: the blue-green of a heron's back, from paper to night. */
const heron: MantineColorsTuple = [
  '#eaf7f8',
  '#d5edef',
  '#abdbe0',
  '#7cc7cf',
  '#57b5bf',
  '#3a9faa',
  '#228793',
  '#12707c',
  '#075c67',
  '#044650',
];

/** Slate instead of black: a control room at night. */
const dark: MantineColorsTuple = [
  '#dfe6ea',
  '#bcc8cf',
  '#9fadb6',
  '#71818c',
  '#3d4a54',
  '#2d3841',
  '#1f282f',
  '#171e24',
  '#11171c',
  '#0b1014',
];

export const theme = createTheme({
  colors: { heron, dark },
  primaryColor: 'heron',
  // White stands on both (WCAG AA): Mantine chooses the text of a button by the shade of the light theme alone.
  primaryShade: { light: 8, dark: 7 },
  autoContrast: true,
  defaultRadius: 'sm',
  cursorType: 'pointer',
  respectReducedMotion: true,
  fontFamily: 'Inter, "Segoe UI Variable", "Segoe UI", system-ui, -apple-system, Roboto, "Helvetica Neue", sans-serif',
  fontFamilyMonospace: '"JetBrains Mono", ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace',
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  headings: {
    fontWeight: '600',
    sizes: {
      h1: { fontSize: '1.375rem', lineHeight: '1.3' },
      h2: { fontSize: '1rem', lineHeight: '1.4' },
      h3: { fontSize: '0.875rem', lineHeight: '1.4' },
    },
  },
  components: {
    Button: { defaultProps: { size: 'sm' } },
    TextInput: { defaultProps: { size: 'sm' } },
    Table: { defaultProps: { verticalSpacing: 6, horizontalSpacing: 'sm' } },
    Modal: {
      defaultProps: { centered: true, closeButtonProps: { 'aria-label': 'Close' } },
      styles: {
        header: { background: 'var(--av-surface)' },
        content: { background: 'var(--av-surface)' },
        title: { fontSize: 'var(--mantine-h2-font-size)', fontWeight: 600 },
      },
    },
  },
});

/** Where Mantine's own greys and reds are too faint to be read (WCAG AA, 4.5 : 1), these take their place. */
export const cssVariablesResolver: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#f4f7f8',
    '--mantine-color-text': '#17212a',
    '--mantine-color-dimmed': '#53616c',
    '--mantine-color-placeholder': '#66737d',
    '--mantine-color-error': '#b3231c',
    '--mantine-color-red-outline': '#b3231c',
    '--mantine-color-anchor': '#075c67',
    '--mantine-color-default-border': '#cfd8dd',
    '--av-surface': '#ffffff',
    '--av-sunken': '#eaeff1',
    '--av-line': '#d9e1e5',
    '--av-ok': '#1a7f4b',
    '--av-active': '#12707c',
    '--av-waiting': '#5b6976',
    '--av-warning': '#9a5b00',
    '--av-error': '#b3231c',
  },
  dark: {
    '--mantine-color-body': '#11171c',
    '--mantine-color-text': '#dfe6ea',
    '--mantine-color-dimmed': '#9fadb6',
    '--mantine-color-placeholder': '#8b9aa4',
    '--mantine-color-error': '#ff8f85',
    '--mantine-color-red-filled': '#c92a2a',
    '--mantine-color-red-filled-hover': '#b32424',
    '--mantine-color-anchor': '#7cc7cf',
    '--mantine-color-default-border': '#3d4a54',
    '--av-surface': '#171e24',
    '--av-sunken': '#0d1216',
    '--av-line': '#2a343c',
    '--av-ok': '#58c88b',
    '--av-active': '#57b5bf',
    '--av-waiting': '#93a3ad',
    '--av-warning': '#e9a93c',
    '--av-error': '#ff8f85',
  },
});
