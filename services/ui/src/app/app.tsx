import { useEffect, useEffectEvent, useState, type ReactNode } from 'react';
import { CompareView } from '../compare/compare-view.tsx';
import { ExploreView } from '../explore/explore-view.tsx';
import { ServicesView } from '../services/services-view.tsx';
import { asksAnew, type Address, type View } from './address.ts';
import type { PageClock } from './clock.ts';
import { PageContext, type Page } from './page.ts';
import { AwayBanner, WhoseProfiles } from './server-notices.tsx';
import { recall, remember, useTheme } from './theme.ts';
import { titleOf } from './title.ts';
import { TopBar } from './top-bar.tsx';
import { useAddress } from './use-address.ts';
import { useServer } from './use-server.ts';

const TENANT_KEY = 'kiln.tenant';
const REFRESH_MS: Readonly<Record<Address['refresh'], number>> = { off: 0, '10s': 10_000, '1m': 60_000 };

const views: Readonly<Record<View, () => ReactNode>> = {
  services: ServicesView,
  explore: ExploreView,
  compare: CompareView,
};

/** The whole page: which view is shown follows from the address. */
export function App({ clock }: { readonly clock: PageClock }): ReactNode {
  const [address, changeAddress] = useAddress();
  const [time, setTime] = useState(() => ({ nowMs: clock.nowMs(), round: 0 }));
  const { theme, choice, choose } = useTheme();
  const refresh = (): void => setTime(({ round }) => ({ nowMs: clock.nowMs(), round: round + 1 }));
  const tenant = address.tenant === '' ? recall(TENANT_KEY) : address.tenant;
  const server = useServer(tenant, clock, refresh);
  useRepeated(REFRESH_MS[address.refresh], time.round, clock, refresh);

  const go = (change: Partial<Address>, how?: 'replace'): void => {
    if (asksAnew(change) && how !== 'replace') setTime(({ round }) => ({ nowMs: clock.nowMs(), round }));
    changeAddress(change, how);
  };
  const setTenant = (next: string): void => {
    remember(TENANT_KEY, next);
    go({ tenant: next });
    refresh();
  };
  // A shared address must say whose profiles it shows.
  const unsaid = server.tenants === true && address.tenant === '' && tenant !== '';
  const sayTenant = useEffectEvent(() => changeAddress({ tenant }, 'replace'));
  useEffect(() => {
    if (unsaid) sayTenant();
  }, [unsaid]);

  // One that the server refuses must be changeable too, though it has not said yet that it keeps several.
  const tenantMatters = tenant !== '' && server.tenants !== false && server.unnamed === undefined;

  useEffect(() => {
    document.title = titleOf(address);
  }, [address]);

  const page: Page = { clock, client: server.client, address, tenant, theme, ...time, go, refresh };
  const View = views[address.view];
  return (
    <PageContext value={page}>
      <TopBar themeChoice={choice} onTheme={choose} {...(tenantMatters ? { onTenant: setTenant } : {})} />
      {server.away !== undefined && <AwayBanner trouble={server.away} />}
      <main key={tenant}>
        {server.unnamed === undefined ? <View /> : <WhoseProfiles sentence={server.unnamed} onTenant={setTenant} />}
      </main>
    </PageContext>
  );
}

/** Acts again and again, so many milliseconds after the round before began; not while nobody looks. 0 = never. */
function useRepeated(ms: number, round: number, clock: PageClock, act: () => void): void {
  const actNow = useEffectEvent(act);
  useEffect(() => {
    if (ms === 0) return undefined;
    let cancel = (): void => undefined;
    const wait = (): void => {
      cancel = clock.after(ms, () => (document.hidden ? wait() : actNow()));
    };
    wait();
    return () => cancel();
  }, [ms, round, clock]);
}
