/** What `GET /` says: one page that needs nothing else, with the lines to paste for this very address. */
export function landingPage(url: string, version: string): string {
  const at = escapeHtml(url);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kiln</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem; color: #222; background: #fff; }
  h1 { margin-bottom: 0; } h2 { margin-top: 2rem; font-size: 1.1rem; }
  pre { background: #f4f1ee; padding: .8rem 1rem; overflow-x: auto; border-radius: 6px; font-size: .9rem; }
  td { padding: .2rem .8rem .2rem 0; vertical-align: top; }
  a { color: #a33c00; } small { color: #666; }
  @media (prefers-color-scheme: dark) { body { color: #ddd; background: #181614; } pre { background: #26221f; } a { color: #ff9c5b; } small { color: #999; } }
</style>
</head>
<body>
<h1>Kiln</h1>
<p>A database for continuous profiles. It speaks the wire of Grafana Pyroscope: point an SDK at this address and change nothing else.</p>

<h2>Send profiles</h2>
<p>Python: <code>pip install pyroscope-io</code></p>
<pre>import pyroscope
pyroscope.configure(application_name="my-app", server_address="${at}")</pre>
<p>Go: <code>go get github.com/grafana/pyroscope-go</code></p>
<pre>pyroscope.Start(pyroscope.Config{ApplicationName: "my-app", ServerAddress: "${at}"})</pre>
<p>Node: <code>npm install @pyroscope/nodejs</code></p>
<pre>import Pyroscope from '@pyroscope/nodejs';
Pyroscope.init({ appName: 'my-app', serverAddress: '${at}' });
Pyroscope.start();</pre>
<p>Rust: <code>cargo add pyroscope --features backend-pprof-rs</code></p>
<pre>let backend = pprof_backend(PprofConfig::default(), BackendConfig::default());
let agent = PyroscopeAgentBuilder::new("${at}", "my-app", 100, "pyroscope-rs", "1.0", backend).build()?.start()?;</pre>

<h2>Push a file, read a flame graph</h2>
<pre>./kiln push cpu.pb.gz --label service_name=my-app \\
    --url ${at}
./kiln query profile --url ${at} \\
    'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="my-app"}'</pre>

<h2>Routes</h2>
<table>
<tr><td><code>POST /push.v1.PusherService/Push</code></td><td>profiles, by Connect, gRPC and gRPC-Web</td></tr>
<tr><td><code>POST /ingest</code>, <code>/pyroscope/ingest</code></td><td>one profile, its name and labels in the query</td></tr>
<tr><td><code>POST /querier.v1.QuerierService/…</code></td><td>${READS.join(', ')}; by Connect, gRPC and gRPC-Web</td></tr>
<tr><td><code>GET /api/v1/flamegraph</code>, <code>/api/v1/top</code>, <code>/pprof</code></td><td>reads without RPC: JSON, and a file for <code>go tool pprof</code></td></tr>
<tr><td><code>GET /pyroscope/render</code>, <code>/pyroscope/render-diff</code>, <code>/pyroscope/label-values</code></td><td>reads of older clients</td></tr>
<tr><td><code>GET /ready</code>, <code>/metrics</code>, <code>/api/v1/status/…</code></td><td>operation, below</td></tr>
</table>

<h2>Look inside</h2>
<p><a href="${at}/ready?verbose">ready?</a> · <a href="${at}/metrics">metrics</a> · <a href="${at}/api/v1/status/buildinfo">build</a>
  · settings: <a href="${at}/api/v1/status/config">all</a>, <a href="${at}/api/v1/status/config/diff">changed</a>, <a href="${at}/api/v1/status/config/default">defaults</a></p>
<p>A Pyroscope data source of Grafana takes the URL <code>${at}</code>.</p>
<p><small>Kiln ${escapeHtml(version)}</small></p>
</body>
</html>
`;
}

/** What the query service answers in this version. */
const READS = [
  'ProfileTypes',
  'LabelNames',
  'LabelValues',
  'Series',
  'SelectMergeStacktraces',
  'SelectMergeProfile',
  'SelectMergeSpanProfile',
  'SelectSeries',
  'SelectHeatmap',
  'Diff',
  'GetProfileStats',
  'AnalyzeQuery',
];

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
