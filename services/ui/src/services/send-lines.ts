/** How a program sends its profiles here. */
export interface SendLines {
  readonly name: string;
  /** What to install first; '' = nothing. */
  readonly install: string;
  readonly lines: string;
}

/**
 * The lines to paste, for this very server.
 * @param origin its address, without a slash at the end.
 * @param tenant '' = the server keeps one tenant, or none was named.
 */
export function sendLines(origin: string, tenant: string): SendLines[] {
  const named = (line: string): string => (tenant === '' ? '' : line);
  return [
    {
      name: 'Python',
      install: 'pip install pyroscope-io',
      lines: `import pyroscope

pyroscope.configure(
    application_name="my-app",
    server_address=${quoted(origin)},${named(`\n    tenant_id=${quoted(tenant)},`)}
)`,
    },
    {
      name: 'Go',
      install: 'go get github.com/grafana/pyroscope-go',
      lines: `import "github.com/grafana/pyroscope-go"

pyroscope.Start(pyroscope.Config{
	ApplicationName: "my-app",
	ServerAddress:   ${quoted(origin)},${named(`\n\tTenantID:        ${quoted(tenant)},`)}
})`,
    },
    {
      name: 'Node',
      install: 'npm install @pyroscope/nodejs',
      lines: `import Pyroscope from '@pyroscope/nodejs';

Pyroscope.init({
  appName: 'my-app',
  serverAddress: ${quoted(origin)},${named(`\n  tenantID: ${quoted(tenant)},`)}
});
Pyroscope.start();`,
    },
    {
      name: 'Rust',
      install: 'cargo add pyroscope --features backend-pprof-rs',
      lines: `use pyroscope::backend::{pprof_backend, BackendConfig, PprofConfig};
use pyroscope::pyroscope::PyroscopeAgentBuilder;

let backend = pprof_backend(PprofConfig::default(), BackendConfig::default());
let agent = PyroscopeAgentBuilder::new(${quoted(origin)}, "my-app", 100, "pyroscope-rs", "1.0", backend)${named(`\n    .tenant_id(${quoted(tenant)}.to_string())`)}
    .build()?
    .start()?;`,
    },
    {
      name: '.NET',
      install: 'dotnet add package Pyroscope',
      lines: `# Beside the native profiler of the package, in the environment of the program:
export CORECLR_ENABLE_PROFILING=1
export CORECLR_PROFILER={BD1A650D-AC5D-4896-B64F-D6FA25D6B26A}
export CORECLR_PROFILER_PATH=$PWD/Pyroscope.Profiler.Native.so
export LD_PRELOAD=$PWD/Pyroscope.Linux.ApiWrapper.x64.so
export PYROSCOPE_PROFILING_ENABLED=1
export PYROSCOPE_APPLICATION_NAME=my-app
export PYROSCOPE_SERVER_ADDRESS=${origin}${named(`\nexport PYROSCOPE_TENANT_ID=${quoted(tenant)}`)}
dotnet run`,
    },
    {
      name: 'Ruby',
      install: 'gem install pyroscope',
      lines: `require 'pyroscope'

Pyroscope.configure do |config|
  config.application_name = 'my-app'
  config.server_address = ${quoted(origin)}${named(`\n  config.tenant_id = ${quoted(tenant)}`)}
end`,
    },
    {
      name: 'Alloy',
      install: '',
      lines: `pyroscope.scrape "default" {
  targets    = [{"__address__" = "localhost:6060", "service_name" = "my-app"}]
  forward_to = [pyroscope.write.kiln.receiver]
}

pyroscope.write "kiln" {
  endpoint {
    url = ${quoted(origin)}${named(`\n    headers = {"X-Scope-OrgID" = ${quoted(tenant)}}`)}
  }
}`,
    },
    {
      name: 'A file',
      install: '',
      lines: `./kiln push cpu.pb.gz --label service_name=my-app \\
    --url ${origin}${named(` --tenant ${shellQuoted(tenant)}`)}`,
    },
  ];
}

/** A text in double quotes, as all these languages read it: neither an origin nor a tenant has characters of their own meaning. */
function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

function shellQuoted(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
