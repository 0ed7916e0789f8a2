//! `daichod serve`: runs the gRPC services until it is told to stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use daicho_engine::Engine;
use daicho_proto::v1::custody_service_server::CustodyServiceServer;
use daicho_proto::v1::ledger_service_server::LedgerServiceServer;
use daicho_proto::v1::proof_service_server::ProofServiceServer;
use daicho_proto::v1::report_service_server::ReportServiceServer;
use daicho_proto::v1::simulation_service_server::SimulationServiceServer;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tonic::server::NamedService as _;
use tonic::transport::Server;
use tracing::info;

use crate::access::Access;
use crate::anchor::Anchors;
use crate::config::{Config, LogFormat};
use crate::connection::{self, Protocol};
use crate::guard::Location;
use crate::reads::Reads;
use crate::services::{Custody, Ledger, Proof, Report, Simulation};
use crate::shares::Shares;
use crate::tiles;

/// Largest message that is accepted, in bytes: a statement of the largest size with room for its envelope.
const MAX_MESSAGE: usize = 256 * 1024;

/// Calls of one connection at a time. Those that nobody reads the answer of, or ends the question of, are bounded by it.
const CALLS: u32 = 256;

/// File handles with which a server need not be watched: every connection that it takes, and 256 GB of the ledger.
const ENOUGH_HANDLES: u64 = connection::MAX_CONNECTIONS as u64 + 4_096;

/// How long calls in flight may go on once the server is told to stop.
const GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// Serves a ledger. Everything can also be set in a file and by `DAICHOD_…` variables.
#[derive(clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(after_help = "\
Examples:
  daichod serve --data ./ledger --operator-key operator.pem
  daichod serve --config daichod.toml --metrics-listen 127.0.0.1:7341

Configuration file (TOML), with the defaults:
  data = \"daicho-data\"
  listen = \"127.0.0.1:7340\"
  plaintext = false       # without TLS, for everybody on this machine and nobody else
  # tls-certificate = \"server.pem\"                     # your own authority's; read again when they change
  # tls-key = \"server.key\"
  # metrics-listen = \"127.0.0.1:7341\"
  log-format = \"text\"     # or \"json\"
  queue-kib = 65536       # statement bytes that may wait; more is refused with QUEUE_FULL
  party-kib = 512         # the same of one party, so that none fills the queue
  party-rate = 2000       # statements of one party a second, of one key three quarters of it; 0: no limit
  ping-every = 30         # seconds of silence after which the other end of a connection is asked whether it is there
  check-threads = 0       # 0: one for each core
  max-group = 2048        # statements that share one synced write
  min-free-mib = 256      # room that stays free on the disk; below it DISK_FULL until there is room again; 0: not looked at
  # operator-key = \"operator.pem\"                    # signs seals; without it nothing is sealed
  # checkpoint-keys = [\"daicho-data.checkpoint-key\"]  # all of them sign each checkpoint
  # guard = \"daicho-data.guard\"                       # on a disk that is not restored with the data, or s3://bucket/key
  seal-every = 3600       # seconds of the ledger's clock; 0: only on request
  publish-every = 10      # seconds from one kept checkpoint to the next
  # backup-dir = \"/mnt/backups\"                       # incremental backups while it runs; also on SIGUSR1
  backup-every = 3600     # seconds
  backup-keep = 48
  # tiles-listen = \"127.0.0.1:7342\"                   # C2SP tlog-tiles over HTTPS, for any auditor's tools
  # entries-token-file = \"entries.token\"              # bearer token for entry bundles, for tools that show no key
  # policy = \"policy.txt\"                              # whose witnesses are asked to cosign (C2SP tlog-policy)
  witness-timeout = 30    # seconds that a witness has to answer
  # [[tsa]]                                           # an authority that stamps the time (RFC 3161)
  # url = \"https://tsa.example/\"
  # roots = [\"tsa-root.pem\"]
  # policy-oid = \"1.2.392.200000.1\"                   # left out: any
  # every = 3600                                      # seconds; also at the end of each day in Japan

To rotate the checkpoint key, make the new one (`daichod checkpoint-key`), put both into checkpoint-keys and
restart; the ledger names them in an entry. Drop the old one when the others have taken the new one in.

The log level is set by RUST_LOG, e.g. RUST_LOG=daicho_engine=debug.")]
pub(crate) struct Args {
    /// Configuration file.
    #[arg(long)]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Data folder.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
    /// Address for gRPC; port 0 takes a free one, which the log and --port-file name.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
    /// Serve without TLS, on an address of this machine alone; whoever is on it may do everything.
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    plaintext: bool,
    /// Certificate of the server (PEM).
    #[arg(long, requires = "tls_key")]
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_certificate: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, requires = "tls_certificate")]
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_key: Option<PathBuf>,
    /// Address for Prometheus metrics.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics_listen: Option<SocketAddr>,
    /// Statement bytes that may wait, in KiB.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_kib: Option<u32>,
    /// Most statements that share one synced write.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_group: Option<usize>,
    /// Room that stays free on the disk of the data folder, in MiB.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    min_free_mib: Option<u64>,
    /// Key of the operator, which signs seals.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_key: Option<PathBuf>,
    /// A key that signs checkpoints; may be given more than once.
    #[arg(long = "checkpoint-key")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checkpoint_keys: Vec<PathBuf>,
    /// Fork guard: a file or s3://bucket/key.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    guard: Option<Location>,
    /// Seconds of the ledger's clock from one seal to the next.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    seal_every: Option<u64>,
    /// Seconds from one kept checkpoint to the next.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    publish_every: Option<u64>,
    /// Trust policy whose witnesses are asked to cosign.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PathBuf>,
    /// Seconds that a witness has to answer.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    witness_timeout: Option<u64>,
    /// Folder of backups.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_dir: Option<PathBuf>,
    /// Address for tiles (C2SP tlog-tiles) over HTTP, with TLS as for gRPC; port 0 takes a free one.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    tiles_listen: Option<SocketAddr>,
    /// File with the bearer token that entry bundles ask for.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    entries_token_file: Option<PathBuf>,
    /// Writes the address in use to this file once the server listens.
    #[arg(long)]
    #[serde(skip)]
    port_file: Option<PathBuf>,
    /// Writes the address for tiles to this file; it is there before --port-file is.
    #[arg(long)]
    #[serde(skip)]
    tiles_port_file: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(args.config.as_deref(), args)?;
    start_log(config.log_format)?;
    take_handles();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, args))?;
    Ok(ExitCode::SUCCESS)
}

/// Takes all the file handles that the system allows, whatever it gives at first. One too few closes the writer.
fn take_handles() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(handles) if handles >= ENOUGH_HANDLES => {}
        Ok(handles) => tracing::warn!(
            handles,
            "few file handles: each connection takes one, and each 64 MB of the ledger; raise the limit (ulimit -Hn, LimitNOFILE)"
        ),
        Err(error) => tracing::warn!(%error, "the limit of file handles stays as it is"),
    }
}

async fn serve(config: Config, args: &Args) -> anyhow::Result<()> {
    if let Some(address) = config.metrics_listen {
        metrics_exporter_prometheus::PrometheusBuilder::new()
            .with_http_listener(address)
            .install()
            .with_context(|| format!("serving metrics on {address}"))?;
        daicho_engine::describe_metrics();
        crate::anchor::describe_metrics();
        crate::backup::describe_metrics();
        info!(%address, "metrics");
    }
    let runtime = tokio::runtime::Handle::current();
    let engine = Engine::start(&config.data, config.engine(), config.authority(&runtime)?)
        .with_context(|| format!("opening the ledger in {}", config.data.display()))?;
    // Before anybody can know that the server is there. A kill before this is no worse than a loss of power.
    let stop = stop_signal()?;
    let anchors = Anchors::new(Arc::clone(&engine), &config)?;
    let publishing =
        tokio::spawn(Arc::clone(&anchors).run(std::time::Duration::from_secs(config.publish_every)));
    let backups = crate::backup::start(&config, &engine)?.map(tokio::spawn);
    let reads = Arc::new(Reads::beside(&config.data)?);
    let access = Access::new(&engine, Shares::new(config.party_kib, config.party_rate), Arc::clone(&reads))?;
    let reads = tokio::spawn(crate::reads::watch(Arc::clone(&engine), reads));
    let known = access.clone();
    let (address, incoming) =
        connection::listen(("listen", config.listen), Protocol::Grpc, &config, move |peer| {
            known.connections_of(peer)
        })
        .await?;
    let tiles = tiles::Server::start(&config, &engine, &access).await?;
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<LedgerServiceServer<Ledger>>().await;
    let simulation = engine
        .simulated_clock()
        .is_some()
        .then(|| SimulationServiceServer::new(Simulation::new(Arc::clone(&engine), access.clone())));
    let mut reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(daicho_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    for name in service_names(simulation.is_some()) {
        reflection = reflection.with_service_name(name);
    }
    let reflection = reflection.build_v1()?;
    let ledger = LedgerServiceServer::new(Ledger::new(Arc::clone(&engine), access.clone()))
        .max_decoding_message_size(MAX_MESSAGE);
    let stopping = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&stopping);
    let ping_every = std::time::Duration::from_secs(config.ping_every);
    let server = Server::builder()
        .http2_keepalive_interval(Some(ping_every))
        .http2_keepalive_timeout(Some(ping_every))
        .max_concurrent_streams(CALLS)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .add_service(health)
        .add_service(reflection)
        .add_service(ledger)
        .add_service(ProofServiceServer::new(Proof::new(
            Arc::clone(&engine),
            Arc::clone(&anchors),
            access.clone(),
        )))
        .add_service(CustodyServiceServer::new(Custody::new(Arc::clone(&engine), access.clone())))
        .add_service(ReportServiceServer::new(Report::new(Arc::clone(&engine), access)))
        .add_optional_service(simulation)
        .serve_with_incoming_shutdown(incoming, async move {
            stop.await;
            stopping.notify_one();
        });
    if let (Some(tiles), Some(file)) = (&tiles, &args.tiles_port_file) {
        write_port_file(file, tiles.address)?;
    }
    if let Some(file) = &args.port_file {
        write_port_file(file, address)?;
    }
    let size = engine.head().borrow().size.get();
    info!(%address, origin = %engine.origin(), ledger_size = size, "serving");
    tokio::select! {
        ended = server => ended?,
        // Calls in flight get some time to end; idle connections do not hold up the stop.
        () = async { told.notified().await; tokio::time::sleep(GRACE).await } => {}
    }
    publishing.abort();
    reads.abort();
    if let Some(backups) = backups {
        backups.abort();
    }
    if let Some(tiles) = tiles {
        tiles.stop(GRACE).await;
    }
    info!("stopping; statements that were taken are recorded first");
    tokio::task::spawn_blocking(move || engine.stop()).await?;
    info!("stopped");
    Ok(())
}

/// The services that are served. The descriptors know more: time moves on simulated ledgers alone.
fn service_names(simulated: bool) -> impl Iterator<Item = &'static str> {
    let served = [
        LedgerServiceServer::<Ledger>::NAME,
        ProofServiceServer::<Proof>::NAME,
        CustodyServiceServer::<Custody>::NAME,
        ReportServiceServer::<Report>::NAME,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ];
    served.into_iter().chain(simulated.then_some(SimulationServiceServer::<Simulation>::NAME))
}

/// Writes an address aside and moves it, so that a reader never sees half of it.
fn write_port_file(file: &Path, address: SocketAddr) -> std::io::Result<()> {
    let aside = file.with_extension("new");
    std::fs::write(&aside, address.to_string()).and_then(|()| std::fs::rename(&aside, file))
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
