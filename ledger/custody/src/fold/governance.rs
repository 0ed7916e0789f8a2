//! Facts about the ledger itself: parties, keys, documents, schemes, numbers, approvals.

use daicho_core::{
    Date, Instant, KeyId, MAX_SIGNERS, PublicKey, Refusal, RefusalCode, check_id, check_text, proto,
    shows_possession,
};
use daicho_tlog::VerifierKey;
use sha2::{Digest as _, Sha256};

use super::{FIRST_WITH_KINDS, FIRST_WITH_SIDES, FOLD_VERSION, FoldError, Result, Step, refuse};
use crate::FindingCode;
use crate::calendar::{Calendar, ClockTime};
use crate::duty::SUBCONTRACT_APPROVED;
use crate::judge::ACT_RULE_PREFIX;
use crate::scheme::{Deadline, Level, PartyRole, Scheme, Vocabulary, lint};
use crate::state::{
    ActRecord, ApprovalRecord, CheckpointKeysRecord, ContractRecord, CorrectionRecord, DecisionRecord,
    DocumentRecord, Fact, InvitationRecord, KeyRecord, LedgerRecord, LimitSetting, PartyRecord, RuleRecord,
    RuleSetting, SchemeRecord, SchemeVersion, Settlement, StateError, Table, Txn, WardRuleRecord, key,
};

/// Purpose of a key whose holder reads everything: an auditor's.
pub const AUDITOR_PURPOSE: &str = "auditor";
/// Purpose of a key whose holder reads reports and findings: one of the council (審議会).
pub const COUNCIL_PURPOSE: &str = "council";

/// Purpose of a one-time key, which an official hands over on paper.
pub const INVITATION_PURPOSE: &str = "invitation";
/// The first fold version whose ledgers ask for a proof of possession.
pub const FIRST_WITH_POSSESSION: u32 = 2;
/// Most keys of the ward's rule.
const MAX_RULED_KEYS: usize = 8;

/// Longest name of what a finding is about, in bytes.
const MAX_OBJECT_LEN: usize = 300;
/// Longest piece of a document, in bytes.
const MAX_PIECE_LEN: usize = 32 * 1024;
/// Most pieces of one document: one bit each in its record.
const MAX_PIECES: u32 = 64;
const MAX_CHECKPOINT_KEYS: usize = 8;
/// Most readers of one digest.
const MAX_READERS: usize = 1_000;
const MAX_GROUND_LEN: usize = 500;
const MAX_LABEL_LEN: usize = 200;

/// Reads entry 0's first event and writes what it founds: ledger, operator, ward and their keys.
pub(super) fn open_ledger(
    txn: &mut Txn<'_>,
    event: &proto::Event,
    origin: &str,
    recorded: Instant,
) -> Result<LedgerRecord> {
    let Some(proto::event::Fact::LedgerOpened(e)) = &event.fact else {
        return Err(refuse(RefusalCode::Malformed, "fact", "entry 0 opens the ledger"));
    };
    let simulated = e.clock == proto::Clock::Simulated as i32;
    let clock_fits = e.clock == proto::Clock::System as i32 || simulated;
    let parsed = daicho_core::Origin::new(&e.origin);
    if e.origin != origin || !clock_fits || parsed.is_none_or(|o| o.is_simulated() != simulated) {
        let text = "origin, its simulated suffix and the clock must agree";
        return Err(refuse(RefusalCode::Malformed, "ledger_opened.origin", text));
    }
    if !(1..=FOLD_VERSION).contains(&e.fold_version) {
        let text = format!("this program folds by versions 1 to {FOLD_VERSION}");
        return Err(refuse(RefusalCode::Malformed, "ledger_opened.fold_version", &text));
    }
    let fact = Fact { occurred: recorded, recorded, entry: daicho_core::EntryIndex::new(0) };
    let founders = [
        (&e.operator_party, &e.operator_label, &e.operator_key),
        (&e.ward_party, &e.ward_label, &e.ward_key),
    ];
    for (party, label, public) in founders {
        check_id("ledger_opened.party", party)?;
        check_text("ledger_opened.label", label, MAX_LABEL_LEN)?;
        txn.put(
            key(Table::Party, &[party]),
            &PartyRecord { label: label.clone(), members: Vec::new(), registered: fact },
        );
        let public = parse_key("ledger_opened.key", public.as_ref())?;
        let record = KeyRecord {
            party: party.clone(),
            public,
            purpose: "founding".into(),
            authorized: fact,
            revoked: None,
        };
        txn.put(key(Table::Key, &[&public.id().to_string()]), &record);
    }
    let ledger = LedgerRecord {
        origin: origin.to_owned(),
        simulated,
        fold_version: e.fold_version,
        operator: e.operator_party.clone(),
        ward: e.ward_party.clone(),
    };
    txn.put(key(Table::Ledger, &[]), &ledger);
    Ok(ledger)
}

/// A document put together from its pieces. `None` while pieces are missing or do not give its hash.
pub(super) fn document(txn: &Txn<'_>, hash: &[u8; 32]) -> std::result::Result<Option<Vec<u8>>, StateError> {
    let hex = hex::encode(hash);
    let Some(record) = txn.get::<DocumentRecord>(&key(Table::Document, &[&hex]))? else { return Ok(None) };
    let mut bytes = Vec::new();
    for piece in 0..record.count {
        match txn.get_raw(&piece_key(&hex, piece))? {
            Some(part) => bytes.extend_from_slice(&part),
            None => return Ok(None),
        }
    }
    let found: [u8; 32] = Sha256::digest(&bytes).into();
    Ok((found == *hash).then_some(bytes))
}

fn piece_key(document: &str, piece: u32) -> Vec<u8> {
    key(Table::DocumentPiece, &[document, &format!("{piece:02}")])
}

fn parse_key(field: &str, wire: Option<&proto::PublicKey>) -> Result<PublicKey> {
    wire.and_then(PublicKey::from_proto)
        .filter(|public| public.to_verifying_key().is_some())
        .ok_or_else(|| refuse(RefusalCode::Malformed, field, "a usable Ed25519 public key is wanted"))
}

fn hash(field: &str, bytes: &[u8]) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| refuse(RefusalCode::Malformed, field, "32 bytes of SHA-256 are wanted"))
}

fn optional_deadline(field: &str, text: &str) -> Result<Option<String>> {
    if text.is_empty() {
        return Ok(None);
    }
    let deadline = Deadline::parse(text).map_err(|why| refuse(RefusalCode::Malformed, field, &why))?;
    Ok(Some(deadline.to_string()))
}

fn optional_time(field: &str, text: &str) -> Result<Option<String>> {
    if text.is_empty() {
        return Ok(None);
    }
    let time = ClockTime::parse(text)
        .ok_or_else(|| refuse(RefusalCode::Malformed, field, "a time of day such as 17:15 is wanted"))?;
    Ok(Some(time.to_string()))
}

fn optional_date(field: &str, text: &str) -> Result<Option<Date>> {
    if text.is_empty() {
        return Ok(None);
    }
    Date::parse(text)
        .map(Some)
        .ok_or_else(|| refuse(RefusalCode::Malformed, field, "a day such as 2021-04-01 is wanted"))
}

/// Whether a key can sign what its party decides.
fn decides(record: &KeyRecord) -> bool {
    let reads_or_invites = matches!(&*record.purpose, AUDITOR_PURPOSE | COUNCIL_PURPOSE | INVITATION_PURPOSE);
    record.revoked.is_none() && !reads_or_invites
}

fn of_version_two(field: &str) -> FoldError {
    refuse(RefusalCode::Malformed, field, "this ledger folds by version 1, which does not know this")
}

impl Step<'_, '_> {
    pub(super) fn party_registered(&mut self, e: &proto::PartyRegistered) -> Result<()> {
        self.require_ward()?;
        check_id("party", &e.party)?;
        check_text("label", &e.label, MAX_LABEL_LEN)?;
        let place = key(Table::Party, &[&e.party]);
        if self.txn.exists(&place)? {
            return Err(refuse(
                RefusalCode::DuplicateId,
                "party",
                &format!("party `{}` is known already", e.party),
            ));
        }
        self.txn
            .put(place, &PartyRecord { label: e.label.clone(), members: Vec::new(), registered: self.fact });
        Ok(())
    }

    pub(super) fn member_registered(&mut self, e: &proto::MemberRegistered) -> Result<()> {
        self.require_ward()?;
        check_id("member", &e.member)?;
        check_text("label", &e.label, MAX_LABEL_LEN)?;
        let place = key(Table::Party, &[&e.party]);
        let mut record = self.known_party(&e.party)?;
        if record.members.iter().any(|(id, _)| *id == e.member) {
            return Err(refuse(
                RefusalCode::DuplicateId,
                "member",
                &format!("member `{}` is known already", e.member),
            ));
        }
        record.members.push((e.member.clone(), e.label.clone()));
        self.txn.put(place, &record);
        Ok(())
    }

    fn known_party(&self, id: &str) -> Result<PartyRecord> {
        check_id("party", id)?;
        self.txn.get(&key(Table::Party, &[id]))?.ok_or_else(|| {
            refuse(RefusalCode::UnknownReference, "party", &format!("party `{id}` is not registered"))
        })
    }

    pub(super) fn key_authorized(&mut self, e: &proto::KeyAuthorized) -> Result<()> {
        self.known_party(&e.party)?;
        // Who speaks for the ward or reads everything, and whom it invites, is for the ward alone to say.
        let own = self.signers[0] == e.party && e.party != self.ledger.ward;
        let for_all = |purpose: &str| matches!(purpose, AUDITOR_PURPOSE | COUNCIL_PURPOSE);
        let invited = self.invited_for.as_deref() == Some(e.purpose.as_str());
        let invites = self.has_possession() && e.purpose == INVITATION_PURPOSE;
        if !invited && (!own || for_all(&e.purpose) || invites) {
            self.require_ward_together()?;
        }
        check_text("purpose", &e.purpose, 100)?;
        let public = parse_key("key", e.key.as_ref())?;
        if !self.has_possession() {
            if !(e.possession.is_empty() && e.invites_for.is_empty() && e.invites_until_ms == 0) {
                return Err(of_version_two("key"));
            }
        } else if !shows_possession(&self.ledger.origin, e) {
            let text = "the key's own signature for this ledger and party is wanted; its holder makes it with `daicho key request`";
            return Err(refuse(RefusalCode::BadSignature, "possession", text));
        }
        if self.has_possession() {
            self.invite(e, &public)?;
        }
        let place = key(Table::Key, &[&public.id().to_string()]);
        if self.txn.exists(&place)? {
            return Err(refuse(
                RefusalCode::DuplicateId,
                "key",
                "the key was authorised before; make a new one",
            ));
        }
        let record = KeyRecord {
            party: e.party.clone(),
            public,
            purpose: e.purpose.clone(),
            authorized: self.fact,
            revoked: None,
        };
        self.txn.put(place, &record);
        Ok(())
    }

    /// Whether the ledger folds by a version that knows proofs of possession, invitations and the ward's rule.
    fn has_possession(&self) -> bool {
        self.ledger.fold_version >= FIRST_WITH_POSSESSION
    }

    /// Whether the ledger folds by a version in which nobody takes another's side.
    pub(super) fn has_sides(&self) -> bool {
        self.ledger.fold_version >= FIRST_WITH_SIDES
    }

    /// Whether the ledger folds by a version in which an attestation for some kinds is one for those alone.
    pub(super) fn has_attested_kinds(&self) -> bool {
        self.ledger.fold_version >= FIRST_WITH_KINDS
    }

    /// Notes what a one-time key may do, where it is one.
    fn invite(&mut self, e: &proto::KeyAuthorized, public: &PublicKey) -> Result<()> {
        if e.purpose != INVITATION_PURPOSE {
            if e.invites_for.is_empty() && e.invites_until_ms == 0 {
                return Ok(());
            }
            let text = "a key that invites has the purpose `invitation`";
            return Err(refuse(RefusalCode::Malformed, "purpose", text));
        }
        check_text("invites_for", &e.invites_for, 100)?;
        if e.invites_for.is_empty() || e.invites_for == INVITATION_PURPOSE {
            return Err(refuse(
                RefusalCode::Malformed,
                "invites_for",
                "the purpose of the key to come is wanted",
            ));
        }
        let until = Instant::from_unix_ms(e.invites_until_ms).filter(|until| *until > self.fact.recorded);
        let until = until
            .ok_or_else(|| refuse(RefusalCode::Malformed, "invites_until_ms", "a time to come is wanted"))?;
        let record = InvitationRecord { invites_for: e.invites_for.clone(), until };
        self.txn.put(key(Table::Invitation, &[&public.id().to_string()]), &record);
        Ok(())
    }

    /// A one-time key signs alone, in time, and one statement: that another key of its party takes its place. It ends
    /// with it.
    pub(super) fn spend_invitation(&mut self, events: &[proto::Event]) -> Result<()> {
        for (n, id) in self.keys.iter().enumerate() {
            let place = key(Table::Key, &[id]);
            let Some(mut record) = self.txn.get::<KeyRecord>(&place)? else { continue };
            if record.purpose != INVITATION_PURPOSE {
                continue;
            }
            let invitation: Option<InvitationRecord> = self.txn.get(&key(Table::Invitation, &[id]))?;
            let Some(invitation) = invitation else { continue };
            let refused =
                |text: &str| Err(refuse(RefusalCode::NotAuthorized, &format!("signers[{n}]"), text));
            if self.fact.recorded > invitation.until {
                return refused(&format!(
                    "the invitation ended at {}; ask the ward for another",
                    invitation.until
                ));
            }
            let [proto::Event { fact: Some(proto::event::Fact::KeyAuthorized(e)), .. }] = events else {
                return refused("an invited key states one fact: which key takes its place");
            };
            if self.keys.len() != 1 || e.party != record.party || e.purpose != invitation.invites_for {
                let text =
                    format!("the invitation is for one `{}` key of {}", invitation.invites_for, record.party);
                return refused(&text);
            }
            record.revoked = Some((self.fact, self.fact.recorded));
            self.txn.put(place, &record);
            self.invited_for = Some(invitation.invites_for);
            return Ok(());
        }
        Ok(())
    }

    pub(super) fn ward_rule_set(&mut self, e: &proto::WardRuleSet) -> Result<()> {
        if !self.has_possession() {
            return Err(of_version_two("ward_rule_set"));
        }
        self.require_ward_together()?;
        let (threshold, keys) = (e.threshold as usize, e.key_ids.len());
        let spare = threshold == 1 || threshold < keys;
        if !(1..=MAX_SIGNERS.min(keys)).contains(&threshold) || !spare || keys > MAX_RULED_KEYS {
            let text = format!(
                "1 to {MAX_SIGNERS} of at most {MAX_RULED_KEYS} keys are wanted, with a spare one where it is several"
            );
            return Err(refuse(RefusalCode::Malformed, "threshold", &text));
        }
        let keys: Vec<String> = e.key_ids.iter().map(hex::encode).collect();
        for (n, id) in keys.iter().enumerate() {
            let record: Option<KeyRecord> = self.txn.get(&key(Table::Key, &[id]))?;
            let speaks = record.is_some_and(|record| record.party == self.ledger.ward && decides(&record));
            if !speaks || keys[..n].contains(id) {
                let why = "a key of the ward that is in force is wanted, each once";
                return Err(refuse(RefusalCode::UnknownReference, &format!("key_ids[{n}]"), why));
            }
        }
        // Those who are to decide together show that they can.
        self.signed_by(&keys, e.threshold)?;
        let rule = WardRuleRecord { set: self.fact, threshold: e.threshold, keys };
        self.txn.put(key(Table::WardRule, &[]), &rule);
        Ok(())
    }

    pub(super) fn key_revoked(&mut self, e: &proto::KeyRevoked) -> Result<()> {
        check_text("reason", &e.reason, 200)?;
        let place = key(Table::Key, &[&hex::encode(&e.key_id)]);
        let Some(mut record) = self.txn.get::<KeyRecord>(&place)? else {
            return Err(refuse(RefusalCode::UnknownReference, "key_id", "no such key is authorised"));
        };
        if self.signers[0] != record.party || record.party == self.ledger.ward {
            self.require_ward_together()?;
        }
        self.leaves_enough(&hex::encode(&e.key_id))?;
        if let Some((fact, _)) = record.revoked {
            return Err(refuse(
                RefusalCode::KeyRevoked,
                "key_id",
                &format!("revoked at entry {} already", fact.entry),
            ));
        }
        let from = Instant::from_unix_ms(e.distrust_from_ms).ok_or_else(|| {
            refuse(RefusalCode::Malformed, "distrust_from_ms", "milliseconds since 1970 are wanted")
        })?;
        record.revoked = Some((self.fact, from));
        self.txn.put(place, &record);
        Ok(())
    }

    /// A rule that too few keys are left for would lock the ward out.
    fn leaves_enough(&self, revoked: &str) -> Result<()> {
        let Some(rule) = self.txn.get::<WardRuleRecord>(&key(Table::WardRule, &[]))? else { return Ok(()) };
        if !rule.keys.iter().any(|key| key == revoked) {
            return Ok(());
        }
        let mut left = 0;
        for id in rule.keys.iter().filter(|id| *id != revoked) {
            let record: Option<KeyRecord> = self.txn.get(&key(Table::Key, &[id]))?;
            left += u32::from(record.is_some_and(|record| decides(&record)));
        }
        if left >= rule.threshold {
            return Ok(());
        }
        let text = format!(
            "{left} keys would be left for the ward's rule of {}; set another rule first",
            rule.threshold
        );
        Err(refuse(RefusalCode::NotAuthorized, "key_id", &text))
    }

    pub(super) fn checkpoint_keys_named(&mut self, e: &proto::CheckpointKeysNamed) -> Result<()> {
        self.require_operator()?;
        if e.keys.is_empty() || e.keys.len() > MAX_CHECKPOINT_KEYS {
            let text = format!("1 to {MAX_CHECKPOINT_KEYS} verifier keys are wanted");
            return Err(refuse(RefusalCode::Malformed, "keys", &text));
        }
        for (n, text) in e.keys.iter().enumerate() {
            let fits = text.parse::<VerifierKey>().is_ok_and(|key| key.name().as_str() == self.ledger.origin);
            if !fits || e.keys[..n].contains(text) {
                let why = "a verifier key under the ledger's origin name is wanted, each once";
                return Err(refuse(RefusalCode::Malformed, &format!("keys[{n}]"), why));
            }
        }
        let place = key(Table::CheckpointKeys, &[]);
        let mut record: CheckpointKeysRecord = self.txn.get(&place)?.unwrap_or_default();
        record.sets.push((self.fact, e.keys.clone()));
        self.txn.put(place, &record);
        Ok(())
    }

    pub(super) fn sealed(&mut self, e: &proto::Sealed) -> Result<()> {
        self.require_operator()?;
        let before = self.fact.entry.get().checked_sub(1);
        if before != Some(e.after_entry) || e.chain_hash != self.previous.as_bytes() {
            let text = format!("the seal must state entry {} and the chain hash there", before.unwrap_or(0));
            return Err(refuse(RefusalCode::WrongSeal, "sealed", &text));
        }
        Ok(())
    }

    /// What the operator says of reading changes no custody; its form is checked, so that auditors can rely on it.
    pub(super) fn reads_logged(&mut self, e: &proto::ReadsLogged) -> Result<()> {
        self.require_operator()?;
        if Date::parse(&e.day).is_none() {
            return Err(refuse(RefusalCode::Malformed, "day", "a day such as 2021-04-01 is wanted"));
        }
        if e.readers.is_empty() || e.readers.len() > MAX_READERS {
            let text = format!("1 to {MAX_READERS} readers are wanted");
            return Err(refuse(RefusalCode::Malformed, "readers", &text));
        }
        for (n, reader) in e.readers.iter().enumerate() {
            let in_order = n == 0 || e.readers[n - 1].key_id < reader.key_id;
            let fits = reader.key_id.len() == KeyId::LEN && reader.log_hash.len() == 32 && reader.reads > 0;
            if !(in_order && fits) {
                let why =
                    "a key id, the number of its reads and a SHA-256 are wanted, in the order of the keys";
                return Err(refuse(RefusalCode::Malformed, &format!("readers[{n}]"), why));
            }
        }
        Ok(())
    }

    pub(super) fn clock_stepped(&mut self, e: &proto::ClockStepped) -> Result<()> {
        self.require_operator()?;
        for (name, ms) in [("expected_ms", e.expected_ms), ("found_ms", e.found_ms)] {
            if Instant::from_unix_ms(ms).is_none() {
                return Err(refuse(RefusalCode::Malformed, name, "milliseconds since 1970 are wanted"));
            }
        }
        Ok(())
    }

    pub(super) fn document_chunk(&mut self, e: &proto::DocumentChunk) -> Result<()> {
        self.require_ward()?;
        let hex = hex::encode(hash("document", &e.document)?);
        if e.count == 0 || e.count > MAX_PIECES || e.index >= e.count {
            let text = format!("a document has 1 to {MAX_PIECES} pieces, numbered from 0");
            return Err(refuse(RefusalCode::Malformed, "index", &text));
        }
        if e.data.is_empty() || e.data.len() > MAX_PIECE_LEN {
            let text = format!("a piece has 1 to {MAX_PIECE_LEN} bytes");
            return Err(refuse(RefusalCode::TooLarge, "data", &text));
        }
        let place = key(Table::Document, &[&hex]);
        let mut record = self.txn.get(&place)?.unwrap_or(DocumentRecord { count: e.count, present: 0 });
        if record.count != e.count || record.present >> e.index & 1 == 1 {
            return Err(refuse(RefusalCode::DuplicateId, "index", "the piece is in the ledger already"));
        }
        record.present |= 1 << e.index;
        self.txn.put(place, &record);
        self.txn.put_raw(piece_key(&hex, e.index), e.data.clone());
        Ok(())
    }

    pub(super) fn scheme_enacted(&mut self, e: &proto::SchemeEnacted) -> Result<()> {
        self.require_ward_together()?;
        check_id("scheme", &e.scheme)?;
        let scheme_document = hash("scheme_document", &e.scheme_document)?;
        let vocabulary_document = hash("vocabulary_document", &e.vocabulary_document)?;
        let text = self.document_text("scheme_document", &scheme_document)?;
        let words = self.document_text("vocabulary_document", &vocabulary_document)?;
        let rejected = |field: &str, why: String| refuse(RefusalCode::SchemeRejected, field, &why);
        let scheme = Scheme::parse(&text).map_err(|why| rejected("scheme_document", why.to_string()))?;
        let vocabulary =
            Vocabulary::parse(&words).map_err(|why| rejected("vocabulary_document", why.to_string()))?;
        check_settled(&text, &scheme, &vocabulary, &e.corrections)?;
        let calendar_document = self.calendar_document(&scheme, &e.calendar_document)?;

        let place = key(Table::Scheme, &[&e.scheme]);
        let mut record =
            self.txn.get(&place)?.unwrap_or(SchemeRecord { versions: Vec::new(), limits: Vec::new() });
        let next = record.versions.last().map_or(1, |v| v.version + 1);
        if scheme.id != e.scheme || scheme.version != e.version || e.version != next {
            let why = format!(
                "version {next} of `{}` is next; the file is version {} of `{}`",
                e.scheme, scheme.version, scheme.id
            );
            return Err(rejected("version", why));
        }
        record.versions.push(SchemeVersion {
            version: e.version,
            enacted: self.fact,
            scheme_document,
            vocabulary_document,
            corrections: e.corrections.iter().map(|c| (c.diagnostic.clone(), c.ground.clone())).collect(),
            applies_to_open: e.applies_to_open,
            calendar_document,
        });
        self.txn.put(place, &record);
        self.scheme = None;
        Ok(())
    }

    /// Checks that the calendar enacted with a scheme is the one that it names, no less and no more.
    fn calendar_document(&self, scheme: &Scheme, bytes: &[u8]) -> Result<Option<[u8; 32]>> {
        const FIELD: &str = "calendar_document";
        let rejected = |why: String| refuse(RefusalCode::SchemeRejected, FIELD, &why);
        match (&scheme.calendar, bytes.is_empty()) {
            (None, true) => Ok(None),
            (None, false) => Err(rejected("the scheme names no calendar".into())),
            (Some(name), true) => Err(rejected(format!("the scheme counts by calendar `{name}`"))),
            (Some(name), false) => {
                let document = hash(FIELD, bytes)?;
                let calendar = Calendar::parse(&self.document_text(FIELD, &document)?)
                    .map_err(|why| rejected(why.to_string()))?;
                if calendar.name() != *name {
                    return Err(rejected(format!(
                        "the scheme names `{name}`; this is `{}`",
                        calendar.name()
                    )));
                }
                Ok(Some(document))
            }
        }
    }

    fn document_text(&self, field: &str, hash: &[u8; 32]) -> Result<String> {
        let bytes = document(&self.txn, hash)?.ok_or_else(|| {
            refuse(
                RefusalCode::UnknownReference,
                field,
                "the document is not in the ledger, or a piece is missing",
            )
        })?;
        String::from_utf8(bytes)
            .map_err(|_| refuse(RefusalCode::SchemeRejected, field, "the document is not UTF-8"))
    }

    pub(super) fn deadline_set(&mut self, e: &proto::DeadlineSet) -> Result<()> {
        self.require_ward_together()?;
        check_text("ground", &e.ground, MAX_GROUND_LEN)?;
        if e.ground.is_empty() {
            return Err(refuse(RefusalCode::Malformed, "ground", "a number needs a ground"));
        }
        let in_force = self.in_force();
        let deadline = optional_deadline("deadline", &e.deadline)?;
        let longest_wait = optional_deadline("longest_wait", &e.longest_wait)?;
        let keep_at_least = optional_deadline("keep_at_least", &e.keep_at_least)?;
        let limits = LimitSetting {
            set: self.fact,
            certificate_within: optional_deadline("certificate_within", &e.certificate_within)?,
            acknowledge_within: optional_deadline("acknowledge_within", &e.acknowledge_within)?,
            report_within: optional_deadline("report_within", &e.report_within)?,
            closing_time: optional_time("closing_time", &e.closing_time)?,
            attest_within: optional_deadline("attest_within", &e.attest_within)?,
            warn_before: optional_deadline("warn_before", &e.warn_before)?,
            ground: e.ground.clone(),
        };
        let sets_limits = limits.certificate_within.is_some()
            || limits.acknowledge_within.is_some()
            || limits.report_within.is_some()
            || limits.closing_time.is_some()
            || limits.attest_within.is_some()
            || limits.warn_before.is_some();
        let sets_rule = deadline.is_some() || longest_wait.is_some() || keep_at_least.is_some();
        if sets_rule == e.rule.is_empty() || sets_limits != e.rule.is_empty() {
            let text = "a rule takes `deadline`, `longest_wait` or `keep_at_least`; the scheme as a whole (no rule) takes the other limits";
            return Err(refuse(RefusalCode::Malformed, "rule", text));
        }
        for (field, text) in [
            ("deadline", &deadline),
            ("longest_wait", &longest_wait),
            ("keep_at_least", &keep_at_least),
            ("certificate_within", &limits.certificate_within),
            ("acknowledge_within", &limits.acknowledge_within),
            ("attest_within", &limits.attest_within),
            ("warn_before", &limits.warn_before),
            ("report_within", &limits.report_within),
        ] {
            let counts = text.as_deref().and_then(|text| Deadline::parse(text).ok());
            if counts.is_some_and(Deadline::needs_calendar) && in_force.context.calendar.is_none() {
                let text = "business days need a calendar, and the scheme names none";
                return Err(refuse(RefusalCode::Malformed, field, text));
            }
        }
        if sets_limits {
            let mut record = (*in_force.record).clone();
            record.limits.push(limits);
            self.txn.put(key(Table::Scheme, &[&in_force.id]), &record);
            self.scheme = None;
            return Ok(());
        }
        let context = &in_force.context;
        let rule = context.scheme.rule(&e.rule).map(|rule| rule.deadline.proposal);
        let act = || e.rule.strip_prefix(ACT_RULE_PREFIX).and_then(|word| context.vocabulary.act(word));
        let Some(proposal) = rule.or_else(|| act().map(|act| act.proposal)) else {
            let text = format!("no rule `{}`; an act word is written act/<word>", e.rule);
            return Err(refuse(RefusalCode::UnknownReference, "rule", &text));
        };
        let proposal = proposal.map(|p| p.to_string());
        if e.adopts_proposal && (deadline.is_none() || proposal != deadline) {
            return Err(refuse(
                RefusalCode::Malformed,
                "adopts_proposal",
                "the file proposes another deadline or none",
            ));
        }
        let place = self.local_key(Table::Rule, &e.rule);
        let mut record: RuleRecord = self.txn.get(&place)?.unwrap_or_default();
        record.settings.push(RuleSetting {
            set: self.fact,
            by: self.signers[0].clone(),
            deadline,
            adopts_proposal: e.adopts_proposal,
            ground: e.ground.clone(),
            longest_wait,
            keep_at_least,
        });
        self.txn.put(place, &record);
        Ok(())
    }

    pub(super) fn contract_settled(&mut self, e: &proto::ContractSettled) -> Result<()> {
        self.require_ward_together()?;
        let context = self.context();
        if context.scheme.contract(&e.contract).is_none() {
            return Err(refuse(
                RefusalCode::UnknownReference,
                "contract",
                &format!("no contract `{}`", e.contract),
            ));
        }
        check_text("identity", &e.identity, MAX_LABEL_LEN)?;
        let named = match e.party.as_str() {
            "" => None,
            party if context.party(party).is_some() => Some((party.to_owned(), e.identity.clone())),
            party => {
                return Err(refuse(RefusalCode::UnknownReference, "party", &format!("no party `{party}`")));
            }
        };
        let (start, end) = (optional_date("start", &e.start)?, optional_date("end", &e.end)?);
        if start.zip(end).is_some_and(|(start, end)| end < start) {
            return Err(refuse(RefusalCode::Malformed, "end", "the contract ends before it starts"));
        }
        let place = self.local_key(Table::Contract, &e.contract);
        let mut record: ContractRecord = self.txn.get(&place)?.unwrap_or_default();
        record.settlements.push(Settlement { set: self.fact, named, start, end });
        self.txn.put(place, &record);
        Ok(())
    }

    pub(super) fn subcontract_approved(&mut self, e: &proto::SubcontractApproved) -> Result<()> {
        self.require_ward()?;
        if self.context().scheme.contract(&e.contract).is_none() {
            return Err(refuse(
                RefusalCode::UnknownReference,
                "contract",
                &format!("no contract `{}`", e.contract),
            ));
        }
        self.approve(&e.party, &e.member, &e.contract)
    }

    pub(super) fn recipient_approved(&mut self, e: &proto::RecipientApproved) -> Result<()> {
        self.require_ward()?;
        self.approve(&e.party, &e.member, "")
    }

    fn approve(&mut self, party: &str, member: &str, contract: &str) -> Result<()> {
        check_id("party", party)?;
        if !member.is_empty() {
            check_id("member", member)?;
        }
        let place = key(Table::Approval, &[self.scheme_id(), party, member]);
        let mut record = ApprovalRecord { approved: self.fact, contract: contract.to_owned() };
        if self.has_sides() && !contract.is_empty() {
            // Consents to one party under several contracts, and again, are acts beside each other. The record only says that
            // there is one.
            record.contract.clear();
            let context = self.context();
            let ward = context.scheme.parties.iter().find(|p| p.role == PartyRole::Controller);
            let act = ActRecord {
                fact: self.fact,
                by: ward.map(|p| p.id.clone()).unwrap_or_default(),
                target: contract.to_owned(),
                counterpart: party.to_owned(),
                document: Vec::new(),
                attributes: Vec::new(),
            };
            let at = self.output_key(Table::Act, &[self.scheme_id(), SUBCONTRACT_APPROVED], 0);
            self.txn.put(at, &act);
        }
        self.txn.put(place, &record);
        Ok(())
    }

    pub(super) fn finding_decided(&mut self, e: &proto::FindingDecided) -> Result<()> {
        self.require_ward()?;
        if FindingCode::parse(&e.code).is_none() {
            return Err(refuse(RefusalCode::UnknownReference, "code", "no such finding code"));
        }
        check_text("object", &e.object, MAX_OBJECT_LEN)?;
        check_text("ground", &e.ground, MAX_GROUND_LEN)?;
        if e.object.is_empty() || e.ground.is_empty() {
            let text = "a decision names the finding's object and a ground";
            return Err(refuse(RefusalCode::Malformed, "object", text));
        }
        let known = matches!(
            e.decision(),
            proto::FindingDecision::Accepted
                | proto::FindingDecision::Guided
                | proto::FindingDecision::Published
        );
        if !known {
            return Err(refuse(
                RefusalCode::Malformed,
                "decision",
                "accepted, guided or published is wanted",
            ));
        }
        if !e.document.is_empty() {
            hash("document", &e.document)?;
        }
        let place = self.output_key(Table::Decision, &[self.scheme_id(), &e.code, &e.object], 0);
        let record = DecisionRecord {
            fact: self.fact,
            by: self.signers[0].clone(),
            decision: e.decision,
            ground: e.ground.clone(),
            document: e.document.clone(),
        };
        self.txn.put(place, &record);
        Ok(())
    }

    pub(super) fn corrected(&mut self, e: &proto::Corrected) -> Result<()> {
        check_text("correction", &e.correction, MAX_GROUND_LEN)?;
        if e.correction.is_empty() || e.entry_index >= self.fact.entry.get() {
            return Err(refuse(
                RefusalCode::UnknownReference,
                "entry_index",
                "an earlier entry and a text are wanted",
            ));
        }
        let corrected = format!("{:020}", e.entry_index);
        let place = self.output_key(Table::Correction, &[&corrected, &e.event.to_string()], 0);
        let by = self.signers[0].clone();
        self.txn.put(place, &CorrectionRecord { fact: self.fact, by, correction: e.correction.clone() });
        Ok(())
    }
}

/// Refuses a scheme with errors, or with errors of its source that the ward has not settled.
fn check_settled(
    text: &str,
    scheme: &Scheme,
    vocabulary: &Vocabulary,
    corrections: &[proto::SourceCorrection],
) -> Result<()> {
    for (i, correction) in corrections.iter().enumerate() {
        let field = format!("corrections[{i}].ground");
        check_text(&field, &correction.ground, MAX_GROUND_LEN)?;
        if correction.ground.is_empty() {
            return Err(refuse(RefusalCode::Malformed, &field, "a correction needs a ground"));
        }
    }
    for diagnostic in lint(text, scheme, vocabulary) {
        let name = format!("{}@{}", diagnostic.check, diagnostic.at);
        let settled = corrections.iter().any(|c| c.diagnostic == name);
        let blocks = match diagnostic.level {
            Level::Error => true,
            Level::SourceError => !settled,
            Level::Warning | Level::Note => false,
        };
        if blocks {
            let text = format!("line {}: {name}: {}", diagnostic.line, diagnostic.message.en);
            return Err(FoldError::Refused(Refusal::field(
                RefusalCode::SchemeRejected,
                "scheme_document",
                text,
            )));
        }
    }
    Ok(())
}
