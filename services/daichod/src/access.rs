//! Who may do what: the one table. `docs/operations/access.md` shows it to people, and a test compares the two.

use std::collections::BTreeSet;
use std::sync::Arc;

use daicho_core::{Entry, EntryIndex, KeyId, ParsedStatement, proto};
use daicho_custody::fold::{AUDITOR_PURPOSE, COUNCIL_PURPOSE, INVITATION_PURPOSE};
use daicho_custody::handovers_of;
use daicho_custody::scheme::Scheme;
use daicho_custody::state::{InvitationRecord, KeyRecord, Table, Txn, key};
use daicho_engine::Engine;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Request, Status};

use crate::connection::Peer;
use crate::reads::Reads;
use crate::services::status;
use crate::shares::{Share, Shares};

/// What can be asked of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// What the ledger is, how far it is, checkpoints, hashes, proofs.
    Proofs,
    /// Parties and schemes: what council papers say in public.
    Register,
    /// To have statements recorded, or tried. Whose they are, their signatures say.
    Record,
    /// Entries, with what they say.
    Entries,
    /// Keys with their numbers.
    Keys,
    /// Data sets, copies, handovers, and what is due.
    Custody,
    /// Findings and duties.
    Findings,
    /// Deletion reports.
    Reports,
    /// To seal, to publish a checkpoint, to move a simulated clock.
    Operate,
}

impl Right {
    #[cfg(test)]
    const ALL: [Self; 9] = [
        Self::Proofs,
        Self::Register,
        Self::Record,
        Self::Entries,
        Self::Keys,
        Self::Custody,
        Self::Findings,
        Self::Reports,
        Self::Operate,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Proofs => "proofs",
            Self::Register => "register",
            Self::Record => "record",
            Self::Entries => "entries",
            Self::Keys => "keys",
            Self::Custody => "custody",
            Self::Findings => "findings",
            Self::Reports => "reports",
            Self::Operate => "operate",
        }
    }

    /// Whether it is to read what the ledger says of custody. Such calls are logged.
    fn reads(self) -> bool {
        matches!(self, Self::Entries | Self::Keys | Self::Custody | Self::Findings | Self::Reports)
    }
}

/// What a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nobody that the ledger knows.
    Unknown,
    /// A one-time key, for the one statement with which its holder authorises a key of its own.
    Invited,
    /// A party with a key that is in force: a contractor, a subcontractor, J-LIS, a section of the ward.
    Party,
    /// The ward, which governs the ledger.
    Ward,
    /// The party that runs the server.
    Operator,
    /// A key that the ward authorised for `auditor`.
    Auditor,
    /// A key that the ward authorised for `council` (審議会).
    Council,
    /// Somebody on this machine, where the server was started with `--plaintext`.
    Local,
}

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Nothing.
    No,
    /// What concerns the caller's party.
    Own,
    /// Everything.
    All,
}

/// The kind of a contract by which work is passed on.
const SUBCONTRACT: &str = "subcontract";

/// The table.
pub(crate) fn extent(role: Role, right: Right) -> Extent {
    use Extent::{All, No, Own};
    use Right::*;
    match (role, right) {
        (_, Proofs) | (Role::Local, _) => All,
        (Role::Unknown, _) => No,
        (Role::Invited, Record) => All,
        (Role::Invited, Keys) => Own,
        (Role::Invited, _) => No,
        (_, Register) => All,
        (Role::Ward, _) => All,
        (Role::Party, Record) => All,
        (Role::Party, Entries | Keys | Custody | Findings) => Own,
        (Role::Party, Reports | Operate) => No,
        // Runs it, and reads no more than that takes.
        (Role::Operator, Record | Keys | Operate) => All,
        (Role::Operator, Entries | Custody | Findings) => Own,
        (Role::Operator, Reports) => No,
        (Role::Auditor, Entries | Keys | Custody | Findings | Reports) => All,
        (Role::Auditor, Record | Operate) => No,
        // What proves a report is every entry: who may have the one has the other in its bundle.
        (Role::Council, Entries | Findings | Reports) => All,
        (Role::Council, Record | Keys | Custody | Operate) => No,
    }
}

/// A caller whose right was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Everything.
    All,
    /// What concerns this party.
    Own(Arc<str>),
    /// What concerns it and those to which it passed work on, in one scheme: their names there.
    With(Arc<str>, BTreeSet<String>),
}

impl Sight {
    /// Whether what concerns these parties of a scheme is seen.
    pub(crate) fn of_any<'a>(&self, scheme: &str, parties: impl IntoIterator<Item = &'a str>) -> bool {
        match self {
            Self::All => true,
            Self::Own(own) => {
                let own = local(own, scheme);
                parties.into_iter().any(|party| Some(party) == own)
            }
            Self::With(_, own) => parties.into_iter().any(|party| own.contains(party)),
        }
    }

    /// The same in a scheme, with the custody of those to which a contractor passed work on there, and they in turn: it
    /// answers for them.
    pub(crate) fn with_subcontractors(&self, scheme: &Scheme) -> Self {
        let Self::Own(party) = self else { return self.clone() };
        let mut own: BTreeSet<String> = local(party, &scheme.id).map(str::to_owned).into_iter().collect();
        loop {
            let subcontracts = scheme.contracts.iter().filter(|contract| contract.kind == SUBCONTRACT);
            let of_own = subcontracts.filter(|c| c.between.first().is_some_and(|from| own.contains(from)));
            let more: BTreeSet<String> = of_own.flat_map(|c| &c.between).cloned().collect();
            if more.is_subset(&own) {
                return Self::With(Arc::clone(party), own);
            }
            own.extend(more);
        }
    }

    /// The party that alone is seen, where it is not all of them.
    pub(crate) fn party(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Own(own) | Self::With(own, _) => Some(own),
        }
    }
}

/// How a scheme names a party of the ledger: `<scheme>/<party>` is its own, one without a slash is shared by all.
pub(crate) fn local<'p>(party: &'p str, scheme: &str) -> Option<&'p str> {
    match party.split_once('/') {
        Some((prefix, local)) => (prefix == scheme).then_some(local),
        None => Some(party),
    }
}

/// Who sent a request.
pub(crate) fn peer<T>(request: &Request<T>) -> Peer {
    request.extensions().get::<Peer>().copied().unwrap_or(Peer::Unknown)
}

/// Checks callers against the ledger's register of keys.
#[derive(Clone)]
pub(crate) struct Access {
    engine: Arc<Engine>,
    ward: Arc<str>,
    operator: Arc<str>,
    shares: Arc<Shares>,
    reads: Arc<Reads>,
}

impl Access {
    /// With these shares of the server for each party.
    ///
    /// # Errors
    /// When the ledger's founding cannot be read.
    pub(crate) fn new(engine: &Arc<Engine>, shares: Shares, reads: Arc<Reads>) -> anyhow::Result<Self> {
        let txn = Txn::new(&**engine.store());
        let ledger = daicho_custody::fold::ledger_record(&txn)?;
        let (ward, operator) = (ledger.ward.as_str().into(), ledger.operator.as_str().into());
        let shares = Arc::new(shares);
        Ok(Self { engine: Arc::clone(engine), ward, operator, shares, reads })
    }

    /// Who calls, as the ledger knows it now: a key that was revoked a moment ago is nobody's.
    fn who(&self, peer: Peer) -> Result<(Role, Arc<str>), Status> {
        let nobody = || Arc::from("");
        let id = match peer {
            Peer::Local => return Ok((Role::Local, nobody())),
            Peer::Unknown => return Ok((Role::Unknown, nobody())),
            Peer::Key(id) => id,
        };
        let record = self.key_record(&id)?.filter(|record| record.revoked.is_none());
        let Some(record) = record else { return Ok((Role::Unknown, nobody())) };
        if record.purpose == INVITATION_PURPOSE {
            let place = key(Table::Invitation, &[&id.to_string()]);
            let invitation: Option<InvitationRecord> = self.record(&place)?;
            if invitation.is_some_and(|one| one.until < self.engine.now()) {
                return Ok((Role::Unknown, nobody()));
            }
        }
        let role = match record.purpose.as_str() {
            // The fold lets the ward alone authorise these.
            AUDITOR_PURPOSE => Role::Auditor,
            COUNCIL_PURPOSE => Role::Council,
            INVITATION_PURPOSE => Role::Invited,
            _ if *record.party == *self.ward => Role::Ward,
            _ if *record.party == *self.operator => Role::Operator,
            _ => Role::Party,
        };
        Ok((role, record.party.as_str().into()))
    }

    /// What the sender of a request sees by a right, when its turn has come. Reads are logged.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for nobody that the ledger knows, `PERMISSION_DENIED` where the table says no, `RESOURCE_EXHAUSTED`
    /// for a party that asks more often than it may.
    pub(crate) async fn call<T>(&self, request: &Request<T>, right: Right) -> Result<Sight, Status> {
        let peer = peer(request);
        let (_, role, party) = self.admit(peer, right)?;
        if !self.share_of(peer, role, &party).ask().await {
            return Err(status::too_many_calls());
        }
        // A key may have been revoked meanwhile. What was turned down is no read.
        self.check_call(peer, right)
    }

    /// The same of a call that is no gRPC request, or no call for itself: it has no turn.
    ///
    /// # Errors
    /// As [`Access::call`].
    pub(crate) fn check_call(&self, peer: Peer, right: Right) -> Result<Sight, Status> {
        self.called(peer, right).map(|(sight, _, _)| sight)
    }

    /// What a caller sees by a right, and who it is. Reads are logged.
    fn called(&self, peer: Peer, right: Right) -> Result<(Sight, Role, Arc<str>), Status> {
        let called = self.admit(peer, right)?;
        if let (Peer::Key(key), true) = (peer, right.reads()) {
            self.reads.note(self.engine.now(), key, &called.2, right.word());
        }
        Ok(called)
    }

    /// The same for a call that goes on: a key may be revoked while it does. Nothing is logged again.
    ///
    /// # Errors
    /// As [`Access::call`].
    pub(crate) fn check_peer(&self, peer: Peer, right: Right) -> Result<Sight, Status> {
        self.admit(peer, right).map(|(sight, _, _)| sight)
    }

    /// What a caller sees by a right, and who it is.
    fn admit(&self, peer: Peer, right: Right) -> Result<(Sight, Role, Arc<str>), Status> {
        let (role, party) = self.who(peer)?;
        match extent(role, right) {
            Extent::All => Ok((Sight::All, role, party)),
            Extent::Own => Ok((Sight::Own(Arc::clone(&party)), role, party)),
            Extent::No if role == Role::Unknown => Err(status::not_known(peer != Peer::Unknown)),
            Extent::No => Err(status::not_allowed()),
        }
    }

    /// The same for a list or a report that takes a look at much: each party has its turns. The second value is kept until it
    /// is computed.
    ///
    /// # Errors
    /// As [`Access::call`].
    pub(crate) async fn look<T>(
        &self,
        request: &Request<T>,
        right: Right,
    ) -> Result<(Sight, Option<OwnedSemaphorePermit>), Status> {
        let peer = peer(request);
        let (sight, role, party) = self.called(peer, right)?;
        Ok((sight, self.share_of(peer, role, &party).look().await))
    }

    /// The same for a stream of entries. The second value is kept as long as it lasts.
    ///
    /// # Errors
    /// As [`Access::call`]; `RESOURCE_EXHAUSTED` when the party has as many as it may.
    pub(crate) fn stream<T>(
        &self,
        request: &Request<T>,
        right: Right,
    ) -> Result<(Sight, Option<OwnedSemaphorePermit>), Status> {
        let peer = peer(request);
        let (sight, role, party) = self.called(peer, right)?;
        let place = self.share_of(peer, role, &party).reading().map_err(status::too_many_streams)?;
        Ok((sight, place))
    }

    /// Of whose connections one is: a party's, or under no name a stranger's. What cannot be read knows nobody, and who found a
    /// paper with an invitation is a stranger yet. `None`: nobody's, of this machine.
    pub(crate) fn connections_of(&self, peer: Peer) -> Option<Arc<str>> {
        match self.who(peer) {
            Ok((Role::Local, _)) => None,
            Ok((Role::Unknown | Role::Invited, _)) | Err(_) => Some("".into()),
            Ok((_, party)) => Some(party),
        }
    }

    /// The share of the server of the sender of a request who may record.
    ///
    /// # Errors
    /// As [`Access::call`].
    pub(crate) fn share<T>(&self, request: &Request<T>) -> Result<Share, Status> {
        let peer = peer(request);
        let (_, role, party) = self.admit(peer, Right::Record)?;
        Ok(self.share_of(peer, role, &party))
    }

    fn share_of(&self, peer: Peer, role: Role, party: &Arc<str>) -> Share {
        match (role, peer) {
            (Role::Local, _) => Share::unlimited(),
            // Strangers have one share together: their keys are free to make, and none is kept in mind.
            (Role::Unknown, _) => self.shares.of(party, None),
            // Who found a paper does not eat of the party's share.
            (Role::Invited, Peer::Key(id)) => {
                self.shares.of(&format!("{INVITATION_PURPOSE}/{id}").into(), None)
            }
            (_, Peer::Key(id)) => self.shares.of(party, Some(id)),
            _ => self.shares.of(party, None),
        }
    }

    /// Whether an entry is within sight.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn sees(&self, sight: &Sight, entry: &[u8]) -> Result<bool, Status> {
        sight.party().map_or(Ok(true), |party| self.concerns(entry, party))
    }

    /// Whether an entry concerns a party: it signed a statement of it, it is named in it, or it is the other side of a
    /// handover in it. An entry is one signed thing: it is shown whole or not at all.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn concerns(&self, entry: &[u8], party: &str) -> Result<bool, Status> {
        let Ok(entry) = Entry::decode(entry) else { return Ok(false) };
        let Ok(statement) = ParsedStatement::parse(entry.statement) else { return Ok(false) };
        for signer in statement.signers() {
            if self.key_record(&signer.key)?.is_some_and(|record| record.party == party) {
                return Ok(true);
            }
        }
        for event in &statement.body().events {
            if names_party(event, party) {
                return Ok(true);
            }
            let handover = match &event.fact {
                Some(proto::event::Fact::HandoverGiven(e)) => &e.handover,
                Some(proto::event::Fact::HandoverReceived(e)) => &e.handover,
                _ => continue,
            };
            let state = &**self.engine.store();
            let known = handovers_of(state, &event.scheme, handover).map_err(|e| status::state(&e))?;
            let own = local(party, &event.scheme);
            // Of the pair that the entry speaks for, and no other that names the same id.
            let spoken_of =
                known.iter().find(|h| [h.given, h.received].iter().flatten().any(|f| f.entry == entry.index));
            if spoken_of.is_some_and(|h| [&h.giver, &h.taker].iter().any(|p| Some(p.as_str()) == own)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The same for the entry at an index.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn concerns_entry(&self, index: EntryIndex, party: &str) -> Result<bool, Status> {
        let entry = self.engine.store().entry(index).map_err(|error| status::storage(&error))?;
        entry.map_or(Ok(false), |entry| self.concerns(&entry, party))
    }

    /// The statement of an entry. `None`: there is none.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn statement_at(&self, index: EntryIndex) -> Result<Option<ParsedStatement>, Status> {
        let entry = self.engine.store().entry(index).map_err(|error| status::storage(&error))?;
        let entry = entry.and_then(|bytes| Entry::decode(&bytes).ok());
        Ok(entry.and_then(|entry| ParsedStatement::parse(entry.statement).ok()))
    }

    /// Whether a finding is about a key, and that key is the party's, whatever became of it. `None`: about something else.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn owns_key(&self, object: &str, party: &str) -> Result<Option<bool>, Status> {
        let Some(hex) = object.strip_prefix("key/") else { return Ok(None) };
        let record = KeyId::parse(hex).map(|id| self.key_record(&id)).transpose()?.flatten();
        Ok(Some(record.is_some_and(|record| record.party == party)))
    }

    fn key_record(&self, id: &KeyId) -> Result<Option<KeyRecord>, Status> {
        self.record(&key(Table::Key, &[&id.to_string()]))
    }

    fn record<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Status> {
        Txn::new(&**self.engine.store()).get(key).map_err(|error| status::state(&error))
    }
}

/// Whether a text of an event is the party's id: whole, or as the event's scheme has it.
fn names_party(event: &proto::Event, party: &str) -> bool {
    let local = local(party, &event.scheme);
    daicho_core::any_text(event, |text| text == party || Some(text) == local)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [(Role, &str); 7] = [
        (Role::Unknown, "unknown"),
        (Role::Invited, "invited"),
        (Role::Party, "party"),
        (Role::Ward, "ward"),
        (Role::Operator, "operator"),
        (Role::Auditor, "auditor"),
        (Role::Council, "council"),
    ];

    #[test]
    fn a_contractor_sees_those_to_which_it_passed_work_on_and_not_the_other_way_round() {
        let text = include_str!("../../../deploy/schemes/special_cash_benefit.toml");
        let scheme = Scheme::parse(text).expect("a scheme");
        let sees = |party: &str, other: &str| {
            let own = Sight::Own(format!("special_cash_benefit/{party}").into());
            own.with_subcontractors(&scheme).of_any(&scheme.id, [other])
        };
        assert!(sees("toppan_forms", "toppan_forms") && sees("toppan_forms", "hokkaido_toppan_forms"));
        assert!(sees("hokkaido_toppan_forms", "hokkaido_toppan_forms"));
        assert!(!sees("hokkaido_toppan_forms", "toppan_forms"));
        let others = scheme.parties.iter().map(|party| party.id.as_str());
        let seen: Vec<&str> = others.filter(|other| sees("toppan_forms", other)).collect();
        assert_eq!(seen, ["toppan_forms", "hokkaido_toppan_forms"]);
        // A contract with the ward passes nothing on: the ward's contractors are not its own.
        assert!(!sees("hokkaido_toppan_forms", "ward"));
    }

    #[test]
    fn the_table_for_people_is_this_one() {
        let page = include_str!("../../../docs/operations/access.md");
        let row = |line: &str| -> Vec<String> {
            line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
        };
        let rows: Vec<Vec<String>> = page.lines().filter(|line| line.starts_with('|')).map(row).collect();
        let head: Vec<&str> = std::iter::once("right").chain(ROLES.map(|(_, name)| name)).collect();
        assert_eq!(rows[0][..8], head, "the columns");
        for right in Right::ALL {
            let row = rows.iter().find(|row| row[0] == right.word());
            let row = row.unwrap_or_else(|| panic!("no row `{}`", right.word()));
            for ((role, name), cell) in ROLES.iter().zip(&row[1..]) {
                let word = match extent(*role, right) {
                    Extent::No => "no",
                    Extent::Own => "own",
                    Extent::All => "all",
                };
                assert_eq!(cell, word, "{name} and {}", right.word());
            }
        }
        // On this machine, without TLS, everything is open; the page says so in words.
        assert!(Right::ALL.into_iter().all(|right| extent(Role::Local, right) == Extent::All));
    }
}
