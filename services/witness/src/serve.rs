//! `daicho-witness serve`: cosigns until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use axum::serve::ListenerExt as _;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::config::{Config, ConfigError, LogFormat};
use crate::http;
use crate::witness::Witness;

/// How long requests in flight may go on once the witness is told to stop.
const GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// Cosigns checkpoints. Everything can also be set in a file and by `DAICHO_WITNESS_…` variables.
#[derive(clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(after_help = "\
Examples:
  daicho-witness serve --config /etc/daicho-witness/witness.toml
  daicho-witness serve --config witness.toml --listen 127.0.0.1:0 --port-file witness.port

Configuration file (TOML):
  name = \"witness.council.example/daicho\"
  keys = [\"/etc/daicho-witness/ed25519.key\", \"/etc/daicho-witness/ml-dsa-44.key\"]
  listen = \"127.0.0.1:7350\"        # the default
  # metrics-listen = \"127.0.0.1:7351\"
  state = \"witness-state\"          # the default
  log-format = \"text\"              # or \"json\"
  audit-wait-seconds = 20          # how long a request waits for a replay

  [[log]]
  origin = \"ledger.city.example/2026\"
  vkeys = [\"ledger.city.example/2026+…\"]
  # Auditing mode. Every log has it or none has, and the keys are used for nothing else:
  # audit = \"https://ledger.city.example\"        # the prefix of tile/entries/…
  # token-file = \"/etc/daicho-witness/token\"    # for entry bundles

Asking it:
  curl http://127.0.0.1:7350/                                     who it is, its keys, its logs
  curl http://127.0.0.1:7350/<sha256 of the origin>/checkpoint    the last checkpoint cosigned
  curl --data-binary @request http://127.0.0.1:7350/add-checkpoint

The log level is set by RUST_LOG, e.g. RUST_LOG=daicho_witness=debug.")]
pub(crate) struct Args {
    /// Configuration file.
    #[arg(long)]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Folder of what was cosigned.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<PathBuf>,
    /// Address for HTTP; port 0 takes a free one, which the log and --port-file name.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
    /// Address for Prometheus metrics.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics_listen: Option<SocketAddr>,
    /// Writes the address in use to this file once the witness listens.
    #[arg(long)]
    #[serde(skip)]
    port_file: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(args.config.as_deref(), args)?;
    start_log(config.log_format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(&config, args.port_file.as_deref()))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: &Config, port_file: Option<&std::path::Path>) -> anyhow::Result<()> {
    if let Some(address) = config.metrics_listen {
        metrics_exporter_prometheus::PrometheusBuilder::new()
            .with_http_listener(address)
            .install()
            .with_context(|| format!("serving metrics on {address}"))?;
        crate::metrics::describe();
        info!(%address, "metrics");
    }
    // Fails only when another one is installed, which does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stop = stop_signal()?;
    let witness = Witness::open(config)?;
    let listener = tokio::net::TcpListener::bind(config.listen)
        .await
        .map_err(|error| ConfigError::new(format!("listen {}: {error}", config.listen)))?;
    let address = listener.local_addr()?;
    if let Some(file) = port_file {
        // Written aside and moved, so that a reader never sees half of it.
        let aside = file.with_extension("new");
        std::fs::write(&aside, address.to_string()).and_then(|()| std::fs::rename(&aside, file))?;
    }
    info!(%address, name = witness.name, statement = witness.statement.word(), "serving");
    let stopping = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&stopping);
    // Answers are small; held back for more, they would wait for the other side's delayed acknowledgement.
    let listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    let server = axum::serve(listener, http::routes(witness)).with_graceful_shutdown(async move {
        stop.await;
        stopping.notify_one();
    });
    tokio::select! {
        ended = server.into_future() => ended?,
        // Requests in flight get some time to end; idle connections do not hold up the stop.
        () = async { told.notified().await; tokio::time::sleep(GRACE).await } => {}
    }
    info!("stopped");
    Ok(())
}

/// Ends when the process is told to stop. Counts from the call on, so a signal that comes early is not lost.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn start_log(format: LogFormat) -> anyhow::Result<()> {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let log = log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    let started = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("log: {error}"))
}
