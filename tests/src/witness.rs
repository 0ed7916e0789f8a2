//! A witness (C2SP tlog-witness) in this process that behaves as a test tells it to. The real one is `daicho-witness`.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use daicho_tlog::witness::{
    AddCheckpoint, Rejection, SIZE_CONTENT_TYPE, cosignatures_body, decide, size_body,
};
use daicho_tlog::{Algorithm, Checkpoint, NoteSigner, TreeHash, VerifierKey};

use crate::http::LocalHttp;

/// How a witness answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As the specification says.
    Honest,
    /// With 503.
    Away,
    /// Never.
    Hangs,
    /// With a cosignature that names its key and is by another.
    Forges,
    /// With a cosignature by a key that nobody knows.
    Stranger,
}

/// A running witness.
pub struct LocalWitness {
    desk: Arc<Mutex<Desk>>,
    http: LocalHttp,
    keys: Vec<VerifierKey>,
}

struct Desk {
    logs: Vec<VerifierKey>,
    signers: Vec<NoteSigner>,
    manner: Manner,
    latest: Option<(u64, TreeHash)>,
    answers: Vec<u16>,
}

impl LocalWitness {
    /// Starts a witness of that name with an Ed25519 and an ML-DSA-44 key, on a free port.
    ///
    /// # Errors
    /// When the name is none of a key.
    pub fn start(name: &str, log: &VerifierKey) -> anyhow::Result<Self> {
        Self::start_at(0, name, log)
    }

    /// As [`LocalWitness::start`], on this port.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start_at(port: u16, name: &str, log: &VerifierKey) -> anyhow::Result<Self> {
        let seed: [u8; 32] = *blake3::hash(name.as_bytes()).as_bytes();
        let signer =
            |algorithm| NoteSigner::from_seed(name.parse()?, algorithm, &seed).map_err(anyhow::Error::from);
        let signers = vec![signer(Algorithm::CosignatureEd25519)?, signer(Algorithm::CosignatureMlDsa44)?];
        let keys = signers.iter().map(|signer| signer.verifier().clone()).collect();
        let desk = Desk {
            logs: vec![log.clone()],
            signers,
            manner: Manner::Honest,
            latest: None,
            answers: Vec::new(),
        };
        let desk = Arc::new(Mutex::new(desk));
        let router =
            Router::new().route("/add-checkpoint", post(add_checkpoint)).with_state(Arc::clone(&desk));
        Ok(Self { desk, http: LocalHttp::start(port, router)?, keys })
    }

    /// Its line in a policy, with its Ed25519 key.
    pub fn line(&self, name: &str) -> String {
        self.line_of(0, name)
    }

    /// Its line in a policy, with its ML-DSA-44 key.
    pub fn line_ml_dsa(&self, name: &str) -> String {
        self.line_of(1, name)
    }

    fn line_of(&self, key: usize, name: &str) -> String {
        format!("witness {name} {} {}\n", self.keys[key], self.http.url())
    }

    /// Changes how it answers from now on.
    pub fn set(&self, manner: Manner) {
        self.desk().manner = manner;
    }

    /// The size that it cosigned last.
    pub fn latest(&self) -> u64 {
        self.desk().latest.map_or(0, |(size, _)| size)
    }

    /// The statuses of its answers, in order. One that hangs has none.
    pub fn answers(&self) -> Vec<u16> {
        self.desk().answers.clone()
    }

    fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.desk.lock().expect("no test panics with it")
    }
}

async fn add_checkpoint(State(desk): State<Arc<Mutex<Desk>>>, body: Bytes) -> Response {
    let manner = desk.lock().expect("no test panics with it").manner;
    if manner == Manner::Hangs {
        std::future::pending::<()>().await;
    }
    let mut desk = desk.lock().expect("no test panics with it");
    let response = match manner {
        Manner::Away => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => desk.answer(&body),
    };
    desk.answers.push(response.status().as_u16());
    response
}

impl Desk {
    fn answer(&mut self, body: &[u8]) -> Response {
        let decided = AddCheckpoint::parse(body)
            .map_err(Rejection::from)
            .and_then(|request| decide(self.latest, &self.logs, &request).map(|()| request));
        let request = match decided {
            Ok(request) => request,
            Err(rejection) => {
                let status = StatusCode::from_u16(rejection.status()).expect("a status");
                let Rejection::Conflict { latest } = rejection else {
                    return (status, rejection.to_string()).into_response();
                };
                return (status, [(header::CONTENT_TYPE, SIZE_CONTENT_TYPE)], size_body(latest))
                    .into_response();
            }
        };
        let (text, checkpoint) = (request.checkpoint().text(), request.checkpoint().checkpoint());
        self.latest = Some((checkpoint.size(), *checkpoint.root()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        // Of another tree: under its key's name and id, and not good for this one.
        let other = Checkpoint::new(checkpoint.origin(), checkpoint.size() + 1, *checkpoint.root());
        let other = other.expect("an origin").to_string();
        let stranger = |algorithm| {
            let name = "stranger.example".parse().expect("a key name");
            NoteSigner::from_seed(name, algorithm, &[9; 32]).expect("a key")
        };
        let sign = |signer: &NoteSigner| match self.manner {
            Manner::Forges => signer.sign(&other, now),
            Manner::Stranger => stranger(signer.verifier().algorithm()).sign(text, now),
            _ => signer.sign(text, now),
        };
        let signatures: Vec<_> =
            self.signers.iter().map(|signer| sign(signer).expect("a checkpoint")).collect();
        cosignatures_body(&signatures).into_response()
    }
}
