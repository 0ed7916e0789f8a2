//! A small play: the queue notice service in force, with one contractor that collects and erases contact addresses.

use anyhow::Context as _;
use daicho_client::proto::event::Fact;
use daicho_client::proto::{
    Collected, Copy, CopyPart, DataSet, DeadlineSet, Deleted, Event, KeyAuthorized, MilestoneReached,
    MilestoneScope, PartyRegistered, SanitizationMethod,
};
use daicho_client::{Client, Emitter, Enactment, Instant, SigningKey, event};

/// The scheme that is played.
pub const SCHEME: &str = "queue_notice_service";

const VOCABULARY: &[u8] = include_bytes!("../../deploy/schemes/common.toml");
const SCHEME_FILE: &[u8] = include_bytes!("../../deploy/schemes/queue_notice_service.toml");

/// The parties of the play with their keys.
pub struct Play {
    /// The ward's emitter.
    pub ward: Emitter,
    /// The contractor's key.
    pub contractor: SigningKey,
}

impl Play {
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
            applies_to_open: false,
        };
        ward.enact_scheme(enactment, &[]).await?;
        let contractor = SigningKey::from_seed(&[42; 32]);
        let party = format!("{SCHEME}/hyojito");
        let events = vec![
            event(
                "",
                now,
                Fact::PartyRegistered(PartyRegistered {
                    party: party.clone(),
                    label: "表示灯株式会社".into(),
                }),
            ),
            event(
                "",
                now,
                Fact::KeyAuthorized(KeyAuthorized {
                    party,
                    key: Some(contractor.public().to_proto()),
                    purpose: "server".into(),
                }),
            ),
            event(
                SCHEME,
                now,
                Fact::DeadlineSet(DeadlineSet {
                    ground: "test".into(),
                    certificate_within: "P1D".into(),
                    acknowledge_within: "P1D".into(),
                    ..Default::default()
                }),
            ),
        ];
        ward.emit(events).await.context("preparing the play")?;
        Ok(Self { ward, contractor })
    }
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
