//! A program that puts statements into an outbox until it is killed: for tests. Says each one that is kept.

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
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let at = Instant::EPOCH.plus_ms(args.at);
    let address = args.address.clone();
    let connect = move || {
        let address = address.clone();
        async move { Client::connect(&address).await }
    };
    let settings = OutboxSettings::default();
    let outbox = Outbox::open(&args.folder, Play::contractor_key(), settings, connect, |_| {}).await?;
    for n in 0.. {
        let id = format!("{}-{n}", args.prefix);
        let kept = outbox.put(vec![collected(at, &id)]).await?;
        writeln!(std::io::stdout(), "{} {id}", kept.sequence)?;
    }
    Ok(())
}
