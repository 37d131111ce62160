import type { Overview } from '../../api/generated/index.ts';
import { Figure, Figures } from '../../components/figure.tsx';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { countWords, shareWords } from '../../components/number-words.ts';
import { Panel } from '../../components/panel.tsx';
import { NO_PROFILE } from '../devices/device-filter.ts';

/** The fleet in numbers. */
export const FleetPanel = ({ overview }: { overview: Overview }) => {
  const { devices, models, releases, rounds } = overview;
  return (
    <Panel title="The fleet">
      <Figures>
        <Figure
          name="devices"
          value={
            <NavAnchor to="/devices" inherit>
              {countWords(devices.total)}
            </NavAnchor>
          }
        />
        <Figure
          name="online"
          value={countWords(devices.online)}
          note={devices.total === 0 ? undefined : shareWords(devices.online, devices.total)}
        />
        <Figure
          name="offline"
          value={
            devices.offline === 0 ? (
              '0'
            ) : (
              <NavAnchor to="/devices" search={{ presence: 'offline' }} inherit>
                {countWords(devices.offline)}
              </NavAnchor>
            )
          }
        />
        <Figure
          name="no profile fits"
          value={
            devices.unmatched === 0 ? (
              '0'
            ) : (
              <NavAnchor to="/devices" search={{ profile: NO_PROFILE }} inherit c="var(--av-warning)">
                {countWords(devices.unmatched)}
              </NavAnchor>
            )
          }
        />
        <Figure
          name="online, serving nothing"
          value={
            devices.idle === 0 ? (
              '0'
            ) : (
              <NavAnchor to="/devices" search={{ selector: 'not has release', presence: 'online' }} inherit>
                {countWords(devices.idle)}
              </NavAnchor>
            )
          }
        />
        <Figure
          name="models"
          value={
            <NavAnchor to="/models" inherit>
              {countWords(models)}
            </NavAnchor>
          }
          note={`${countWords(releases)} ${releases === 1 ? 'release' : 'releases'}`}
        />
        <Figure
          name="rounds under way"
          value={
            <NavAnchor to="/federation" inherit>
              {countWords(rounds)}
            </NavAnchor>
          }
        />
      </Figures>
    </Panel>
  );
};
