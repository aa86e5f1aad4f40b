import { useState, type FormEvent, type ReactNode } from 'react';
import type { Trouble } from '../api/client.ts';
import { usePage } from './page.ts';

/** Says that nobody answers, while the page asks on. */
export function AwayBanner({ trouble }: { readonly trouble: Trouble }): ReactNode {
  const { refresh } = usePage();
  return (
    <div className="banner" role="alert">
      <span>
        {trouble.message} What you see is what came last; the page goes on by itself as soon as the server answers.
      </span>
      <button type="button" onClick={refresh}>
        Try now
      </button>
    </div>
  );
}

/** Asks for the tenant that a server of several wants to be told. */
export function WhoseProfiles(props: {
  readonly sentence: string;
  readonly onTenant: (tenant: string) => void;
}): ReactNode {
  return (
    <section className="panel narrow">
      <h1>Whose profiles?</h1>
      <p>
        This server keeps the profiles of several tenants apart. Name one, as in the <code>X-Scope-OrgID</code> that
        your programs send; this browser remembers it.
      </p>
      <TenantForm onTenant={props.onTenant} />
      <p className="hint">The server said: {props.sentence}</p>
    </section>
  );
}

/** A field for a tenant. */
export function TenantForm({ onTenant }: { readonly onTenant: (tenant: string) => void }): ReactNode {
  const { tenant } = usePage();
  const [text, setText] = useState(tenant);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim() !== '') onTenant(text.trim());
  };
  return (
    <form className="row" onSubmit={submit}>
      <label className="grow">
        Tenant
        <input value={text} onChange={(event) => setText(event.target.value)} spellCheck={false} autoComplete="off" />
      </label>
      <button type="submit" className="primary">
        Look
      </button>
    </form>
  );
}
