import { Box } from '@mantine/core';
import type { BoardState } from '../../api/generated/index.ts';
import { Figure, Figures } from '../../components/figure.tsx';
import { countWords } from '../../components/number-words.ts';

/** How the board is now, as far as it tells. */
export const BoardFigures = ({ board }: { board: BoardState | undefined }) => {
  if (board === undefined) return null;
  const { temperatureC, acceleratorC, load1, cpuMHz, gpuPercent, gpuMHz, powerW, memoryFreeMB, swapUsedMB } = board;
  const { diskFreeMB, throttled } = board;
  return (
    <Box mt="md" pt="sm" style={{ borderTop: '1px solid var(--av-line)' }}>
      <Figures>
        {temperatureC !== undefined && (
          <Figure
            name="temperature"
            value={`${temperatureC.toFixed(1)} °C`}
            note={acceleratorC === undefined ? undefined : `accelerator ${acceleratorC.toFixed(1)} °C`}
          />
        )}
        {throttled !== undefined && (
          <Figure
            name="slowed down"
            value={throttled.length === 0 ? 'no' : 'yes'}
            note={throttled.length === 0 ? undefined : throttled.join(', ')}
            tone={throttled.length === 0 ? undefined : 'warning'}
          />
        )}
        {load1 !== undefined && (
          <Figure
            name="load"
            value={load1.toFixed(2)}
            note={cpuMHz === undefined ? undefined : `${countWords(cpuMHz)} MHz`}
          />
        )}
        {gpuPercent !== undefined && (
          <Figure
            name="GPU"
            value={`${gpuPercent.toFixed(0)} %`}
            note={gpuMHz === undefined ? undefined : `${countWords(gpuMHz)} MHz`}
          />
        )}
        {powerW !== undefined && <Figure name="power" value={`${powerW.toFixed(1)} W`} />}
        {memoryFreeMB !== undefined && (
          <Figure
            name="free memory"
            value={`${countWords(memoryFreeMB)} MB`}
            note={swapUsedMB === undefined ? undefined : `${countWords(swapUsedMB)} MB swapped`}
          />
        )}
        {diskFreeMB !== undefined && <Figure name="free disk" value={`${countWords(diskFreeMB)} MB`} />}
      </Figures>
    </Box>
  );
};
