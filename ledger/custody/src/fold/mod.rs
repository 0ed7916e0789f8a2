//! The fold: from one checked statement and the state before it to what it changes, or a refusal.
//!
//! Pure: the same state, statement, time and index give the same changes everywhere. It refuses only what is
//! not authentic or malformed; everything else is recorded, and what is wrong with it becomes a finding.

mod deletion;
mod governance;
mod movement;

pub use governance::{AUDITOR_PURPOSE, COUNCIL_PURPOSE, FIRST_WITH_POSSESSION, INVITATION_PURPOSE};
pub(crate) use movement::scope_word;

/// A document of the ledger, put together from its pieces. `None` while pieces are missing.
///
/// # Errors
/// When the state cannot be read.
pub fn document(view: &dyn View, hash: &[u8; 32]) -> std::result::Result<Option<Vec<u8>>, StateError> {
    governance::document(&Txn::new(view), hash)
}

use std::sync::Arc;

use daicho_core::proto::event::Fact as Body;
use daicho_core::{
    ChainHash, CheckedStatement, Instant, MAX_FUTURE_SKEW_MS, Place, Refusal, RefusalCode, check_id, proto,
};

use crate::calendar::{Calendar, ClockTime, Office};
use crate::context::{ContextCache, SchemeContext};
use crate::scheme::{Deadline, Scheme, Vocabulary};
use crate::state::{
    Changes, Fact, FindingRecord, KeyRecord, LateNumberRecord, LedgerRecord, SchemeRecord, SchemeVersion,
    SequenceRecord, StateError, Table, Txn, View, WardRuleRecord, decode, key, key_at,
};
use crate::{Detail, FindingCode};

/// Version of the rules of this module. It is in entry 0; ledgers of earlier versions are replayed by theirs.
pub const FOLD_VERSION: u32 = 4;
/// The first version in which nobody takes another's side of a handover, a key leaves out few numbers, and every consent stays.
const FIRST_WITH_SIDES: u32 = 3;
/// The first version in which an attestation for some kinds is one for those kinds alone.
pub(crate) const FIRST_WITH_KINDS: u32 = 4;
/// How many spans of numbers a key may have used: what it leaves out is kept, and read with each of its statements.
const MAX_SPANS: usize = 256;

/// Why a statement was not folded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FoldError {
    /// It is not authentic or malformed. Nothing changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The state cannot be read. Stop.
    #[error(transparent)]
    State(#[from] StateError),
}

type Result<T> = std::result::Result<T, FoldError>;

/// The fold with its memory of parsed records and schemes (which changes nothing but speed).
#[derive(Debug, Default, Clone)]
pub struct Fold {
    contexts: ContextCache,
    memo: Memo,
}

/// Records that nearly every statement asks for, decoded once for as long as their bytes stay the same.
#[derive(Debug, Default, Clone)]
struct Memo {
    ledger: Option<(Vec<u8>, Arc<LedgerRecord>)>,
    scheme: Option<(Vec<u8>, InForce)>,
}

impl Fold {
    /// What `statement` changes when it becomes the entry at `place`.
    ///
    /// # Errors
    /// [`FoldError::Refused`] leaves the state as it is; [`FoldError::State`] means that it cannot be read.
    pub fn apply(&mut self, view: &dyn View, statement: &CheckedStatement, place: Place) -> Result<Changes> {
        let Place { index, recorded, .. } = place;
        let mut txn = Txn::new(view);
        let events = &statement.body().events;
        let mut first = 0;
        let ledger = if index.get() == 0 {
            first = 1;
            governance::open_ledger(&mut txn, &events[0], &statement.body().ledger_origin, recorded)
                .map(Arc::new)
                .map_err(|error| within(error, "events[0]"))?
        } else {
            self.memo.ledger(&txn)?
        };
        let fact = Fact { occurred: recorded, recorded, entry: index };
        let (signers, invited) = admit_signers(&mut txn, &ledger, statement, fact)?;
        txn.put(key_at(Table::Author, &[], index, 0), &signers[0]);
        if first == 1 && signers[0] != ledger.operator {
            return Err(refuse(RefusalCode::NotAuthorized, "signers[0]", "the operator opens the ledger"));
        }
        let mut step = Step {
            txn,
            contexts: &mut self.contexts,
            memo: &mut self.memo,
            ledger,
            keys: statement.signers().iter().map(|signer| signer.key.to_string()).collect(),
            signers,
            fact,
            previous: place.previous,
            n: 0,
            scheme: None,
            actor: String::new(),
            flow: String::new(),
            invited_for: None,
        };
        if invited {
            step.spend_invitation(events)?;
        }
        for (n, event) in events.iter().enumerate().skip(first) {
            step.event(n as u32, event).map_err(|error| within(error, &format!("events[{n}]")))?;
        }
        Ok(step.txn.into_changes())
    }
}

/// The ledger's own record.
///
/// # Errors
/// When the state cannot be read or holds no ledger.
pub fn ledger_record(txn: &Txn<'_>) -> std::result::Result<LedgerRecord, StateError> {
    txn.get(&key(Table::Ledger, &[]))?.ok_or_else(no_ledger)
}

/// A version of a scheme with its vocabulary and calendar, from the cache or from the ledger's own bytes.
pub(crate) fn load_context(
    txn: &Txn<'_>,
    cache: &mut ContextCache,
    version: &SchemeVersion,
) -> std::result::Result<Arc<SchemeContext>, StateError> {
    if let Some(context) = cache.get(version) {
        return Ok(context);
    }
    let text = |hash: &[u8; 32]| -> std::result::Result<String, StateError> {
        let bytes = governance::document(txn, hash)?
            .ok_or_else(|| StateError("an enacted document is gone".into()))?;
        String::from_utf8(bytes).map_err(|_| StateError("an enacted document is no text".into()))
    };
    let unreadable = |error: crate::scheme::ParseError| StateError(format!("an enacted document: {error}"));
    let parsed = Scheme::parse(&text(&version.scheme_document)?).map_err(unreadable)?;
    let words = Vocabulary::parse(&text(&version.vocabulary_document)?).map_err(unreadable)?;
    let calendar = match &version.calendar_document {
        Some(hash) => Some(Calendar::parse(&text(hash)?).map_err(unreadable)?),
        None => None,
    };
    let context = Arc::new(SchemeContext::new(parsed, words, calendar));
    cache.insert(version, Arc::clone(&context));
    Ok(context)
}

fn within(error: FoldError, outer: &str) -> FoldError {
    match error {
        FoldError::Refused(refusal) => FoldError::Refused(refusal.within(outer)),
        state @ FoldError::State(_) => state,
    }
}

/// Rechecks what order can change: that each key is authorised now and each number is new. Returns the parties, and
/// whether one of the keys is a one-time key.
fn admit_signers(
    txn: &mut Txn<'_>,
    ledger: &LedgerRecord,
    statement: &CheckedStatement,
    fact: Fact,
) -> Result<(Vec<String>, bool)> {
    let purposes_count = ledger.fold_version >= FIRST_WITH_POSSESSION;
    let mut parties = Vec::with_capacity(statement.signers().len());
    let mut invited = false;
    for (i, signer) in statement.signers().iter().enumerate() {
        let hex = signer.key.to_string();
        let at = || format!("signers[{i}]");
        let Some(record) = txn.get::<KeyRecord>(&key(Table::Key, &[&hex]))? else {
            let text = format!("key {hex} is not authorised in this ledger");
            return Err(Refusal::field(RefusalCode::UnknownKey, at(), text).into());
        };
        let place = key(Table::Sequence, &[&hex]);
        let mut used: SequenceRecord = txn.get(&place)?.unwrap_or_default();
        if used.contains(signer.sequence) {
            let text = format!(
                "number {} of key {hex} was used before; the next free one is {}",
                signer.sequence,
                used.last() + 1
            );
            return Err(Refusal::field(RefusalCode::SequenceUsed, at(), text).into());
        }
        // After the number, so that a statement that was recorded before still gets its first answer.
        if let Some((revoked, _)) = record.revoked {
            let text = format!("key {hex} of {} was revoked at entry {}", record.party, revoked.entry);
            return Err(Refusal::field(RefusalCode::KeyRevoked, at(), text).into());
        }
        let late = used.skipper_of(signer.sequence).filter(|_| signer.sequence < used.last());
        used.insert(signer.sequence, fact);
        if ledger.fold_version >= FIRST_WITH_SIDES {
            used.forget_filled();
            if let Some(skipped) = late {
                let record = LateNumberRecord { number: signer.sequence, skipped, fact };
                txn.put(key_at(Table::LateNumber, &[&hex], fact.entry, i as u32), &record);
            }
            if used.used.len() > MAX_SPANS {
                let missing = used.gaps().first().map_or(0, |(from, _)| *from);
                let text = format!(
                    "key {hex} leaves out too many numbers; send what has number {missing}, or go on from the last one"
                );
                return Err(Refusal::field(RefusalCode::Malformed, at(), text).into());
            }
        }
        txn.put(place, &used);
        if purposes_count && matches!(&*record.purpose, AUDITOR_PURPOSE | COUNCIL_PURPOSE) {
            let text = format!("key {hex} reads for its holder; it says nothing");
            return Err(Refusal::field(RefusalCode::NotAuthorized, at(), text).into());
        }
        invited |= purposes_count && record.purpose == INVITATION_PURPOSE;
        parties.push(record.party);
    }
    Ok((parties, invited))
}

/// A scheme as the events of one statement see it.
#[derive(Debug, Clone)]
struct InForce {
    id: String,
    context: Arc<SchemeContext>,
    record: Arc<SchemeRecord>,
    report_within: Option<Deadline>,
    closing: Option<ClockTime>,
}

impl Memo {
    fn ledger(&mut self, txn: &Txn<'_>) -> std::result::Result<Arc<LedgerRecord>, StateError> {
        let bytes = txn.get_raw(&key(Table::Ledger, &[]))?.ok_or_else(no_ledger)?;
        match &self.ledger {
            Some((known, record)) if *known == bytes => Ok(Arc::clone(record)),
            _ => {
                let record: Arc<LedgerRecord> = Arc::new(decode(&bytes)?);
                self.ledger = Some((bytes, Arc::clone(&record)));
                Ok(record)
            }
        }
    }
}

fn no_ledger() -> StateError {
    StateError("the state holds no ledger".into())
}

/// Work on one event.
struct Step<'a, 'c> {
    txn: Txn<'a>,
    contexts: &'c mut ContextCache,
    memo: &'c mut Memo,
    ledger: Arc<LedgerRecord>,
    /// Parties of the signing keys, in order.
    signers: Vec<String>,
    /// Ids of the signing keys in hex, in the same order.
    keys: Vec<String>,
    /// Times and entry of the event at hand.
    fact: Fact,
    /// Chain hash before the entry at hand.
    previous: ChainHash,
    /// Number of the event in its statement.
    n: u32,
    /// Scheme of the event at hand, kept from event to event.
    scheme: Option<InForce>,
    /// Party that the event speaks for: local to the scheme, when there is one.
    actor: String,
    /// Flow that the event names, or empty.
    flow: String,
    /// Purpose of the one key that the signer, a one-time key, may authorise.
    invited_for: Option<String>,
}

impl Step<'_, '_> {
    fn event(&mut self, n: u32, event: &proto::Event) -> Result<()> {
        self.n = n;
        self.fact.occurred = self.occurred(event.occur_time_ms)?;
        let Some(body) = &event.fact else {
            return Err(refuse(RefusalCode::Malformed, "fact", "an event states one fact"));
        };
        if self.governs(event, body)? {
            return Ok(());
        }
        self.enter_scheme(&event.scheme)?;
        self.actor = self.speaks_for(&event.on_behalf_of)?;
        flow_of(body).clone_into(&mut self.flow);
        self.check_reported_in_time();
        match body {
            Body::Collected(e) => self.collected(e),
            Body::HandoverGiven(e) => self.handover_given(e),
            Body::HandoverReceived(e) => self.handover_received(e),
            Body::Derived(e) => self.derived(e),
            Body::Printed(e) => self.printed(e),
            Body::Copied(e) => self.copied(e),
            Body::MilestoneReached(e) => self.milestone_reached(e),
            Body::Deleted(e) => self.deleted(e),
            Body::Returned(e) => self.returned(e),
            Body::DeletionCertified(e) => self.deletion_certified(e),
            Body::DeletionConfirmed(e) => self.deletion_confirmed(e),
            Body::DeletionDeferred(e) => self.deletion_deferred(e),
            Body::Relayed(e) => self.relayed(e),
            Body::NonPersistenceAttested(e) => self.non_persistence_attested(e),
            Body::ActPerformed(e) => self.act_performed(e),
            other => {
                Err(refuse(RefusalCode::Malformed, "fact", &format!("unexpected fact {}", fact_name(other))))
            }
        }
    }

    /// Handles facts about the ledger itself. `false`: it is a fact of custody.
    fn governs(&mut self, event: &proto::Event, body: &Body) -> Result<bool> {
        match body {
            Body::LedgerOpened(_) => {
                return Err(refuse(
                    RefusalCode::Malformed,
                    "ledger_opened",
                    "a ledger is opened once, by entry 0",
                ));
            }
            Body::PartyRegistered(e) => self.party_registered(e)?,
            Body::MemberRegistered(e) => self.member_registered(e)?,
            Body::KeyAuthorized(e) => self.key_authorized(e)?,
            Body::KeyRevoked(e) => self.key_revoked(e)?,
            Body::DocumentChunk(e) => self.document_chunk(e)?,
            Body::SchemeEnacted(e) => self.scheme_enacted(e)?,
            Body::Corrected(e) => self.corrected(e)?,
            Body::CheckpointKeysNamed(e) => self.checkpoint_keys_named(e)?,
            Body::Sealed(e) => self.sealed(e)?,
            Body::ReadsLogged(e) => self.reads_logged(e)?,
            Body::ClockStepped(e) => self.clock_stepped(e)?,
            Body::WardRuleSet(e) => self.ward_rule_set(e)?,
            Body::DeadlineSet(e) => {
                self.enter_scheme(&event.scheme)?;
                self.deadline_set(e)?;
            }
            Body::ContractSettled(e) => {
                self.enter_scheme(&event.scheme)?;
                self.contract_settled(e)?;
            }
            Body::SubcontractApproved(e) => {
                self.enter_scheme(&event.scheme)?;
                self.subcontract_approved(e)?;
            }
            Body::FindingDecided(e) => {
                self.enter_scheme(&event.scheme)?;
                self.finding_decided(e)?;
            }
            Body::RecipientApproved(e) => {
                self.enter_scheme(&event.scheme)?;
                self.recipient_approved(e)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn occurred(&self, ms: i64) -> Result<Instant> {
        let Some(time) = Instant::from_unix_ms(ms).filter(|t| *t > Instant::EPOCH) else {
            return Err(refuse(
                RefusalCode::Malformed,
                "occur_time_ms",
                "milliseconds since 1970 are wanted",
            ));
        };
        if time > self.fact.recorded.plus_ms(MAX_FUTURE_SKEW_MS) {
            let text = format!("{time} is later than now, {}", self.fact.recorded);
            return Err(refuse(RefusalCode::FutureTime, "occur_time_ms", &text));
        }
        Ok(time)
    }

    /// Makes `self.scheme` the scheme with this id.
    fn enter_scheme(&mut self, id: &str) -> Result<()> {
        if self.scheme.as_ref().is_some_and(|s| s.id == id) {
            return Ok(());
        }
        check_id("scheme", id)?;
        let Some(bytes) = self.txn.get_raw(&key(Table::Scheme, &[id]))? else {
            return Err(refuse(
                RefusalCode::UnknownReference,
                "scheme",
                &format!("scheme `{id}` is not in force"),
            ));
        };
        if let Some((_, known)) = self.memo.scheme.as_ref().filter(|(b, known)| known.id == id && *b == bytes)
        {
            self.scheme = Some(known.clone());
            return Ok(());
        }
        let record: SchemeRecord = decode(&bytes)?;
        let version =
            record.versions.last().ok_or_else(|| StateError("a scheme without a version".into()))?;
        let context = load_context(&self.txn, self.contexts, version)?;
        let report_within = record
            .limits
            .iter()
            .rev()
            .find_map(|limit| limit.report_within.as_deref())
            .and_then(|text| Deadline::parse(text).ok());
        let closing = record
            .limits
            .iter()
            .rev()
            .find_map(|limit| limit.closing_time.as_deref())
            .and_then(ClockTime::parse);
        let in_force =
            InForce { id: id.to_owned(), context, record: Arc::new(record), report_within, closing };
        self.memo.scheme = Some((bytes, in_force.clone()));
        self.scheme = Some(in_force);
        Ok(())
    }

    fn in_force(&self) -> InForce {
        self.scheme.clone().expect("custody facts are handled inside a scheme")
    }

    fn context(&self) -> Arc<SchemeContext> {
        Arc::clone(&self.scheme.as_ref().expect("custody facts are handled inside a scheme").context)
    }

    fn scheme_id(&self) -> &str {
        self.scheme.as_ref().map_or("", |s| s.id.as_str())
    }

    /// Key of a record of the scheme at hand.
    fn local_key(&self, table: Table, id: &str) -> Vec<u8> {
        key(table, &[self.scheme_id(), id])
    }

    /// The first signer's party as the scheme at hand names it.
    fn local_signer(&self) -> Result<String> {
        let party = &self.signers[0];
        if let Some(local) = self.context().local_party(party) {
            return Ok(local.to_owned());
        }
        let text = format!("the key's party `{party}` takes no part in scheme `{}`", self.scheme_id());
        Err(refuse(RefusalCode::NotAuthorized, "scheme", &text))
    }

    /// The party that the event is about: the signer's, or one that does not write and that the signer reports for.
    fn speaks_for(&self, on_behalf_of: &str) -> Result<String> {
        let signer = self.local_signer()?;
        if on_behalf_of.is_empty() || on_behalf_of == signer {
            return Ok(signer);
        }
        let context = self.context();
        let Some(party) = context.party(on_behalf_of) else {
            let text = format!("scheme `{}` has no party `{on_behalf_of}`", self.scheme_id());
            return Err(refuse(RefusalCode::UnknownReference, "on_behalf_of", &text));
        };
        let reports = party.reported_by.as_deref().map_or_else(|| self.is_ward(), |by| by == signer);
        if !party.writes && reports {
            return Ok(on_behalf_of.to_owned());
        }
        let text = format!("`{signer}` may not speak for `{on_behalf_of}`");
        Err(refuse(RefusalCode::NotAuthorized, "on_behalf_of", &text))
    }

    fn is_ward(&self) -> bool {
        self.signers[0] == self.ledger.ward
    }

    fn require_ward(&self) -> Result<()> {
        if self.is_ward() {
            return Ok(());
        }
        let text = format!("only the ward (`{}`) may say this", self.ledger.ward);
        Err(refuse(RefusalCode::NotAuthorized, "", &text))
    }

    /// The ward, by as many keys as its rule asks for.
    fn require_ward_together(&self) -> Result<()> {
        self.require_ward()?;
        let Some(rule) = self.txn.get::<WardRuleRecord>(&key(Table::WardRule, &[]))? else { return Ok(()) };
        self.signed_by(&rule.keys, rule.threshold)
    }

    /// Whether so many of these keys signed.
    fn signed_by(&self, keys: &[String], threshold: u32) -> Result<()> {
        let signed = self.keys.iter().filter(|key| keys.contains(key)).count();
        if signed >= threshold as usize {
            return Ok(());
        }
        let all = keys.len();
        let text = format!("the ward's rule asks for {threshold} of its {all} keys; {signed} signed this");
        Err(refuse(RefusalCode::NotAuthorized, "signers", &text))
    }

    fn require_operator(&self) -> Result<()> {
        if self.signers[0] == self.ledger.operator {
            return Ok(());
        }
        let text = format!("only the operator (`{}`) may say this", self.ledger.operator);
        Err(refuse(RefusalCode::NotAuthorized, "", &text))
    }

    fn check_reported_in_time(&mut self) {
        let late = self.scheme.as_ref().and_then(|s| {
            let office = Office { calendar: s.context.calendar.as_ref(), closing: s.closing };
            let due = s.report_within?.due(self.fact.occurred, office)?;
            s.report_within.filter(|_| self.fact.recorded > due)
        });
        if let Some(limit) = late {
            let object = format!("entry/{}", self.fact.entry);
            self.raise(
                FindingCode::ReportedLate,
                &object,
                Detail::Occurred { at: self.fact.occurred, limit },
            );
        }
    }

    /// Records a finding about `object`.
    fn raise(&mut self, code: FindingCode, object: &str, detail: Detail) {
        let detail = detail.to_string();
        let place = key_at(Table::Finding, &[self.scheme_id(), code.word(), object], self.fact.entry, self.n);
        self.txn.note_finding(code, object, &detail);
        let (by, flow) = (self.actor.clone(), self.flow.clone());
        self.txn.put(place, &FindingRecord { fact: self.fact, detail, by, flow });
    }

    /// Key of something that this event puts out, the `item`th of its kind.
    fn output_key(&self, table: Table, parts: &[&str], item: usize) -> Vec<u8> {
        // Events and items are both below 2^16.
        key_at(table, parts, self.fact.entry, self.n << 16 | item as u32 & 0xffff)
    }
}

fn refuse(code: RefusalCode, field: &str, message: &str) -> FoldError {
    FoldError::Refused(Refusal::field(code, field, message))
}

/// The flow that a fact names, or empty.
fn flow_of(body: &Body) -> &str {
    match body {
        Body::Collected(e) => &e.flow,
        Body::HandoverGiven(e) => &e.flow,
        Body::HandoverReceived(e) => &e.flow,
        Body::Derived(e) => &e.flow,
        Body::Printed(e) => &e.flow,
        Body::Relayed(e) => &e.flow,
        _ => "",
    }
}

/// Name of a fact, as the wire schema has it.
pub fn fact_name(body: &Body) -> &'static str {
    match body {
        Body::LedgerOpened(_) => "ledger_opened",
        Body::PartyRegistered(_) => "party_registered",
        Body::MemberRegistered(_) => "member_registered",
        Body::KeyAuthorized(_) => "key_authorized",
        Body::KeyRevoked(_) => "key_revoked",
        Body::DocumentChunk(_) => "document_chunk",
        Body::SchemeEnacted(_) => "scheme_enacted",
        Body::DeadlineSet(_) => "deadline_set",
        Body::ContractSettled(_) => "contract_settled",
        Body::SubcontractApproved(_) => "subcontract_approved",
        Body::RecipientApproved(_) => "recipient_approved",
        Body::CheckpointKeysNamed(_) => "checkpoint_keys_named",
        Body::Sealed(_) => "sealed",
        Body::ReadsLogged(_) => "reads_logged",
        Body::ClockStepped(_) => "clock_stepped",
        Body::WardRuleSet(_) => "ward_rule_set",
        Body::Collected(_) => "collected",
        Body::HandoverGiven(_) => "handover_given",
        Body::HandoverReceived(_) => "handover_received",
        Body::Derived(_) => "derived",
        Body::Printed(_) => "printed",
        Body::Copied(_) => "copied",
        Body::MilestoneReached(_) => "milestone_reached",
        Body::Deleted(_) => "deleted",
        Body::Returned(_) => "returned",
        Body::DeletionCertified(_) => "deletion_certified",
        Body::DeletionConfirmed(_) => "deletion_confirmed",
        Body::DeletionDeferred(_) => "deletion_deferred",
        Body::Relayed(_) => "relayed",
        Body::NonPersistenceAttested(_) => "non_persistence_attested",
        Body::Corrected(_) => "corrected",
        Body::ActPerformed(_) => "act_performed",
        Body::FindingDecided(_) => "finding_decided",
    }
}
