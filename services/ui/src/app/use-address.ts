import { useEffect, useState } from 'react';
import { formatAddress, readAddress, type Address } from './address.ts';

/** The address of the page, and how to change it. The back button brings the one before. */
export function useAddress(): [Address, (change: Partial<Address>, how?: 'replace') => void] {
  const [address, setAddress] = useState(currentAddress);
  useEffect(() => {
    const read = (): void => setAddress(currentAddress());
    window.addEventListener('popstate', read);
    return () => window.removeEventListener('popstate', read);
  }, []);
  const go = (change: Partial<Address>, how?: 'replace'): void => {
    const next = { ...currentAddress(), ...change };
    const url = new URL(formatAddress(next), window.location.href);
    if (url.href === window.location.href) return;
    if (how === 'replace') window.history.replaceState(null, '', url);
    else window.history.pushState(null, '', url);
    setAddress(next);
  };
  return [address, go];
}

function currentAddress(): Address {
  return readAddress(new URL(window.location.href));
}
