import { gzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { KilnError, type TenantId } from '@kiln/model';
import { tinyPprof } from '../../../test/process/tiny-pprof.ts';
import { readIngestRequest } from './ingest-request.ts';
import { NOW, tenant, labels, profile, sample, ids, hugeStrings, harness } from './test-support/intake-harness.ts';

vi.setConfig({ testTimeout: 30_000 }); // some take hundreds of megabytes through gzip

describe('a push', () => {
  test('over the rate of its tenant stores nothing, and is not even read when its body alone is too much', async () => {
    let left = 1_000;
    const over = (_: TenantId, bytes: number): void => {
      if (bytes > left) throw new KilnError('resource_exhausted', 'over', { retryAfterSeconds: 2 });
    };
    const take = (owner: TenantId, bytes: number): void => {
      over(owner, bytes);
      left -= bytes;
    };
    const { whole, records, seen } = await harness({}, undefined, { check: over, take });
    const call = (bytes: Uint8Array) => ({
      tenant,
      body: { bytes, isGzip: false },
      form: { kind: 'ingest', url: '/ingest?name=a&format=pprof', contentType: '' } as const,
    });
    const small = profile(1n);
    expect(await whole.write(call(small))).toHaveLength(1);
    await expect(whole.write(call(new Uint8Array(1_001)))).rejects.toMatchObject({ code: 'resource_exhausted' });
    const packed = gzipSync(Buffer.concat([small, ...hugeStrings(2_000)]));
    expect(packed.length).toBeLessThan(left);
    await expect(whole.write(call(packed))).rejects.toMatchObject({ code: 'resource_exhausted', retryAfterSeconds: 2 });
    expect(await records()).toHaveLength(1);
    expect(seen).toEqual(['stored 1', 'discarded rate_limited', 'discarded rate_limited']);
    expect(left).toBe(1_000 - small.length);
  });

  test('with a profile that no record can hold is refused, and what is acknowledged can be read', async () => {
    const { intake, records } = await harness({ maxProfileSizeBytes: 0, ingestionBodyLimitBytes: 0 });
    const huge = Buffer.concat([profile(7n), ...hugeStrings(65 << 20)]);
    const pushed = intake.push(tenant, [{ labels: labels('shop'), samples: [sample(profile(1n)), sample(huge)] }]);
    await expect(pushed).rejects.toThrow(/allowed are 67108864; max_profile_size_bytes refuses such profiles sooner/);
    const [record, ...more] = await records();
    expect(more).toEqual([]);
    expect(record!.datasets.map(({ profiles }) => profiles.length)).toEqual([1]);
  });

  test('becomes a record per partition, of its tenant, with its duplicate window', async () => {
    const { intake, records, seen } = await harness();
    const series = Array.from({ length: 12 }, (_, i) => ({
      labels: labels(`s${i}`),
      samples: [sample(gzipSync(profile(1n))), sample(profile(2n))],
    }));
    const written = await intake.push(tenant, series);
    const stored = await records();
    expect(written).toHaveLength(stored.length);
    expect(stored.length).toBeGreaterThan(1);
    expect(stored.length).toBeLessThanOrEqual(4);
    for (const record of stored) expect([record.tenant, record.windowMs]).toEqual(['acme', 4_260_000]);
    expect(
      stored.reduce((sum, { datasets }) => sum + datasets.reduce((n, { profiles }) => n + profiles.length, 0), 0),
    ).toBe(24);
    expect(seen).toEqual(['stored 24']);
  });

  test('counts a profile with negative values, and tells its tenant of one of which nothing is stored for that', async () => {
    const { intake, records, seen } = await harness();
    const negative = tinyPprof({
      type: 'cpu',
      unit: 'nanoseconds',
      timeNanos: BigInt(NOW) * 1_000_000n + 7n,
      stacks: [
        { frames: ['leaf', 'main'], value: BigInt.asUintN(64, -5n) },
        { frames: ['main'], value: 0n },
      ],
    });
    expect(await intake.push(tenant, [{ labels: labels('a'), samples: [sample(negative)] }])).toEqual([]);
    expect(await records()).toEqual([]);
    expect(seen).toEqual(['discarded negative_values', 'remark negative_values of a']);
  });

  test('with a bad profile stores the others and says what was wrong', async () => {
    const { intake, records, seen } = await harness();
    const push = intake.push(tenant, [
      { labels: labels('a'), samples: [sample(Uint8Array.of(1, 2, 3)), sample(profile(1n))] },
      { labels: [{ name: 'service_name', value: 'b' }], samples: [sample(profile(2n))] },
      { labels: labels('c'), samples: [sample(profile(3n))] },
    ]);
    await expect(push).rejects.toMatchObject({ code: 'invalid_argument', reason: 'malformed_profile' });
    const services = (await records()).flatMap(({ datasets }) => datasets.map(({ service }) => service)).toSorted();
    expect(services).toEqual(['a', 'c']);
    expect(seen.toSorted()).toEqual(['discarded invalid_labels', 'discarded malformed_profile', 'stored 2']);
  });

  test('sent again has the same ids and partitions; one in whole seconds has new ids', async () => {
    const { intake, records } = await harness();
    const own = [{ labels: labels('a'), samples: [sample(profile(1n))] }];
    expect(await intake.push(tenant, own)).toMatchObject([{ offset: 0 }]);
    expect(await intake.push(tenant, own)).toMatchObject([{ offset: 1 }]);
    const whole = [{ labels: labels('b'), samples: [sample(profile(1n, BigInt(NOW) * 1_000_000n))] }];
    await intake.push(tenant, whole);
    await intake.push(tenant, whole);
    const named = [{ labels: labels('c'), samples: [sample(profile(1n, 0n), 'mine')] }];
    await intake.push(tenant, named);
    await intake.push(tenant, named);
    const found = ids(await records());
    expect(found).toHaveLength(6);
    expect(new Set(found).size).toBe(4);
  });

  test('in JSON that is not UTF-8 is refused, never mended', async () => {
    const { whole, records } = await harness();
    const named = (service: Uint8Array): Buffer =>
      Buffer.concat([
        Buffer.from('{"series":[{"labels":[{"name":"__name__","value":"x"},{"name":"service_name","value":"'),
        service,
        Buffer.from(`"}],"samples":[{"rawProfile":"${Buffer.from(profile(1n)).toString('base64')}"}]}]}`),
      ]);
    const write = (bytes: Uint8Array) =>
      whole.write({ tenant, body: { bytes, isGzip: false }, form: { kind: 'push', isJson: true } });
    expect(await write(named(Buffer.from('ü')))).toHaveLength(1);
    await expect(write(named(Uint8Array.of(0x61, 0xff)))).rejects.toThrow(/not JSON .*: it is not UTF-8/);
    expect(await records()).toHaveLength(1);
  });

  test('of nothing is refused, of a profile without samples is not', async () => {
    const { intake, records } = await harness();
    await expect(intake.push(tenant, [])).rejects.toMatchObject({
      code: 'invalid_argument',
      message: /no profiles received/,
    });
    await expect(intake.push(tenant, [{ labels: labels('a'), samples: [] }])).rejects.toThrow(/no profiles received/);
    const empty = tinyPprof({ type: 'cpu', unit: 'ns', timeNanos: 0n, stacks: [] });
    expect(await intake.push(tenant, [{ labels: labels('a'), samples: [sample(empty)] }])).toEqual([]);
    expect(await records()).toEqual([]);
  });

  test('whose profile or sum of profiles is too large decompressed is refused, bombs too', async () => {
    const { intake } = await harness({ maxProfileSizeBytes: 10_000 });
    const bomb = gzipSync(new Uint8Array(200_000_000), { level: 1 });
    await expect(intake.push(tenant, [{ labels: labels('a'), samples: [sample(bomb)] }])).rejects.toMatchObject({
      code: 'invalid_argument',
      reason: 'profile_size_limit',
      message: /limit 10000 bytes \(max_profile_size_bytes\)/,
    });
    const small = await harness({ ingestionBodyLimitBytes: 300 });
    const many = Array.from({ length: 10 }, (_, i) => sample(profile(BigInt(i) + 1n)));
    await expect(small.intake.push(tenant, [{ labels: labels('a'), samples: many }])).rejects.toMatchObject({
      reason: 'body_size_limit_exceeded',
    });
  });
});

describe('an /ingest request', () => {
  const nowNanos = BigInt(NOW) * 1_000_000n;
  const form = (parts: Record<string, Uint8Array | string>): [Uint8Array, string] => {
    const boundary = 'xyz';
    const chunks = Object.entries(parts).flatMap(([name, content]) => [
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${name}"\r\n\r\n`),
      Buffer.from(content),
      Buffer.from('\r\n'),
    ]);
    return [
      Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]),
      `multipart/form-data; boundary=${boundary}`,
    ];
  };

  test('stores the same whole or as a form, gzipped or not, and the time of from for a profile without one', async () => {
    const { intake, records } = await harness();
    const bytes = profile(7n, 0n);
    const [formBody, formType] = form({
      profile: gzipSync(bytes),
      sample_type_config: '{"cpu":{"display-name":"block_x"}}',
    });
    const url = `/ingest?name=shop%7Bregion%3Deu+west%7D&from=${NOW / 1000 - 60}&spyName=gospy&unknown=`;
    for (const [body, type, more] of [
      [bytes, '', '&format=pprof'],
      [gzipSync(bytes), 'application/octet-stream', '&format=pprof'],
      [formBody, formType, ''],
      [formBody, formType, '&format=pprof'],
    ] as const) {
      const { source, read } = readIngestRequest(url + more, type, nowNanos);
      expect(await intake.ingest(tenant, source, await read(body))).toHaveLength(1);
    }
    const stored = await records();
    const series = stored.flatMap(({ datasets }) =>
      datasets.flatMap((d) => d.series.map((set) => set.map((l) => `${l.name}=${l.value}`).join())),
    );
    const rest = 'pyroscope_spy=gospy,region=eu west,service_name=shop';
    expect(series.toSorted()).toEqual(
      [
        `__name__=block,${rest}`,
        `__name__=block,${rest}`,
        `__name__=process_cpu,${rest}`,
        `__name__=process_cpu,${rest}`,
      ].sort(),
    );
    for (const { datasets } of stored) expect(datasets[0]!.profiles.timeMs[0]).toBe(NOW - 60_000);
    expect(new Set(ids(stored)).size).toBe(4);
  });

  test('with an empty profile stores nothing and is no error, but its tenant is told', async () => {
    const { intake, records, seen } = await harness();
    const [body, type] = form({ profile: '' });
    for (const [content, contentType, query] of [
      [body, type, ''],
      [new Uint8Array(0), '', '&format=pprof'],
    ] as const) {
      const { source, read } = readIngestRequest(`/ingest?name=a${query}`, contentType, nowNanos);
      expect(await intake.ingest(tenant, source, await read(content))).toEqual([]);
    }
    expect(await records()).toEqual([]);
    const told = ['discarded empty_body', 'remark empty_body of a'];
    expect(seen).toEqual([...told, ...told]);
  });

  test('whose form has no file part "profile" is refused with what it has', async () => {
    const { read } = readIngestRequest('/ingest?name=a', 'multipart/form-data; boundary=xyz', nowNanos);
    const field = '--xyz\r\nContent-Disposition: form-data; name="profile"\r\n\r\nx\r\n';
    for (const [body, has] of [
      [form({ foo: 'x', sample_type_config: '{}' })[0], '"foo", "sample_type_config"'],
      [Buffer.from(`${field}--xyz--\r\n`), '"profile" without a file name'],
      [form({})[0], 'no part at all'],
    ] as const)
      await expect(read(body)).rejects.toMatchObject({
        code: 'invalid_argument',
        httpStatus: undefined,
        message: `the form has no file part "profile", but ${has}: send the pprof as one, with a file name (curl -F profile=@cpu.pb.gz)`,
      });
  });

  test('that is stored otherwise than it says is told to its tenant', async () => {
    const { intake, records, remarks } = await harness();
    const send = async (query: string, bytes: Uint8Array) => {
      const { source, read } = readIngestRequest(`/ingest?format=pprof&${query}`, '', nowNanos);
      expect(await intake.ingest(tenant, source, await read(bytes))).toHaveLength(1);
    };
    await send('name=a&from=abc', profile(1n));
    await send('name=a&from=now-1m', profile(1n, 0n));
    await send('name=a&from=', profile(1n, 0n));
    expect(remarks).toEqual([]);
    await send('name=a&from=abc', profile(1n, 0n));
    await send('name=a{b=c,d}', profile(1n));
    expect(remarks).toEqual([
      expect.stringMatching(
        /^the profile is stored at 2027-01-15T08:00:00\.000Z, because it has no time of its own and from is "abc": want now, /,
      ),
      'the profile is stored without "d}" of the parameter name: want name=app{key=value}, and no comma in a value',
    ]);
    expect(await records()).toHaveLength(5);
  });

  test('with a bad profile is 422, with a bad name 400, of another format 415', async () => {
    const { intake } = await harness();
    const { source, read } = readIngestRequest('/ingest?name=a&format=pprof', '', nowNanos);
    await expect(intake.ingest(tenant, source, await read(Uint8Array.of(9, 9, 9)))).rejects.toMatchObject({
      httpStatus: 422,
      code: 'invalid_argument',
    });
    expect(() => readIngestRequest('/ingest?name=', '', nowNanos)).toThrow(/the parameter name is missing/);
    for (const query of [
      'format=jfr',
      'format=lines',
      'format=tree',
      'format=trie',
      'format=speedscope',
      '',
      'format=folded',
    ]) {
      expect(() => readIngestRequest(`/ingest?name=a&${query}`, '', nowNanos)).toThrow(
        /is not read yet: this version reads pprof/,
      );
    }
    // The words are the client's own.
    expect(() => readIngestRequest('/ingest?name=a&format=folded', '', nowNanos)).toThrow(/^format "folded" is not/);
    expect(() => readIngestRequest('/ingest?name=a', '', nowNanos)).toThrow(/^a body without format= /);
    expect(() => readIngestRequest('/ingest?name=a', 'binary/octet-stream+trie', nowNanos)).toThrow(
      /^content type "binary\/octet-stream\+trie" is not/,
    );
    const [body, type] = form({ profile: profile(1n), prev_profile: profile(1n) });
    const previous = readIngestRequest('/ingest?name=a', type, nowNanos);
    await expect(previous.read(body)).rejects.toMatchObject({ httpStatus: 422 });
  });

  test('whose name or spy is not UTF-8 is refused, never mended', () => {
    const read = (query: string) => readIngestRequest(`/ingest?format=pprof&${query}`, '', nowNanos).source;
    expect(read('name=a%7Bx%3D%EF%BF%BD%7D&spyName=%C3%BC')).toMatchObject({
      labels: [{ name: 'x', value: '\uFFFD' }],
      spy: 'ü',
    });
    expect(read('name=a&x=%FF').app).toBe('a');
    for (const query of ['name=a%7Bx%3D%FF%7D', 'name=a&spyName=%C3'])
      expect(() => read(query)).toThrow(/not UTF-8: send them percent-encoded/);
  });

  test('whose form is broken or endless in parts is refused', async () => {
    const { read } = readIngestRequest('/ingest?name=a', 'multipart/form-data; boundary=xyz', nowNanos);
    await expect(
      read(Buffer.from('--xyz\r\nContent-Disposition: form-data; name="profile"; filename="p"\r\n\r\nabc')),
    ).rejects.toMatchObject({
      code: 'invalid_argument',
    });
    const [body] = form(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`p${i}`, 'x'])));
    await expect(read(body)).rejects.toThrow(/more than 32 parts/);
    const noBoundary = readIngestRequest('/ingest?name=a', 'multipart/form-data', nowNanos);
    await expect(noBoundary.read(body)).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});
