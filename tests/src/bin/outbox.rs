//! A program that puts statements into an outbox until it is killed, or so many: for tests. Says each one that is kept.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Parser;
use daicho_client::{Client, Instant, Outbox, OutboxSettings};
use daicho_tests::{Play, collected};

#[derive(Parser)]
struct Args {
    /// Folder of the outbox.
    folder: PathBuf,
    /// Address of the ledger, which may be away.
    address: String,
    /// When it all occurred, in milliseconds.
    at: i64,
    /// What the ids begin with.
    prefix: String,
    /// Ends when so many were put and all are answered. Every third one has the id of the first, which the ledger refuses.
    #[arg(long)]
    count: Option<usize>,
    /// Bytes of answered statements above which the file is written anew.
    #[arg(long, default_value_t = 4 << 20)]
    most_settled: u64,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    daicho_tests::die_at_step();
    let args = Args::parse();
    let at = Instant::EPOCH.plus_ms(args.at);
    let address = args.address.clone();
    let connect = move || {
        let address = address.clone();
        async move { Client::connect(&address).await }
    };
    let settings = OutboxSettings { most_settled: args.most_settled, ..OutboxSettings::default() };
    let outbox = Outbox::open(&args.folder, Play::contractor_key(), settings, connect, |_| {}).await?;
    for n in 0..args.count.unwrap_or(usize::MAX) {
        let again = args.count.is_some() && n % 3 == 2;
        let id = format!("{}-{}", args.prefix, if again { 0 } else { n });
        let kept = outbox.put(vec![collected(at, &id)]).await?;
        writeln!(std::io::stdout(), "{} {id}", kept.sequence)?;
    }
    outbox.drained().await;
    Ok(())
}
