//! `torture --load`: what a server does when many want much of it. Prints one table of figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Stopwatch};

use anyhow::{Context as _, ensure};
use daicho_client::proto::event::Fact;
use daicho_client::proto::{ActPerformed, Event, PartyRegistered};
use daicho_client::{Client, Emitter, Instant, Security, SigningKey, event};
use daicho_tests::{Daichod, Play, SCHEME, TLS, collected};
use futures::TryStreamExt as _;

/// The party that others flood.
const QUIET: &str = "queue_notice_service/line_corp";
/// Statements of the quiet party in each measurement.
const CALLS: usize = 400;
/// Connections of the party that floods, each with so many statements on the way.
const FLOODERS: usize = 8;
const FLOOD_WINDOW: usize = 1_024;

/// What a flood may make the others wait, as a multiple of their wait alone: p99.
const MOST_SLOWER: f64 = 2.0;
/// Room of the queue that they fill, in MiB: less than they have on the way.
const DEEP_QUEUE_MIB: u32 = 16;
/// A queue that is full: so many senders, with so many statements on the way each.
const DEEP_SENDERS: usize = 8;
const DEEP_WINDOW: usize = 8_192;
const DEEP_STATEMENTS: usize = 10_000;
/// Events in each: some two kilobytes.
const DEEP_EVENTS: usize = 10;
/// What any of this may add to the server's memory, in MB.
const MOST_MEMORY_MB: u64 = 800;
/// RocksDB keeps 1,000 tables open at most; the rest are connections and logs.
const MOST_HANDLES: usize = 1_200;
/// What a soak may add from its second quarter to its last.
const MOST_GROWTH: f64 = 1.1;

pub(crate) async fn run(minutes: f64, followers: usize, entries: usize) -> anyhow::Result<()> {
    flood().await.context("flood")?;
    deep_queue().await.context("a deep queue")?;
    follow(followers).await.context("followers")?;
    catch_up(entries).await.context("catch-up")?;
    soak(Duration::from_secs_f64(minutes * 60.0)).await.context("soak")
}

fn quiet_key() -> SigningKey {
    SigningKey::from_seed(&[51; 32])
}

fn act(now: Instant) -> Event {
    let fact = ActPerformed { kind: "staff-trained".into(), ..Default::default() };
    event(SCHEME, now, Fact::ActPerformed(fact))
}

/// One party sends as much as it can; another one waits for its receipts.
async fn flood() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    Daichod::init(folder.path(), None)?;
    let server = Daichod::start(folder.path(), &[TLS])?;
    let mut play = Play::prepare(&server.client().await?, server.ward_key()?).await?;
    let now = play.ward.ledger_now().await?;
    let registered = PartyRegistered { party: QUIET.into(), label: "試験".into() };
    let authorized = quiet_key().request(play.ward.origin(), QUIET, "server");
    let events = [Fact::PartyRegistered(registered), Fact::KeyAuthorized(authorized)];
    play.ward.emit(events.map(|fact| event("", now, fact)).to_vec()).await?;

    let authority = std::fs::read(server.authority())?;
    let connect = async |key: &SigningKey| {
        let security = Security { authority: Some(&authority), identity: Some(key) };
        Client::connect_as(server.address(), &security).await
    };
    let mut quiet = Emitter::new(connect(&quiet_key()).await?, quiet_key()).await?;
    let alone = waits(&mut quiet, now).await?;

    // Each connection of the flood has a key of its own, all of one party.
    let (mut floods, flooded) = (Vec::new(), Arc::<AtomicU64>::default());
    for n in 0..FLOODERS {
        let key = || SigningKey::from_seed(&[100 + n as u8; 32]);
        let fact = key().request(play.ward.origin(), "queue_notice_service/hyojito", "server");
        play.ward.emit(vec![event("", now, Fact::KeyAuthorized(fact))]).await?;
        let emitter = Emitter::new(connect(&key()).await?, key()).await?;
        let flooded = Arc::clone(&flooded);
        floods.push(tokio::spawn(endless(emitter, FLOOD_WINDOW, format!("flood-{n}"), flooded)));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let beside = waits(&mut quiet, now).await?;
    for flood in floods {
        ensure!(!flood.is_finished(), "the flood ended early: {:?}", flood.await);
        flood.abort();
    }
    println!("one receipt at a time, alone       p50 {:6.2} ms   p99 {:6.2} ms", alone.0, alone.1);
    println!("beside a flood of another party    p50 {:6.2} ms   p99 {:6.2} ms", beside.0, beside.1);
    println!(
        "ratio of p99                       {:6.2}   ({} of the flood recorded)",
        beside.1 / alone.1,
        flooded.load(Ordering::SeqCst)
    );
    ensure!(
        beside.1 <= MOST_SLOWER * alone.1,
        "the flood made the others wait {:.1} times as long",
        beside.1 / alone.1
    );
    server.stop()
}

/// Many senders with much on the way each, so that the queue is full: nothing is lost, memory stays bounded, and who waits
/// is answered in the end.
async fn deep_queue() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // Without TLS no party has a share: the queue of all is what fills up.
    Daichod::init(folder.path(), None)?;
    let metrics = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let (room, metrics_listen) = ((DEEP_QUEUE_MIB * 1_024).to_string(), metrics.to_string());
    let flags = ["--metrics-listen", &metrics_listen, "--queue-kib", &room];
    let server = Daichod::start(folder.path(), &flags)?;
    let mut play = Play::prepare(&server.client().await?, server.ward_key()?).await?;
    let now = play.ward.ledger_now().await?;
    let before = resident(server.id())?;
    let mut senders = Vec::new();
    for n in 0..DEEP_SENDERS {
        let key = move || SigningKey::from_seed(&[150 + n as u8; 32]);
        let fact = key().request(play.ward.origin(), "queue_notice_service/hyojito", "server");
        play.ward.emit(vec![event("", now, Fact::KeyAuthorized(fact))]).await?;
        let client = server.client().await?;
        senders.push(tokio::spawn(async move {
            let mut stream = Emitter::new(client, key()).await?.into_stream(DEEP_WINDOW).await?;
            let mut answered = 0;
            for i in 0..DEEP_STATEMENTS {
                let events = (0..DEEP_EVENTS).map(|e| collected(now, &format!("deep-{n}-{i}-{e}")));
                stream.send(events.collect()).await?;
                while let Some(answer) = stream.try_next() {
                    answer.result?;
                    answered += 1;
                }
            }
            while let Some(answer) = stream.next().await {
                answer.result?;
                answered += 1;
            }
            anyhow::Ok(answered)
        }));
    }
    let watch = Stopwatch::now();
    let (mut most, mut answered, mut deepest) = (before, 0, 0.0_f64);
    for sender in senders {
        while !sender.is_finished() {
            most = most.max(resident(server.id())?);
            deepest = deepest.max(queued_mib(metrics)?);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        answered += sender.await??;
    }
    let more = most.saturating_sub(before) / 1_000_000;
    println!(
        "a queue of {DEEP_SENDERS} senders with {DEEP_WINDOW} statements of {DEEP_EVENTS} events on the way each: {deepest:.0} of {DEEP_QUEUE_MIB} MiB waited, {answered} answered at {:.0}/s, {more} MB more at most",
        answered as f64 / watch.elapsed().as_secs_f64()
    );
    ensure!(answered == DEEP_SENDERS * DEEP_STATEMENTS, "{answered} answers");
    ensure!(more < MOST_MEMORY_MB, "{more} MB");
    ensure!(deepest > 0.75 * f64::from(DEEP_QUEUE_MIB), "the queue was never full: {deepest:.0} MiB");
    server.stop()
}

/// The medians of three measurements.
async fn waits(emitter: &mut Emitter, now: Instant) -> anyhow::Result<(f64, f64)> {
    let (mut middle, mut high) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (p50, p99) = percentiles(emitter, now).await?;
        middle.push(p50);
        high.push(p99);
    }
    middle.sort_by(f64::total_cmp);
    high.sort_by(f64::total_cmp);
    Ok((middle[1], high[1]))
}

/// Median and 99th percentile of the time to a receipt, in milliseconds.
async fn percentiles(emitter: &mut Emitter, now: Instant) -> anyhow::Result<(f64, f64)> {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let watch = Stopwatch::now();
        emitter.emit(vec![act(now)]).await?;
        times.push(watch.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[CALLS / 2], times[CALLS * 99 / 100]))
}

/// Many follow the ledger; a new entry reaches them all.
async fn follow(followers: usize) -> anyhow::Result<()> {
    /// Streams of one connection.
    const STREAMS: usize = 100;
    let folder = tempfile::tempdir()?;
    let server = Daichod::fresh(folder.path(), None)?;
    let client = server.client().await?;
    Play::prepare(&client, server.ward_key()?).await?;
    let size = client.ledger_info().await?.size;
    let before = resident(server.id())?;
    let mut streams = Vec::with_capacity(followers);
    let mut own = server.client().await?;
    for n in 0..followers {
        if n % STREAMS == 0 {
            own = server.client().await?;
        }
        streams.push(Box::pin(own.follow_entries(size).await?));
    }
    let after = resident(server.id())?;
    let mut emitter = Emitter::new(client, Play::contractor_key()).await?;
    let now = emitter.ledger_now().await?;
    let watch = Stopwatch::now();
    emitter.emit(vec![collected(now, "news")]).await?;
    let receipt = watch.elapsed();
    for stream in &mut streams {
        let entry = tokio::time::timeout(Duration::from_secs(60), stream.try_next()).await??;
        ensure!(entry.is_some(), "a follower was dropped");
    }
    let each = (after.saturating_sub(before)) as f64 / followers as f64 / 1e3;
    println!(
        "{followers} followers: {each:.1} kB each; the receipt after {:.1} ms, the last follower after {:.0} ms",
        receipt.as_secs_f64() * 1e3,
        watch.elapsed().as_secs_f64() * 1e3
    );
    ensure!(each < 50.0, "{each:.1} kB for each follower");
    drop(streams);
    server.stop()
}

/// Somebody reads the whole ledger while others write as fast as they can.
async fn catch_up(entries: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Daichod::fresh(folder.path(), None)?;
    let client = server.client().await?;
    Play::prepare(&client, server.ward_key()?).await?;
    let write = |prefix: &'static str, count: usize, key: SigningKey, client: Client| async move {
        let emitter = Emitter::new(client, key).await?;
        let now = emitter.ledger_now().await?;
        let mut stream = emitter.into_stream(4_096).await?;
        let watch = Stopwatch::now();
        for n in 0..count {
            stream.send(vec![collected(now, &format!("{prefix}-{n}"))]).await?;
            while let Some(answer) = stream.try_next() {
                answer.result?;
            }
        }
        while let Some(answer) = stream.next().await {
            answer.result?;
        }
        anyhow::Ok(count as f64 / watch.elapsed().as_secs_f64())
    };
    let alone = write("a", entries, Play::contractor_key(), server.client().await?).await?;
    let writing = tokio::spawn(write("b", entries / 2, Play::contractor_key(), server.client().await?));
    let before = resident(server.id())?;
    let watch = Stopwatch::now();
    let mut read = 0_u64;
    let size = client.ledger_info().await?.size;
    let mut all = std::pin::pin!(client.read_entries(0, size).await?);
    let mut most = before;
    while let Some(bytes) = all.try_next().await? {
        read += u64::from(!bytes.is_empty());
        if read.is_multiple_of(100_000) {
            most = most.max(resident(server.id())?);
        }
    }
    let rate = read as f64 / watch.elapsed().as_secs_f64();
    let beside = writing.await??;
    println!(
        "{read} entries read at {rate:.0}/s beside writing; {alone:.0} recorded a second alone, {beside:.0} over the run of both; {} MB more in the server",
        most.saturating_sub(before) / 1_000_000
    );
    ensure!(read == size, "{read} of {size} entries were read");
    ensure!(most.saturating_sub(before) / 1_000_000 < MOST_MEMORY_MB, "reading takes memory");
    server.stop()
}

/// Near the limit for long: memory and handles must not grow.
async fn soak(length: Duration) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Daichod::fresh(folder.path(), None)?;
    Play::prepare(&server.client().await?, server.ward_key()?).await?;
    let emitter = Emitter::new(server.client().await?, Play::contractor_key()).await?;
    let acknowledged = Arc::<AtomicU64>::default();
    let load = tokio::spawn(endless(emitter, 4_096, "soak".into(), Arc::clone(&acknowledged)));
    let watch = Stopwatch::now();
    let mut samples: Vec<(u64, usize)> = Vec::new();
    while watch.elapsed() < length {
        tokio::time::sleep(length / 100).await;
        ensure!(!load.is_finished(), "the load ended early: {:?}", load.await);
        let handles = std::fs::read_dir(format!("/proc/{}/fd", server.id()))?.count();
        samples.push((resident(server.id())?, handles));
    }
    load.abort();
    let quarter = samples.len() / 4;
    let most = |part: &[(u64, usize)]| {
        let memory = part.iter().map(|sample| sample.0).max().unwrap_or_default();
        (memory / 1_000_000, part.iter().map(|sample| sample.1).max().unwrap_or_default())
    };
    let (second, last) = (most(&samples[quarter..2 * quarter]), most(&samples[3 * quarter..]));
    let acknowledged = acknowledged.load(Ordering::SeqCst);
    let size = server.client().await?.ledger_info().await?.size;
    println!(
        "{:.0} s of load, {acknowledged} acknowledged: {} MB and {} handles at most in the second quarter, {} MB and {} in the last",
        watch.elapsed().as_secs_f64(),
        second.0,
        second.1,
        last.0,
        last.1
    );
    ensure!(size >= acknowledged, "{acknowledged} were acknowledged, and there are {size} entries");
    ensure!(last.1 <= MOST_HANDLES, "{} handles", last.1);
    ensure!(last.0 as f64 <= MOST_GROWTH * second.0 as f64, "memory grows: {} to {} MB", second.0, last.0);
    server.stop()
}

/// Sends as fast as it is let, until it is cut off.
async fn endless(
    emitter: Emitter,
    window: usize,
    prefix: String,
    acknowledged: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let now = emitter.ledger_now().await?;
    let mut stream = emitter.into_stream(window).await?;
    for n in 0_u64.. {
        stream.send(vec![collected(now, &format!("{prefix}-{n}"))]).await?;
        while let Some(answer) = stream.try_next() {
            answer.result?;
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(())
}

/// Statement bytes that wait in a server, in MiB.
fn queued_mib(metrics: std::net::SocketAddr) -> anyhow::Result<f64> {
    use std::io::{Read as _, Write as _};
    let mut connection = std::net::TcpStream::connect(metrics)?;
    connection.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let queued = answer.lines().find_map(|line| line.strip_prefix("daicho_append_queue_kib "));
    Ok(queued.context("the queue's gauge")?.trim().parse::<f64>()? / 1_024.0)
}

/// Memory of a process, in bytes.
fn resident(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1_024)
}
