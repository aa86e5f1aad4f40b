/** What `GET /` says to who asks for no HTML: a short text with the lines to paste for this very address. */
export function linesToPaste(url: string, version: string): string {
  return `Kiln ${version}, a database for continuous profiles. It speaks the wire of Grafana Pyroscope: point an SDK at
${url} and change nothing else. In a browser this address is a page.

SEND PROFILES

  Python (pip install pyroscope-io)

    import pyroscope
    pyroscope.configure(application_name="my-app", server_address="${url}")

  Go (go get github.com/grafana/pyroscope-go)

    pyroscope.Start(pyroscope.Config{ApplicationName: "my-app", ServerAddress: "${url}"})

  Node (npm install @pyroscope/nodejs)

    import Pyroscope from '@pyroscope/nodejs';
    Pyroscope.init({ appName: 'my-app', serverAddress: '${url}' });
    Pyroscope.start();

  Rust (cargo add pyroscope --features backend-pprof-rs)

    let backend = pprof_backend(PprofConfig::default(), BackendConfig::default());
    let agent = PyroscopeAgentBuilder::new("${url}", "my-app", 100, "pyroscope-rs", "1.0", backend).build()?.start()?;

PUSH A FILE, READ A FLAME GRAPH

    ./kiln push cpu.pb.gz --label service_name=my-app \\
        --url ${url}
    ./kiln query profile --url ${url} \\
        'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="my-app"}'

  A Pyroscope data source of Grafana takes the URL ${url}

ROUTES

  POST ${url}/push.v1.PusherService/Push      profiles, by Connect, gRPC and gRPC-Web
  POST ${url}/ingest                          one profile, its name and labels in the query; also /pyroscope/ingest
  POST ${url}/querier.v1.QuerierService/…     by Connect, gRPC and gRPC-Web:
${READS}
  GET  ${url}/api/v1/flamegraph               a profile as JSON; /api/v1/top its table; /pprof for go tool pprof
  GET  ${url}/api/v1/rejections               the last pushes that were refused, and why
  GET  ${url}/pyroscope/render                as older clients read; also /pyroscope/render-diff, /pyroscope/label-values
  GET  ${url}/ready?verbose
  GET  ${url}/metrics
  GET  ${url}/api/v1/status/buildinfo
  GET  ${url}/api/v1/status/config            all settings; /diff those that were changed, /default what holds else
`;
}

/** What the query service answers in this version. */
const READS = [
  'ProfileTypes, LabelNames, LabelValues, Series, SelectMergeStacktraces, SelectMergeProfile,',
  'SelectMergeSpanProfile, SelectSeries, SelectHeatmap, Diff, GetProfileStats, AnalyzeQuery',
]
  .map((line) => `         ${line}`)
  .join('\n');
