import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { Controller, Inject } from '@nestjs/common';
import { KilnError } from '@kiln/model';
import { clientLeft } from '@kiln/rpc';
import { OPERATIONS, type Operations } from './operations.http.ts';
import { RawGet } from './raw-route.ts';

const DEFAULT_SECONDS = 30;
const MAX_SECONDS = 300;

/** `/debug/pprof/profile`: the process itself, as Go programs show themselves to `go tool pprof` and to scrapers. */
@Controller()
export class DebugHttp {
  readonly #profile: Operations['profile'];
  #isBusy = false;

  constructor(@Inject(OPERATIONS) { profile }: Operations) {
    this.#profile = profile;
  }

  /** Gzipped pprof of the CPU of all threads in the next `seconds`; one at a time, since sampling costs the process something. */
  @RawGet('/debug/pprof/profile')
  async profile(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = new URL(request.url ?? '/', 'http://kiln').searchParams.get('seconds') ?? '';
    const seconds = text === '' ? DEFAULT_SECONDS : /^\d{1,4}$/.test(text) ? Number(text) : 0;
    if (seconds < 1 || seconds > MAX_SECONDS)
      throw new KilnError(
        'invalid_argument',
        `seconds is ${JSON.stringify(text.slice(0, 100))}: want a whole number from 1 to ${MAX_SECONDS}`,
      );
    if (this.#profile === undefined) throw new KilnError('unimplemented', 'this process cannot profile itself');
    if (this.#isBusy)
      throw new KilnError('resource_exhausted', 'a profile of this process is being taken: one at a time', {
        retryAfterSeconds: 1,
      });
    this.#isBusy = true;
    try {
      const left = clientLeft(response);
      const body = gzipSync(await this.#profile(seconds, left));
      left.throwIfAborted();
      response
        .writeHead(200, {
          'Content-Type': 'application/octet-stream',
          'Content-Disposition': 'attachment; filename="profile"',
          'Content-Length': String(body.length),
        })
        .end(body);
    } finally {
      this.#isBusy = false;
    }
  }
}
