import { useEffect, useRef, useState } from 'react';
import { formatAddress, readAddress, type Address } from './address.ts';

/** The address of the page, and how to change it. The back button brings the one before. */
export function useAddress(): [Address, (change: Partial<Address>, how?: 'replace') => void] {
  const [address, setAddress] = useState(currentAddress);
  /** Of several changes before the next rendering each builds on the one before. */
  const newest = useRef(address);
  useEffect(() => {
    const read = (): void => {
      newest.current = currentAddress();
      setAddress(newest.current);
    };
    window.addEventListener('popstate', read);
    return () => window.removeEventListener('popstate', read);
  }, []);
  const go = (change: Partial<Address>, how?: 'replace'): void => {
    const next = { ...newest.current, ...change };
    const text = formatAddress(next);
    if (text === formatAddress(newest.current)) return;
    newest.current = next;
    setAddress(next);
    try {
      if (how === 'replace') window.history.replaceState(null, '', text);
      else window.history.pushState(null, '', text);
    } catch {
      // A browser that takes so many changes for an attack takes the next one again.
    }
  };
  return [address, go];
}

function currentAddress(): Address {
  return readAddress(new URL(window.location.href));
}
