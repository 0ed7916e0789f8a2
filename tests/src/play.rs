//! A small play: the queue notice service in force, with one contractor that collects and erases contact addresses.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use daicho_client::proto::event::Fact;
use daicho_client::proto::{
    AdvanceClockRequest, Collected, Copy, CopyPart, DataSet, DeadlineSet, Deleted, Event, MilestoneReached,
    MilestoneScope, PartyRegistered, SanitizationMethod, SchemeEnacted, SignedStatement,
};
use daicho_client::{Client, DocumentHash, Emitter, Enactment, Instant, SigningKey, document_chunks, event};
use daicho_core::{Entry, Origin, ParsedStatement, sign_statement};
use daicho_engine::{Authority, Engine, EngineConfig, FileGuard, Founding, found};
use daicho_store::Store;
use daicho_tlog::{Algorithm, Checkpoint, NoteSigner};
use futures::TryStreamExt as _;

/// The scheme that is played.
pub const SCHEME: &str = "queue_notice_service";

const VOCABULARY: &[u8] = include_bytes!("../../deploy/schemes/common.toml");
const SCHEME_FILE: &[u8] = include_bytes!("../../deploy/schemes/queue_notice_service.toml");

/// Moves the clock of a simulated ledger to a time in Japan, such as `2021-02-01T10:00`, and says which that is.
///
/// # Errors
/// When it is no time, or the clock does not move.
pub async fn move_clock(client: &Client, to: &str) -> anyhow::Result<Instant> {
    let to = Instant::parse(to).context("no time")?;
    client.simulation().advance_clock(AdvanceClockRequest { now_ms: to.unix_ms() }).await?;
    Ok(to)
}

/// The parties of the play with their keys.
pub struct Play {
    /// The ward's emitter.
    pub ward: Emitter,
    /// The contractor's key.
    pub contractor: SigningKey,
}

impl Play {
    /// Name of a ledger in this process.
    pub const ORIGIN: &str = "test.example/ledger/simulated";

    /// Enacts the scheme and authorises the contractor's key.
    ///
    /// # Errors
    /// When the ledger refuses something.
    pub async fn prepare(client: &Client, ward_key: SigningKey) -> anyhow::Result<Self> {
        let mut ward = Emitter::new(client.clone(), ward_key).await?;
        let now = ward.ledger_now().await?;
        let enactment = Enactment {
            scheme: SCHEME.to_owned(),
            version: 1,
            scheme_file: SCHEME_FILE.to_vec(),
            vocabulary_file: VOCABULARY.to_vec(),
            corrections: Vec::new(),
            ..Default::default()
        };
        ward.enact_scheme(enactment, &[]).await?;
        let contractor = Self::contractor_key();
        let opening = parties_and_limits(ward.origin(), now);
        ward.emit(opening).await.context("preparing the play")?;
        Ok(Self { ward, contractor })
    }

    /// Key of the contractor.
    pub fn contractor_key() -> SigningKey {
        SigningKey::from_seed(&[42; 32])
    }

    /// Key of the ward of a ledger in this process.
    pub fn ward_key() -> SigningKey {
        SigningKey::from_seed(&[41; 32])
    }

    /// When a ledger in this process begins: the first morning of the scheme.
    pub fn start() -> Instant {
        Instant::EPOCH.plus_ms(1_612_137_600_000)
    }

    /// Founds a simulated ledger in a new folder, without a server: entry 0 and nothing else.
    ///
    /// # Errors
    /// When the folder or the founding is not accepted.
    pub fn found_here(data: &Path) -> anyhow::Result<()> {
        let founding = Founding {
            origin: Origin::new(Self::ORIGIN).context("the name of the ledger")?,
            operator: ("operator".into(), "台帳運用者".into()),
            operator_key: &SigningKey::from_seed(&[40; 32]),
            ward: ("ward".into(), "新宿区".into()),
            ward_key: Self::ward_key().public(),
            checkpoint_keys: vec![Self::checkpoint_key()?.verifier().to_string()],
            at: Self::start(),
        };
        found(data, &founding)?;
        let store = Store::open_read_only(data)?;
        let head = store.head()?;
        let first = Checkpoint::new(Self::ORIGIN, head.size.get(), head.root)?;
        FileGuard::open(&data.with_extension("guard"))?.renew(&first)?;
        Ok(())
    }

    /// Key that signs the checkpoints of a ledger in this process.
    ///
    /// # Errors
    /// Never; the name is fit.
    pub fn checkpoint_key() -> anyhow::Result<NoteSigner> {
        Ok(NoteSigner::from_seed(Self::ORIGIN.parse()?, Algorithm::Ed25519, &[43; 32])?)
    }

    /// What a ledger in this process signs with: the guard is the file beside its folder.
    ///
    /// # Errors
    /// When the guard cannot be opened.
    pub fn authority(data: &Path) -> anyhow::Result<Authority> {
        Ok(Authority {
            operator: Some(Box::new(SigningKey::from_seed(&[40; 32]))),
            checkpoint_keys: vec![Box::new(Self::checkpoint_key()?)],
            guard: Box::new(FileGuard::open(&data.with_extension("guard"))?),
        })
    }

    /// The first statements of the ward, numbered from 1: scheme, contractor with its key, limits.
    ///
    /// # Errors
    /// When the scheme file has grown beyond what a ledger takes.
    pub fn opening() -> anyhow::Result<Vec<SignedStatement>> {
        let at = Self::start();
        let mut statements = Vec::new();
        for file in [SCHEME_FILE, VOCABULARY] {
            for piece in document_chunks(file, at)? {
                statements.push(vec![piece]);
            }
        }
        let enacted = SchemeEnacted {
            scheme: SCHEME.to_owned(),
            version: 1,
            scheme_document: DocumentHash::of(SCHEME_FILE).as_bytes().to_vec(),
            vocabulary_document: DocumentHash::of(VOCABULARY).as_bytes().to_vec(),
            ..Default::default()
        };
        statements.push(vec![event(SCHEME, at, Fact::SchemeEnacted(enacted))]);
        statements.push(parties_and_limits(Self::ORIGIN, at));
        let ward = Self::ward_key();
        let sign = |(n, events)| sign_statement(Self::ORIGIN, &[(&ward, n)], events);
        Ok((1..).zip(statements).map(sign).collect())
    }

    /// Founds a ledger in a new folder, starts an engine on it and records the opening.
    ///
    /// # Errors
    /// When anything of it is refused.
    pub async fn start_here(data: &Path, config: EngineConfig) -> anyhow::Result<Arc<Engine>> {
        Self::found_here(data)?;
        let engine = Engine::start(data, config, Self::authority(data)?)?;
        for statement in Self::opening()? {
            let receipt = engine.append(statement).await?;
            ensure!(!receipt.repeated, "the opening of a new ledger is new");
        }
        Ok(engine)
    }
}

/// The contractor with its key, and how soon certificates and acknowledgements are wanted.
fn parties_and_limits(origin: &str, now: Instant) -> Vec<Event> {
    let party = format!("{SCHEME}/hyojito");
    let registered = PartyRegistered { party: party.clone(), label: "表示灯株式会社".into() };
    let authorized = Play::contractor_key().request(origin, &party, "server");
    let limits = DeadlineSet {
        ground: "test".into(),
        certificate_within: "P1D".into(),
        acknowledge_within: "P1D".into(),
        ..Default::default()
    };
    vec![
        event("", now, Fact::PartyRegistered(registered)),
        event("", now, Fact::KeyAuthorized(authorized)),
        event(SCHEME, now, Fact::DeadlineSet(limits)),
    ]
}

/// One person's contact address is collected: a data set with one copy of the same id.
pub fn collected(at: Instant, id: &str) -> Event {
    event(
        SCHEME,
        at,
        Fact::Collected(Collected {
            flow: "f01_register_contact".into(),
            data_sets: vec![DataSet {
                id: id.to_owned(),
                kind: "ds_contact".into(),
                items: vec!["email_address".into()],
                subject_count: 1,
                session: id.to_owned(),
                ..Default::default()
            }],
            copies: vec![Copy {
                id: id.to_owned(),
                data_set: id.to_owned(),
                system: "operator_server".into(),
                unit: String::new(),
            }],
            ..Default::default()
        }),
    )
}

/// The uses with these ids have ended.
pub fn milestone(at: Instant, sessions: &[&str]) -> Event {
    event(
        SCHEME,
        at,
        Fact::MilestoneReached(MilestoneReached {
            milestone: "service_use_ended".into(),
            scope: MilestoneScope::Session as i32,
            targets: sessions.iter().map(|&s| s.to_owned()).collect(),
        }),
    )
}

/// Copies are erased.
pub fn deleted(at: Instant, copies: &[&str]) -> Event {
    event(
        SCHEME,
        at,
        Fact::Deleted(Deleted {
            copies: copies.iter().map(|&c| CopyPart { copy: c.to_owned(), count: 0 }).collect(),
            method: SanitizationMethod::Clear as i32,
            technique: "overwrite".into(),
            ..Default::default()
        }),
    )
}

/// The statements of a ledger in their order.
///
/// # Errors
/// When it cannot be read.
pub async fn statements(client: &Client) -> anyhow::Result<Vec<ParsedStatement>> {
    let mut entries = std::pin::pin!(client.read_entries(0, 0).await?);
    let mut found = Vec::new();
    while let Some(bytes) = entries.try_next().await? {
        found.push(ParsedStatement::parse(Entry::decode(&bytes)?.statement)?);
    }
    Ok(found)
}

/// Numbers and copies of what a key had recorded as collected, in the order of the ledger.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn recorded_by(client: &Client, key: &SigningKey) -> anyhow::Result<Vec<(u64, String)>> {
    let mut found = Vec::new();
    for statement in statements(client).await? {
        let Some(signer) = statement.signers().first().filter(|signer| signer.key == key.public().id())
        else {
            continue;
        };
        for event in &statement.body().events {
            if let Some(Fact::Collected(fact)) = &event.fact {
                found.extend(fact.copies.iter().map(|copy| (signer.sequence, copy.id.clone())));
            }
        }
    }
    Ok(found)
}
