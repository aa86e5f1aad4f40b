import { useState, type MouseEvent, type ReactNode } from 'react';
import { formatAddress, type Address, type View } from './address.ts';
import { Menu } from './menu.tsx';
import { usePage } from './page.ts';
import { TenantForm } from './server-notices.tsx';
import type { ThemeChoice } from './theme.ts';
import { TimePicker } from './time-picker.tsx';
import { resolveRange } from './time-range.ts';

const VIEWS: readonly { readonly view: View; readonly name: string }[] = [
  { view: 'services', name: 'Services' },
  { view: 'explore', name: 'Explore' },
  { view: 'compare', name: 'Compare' },
];

/** What stands above every view: where one is, of when, and how the page looks. */
export function TopBar(props: {
  readonly themeChoice: ThemeChoice;
  readonly onTheme: (choice: ThemeChoice) => void;
  readonly onTenant?: (tenant: string) => void;
}): ReactNode {
  const { address, go, tenant } = usePage();
  const { onTenant } = props;
  return (
    <header className="top-bar">
      <a className="brand" href="./">
        <Flame />
        Kiln
      </a>
      <nav aria-label="Views">
        {VIEWS.map(({ view, name }) => (
          <Link key={view} to={view === 'compare' ? comparable(address) : { view }} current={address.view === view}>
            {name}
          </Link>
        ))}
      </nav>
      <div className="grow" />
      {address.view !== 'compare' && (
        <TimePicker key={`${address.from} ${address.until}`} from={address.from} until={address.until} onRange={go} />
      )}
      <RefreshControls />
      <ShareButton />
      {onTenant !== undefined && (
        <Menu
          label={tenant === '' ? 'Tenant' : `Tenant: ${tenant}`}
          text={<span className="clip">{tenant === '' ? 'Tenant' : tenant}</span>}
          align="right"
        >
          {(close) => (
            <TenantForm
              onTenant={(next) => {
                onTenant(next);
                close();
              }}
            />
          )}
        </Menu>
      )}
      <select
        aria-label="Theme"
        value={props.themeChoice}
        onChange={(event) => props.onTheme(event.target.value as ThemeChoice)}
      >
        <option value="system">System</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </header>
  );
}

/** A comparison of what is looked at: where no other side was chosen yet, with itself, to be changed from there. */
function comparable(address: Address): Partial<Address> {
  const { selector, from, until, right } = address;
  return { view: 'compare', right: right.selector === '{}' ? { selector, from, until } : right };
}

/** A link to another state of the page, that opens in place. */
export function Link(props: {
  readonly to: Partial<Address>;
  readonly current?: boolean;
  readonly className?: string;
  readonly title?: string;
  readonly children: ReactNode;
}): ReactNode {
  const { address, go } = usePage();
  const { to, current = false, className, title, children } = props;
  const follow = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a
      href={formatAddress({ ...address, ...to })}
      onClick={follow}
      aria-current={current ? 'page' : undefined}
      className={className}
      title={title}
    >
      {children}
    </a>
  );
}

function RefreshControls(): ReactNode {
  const { address, go, refresh } = usePage();
  return (
    <div className="joined">
      <button type="button" onClick={refresh} title="Ask again now">
        Refresh
      </button>
      <select
        aria-label="Refresh automatically"
        value={address.refresh}
        onChange={(event) => go({ refresh: event.target.value as Address['refresh'] }, 'replace')}
      >
        <option value="off">Off</option>
        <option value="10s">10 s</option>
        <option value="1m">1 min</option>
      </select>
    </div>
  );
}

/** Copies the address of exactly this: times as they are now, and no refresh. */
function ShareButton(): ReactNode {
  const { address, nowMs, clock, go } = usePage();
  const [told, setTold] = useState('');
  const share = (): void => {
    const fixed = fixedAddress(address, nowMs);
    const link = new URL(formatAddress(fixed), window.location.href).href;
    const tell = (text: string): void => {
      setTold(text);
      clock.after(2_000, () => setTold(''));
    };
    // Without TLS browsers keep the clipboard to themselves; then the address bar has it.
    const writing = window.isSecureContext
      ? navigator.clipboard.writeText(link)
      : Promise.reject(new Error('insecure'));
    void writing.then(
      () => tell('Copied'),
      () => {
        go(fixed, 'replace');
        tell('In the address bar');
      },
    );
  };
  return (
    <button type="button" onClick={share} title="Copy the address of exactly what is shown, with absolute times">
      <span aria-live="polite">{told === '' ? 'Share' : told}</span>
    </button>
  );
}

function fixedAddress(address: Address, nowMs: number): Address {
  const fixed = <T extends { readonly from: string; readonly until: string }>(side: T): T => {
    const range = resolveRange(side.from, side.until, nowMs);
    return typeof range === 'string' ? side : { ...side, from: String(range.fromMs), until: String(range.untilMs) };
  };
  return { ...fixed(address), right: fixed(address.right), refresh: 'off' };
}

function Flame(): ReactNode {
  return (
    <svg viewBox="0 0 16 16" width="18" height="18" aria-hidden="true">
      <rect x="1" y="11" width="14" height="3" rx="1" fill="var(--flame-1)" />
      <rect x="1" y="7" width="9" height="3" rx="1" fill="var(--flame-2)" />
      <rect x="4" y="3" width="5" height="3" rx="1" fill="var(--flame-3)" />
      <rect x="11" y="7" width="4" height="3" rx="1" fill="var(--flame-3)" />
    </svg>
  );
}
