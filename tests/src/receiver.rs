//! A receiver of webhooks (Standard Webhooks) on a free loopback port. It ends with its value.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use daicho_core::PublicKey;

use crate::http::LocalHttp;

/// A call as it came.
#[derive(Debug, Clone)]
pub struct WebhookCall {
    /// Its id: the same when it is repeated.
    pub id: String,
    /// When it came.
    pub came: Instant,
    /// Whether it was answered with 2xx.
    pub taken: bool,
    /// What it says.
    pub body: serde_json::Value,
    signed: Vec<u8>,
    signature: String,
}

impl WebhookCall {
    /// Verifies the signature, of which the public key is given as `whpk_…`.
    ///
    /// # Errors
    /// When it does not hold.
    pub fn verify(&self, public: &str) -> anyhow::Result<()> {
        let public = BASE64.decode(public.strip_prefix("whpk_").context("a public key")?)?;
        let public: [u8; 32] = public.try_into().ok().context("32 bytes")?;
        let signature = BASE64.decode(self.signature.strip_prefix("v1a,").context("a signature")?)?;
        let public = PublicKey::from_bytes(public).to_verifying_key().context("a public key")?;
        let holds = public.verify_strict(&self.signed, &signature);
        ensure!(holds, "the signature does not hold");
        Ok(())
    }
}

/// A receiver that runs.
#[derive(Debug)]
pub struct LocalReceiver {
    http: LocalHttp,
    calls: Arc<Mutex<Vec<WebhookCall>>>,
    refuse: Arc<AtomicUsize>,
}

impl LocalReceiver {
    /// Starts one that takes every call.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start() -> anyhow::Result<Self> {
        let (calls, refuse) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicUsize>::default());
        let (kept, left) = (Arc::clone(&calls), Arc::clone(&refuse));
        let receive = async move |headers: HeaderMap, body: Bytes| {
            let came = Instant::now();
            let header =
                |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
            let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
            let less = |n: usize| n.checked_sub(1);
            let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err();
            let signed = [format!("{id}.{timestamp}.").as_bytes(), &body].concat();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let call = WebhookCall { id, came, taken, body, signed, signature: header("webhook-signature") };
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(call);
            if taken { StatusCode::NO_CONTENT } else { StatusCode::SERVICE_UNAVAILABLE }
        };
        let http = LocalHttp::start(0, Router::new().route("/hook", post(receive)))?;
        Ok(Self { http, calls, refuse })
    }

    /// Where it takes calls.
    pub fn url(&self) -> String {
        format!("{}/hook", self.http.url())
    }

    /// Answers the next calls with 503.
    pub fn refuse(&self, calls: usize) {
        self.refuse.store(calls, Ordering::Relaxed);
    }

    /// The calls since this was asked last.
    pub fn calls(&self) -> Vec<WebhookCall> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
