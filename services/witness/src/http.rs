//! The HTTP of a witness (C2SP tlog-witness): add-checkpoint, the monitors' checkpoints, and a page about itself.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use daicho_tlog::witness::{
    AddCheckpoint, MAX_REQUEST_BYTES, Rejection, SIZE_CONTENT_TYPE, cosignatures_body, size_body,
};

use crate::metrics as names;
use crate::witness::{Refused, Witness};

/// Longest time for a request body to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// When to ask again after status 503, in seconds.
const RETRY_SECONDS: &str = "5";
const TEXT: &str = "text/plain; charset=utf-8";

/// The routes.
pub(crate) fn routes(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin_hash}/checkpoint", get(checkpoint))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Body) -> Response {
    let response = answer(&witness, body).await;
    let status = response.status().as_str().to_owned();
    metrics::counter!(names::REQUESTS, "status" => status).increment(1);
    response
}

async fn answer(witness: &Arc<Witness>, body: Body) -> Response {
    let body = match tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, MAX_REQUEST_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return text(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long or broke off"),
        Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive"),
    };
    let answer = match AddCheckpoint::parse(&body) {
        Ok(request) => witness.add_checkpoint(request).await,
        Err(malformed) => Err(Rejection::from(malformed).into()),
    };
    match answer {
        Ok(cosignatures) => respond(StatusCode::OK, TEXT, cosignatures_body(&cosignatures)),
        Err(Refused::Rejected(Rejection::Conflict { latest })) => {
            respond(StatusCode::CONFLICT, SIZE_CONTENT_TYPE, size_body(latest))
        }
        Err(refused) => {
            let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = text(status, &refused.to_string());
            if status == StatusCode::SERVICE_UNAVAILABLE {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
            }
            response
        }
    }
}

async fn checkpoint(State(witness): State<Arc<Witness>>, Path(hash): Path<String>) -> Response {
    match witness.logs().find(|log| log.hash == hash).and_then(|log| log.latest()) {
        Some(cosigned) => respond(StatusCode::OK, TEXT, cosigned.note.clone()),
        None => text(StatusCode::NOT_FOUND, "no checkpoint of this log was cosigned"),
    }
}

async fn page(State(witness): State<Arc<Witness>>) -> Response {
    let statement = witness.statement;
    let mut page = format!(
        "witness    {}\nstatement  {}\n\n{}\n\n{}\n\nkeys\n",
        witness.name,
        statement.word(),
        statement.english(),
        statement.japanese()
    );
    for vkey in witness.vkeys() {
        page.push_str(&format!("  {vkey}\n"));
    }
    page.push_str("\nlogs\n");
    for log in witness.logs() {
        let _ = writeln!(page, "  {}\n    /{}/checkpoint", log.origin, log.hash);
        match log.latest() {
            Some(cosigned) => {
                let _ = writeln!(page, "    cosigned {} entries, time {}", cosigned.size, cosigned.time);
            }
            None => page.push_str("    cosigned nothing yet\n"),
        }
        if let Some(progress) = log.replay.as_ref().map(|replay| replay.progress()) {
            let _ = writeln!(page, "    replayed {} entries", progress.entries);
            if let Some(why) = progress.refused {
                let _ = writeln!(page, "    REFUSED {why}");
            }
        }
    }
    respond(StatusCode::OK, TEXT, page)
}

/// A line for people.
fn text(status: StatusCode, line: &str) -> Response {
    respond(status, TEXT, format!("{line}\n"))
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response {
    (status, [(CONTENT_TYPE, content_type)], body).into_response()
}
