//! C2SP tlog-tiles over HTTP: the newest kept checkpoint, tiles of hashes, entry bundles. Reads only.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::serve::{IncomingStream, Listener};
use daicho_core::{EntryIndex, LedgerSize};
use daicho_custody::state::{CheckpointKeysRecord, Table, Txn, key};
use daicho_engine::Engine;
use daicho_store::{CheckpointRow, Store, StoreError};
use daicho_tlog::tile::{HEIGHT, Kind, Tile, WIDTH, write_bundle_entry};
use futures::StreamExt as _;
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::info;

use crate::access::{Access, Right, Sight};
use crate::config::{Config, Token};
use crate::connection::{self, Connection, Incoming, Peer, Protocol};

/// Type of what is text.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
/// Type of tiles and bundles.
pub(crate) const OCTETS: &str = "application/octet-stream";
/// A checkpoint may be kept by caches for a few seconds, as the specification asks.
pub(crate) const FRESH: &str = "public, max-age=3";
/// A tile never changes: what its path names is fixed by the first checkpoint that covers it.
pub(crate) const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The same for what was given to the holder of a token alone.
const FOR_EVER_HIS: &str = "private, max-age=31536000, immutable";

/// A listener for tiles that runs.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Serves the ledger where the configuration says, if it does.
    ///
    /// # Errors
    /// When it cannot listen there, or the token cannot be read.
    pub(crate) async fn start(
        config: &Config,
        engine: &Arc<Engine>,
        access: &Access,
    ) -> anyhow::Result<Option<Self>> {
        let Some(address) = config.tiles_listen else { return Ok(None) };
        let tiles = Arc::new(Tiles {
            engine: Arc::clone(engine),
            access: access.clone(),
            entries_token: config.entries_token()?,
        });
        let known = access.clone();
        let shares = move |peer| known.connections_of(peer);
        let (address, incoming) =
            connection::listen(("tiles-listen", address), Protocol::Http, config, shares).await?;
        info!(%address, entries_need_token = tiles.entries_token.is_some(), "tiles");
        let router = Router::new()
            .route("/", get(about))
            .route("/checkpoint", get(checkpoint))
            .route("/tile/{*path}", get(tile))
            .fallback(|| async { refuse(StatusCode::NOT_FOUND) })
            .with_state(tiles);
        let (stop, stopped) = oneshot::channel();
        let router = router.into_make_service_with_connect_info::<Caller>();
        let served = axum::serve(Listening(incoming), router).with_graceful_shutdown(async {
            // A sender that is gone means the same.
            let _ = stopped.await;
        });
        Ok(Some(Self { address, stop, task: tokio::spawn(async { served.await }) }))
    }

    /// Takes no more requests and lets those in flight end, for so long.
    pub(crate) async fn stop(self, grace: Duration) {
        let Self { stop, mut task, .. } = self;
        // The task has ended already when nobody takes this.
        let _ = stop.send(());
        if tokio::time::timeout(grace, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// Connections for axum.
struct Listening(Incoming);

/// Who sends a request.
#[derive(Debug, Clone, Copy)]
struct Caller(Peer);

impl Listener for Listening {
    type Io = Connection;
    type Addr = Caller;

    async fn accept(&mut self) -> (Connection, Caller) {
        loop {
            match self.0.next().await {
                Some(Ok(connection)) => {
                    let caller = Caller(connection.peer());
                    return (connection, caller);
                }
                Some(Err(error)) => tracing::debug!(%error, "no connection came about"),
                None => std::future::pending().await,
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Caller> {
        Ok(Caller(Peer::Local))
    }
}

impl axum::extract::connect_info::Connected<IncomingStream<'_, Listening>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Listening>) -> Self {
        *stream.remote_addr()
    }
}

/// What the requests share.
struct Tiles {
    engine: Arc<Engine>,
    access: Access,
    entries_token: Option<Token>,
}

impl Tiles {
    /// Says whether a caller may read entries, which in bundles are those of all parties: by its key, as over gRPC, or by the
    /// token, which says of nobody who it is. Checkpoints and hashes are open to all.
    fn check_auditor(&self, caller: Caller, headers: &HeaderMap) -> Result<(), StatusCode> {
        let token = self.entries_token.as_ref();
        if let (Some(token), Some(sent)) = (token, headers.get(AUTHORIZATION)) {
            let (scheme, sent) =
                sent.as_bytes().split_at_checked("Bearer ".len()).ok_or(StatusCode::UNAUTHORIZED)?;
            if !scheme.eq_ignore_ascii_case(b"Bearer ") {
                return Err(StatusCode::UNAUTHORIZED);
            }
            return if bool::from(sent.ct_eq(token.as_bytes())) {
                Ok(())
            } else {
                Err(StatusCode::FORBIDDEN)
            };
        }
        match (caller.0, token) {
            // Where there is a token it counts on this machine, too.
            (Peer::Local | Peer::Unknown, Some(_)) => Err(StatusCode::UNAUTHORIZED),
            (peer, _) => match self.access.check_call(peer, Right::Entries) {
                Ok(Sight::All) => Ok(()),
                _ => Err(StatusCode::FORBIDDEN),
            },
        }
    }

    /// Entries that a signed checkpoint covers. Nothing beyond them is served.
    fn published(&self) -> Result<u64, StoreError> {
        let newest = self.engine.published().borrow().as_ref().map(|newest| newest.size);
        match newest {
            Some(size) => Ok(size),
            // For a moment after the start, or while a key or the fork guard is away.
            None => Ok(newest_kept(self.engine.store())?.map_or(0, |(size, _)| size.get())),
        }
    }

    fn bytes(&self, wanted: Tile) -> Result<Option<Vec<u8>>, StoreError> {
        if !is_in(wanted, self.published()?) {
            return Ok(None);
        }
        read(self.engine.store(), wanted).map(Some)
    }

    /// What this server is, for whoever opens its address.
    fn about(&self) -> Result<String, StoreError> {
        let (origin, size) = (self.engine.origin(), self.published()?);
        let damaged = |error: daicho_custody::state::StateError| StoreError::Damaged(error.to_string());
        let store = self.engine.store().as_ref();
        let named: Option<CheckpointKeysRecord> =
            Txn::new(store).get(&key(Table::CheckpointKeys, &[])).map_err(damaged)?;
        let mut sets = named.unwrap_or_default().sets;
        let present = sets.pop().map(|(_, keys)| keys).unwrap_or_default();
        let mut page = format!(
            "台帳 {origin}\n\n\
             A tamper-evident ledger of Daichō, served as C2SP tlog-tiles (https://c2sp.org/tlog-tiles).\n\
             {size} entries are published.\n\n\
             /checkpoint                     origin, size and root, signed\n\
             /tile/<L>/<N>[.p/<W>]           hashes of the Merkle tree\n\
             /tile/entries/<N>[.p/<W>]       entries, for auditors\n\n\
             Verify everything: daicho --identity <key> audit --tiles <this address>\n\n\
             Keys that sign checkpoints:\n",
        );
        present.iter().for_each(|key| page.extend(["  ", key, "\n"]));
        if !sets.is_empty() {
            page.push_str("Keys that signed earlier ones:\n");
            let earlier = sets.iter().flat_map(|(_, keys)| keys).filter(|key| !present.contains(key));
            earlier.for_each(|key| page.extend(["  ", key, "\n"]));
        }
        page.push_str("Whoever changes this page changes the keys on it: get them from elsewhere as well.\n");
        Ok(page)
    }
}

/// The newest kept checkpoint, with the cosignatures it has.
pub(crate) fn newest_kept(store: &Store) -> Result<Option<(LedgerSize, CheckpointRow)>, StoreError> {
    store.checkpoints_down(LedgerSize::new(u64::MAX)).next().transpose()
}

/// Whether the tree of `size` entries has this tile, or a wider one in its place.
fn is_in(wanted: Tile, size: u64) -> bool {
    let level = if let Kind::Hashes(level) = wanted.kind { u32::from(level) } else { 0 };
    let filled = size.checked_shr(u32::from(HEIGHT) * level).unwrap_or(0);
    let end = wanted.index.checked_mul(WIDTH).and_then(|start| start.checked_add(wanted.width.into()));
    end.is_some_and(|end| end <= filled)
}

/// The bytes of a tile or bundle that the ledger has. Nothing of them is checked.
///
/// # Errors
/// When the disk fails, or something is missing.
pub(crate) fn read(store: &Store, wanted: Tile) -> Result<Vec<u8>, StoreError> {
    let missing = || StoreError::Damaged(format!("{wanted} is missing"));
    if wanted.kind != Kind::Entries {
        return store.tile(wanted)?.ok_or_else(missing);
    }
    let mut bundle = Vec::new();
    for n in 0..u64::from(wanted.width) {
        let entry = store.entry(EntryIndex::new(wanted.index * WIDTH + n))?.ok_or_else(missing)?;
        write_bundle_entry(&mut bundle, &entry).map_err(|error| StoreError::Damaged(error.to_string()))?;
    }
    Ok(bundle)
}

async fn about(State(tiles): State<Arc<Tiles>>) -> Response {
    match blocking(move || tiles.about()).await {
        Ok(page) => ([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, FRESH)], page).into_response(),
        Err(error) => failed(&error),
    }
}

async fn checkpoint(State(tiles): State<Arc<Tiles>>) -> Response {
    match blocking(move || newest_kept(tiles.engine.store())).await {
        Ok(Some((_, row))) => ([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, FRESH)], row.note).into_response(),
        Ok(None) => refuse(StatusCode::NOT_FOUND),
        Err(error) => failed(&error),
    }
}

async fn tile(
    State(tiles): State<Arc<Tiles>>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    // The path as it was sent: one that is escaped would be a second name for the same tile.
    let wanted = uri.path().strip_prefix('/').and_then(|path| path.parse::<Tile>().ok());
    let Some(wanted) = wanted else { return refuse(StatusCode::NOT_FOUND) };
    if wanted.kind != Kind::Entries {
        return match blocking(move || tiles.bytes(wanted)).await {
            Ok(Some(hashes)) => ([(CONTENT_TYPE, OCTETS), (CACHE_CONTROL, FOR_EVER)], hashes).into_response(),
            Ok(None) => refuse(StatusCode::NOT_FOUND),
            Err(error) => failed(&error),
        };
    }
    let may = Arc::clone(&tiles);
    let sent = headers.clone();
    match blocking(move || Ok(may.check_auditor(caller, &sent))).await {
        Ok(Ok(())) => {}
        Ok(Err(status)) => return refuse(status),
        Err(error) => return failed(&error),
    }
    let open = caller.0 == Peer::Local && tiles.entries_token.is_none();
    let cache = if open { FOR_EVER } else { FOR_EVER_HIS };
    let zip = accepts_gzip(&headers);
    let bundle = blocking(move || {
        let bundle = tiles.bytes(wanted)?;
        Ok(if zip { bundle.map(|bundle| gzip(&bundle)) } else { bundle })
    });
    match bundle.await {
        Ok(Some(bundle)) => {
            let mut response =
                ([(CONTENT_TYPE, OCTETS), (CACHE_CONTROL, cache), (VARY, "accept-encoding")], bundle)
                    .into_response();
            if zip {
                response.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().expect("a header value"));
            }
            response
        }
        Ok(None) => refuse(StatusCode::NOT_FOUND),
        Err(error) => failed(&error),
    }
}

/// Runs what reads the disk where it may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(StoreError::Damaged(error.to_string())))
}

fn failed(error: &StoreError) -> Response {
    tracing::error!(%error, "tiles; run `daichod fsck`");
    refuse(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An answer without what was asked for. It is not to be cached: a tile that is not there yet will be.
fn refuse(status: StatusCode) -> Response {
    let text = format!("{status}\n");
    let mut response = (status, [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-store")], text).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, "Bearer".parse().expect("a header value"));
    }
    response
}

/// Whether a client says that it reads gzip.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = parts.any(|weight| {
            weight.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0)
        });
        named && !refused
    })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zip.write_all(bytes).and_then(|()| zip.finish()).expect("writing to memory does not fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_is_in_every_tree_that_fills_it() {
        let last = |level: u8, size: u64| {
            let tiles: Vec<Tile> = Tile::all_of(size).filter(|t| t.kind == Kind::Hashes(level)).collect();
            tiles[tiles.len() - 1]
        };
        for size in [1, 255, 256, 257, 65_536, 70_000] {
            for level in (0..3).filter(|level| size >> (8 * level) != 0) {
                let tile = last(level, size);
                assert!(is_in(tile, size) && is_in(tile, size + 1_000), "{tile} of {size}");
                assert!(!is_in(tile, (size >> (8 * level) << (8 * level)) - 1), "{tile} of less than {size}");
            }
        }
        for path in ["tile/63/000", "tile/7/000.p/1", "tile/0/x018/x446/x744/x073/x709/x551/615"] {
            assert!(!is_in(path.parse().expect("a tile"), 1 << 40), "{path}");
        }
    }

    #[test]
    fn gzip_is_used_where_it_is_asked_for() {
        let asks = |list: &str| {
            accepts_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, list.parse().expect("a value"))]))
        };
        for list in ["gzip", "identity, gzip", "br;q=1.0, GZIP;q=0.5"] {
            assert!(asks(list), "{list}");
        }
        for list in ["", "identity", "gzip;q=0", "gzipped", "br, deflate"] {
            assert!(!asks(list), "{list}");
        }
    }
}
