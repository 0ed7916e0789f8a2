//! A small ledger in memory for tests and samples of reports: keys, statements, the fold.
#![allow(dead_code, reason = "shared by tests that each use a part")]

use std::collections::BTreeMap;

use daicho_core::proto::{self, event::Fact};
use daicho_core::{
    ChainHash, Entry, EntryIndex, Instant, Origin, ParsedStatement, SigningKey, sign_statement,
};
use daicho_custody::scheme::{Level, Scheme, Vocabulary, lint};
use daicho_custody::state::{Changes, MemoryState};
use daicho_custody::{ContextCache, DeletionReport, Fold, FoldError, ReportHead};
use sha2::{Digest as _, Sha256};

pub(crate) const ORIGIN: &str = "daicho.example/test/simulated";
pub(crate) const VOCABULARY: &str = include_str!("../../../../deploy/schemes/common.toml");

/// A ledger with one scheme in force.
pub(crate) struct Ledger {
    pub(crate) state: MemoryState,
    pub(crate) scheme: Scheme,
    /// The bytes of the entries.
    pub(crate) entries: Vec<Vec<u8>>,
    head: ChainHash,
    fold: Fold,
    keys: BTreeMap<String, (SigningKey, u64)>,
    size: u64,
    now: Instant,
    script: Vec<(Instant, String, proto::Event)>,
}

/// A time in Japan: `2021-02-01T10:00`.
pub(crate) fn at(text: &str) -> Instant {
    Instant::parse(text).expect("a time")
}

impl Ledger {
    /// A ledger whose writing parties have keys, with the scheme enacted at `time` and its source errors settled.
    pub(crate) fn open(scheme_text: &str, time: &str) -> Self {
        Self::open_with(scheme_text, VOCABULARY, None, time).expect("accepted")
    }

    /// The same in a ledger that folds by an earlier version.
    pub(crate) fn open_by(fold_version: u32, scheme_text: &str, time: &str) -> Self {
        let (ledger, mut opened) = Self::unopened(scheme_text, time);
        if let Fact::LedgerOpened(opened) = &mut opened {
            opened.fold_version = fold_version;
        }
        ledger.opened(opened, scheme_text, VOCABULARY, None).expect("accepted")
    }

    /// The same with another vocabulary, and a calendar. What a refusal says of the enactment.
    pub(crate) fn open_with(
        scheme_text: &str,
        vocabulary_text: &str,
        calendar: Option<&str>,
        time: &str,
    ) -> Result<Self, FoldError> {
        let (ledger, opened) = Self::unopened(scheme_text, time);
        ledger.opened(opened, scheme_text, vocabulary_text, calendar)
    }

    fn opened(
        mut self,
        opened: Fact,
        scheme_text: &str,
        vocabulary_text: &str,
        calendar: Option<&str>,
    ) -> Result<Self, FoldError> {
        let vocabulary = Vocabulary::parse(vocabulary_text).expect("a vocabulary");
        let ledger = &mut self;
        ledger.say_outside("operator", opened);
        let parties: Vec<_> = ledger.scheme.parties.iter().filter(|p| p.id != "ward").cloned().collect();
        for party in parties {
            let (id, label) = (party.id.clone(), party.label);
            ledger.say_outside(
                "ward",
                Fact::PartyRegistered(proto::PartyRegistered { party: id.clone(), label }),
            );
            if party.writes {
                let request = ledger.new_key(&id);
                ledger.say_outside("ward", Fact::KeyAuthorized(request));
            }
        }
        let documents = [scheme_text, vocabulary_text].map(|text| ledger.document(text.as_bytes()));
        let found = lint(scheme_text, &ledger.scheme, &vocabulary);
        let errors = found.iter().filter(|d| d.level == Level::SourceError);
        let corrections = errors
            .map(|d| proto::SourceCorrection {
                diagnostic: d.name(),
                ground: "書面の誤りと認め、事業の定義のとおりに読み替える".into(),
            })
            .collect();
        let [scheme_document, vocabulary_document] = documents;
        let calendar_document = calendar.map(|text| ledger.document(text.as_bytes())).unwrap_or_default();
        let enacted = proto::SchemeEnacted {
            scheme: ledger.scheme.id.clone(),
            version: ledger.scheme.version,
            scheme_document,
            vocabulary_document,
            corrections,
            calendar_document,
            ..Default::default()
        };
        ledger.try_outside("ward", Fact::SchemeEnacted(enacted))?;
        Ok(self)
    }

    /// A ledger without an entry, and what entry 0 is to say.
    pub(crate) fn unopened(scheme_text: &str, time: &str) -> (Self, Fact) {
        let mut ledger = Self {
            state: MemoryState::new(),
            entries: Vec::new(),
            head: ChainHash::of_origin(&Origin::new(ORIGIN).expect("a name")),
            fold: Fold::default(),
            keys: BTreeMap::new(),
            size: 0,
            now: at(time),
            script: Vec::new(),
            scheme: Scheme::parse(scheme_text).expect("a scheme"),
        };
        let (operator, ward) = (ledger.new_key("operator"), ledger.new_key("ward"));
        let opened = proto::LedgerOpened {
            origin: ORIGIN.into(),
            clock: proto::Clock::Simulated as i32,
            fold_version: daicho_custody::FOLD_VERSION,
            operator_party: "operator".into(),
            operator_label: "台帳運用担当".into(),
            operator_key: operator.key,
            ward_party: "ward".into(),
            ward_label: "新宿区".into(),
            ward_key: ward.key,
        };
        (ledger, Fact::LedgerOpened(opened))
    }

    fn new_key(&mut self, party: &str) -> proto::KeyAuthorized {
        self.further_key(party, party, "emitting")
    }

    /// A key under a name of its own, and its request.
    pub(crate) fn further_key(&mut self, name: &str, party: &str, purpose: &str) -> proto::KeyAuthorized {
        let seed: [u8; 32] = Sha256::digest(name.as_bytes()).into();
        let key = SigningKey::from_seed(&seed);
        let request = key.request(ORIGIN, party, purpose);
        self.keys.insert(name.to_owned(), (key, 0));
        request
    }

    /// Records a document and gives its hash.
    pub(crate) fn document(&mut self, bytes: &[u8]) -> Vec<u8> {
        let document = Sha256::digest(bytes).to_vec();
        let pieces: Vec<&[u8]> = bytes.chunks(32 * 1024).collect();
        for (i, piece) in pieces.iter().enumerate() {
            let (document, data) = (document.clone(), piece.to_vec());
            let (index, count) = (i as u32, pieces.len() as u32);
            let chunk = proto::DocumentChunk { document, index, count, data };
            self.say_outside("ward", Fact::DocumentChunk(chunk));
        }
        document
    }

    /// Records a fact of the ledger itself at once.
    pub(crate) fn say_outside(&mut self, party: &str, fact: Fact) {
        self.try_outside(party, fact).expect("accepted");
    }

    /// What the fold says to a fact of the ledger itself right now.
    pub(crate) fn try_outside(&mut self, party: &str, fact: Fact) -> Result<(), FoldError> {
        self.record_together(&[party], fact)
    }

    fn outside(&self, fact: Fact) -> proto::Event {
        proto::Event {
            occur_time_ms: self.now.unix_ms(),
            scheme: String::new(),
            on_behalf_of: String::new(),
            fact: Some(fact),
        }
    }

    /// Records facts of the ledger itself in one statement that no fold has seen: what a ledger without rules would hold.
    pub(crate) fn force_outside(&mut self, party: &str, facts: Vec<Fact>) {
        let events = facts.into_iter().map(|fact| self.outside(fact)).collect();
        let statement = self.sign(&[party], events);
        self.append(statement);
    }

    /// Time passes.
    pub(crate) fn wait_until(&mut self, time: &str) {
        self.now = at(time);
    }

    fn sign(&mut self, keys: &[&str], events: Vec<proto::Event>) -> proto::SignedStatement {
        keys.iter().for_each(|name| self.keys.get_mut(*name).expect("a key").1 += 1);
        let signer = |name: &&str| self.keys.get(*name).map(|(key, number)| (key, *number));
        sign_statement(ORIGIN, &keys.iter().filter_map(signer).collect::<Vec<_>>(), events)
    }

    /// What the fold would say to an event of the scheme that these keys sign right now. Nothing is recorded.
    pub(crate) fn would_take(
        &mut self,
        keys: &[&str],
        on_behalf_of: &str,
        fact: Fact,
    ) -> Result<(), FoldError> {
        let (scheme, on_behalf_of) = (self.scheme.id.clone(), on_behalf_of.to_owned());
        let event = proto::Event { scheme, on_behalf_of, ..self.outside(fact) };
        let signed = self.sign(keys, vec![event]);
        keys.iter().for_each(|name| self.keys.get_mut(*name).expect("a key").1 -= 1);
        self.folded(&signed).map(|_| ())
    }

    /// Records a fact of the ledger itself that these keys sign together.
    pub(crate) fn record_together(&mut self, keys: &[&str], fact: Fact) -> Result<(), FoldError> {
        let event = self.outside(fact);
        self.record(keys, event, self.now)
    }

    /// The seal of what is recorded so far.
    pub(crate) fn seal(&self) -> Fact {
        let chain_hash = self.head.as_bytes().to_vec();
        Fact::Sealed(proto::Sealed { after_entry: self.size - 1, chain_hash })
    }

    /// The number of the next statement of a key.
    pub(crate) fn number_next(&mut self, party: &str, number: u64) {
        self.keys.get_mut(party).expect("a key").1 = number - 1;
    }

    fn next_entry(&self, statement: proto::SignedStatement) -> Entry {
        Entry { index: EntryIndex::new(self.size), recorded: self.now, previous: self.head, statement }
    }

    fn append(&mut self, statement: proto::SignedStatement) {
        let bytes = self.next_entry(statement).encode();
        self.head = ChainHash::of_entry(&bytes);
        self.entries.push(bytes);
        self.size += 1;
    }

    /// Plans to record a fact at the time at which it happened.
    pub(crate) fn say(&mut self, party: &str, time: &str, fact: Fact) {
        self.say_late(party, "", time, time, fact);
    }

    /// Plans to record a fact on behalf of a party that does not write, and at a time of its own.
    pub(crate) fn say_late(&mut self, party: &str, for_party: &str, time: &str, recorded: &str, fact: Fact) {
        let event = proto::Event {
            occur_time_ms: at(time).unix_ms(),
            scheme: self.scheme.id.clone(),
            on_behalf_of: for_party.to_owned(),
            fact: Some(fact),
        };
        self.script.push((at(recorded), party.to_owned(), event));
    }

    /// The ward revokes the key of a party, which is not trusted from a time on.
    pub(crate) fn revoke(&mut self, party: &str, time: &str, distrust_from: &str) {
        let revoked = proto::KeyRevoked {
            key_id: self.public(party).id().as_bytes().to_vec(),
            distrust_from_ms: at(distrust_from).unix_ms(),
            reason: "lost".into(),
        };
        self.say("ward", time, Fact::KeyRevoked(revoked));
    }

    /// The key of a party.
    pub(crate) fn public(&self, party: &str) -> daicho_core::PublicKey {
        self.keys[party].0.public()
    }

    /// Records what was said, in the order of the times of recording.
    pub(crate) fn play(&mut self) {
        let mut script = std::mem::take(&mut self.script);
        script.sort_by_key(|(time, ..)| *time);
        for (time, party, event) in script {
            self.record(&[&party], event, time).expect("accepted");
        }
    }

    fn record(&mut self, keys: &[&str], event: proto::Event, recorded: Instant) -> Result<(), FoldError> {
        self.now = self.now.max(recorded);
        let signed = self.sign(keys, vec![event]);
        let changes = self.folded(&signed)?;
        self.state.apply(changes);
        self.append(signed);
        Ok(())
    }

    fn folded(&mut self, signed: &proto::SignedStatement) -> Result<Changes, FoldError> {
        let parsed = ParsedStatement::parse(signed.clone()).expect("well formed");
        let verifying = self.keys.values().map(|(k, _)| k.public()).collect::<Vec<_>>();
        let find = |id: &daicho_core::KeyId| {
            verifying.iter().find(|k| k.id() == *id).and_then(|k| k.to_verifying_key()).map(Box::new)
        };
        let checked = parsed.check(ORIGIN, find).expect("signed well");
        let place = self.next_entry(signed.clone()).place();
        self.fold.apply(&self.state, &checked, place)
    }

    /// What the fold says to an event of the scheme right now.
    pub(crate) fn try_say(&mut self, party: &str, time: &str, fact: Fact) -> Result<(), FoldError> {
        self.say(party, time, fact);
        let (time, party, event) = self.script.pop().expect("just said");
        self.record(&[&party], event, time)
    }

    /// The report as of a time.
    pub(crate) fn report(&mut self, from: &str, to: &str, as_of: &str) -> DeletionReport {
        self.play();
        let day = |text| daicho_core::Date::parse(text).expect("a day");
        let origin = Origin::new(ORIGIN).expect("an origin");
        let head = ReportHead {
            origin: ORIGIN.into(),
            simulated: true,
            size: self.size,
            chain_hash_hex: ChainHash::of_origin(&origin).to_string(),
            last_recorded: self.now,
        };
        let mut cache = ContextCache::default();
        let period = (day(from), day(to));
        DeletionReport::compute(&self.state, &mut cache, &self.scheme.id, period, at(as_of), head)
            .expect("a readable state")
            .expect("a scheme in force")
    }

    /// The ward sets the number of a rule.
    pub(crate) fn set_deadline(&mut self, time: &str, rule: &str, deadline: &str, adopts_proposal: bool) {
        let fact = proto::DeadlineSet {
            rule: rule.into(),
            deadline: deadline.into(),
            adopts_proposal,
            ground: "審議会の答申を踏まえ、区が定める".into(),
            ..Default::default()
        };
        self.say("ward", time, Fact::DeadlineSet(fact));
    }
}

/// A data set of one person.
pub(crate) fn data_set(id: &str, kind: &str, subjects: u64, session: &str) -> proto::DataSet {
    proto::DataSet {
        id: id.into(),
        kind: kind.into(),
        subject_count: subjects,
        session: session.into(),
        ..Default::default()
    }
}

/// A copy.
pub(crate) fn copy(id: &str, data_set: &str, system: &str) -> proto::Copy {
    proto::Copy { id: id.into(), data_set: data_set.into(), system: system.into(), unit: String::new() }
}

/// All of a copy.
pub(crate) fn part(copy: &str) -> proto::CopyPart {
    proto::CopyPart { copy: copy.into(), count: 0 }
}

/// An erasure by machine that ran to its end.
pub(crate) fn deleted(copies: &[&str]) -> Fact {
    Fact::Deleted(proto::Deleted {
        copies: copies.iter().map(|c| part(c)).collect(),
        method: proto::SanitizationMethod::Clear as i32,
        technique: "上書き".into(),
        verification: proto::CheckResult::Passed as i32,
        automatic: true,
        ..Default::default()
    })
}

/// A certificate for copies, handed to the ward.
pub(crate) fn certified(id: &str, copies: &[&str]) -> Fact {
    Fact::DeletionCertified(proto::DeletionCertified {
        certificate: id.into(),
        copies: copies.iter().map(ToString::to_string).collect(),
        document: vec![7; 32],
        recipients: vec!["ward".into()],
        ..Default::default()
    })
}

/// A milestone.
pub(crate) fn milestone(word: &str, scope: proto::MilestoneScope, target: &str) -> Fact {
    Fact::MilestoneReached(proto::MilestoneReached {
        milestone: word.into(),
        scope: scope as i32,
        targets: vec![target.into()],
    })
}
