import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Inject } from '@nestjs/common';
import type { Catalog } from '@kiln/catalog';
import { KilnError, type TenantId } from '@kiln/model';
import { RawGet, RawPost } from '@kiln/nest';
import {
  AdHocProfileService,
  answeredFor,
  clientLeft,
  FeatureFlagsService,
  inflateSmall,
  readSmallBody,
  SettingsService,
  UnaryCall,
  unaryService,
  VersionService,
  type InFlight,
  type UnaryContext,
  type UnaryService,
} from '@kiln/rpc';
import { AdHocFiles } from './adhoc/adhoc-files.ts';
import type { ShownFile } from './adhoc/adhoc-graph.ts';
import { adHocService, type AdHocContext, type Show } from './adhoc/adhoc-service.ts';
import type { QueryAnswerer } from './query-calls.ts';
import type { QueryQueue } from './query-queue.ts';
import { featureFlagsService, settingsService, versionService, type TenantContext } from './tool-services.ts';

/** Limits of a tenant that tools are told, or held to; 0 = none. */
export interface ToolLimits {
  readonly maxProfileSizeBytes: number;
  readonly ingestionRateMb: number;
  readonly ingestionBurstSizeMb: number;
  readonly maxGlobalSeriesPerTenant: number;
}

export interface ToolsHttpPorts {
  readonly answerer: QueryAnswerer;
  readonly queue: QueryQueue;
  readonly inFlight: InFlight;
  readonly catalog: Catalog;
  /** The one tenant of what is kept, from the value of X-Scope-OrgID. */
  readonly tenantOf: (header: string | undefined) => TenantId;
  readonly limits: (tenant: TenantId) => ToolLimits;
  /** Before something new is kept for a tenant. @throws KilnError `unavailable` when there is no room for it. */
  readonly admit: (tenant: TenantId) => void;
}

export const TOOLS_HTTP_PORTS = 'kiln.tools-http-ports';

const MAX_REQUEST_BYTES = 2 * 1024 * 1024;
/** A profile in base64, before its own limit is looked at. */
const MAX_UPLOAD_BYTES = 64 * 1024 * 1024;

const MB = 1024 * 1024;

/** Services that the tools around profiles expect of a server beside reads: what they keep, and what they ask about it. */
@Controller()
export class ToolsHttp {
  readonly #ports: ToolsHttpPorts;
  readonly #settings: UnaryService<TenantContext>;
  readonly #adHoc: UnaryService<AdHocContext>;
  readonly #flags = unaryService(FeatureFlagsService, featureFlagsService);
  readonly #version = unaryService(VersionService, versionService);

  constructor(@Inject(TOOLS_HTTP_PORTS) ports: ToolsHttpPorts) {
    this.#ports = ports;
    const { catalog, admit } = ports;
    this.#settings = unaryService(SettingsService, settingsService(catalog, admit));
    this.#adHoc = unaryService(
      AdHocProfileService,
      adHocService(new AdHocFiles(catalog), admit, (...shown) => this.#show(...shown)),
    );
  }

  @RawPost('/settings.v1.SettingsService/*')
  settings(request: IncomingMessage, response: ServerResponse): Promise<void> {
    return this.#answer(request, response, (context) => ({
      service: this.#settings,
      context: { ...context, tenant: this.#tenant(request) },
    }));
  }

  @RawPost('/adhocprofiles.v1.AdHocProfileService/*')
  adHocProfiles(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const signal = clientLeft(response);
    const ask = (context: UnaryContext) => ({
      service: this.#adHoc,
      context: { ...context, tenant: this.#tenant(request), signal },
    });
    return this.#answer(request, response, ask, MAX_UPLOAD_BYTES);
  }

  @RawPost('/capabilities.v1.FeatureFlagsService/*')
  featureFlags(request: IncomingMessage, response: ServerResponse): Promise<void> {
    return this.#answer(request, response, (context) => {
      this.#tenant(request);
      return { service: this.#flags, context };
    });
  }

  /** Of no tenant. */
  @RawPost('/version.v1.Version/*')
  version(request: IncomingMessage, response: ServerResponse): Promise<void> {
    return this.#answer(request, response, (context) => ({ service: this.#version, context }));
  }

  @RawPost('/vcs.v1.VCSService/*')
  vcs(request: IncomingMessage, response: ServerResponse): void {
    void new UnaryCall(request, response);
    this.#tenant(request);
    throw new KilnError('unimplemented', 'no GitHub app is configured: Kiln does not show source code');
  }

  @RawGet('/api/v1/tenant_limits')
  tenantLimits(request: IncomingMessage, response: ServerResponse): void {
    const { ingestionRateMb, ingestionBurstSizeMb, maxGlobalSeriesPerTenant } = this.#ports.limits(
      this.#tenant(request),
    );
    const limits = {
      ingestion_rate: ingestionRateMb * MB,
      ingestion_burst_size: ingestionBurstSizeMb * MB,
      max_global_series_per_user: maxGlobalSeriesPerTenant,
    };
    const body = Buffer.from(JSON.stringify(limits));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(body.length) }).end(body);
  }

  #tenant(request: IncomingMessage): TenantId {
    const org = request.headers['x-scope-orgid'];
    return this.#ports.tenantOf(Array.isArray(org) ? org[0] : org);
  }

  async #answer<C extends UnaryContext>(
    request: IncomingMessage,
    response: ServerResponse,
    ask: (context: UnaryContext) => { readonly service: UnaryService<C>; readonly context: C },
    maxBytes = MAX_REQUEST_BYTES,
  ): Promise<void> {
    const call = new UnaryCall(request, response);
    const set: Record<string, string> = {};
    const { service, context } = ask({
      header: (name) => String(request.headers[name] ?? ''),
      setHeader: (name, value) => (set[name] = value),
    });
    const held = this.#ports.inFlight.open();
    try {
      const message = await inflateSmall(call.message(await readSmallBody(request, maxBytes, held)), maxBytes, held);
      const method = request.url!.slice(request.url!.lastIndexOf('/') + 1).split('?', 1)[0]!;
      const reply = await service(method, call.isJson, message, context);
      const org = request.headers['x-scope-orgid'];
      const tenants = 'tenant' in context ? [context.tenant as TenantId] : [];
      const whose = tenants.length === 0 || Array.isArray(org) ? {} : answeredFor(tenants, org);
      call.answer(reply, { ...set, ...whose });
    } finally {
      held.release();
    }
  }

  async #show(...[{ tenant, signal }, files, { type, maxNodes }]: Parameters<Show>): Promise<ShownFile> {
    const { queue, answerer, limits } = this.#ports;
    const { maxProfileSizeBytes: maxBytes } = limits(tenant);
    const call = { ...files, type, maxNodes, maxBytes, tenants: [tenant], headers: {}, acceptsGzip: false };
    const { message } = await queue.run([tenant], signal, () => answerer.answer(call, signal));
    return JSON.parse(Buffer.from(message).toString()) as ShownFile;
  }
}
