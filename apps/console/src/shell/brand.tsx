/** The mark: two perches under one roof. */
export const BrandMark = ({ size = 24 }: { size?: number }) => (
  <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="7" fill="#07525d" />
    <path
      d="M6 22 16 7l10 15M11 22l5-7.5 5 7.5"
      fill="none"
      stroke="#8fe0ea"
      strokeWidth="2.6"
      strokeLinecap="round"
      strokeLinejoin="round"
    />
  </svg>
);
