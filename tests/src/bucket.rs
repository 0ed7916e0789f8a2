//! As much of an S3 bucket as a fork guard needs, in this process: objects with ETags and conditional puts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};

use crate::http::LocalHttp;

/// A running store, with whatever buckets one names.
pub struct LocalBucket {
    shelf: Arc<Mutex<Shelf>>,
    http: LocalHttp,
}

#[derive(Default)]
struct Shelf {
    away: bool,
    loses_answers: bool,
    objects: HashMap<String, (HeaderValue, Bytes)>,
    puts: usize,
}

impl LocalBucket {
    /// Serves an empty store.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> anyhow::Result<Self> {
        let shelf = Arc::<Mutex<Shelf>>::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shelf));
        Ok(Self { shelf, http: LocalHttp::start(0, router)? })
    }

    /// What a program needs in its environment to use it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.http.url()),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", "ap-northeast-1".into()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ]
    }

    /// While it is away, every request gets 503.
    pub fn set_away(&self, away: bool) {
        self.shelf().away = away;
    }

    /// While it loses answers, it stores what is put and answers 503.
    pub fn set_loses_answers(&self, loses: bool) {
        self.shelf().loses_answers = loses;
    }

    /// An object, by `/bucket/key`.
    pub fn object(&self, place: &str) -> Option<Vec<u8>> {
        self.shelf().objects.get(place).map(|(_, bytes)| bytes.to_vec())
    }

    fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("no test panics with it")
    }
}

async fn answer(
    State(shelf): State<Arc<Mutex<Shelf>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut shelf = shelf.lock().expect("no test panics with it");
    let signed = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !signed.is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 Credential=test/")) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if shelf.away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match method {
        Method::GET => match shelf.objects.get(uri.path()) {
            Some((tag, bytes)) => {
                let changed = HeaderValue::from_static("Sun, 22 Nov 2026 00:00:00 GMT");
                let headers = [(header::ETAG, tag.clone()), (header::LAST_MODIFIED, changed)];
                (headers, bytes.clone()).into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        },
        Method::PUT => shelf.put(uri.path(), &headers, body),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

impl Shelf {
    fn put(&mut self, place: &str, headers: &HeaderMap, body: Bytes) -> Response {
        let there = self.objects.get(place).map(|(tag, _)| tag);
        let holds = match (headers.get(header::IF_NONE_MATCH), headers.get(header::IF_MATCH)) {
            (None, None) => true,
            (Some(_), None) => there.is_none(),
            (_, wanted) => there.is_some() && there == wanted,
        };
        if !holds {
            return StatusCode::PRECONDITION_FAILED.into_response();
        }
        self.puts += 1;
        let tag = HeaderValue::from_str(&format!("\"{}\"", self.puts)).expect("a number");
        self.objects.insert(place.to_owned(), (tag.clone(), body));
        if self.loses_answers {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        [(header::ETAG, tag)].into_response()
    }
}
