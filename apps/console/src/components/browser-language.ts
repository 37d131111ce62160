/**
 * uPlot formats numbers in the browser's language as soon as it is loaded. A Chromium that was started with `LANG=C`
 * calls its language `en-US@posix`, which `Intl` refuses; the part before the `@` it knows.
 */
const isKnown = (language: string): boolean => {
  try {
    return Intl.NumberFormat.supportedLocalesOf(language).length > 0;
  } catch {
    return false;
  }
};

if (!isKnown(navigator.language)) {
  const [plain = ''] = navigator.language.split('@');
  Object.defineProperty(navigator, 'language', { value: isKnown(plain) ? plain : 'en', configurable: true });
}
