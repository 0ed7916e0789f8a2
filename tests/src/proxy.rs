//! A proxy for TCP that breaks what passes through it: cut, held up, said again later. It ends with its value.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is closed at once.
    Refused,
    /// It is closed after some bytes of requests.
    RequestsCut,
    /// It is closed after some bytes of answers: what they say was done.
    AnswersLost,
    /// Each piece comes later.
    Delayed,
    /// After some bytes nothing passes for a while; then it is closed.
    Stalled,
    /// All that was asked is asked again on a connection of its own after it has ended, while others go on.
    SaidAgain,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 6] =
        [Self::Refused, Self::RequestsCut, Self::AnswersLost, Self::Delayed, Self::Stalled, Self::SaidAgain];
}

/// Longest life of a connection that a fault befalls, so that each fault has its turn.
const LIFE: Duration = Duration::from_millis(150);

/// A proxy that runs.
#[derive(Debug)]
pub struct FaultyProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    healed: AtomicBool,
    connections: AtomicU64,
    met: Mutex<BTreeMap<Fate, u64>>,
}

impl FaultyProxy {
    /// Starts one before a server. Connections meet the fates in turn; where a fault strikes follows from the seed.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(server: SocketAddr, seed: u64) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let of_task = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&of_task);
                tokio::spawn(async move {
                    let n = shared.connections.fetch_add(1, Ordering::SeqCst);
                    // Broken connections are what it is for.
                    let _ = serve(client, server, n, seed, &shared).await;
                });
            }
        });
        Ok(Self { address, shared, task })
    }

    /// Its address for clients.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on new connections pass whole.
    pub fn heal(&self) {
        self.shared.healed.store(true, Ordering::SeqCst);
    }

    /// How often each fault struck.
    pub fn met(&self) -> BTreeMap<Fate, u64> {
        self.shared.met.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    client: TcpStream,
    server: SocketAddr,
    n: u64,
    seed: u64,
    shared: &Shared,
) -> std::io::Result<()> {
    let healed = shared.healed.load(Ordering::SeqCst);
    let fate = Fate::ALL[(n % Fate::ALL.len() as u64) as usize];
    let strike = || *shared.met.lock().unwrap_or_else(PoisonError::into_inner).entry(fate).or_default() += 1;
    if !healed && fate == Fate::Refused {
        strike();
        return Ok(());
    }
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = TcpStream::connect(server).await?.into_split();
    if healed {
        let asked = tokio::io::copy(&mut from_client, &mut to_server);
        let answered = tokio::io::copy(&mut from_server, &mut to_client);
        return tokio::select! { done = asked => done, done = answered => done }.map(drop);
    }
    let random = (seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xd129_0d3b_3a8f_4c1d) >> 33;
    let limit = Some(100 + random as usize % 12_000);
    let delay = Duration::from_millis(if fate == Fate::Delayed { 1 + random % 20 } else { 0 });
    let mut said = Vec::new();
    let requests = pass(
        &mut from_client,
        &mut to_server,
        limit.filter(|_| matches!(fate, Fate::RequestsCut | Fate::Stalled)),
        delay,
        Some(&mut said),
    );
    let answers = pass(
        &mut from_server,
        &mut to_client,
        limit.map(|limit| limit / 4).filter(|_| fate == Fate::AnswersLost),
        delay,
        None,
    );
    // A connection that needs few bytes ends too: its time is up.
    let struck = tokio::select! {
        end = async { tokio::select! { end = requests => end, end = answers => end } } => matches!(end, Ok(End::Limit)),
        () = tokio::time::sleep(LIFE) => true,
    };
    if struck {
        strike();
    }
    match fate {
        Fate::Stalled => tokio::time::sleep(LIFE).await,
        Fate::SaidAgain => {
            drop((from_client, to_client, from_server, to_server));
            // By now its successors have asked for more.
            tokio::time::sleep(LIFE / 2).await;
            let mut again = TcpStream::connect(server).await?;
            again.write_all(&said).await?;
            let mut heard = Vec::new();
            let _ = tokio::time::timeout(LIFE, again.read_to_end(&mut heard)).await;
        }
        _ => {}
    }
    Ok(())
}

/// Why a direction ended.
enum End {
    Closed,
    Limit,
}

/// Passes bytes on, up to a limit.
async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    limit: Option<usize>,
    delay: Duration,
    mut said: Option<&mut Vec<u8>>,
) -> std::io::Result<End> {
    let mut buffer = [0; 2_048];
    let mut left = limit.unwrap_or(usize::MAX);
    loop {
        let most = buffer.len().min(left);
        let len = from.read(&mut buffer[..most]).await?;
        if len == 0 {
            return Ok(End::Closed);
        }
        tokio::time::sleep(delay).await;
        to.write_all(&buffer[..len]).await?;
        if let Some(said) = &mut said {
            said.extend_from_slice(&buffer[..len]);
        }
        left -= len;
        if left == 0 {
            return Ok(End::Limit);
        }
    }
}
