//! A timestamp authority (RFC 3161 §3.4) on a free loopback port, with OpenSSL behind it. It ends with its value.

#[path = "../../ledger/verify/tests/common/authority.rs"]
mod authority;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use daicho_verify::timestamp::{REQUEST_TYPE, RESPONSE_TYPE};

use crate::http::LocalHttp;
use authority::{Authority, POLICY, Plan};

/// A running authority with its own root.
#[derive(Debug)]
pub struct LocalTsa {
    desk: Arc<Desk>,
    url: String,
    root: Vec<u8>,
    _http: LocalHttp,
}

#[derive(Debug)]
struct Desk {
    authority: Authority,
    away: AtomicBool,
}

impl LocalTsa {
    /// Makes keys and certificates in `folder`, which must be empty, and serves. Works inside and outside of a runtime.
    ///
    /// # Errors
    /// When there is no `openssl`, or it fails; its words are in the error.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        let authority =
            Authority::make(folder, &Plan::default()).context("an authority made with `openssl`")?;
        let root = authority.der("root")?;
        let desk = Arc::new(Desk { authority, away: AtomicBool::new(false) });
        let router = Router::new().route("/", post(answer)).with_state(desk.clone());
        let http = LocalHttp::start(0, router)?;
        Ok(Self { desk, url: format!("{}/", http.url()), root, _http: http })
    }

    /// Where requests are posted.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate to trust, in DER.
    pub fn root_der(&self) -> &[u8] {
        &self.root
    }

    /// The same as a PEM file, for configurations and for `openssl ts -verify -CAfile`.
    pub fn root_file(&self) -> PathBuf {
        self.desk.authority.file("root.pem")
    }

    /// The policy of its tokens when none is asked for. `1.2.392.99999.2` is granted as well, others are refused.
    pub fn policy(&self) -> &'static str {
        POLICY
    }

    /// While it is away, every request gets 503.
    pub fn set_away(&self, away: bool) {
        self.desk.away.store(away, Ordering::SeqCst);
    }
}

/// One request after the other: OpenSSL counts tokens in a file, and this runtime has one thread, which waits.
async fn answer(State(desk): State<Arc<Desk>>, headers: HeaderMap, request: Bytes) -> Response {
    if desk.away.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != REQUEST_TYPE) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    match desk.authority.answer(&request) {
        Ok(response) => ([(header::CONTENT_TYPE, RESPONSE_TYPE)], response).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
