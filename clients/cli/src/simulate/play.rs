//! The builder with which a script plays its scheme: who says what, when.

use daicho_core::proto::{self, event::Fact};
use daicho_core::{Date, Instant};
use daicho_custody::FindingCode;
use daicho_custody::scheme::{Flow, Scheme, Scope, Text};

use super::assumptions::Assumptions;
use super::calendar::later;
use super::facts::{self, Parcel, part};
use super::faults::{Fault, FaultSet, Injected};
use super::plan::{Signer, Step};
use super::random::Random;

/// Most ids in one event: a list of this length stays well below 48 KiB.
const LIST_LEN: usize = 400;
/// Most parcels in one handover: each is named by copy, data set and system.
const PARCELS_LEN: usize = 150;
/// The least that is played of anything, so that every fault has an instance of its own at any scale.
const LEAST: u64 = 24;

/// One scheme being played.
pub(crate) struct Play<'a> {
    /// The scheme.
    pub(crate) scheme: &'a Scheme,
    /// First day.
    pub(crate) from: Date,
    /// Last day.
    pub(crate) to: Date,
    /// The scheme's random numbers.
    pub(crate) random: Random,
    scale_ppm: u64,
    faults: &'a FaultSet,
    assumptions: &'a Assumptions,
    steps: Vec<Step>,
    injected: Vec<Injected>,
}

/// A handover between two parties.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hand<'h> {
    /// Flow.
    pub(crate) flow: &'h str,
    /// Handover id.
    pub(crate) id: &'h str,
    /// When it is given. The taker says so five minutes later.
    pub(crate) at: Instant,
    /// Member of the giver or the taker, where that is a set.
    pub(crate) member: &'h str,
    /// Whether the taker says anything.
    pub(crate) acknowledged: bool,
    /// Another channel than the flow's, without the measures that the flow asks for.
    pub(crate) otherwise: Option<&'h str>,
}

impl<'h> Hand<'h> {
    /// A handover that both sides record.
    pub(crate) fn new(flow: &'h str, id: &'h str, at: Instant) -> Self {
        Self { flow, id, at, member: "", acknowledged: true, otherwise: None }
    }
}

/// What a script says and injects.
pub(crate) type Played = (Vec<Step>, Vec<Injected>);

impl<'a> Play<'a> {
    /// An empty play.
    pub(crate) fn new(
        scheme: &'a Scheme,
        (from, to): (Date, Date),
        (scale_ppm, seed): (u64, u64),
        faults: &'a FaultSet,
        assumptions: &'a Assumptions,
    ) -> Self {
        let random = Random::new(seed, &scheme.id);
        let (steps, injected) = (Vec::new(), Vec::new());
        Self { scheme, from, to, random, scale_ppm, faults, assumptions, steps, injected }
    }

    /// All that was said and injected.
    pub(crate) fn finish(self) -> Played {
        (self.steps, self.injected)
    }

    // ---- volumes and faults -----------------------------------------------------------------------

    /// A number at the scale of the run.
    pub(crate) fn scaled(&self, n: u64) -> u64 {
        let scaled = (u128::from(n) * u128::from(self.scale_ppm) + 500_000) / 1_000_000;
        (scaled as u64).max(LEAST)
    }

    /// A volume of the paper.
    pub(crate) fn volume(&self, id: &str) -> u64 {
        let found = self.scheme.volumes.iter().find(|v| v.id == id);
        found.expect("the scripts name volumes of their scheme").value
    }

    /// A volume or share that the paper does not give.
    pub(crate) fn assumed(&self, id: &str) -> u64 {
        self.assumptions.value(&self.scheme.id, id)
    }

    /// Whether the `n`th (from 1) of `total` is the one for `slot` (below 24), and the fault is in the run.
    pub(crate) fn hits(&self, fault: Fault, n: u64, total: u64, slot: u64) -> bool {
        self.faults.contains(fault) && n == total * slot / LEAST + 1
    }

    /// Whether the fault is in the run.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(fault)
    }

    /// Declares what an injected fault must be found as. Its words begin with what it is about, and a colon.
    pub(crate) fn inject(
        &mut self,
        fault: Fault,
        at: Instant,
        findings: &[(FindingCode, u64)],
        ja: &str,
        en: &str,
    ) {
        self.inject_about(fault, at, (findings, &[]), (ja, en));
    }

    /// The same for one that is about other things, too.
    pub(crate) fn inject_about(
        &mut self,
        fault: Fault,
        at: Instant,
        (findings, objects): (&[(FindingCode, u64)], &'static [&'static str]),
        (ja, en): (&str, &str),
    ) {
        let what = Text { ja: ja.to_owned(), en: en.to_owned() };
        self.injected.push(Injected { fault, at, what, findings: findings.to_vec(), objects });
    }

    // ---- saying things ----------------------------------------------------------------------------

    /// A flow of the scheme.
    pub(crate) fn flow(&self, id: &str) -> &'a Flow {
        self.scheme.flow(id).expect("the scripts name flows of their scheme")
    }

    /// A party says things in one statement. Another speaks for one that does not write.
    pub(crate) fn say_as(&mut self, party: &str, member: &str, at: Instant, said: Vec<Fact>) {
        let known = self.scheme.party(party).expect("the scripts name parties of their scheme");
        let speaker = if known.writes { party } else { known.reported_by.as_deref().unwrap_or("ward") };
        let on_behalf_of = if known.writes { "" } else { party };
        let events = said.into_iter().map(|fact| proto::Event {
            occur_time_ms: at.unix_ms(),
            scheme: self.scheme.id.clone(),
            on_behalf_of: on_behalf_of.to_owned(),
            fact: Some(fact),
        });
        let signer = Signer::of(&self.scheme.id, speaker, member);
        self.steps.push(Step { at, signer, events: events.collect(), refused: false });
    }

    /// Everything said so far.
    pub(crate) fn said(&self) -> impl Iterator<Item = &Fact> {
        self.steps.iter().flat_map(|step| &step.events).filter_map(|event| event.fact.as_ref())
    }

    /// A party says one thing.
    pub(crate) fn say(&mut self, party: &str, at: Instant, said: Fact) {
        self.say_as(party, "", at, vec![said]);
    }

    /// A party states one thing that the ledger refuses.
    pub(crate) fn say_refused(&mut self, party: &str, at: Instant, said: Fact) {
        self.say(party, at, said);
        self.steps.last_mut().expect("it was just said").refused = true;
    }

    /// Data comes in from someone who does not write.
    pub(crate) fn collect(
        &mut self,
        flow: &str,
        member: &str,
        at: Instant,
        data_sets: Vec<proto::DataSet>,
        copies: Vec<proto::Copy>,
    ) {
        let known = self.flow(flow);
        let (channel, safeguards) = manner(known);
        let fact = proto::Collected {
            flow: flow.to_owned(),
            data_sets,
            copies,
            channel,
            safeguards,
            member: member.to_owned(),
        };
        self.say_as(&known.to.party, member, at, vec![Fact::Collected(fact)]);
    }

    /// The giver's side of a handover, to whoever the flow names.
    pub(crate) fn give(&mut self, flow: &str, id: &str, at: Instant, copies: Vec<proto::CopyPart>) {
        self.give_to(flow, "", id, at, copies);
    }

    /// The giver's side of a handover to a member of a set party.
    pub(crate) fn give_to(
        &mut self,
        flow: &str,
        member: &str,
        id: &str,
        at: Instant,
        copies: Vec<proto::CopyPart>,
    ) {
        let mut fact = self.given(flow, id, copies);
        member.clone_into(&mut fact.to_member);
        let giver = &self.flow(flow).from.party;
        self.say(giver, at, Fact::HandoverGiven(fact));
    }

    fn given(&self, flow: &str, id: &str, copies: Vec<proto::CopyPart>) -> proto::HandoverGiven {
        let (channel, safeguards) = manner(self.flow(flow));
        let (handover, flow) = (id.to_owned(), flow.to_owned());
        proto::HandoverGiven { handover, flow, copies, channel, safeguards, ..Default::default() }
    }

    /// Both sides of a handover, or the giver's alone.
    pub(crate) fn hand(&mut self, hand: Hand<'_>, parcels: &[Parcel]) {
        let known = self.flow(hand.flow);
        let (giver, taker) = (&known.from.party, &known.to.party);
        let is_set = |party: &str| self.scheme.party(party).is_some_and(|p| p.members.is_some());
        let from = if is_set(giver) { hand.member } else { "" };
        let to = if is_set(taker) { hand.member } else { "" };
        let many = parcels.len() > PARCELS_LEN;
        for (n, group) in parcels.chunks(PARCELS_LEN).enumerate() {
            let id = if many { format!("{}-{}", hand.id, n + 1) } else { hand.id.to_owned() };
            let copies = group.iter().map(|parcel| part(&parcel.copy, 0)).collect();
            let mut given = self.given(hand.flow, &id, copies);
            to.clone_into(&mut given.to_member);
            if let Some(channel) = hand.otherwise {
                channel.clone_into(&mut given.channel);
                given.safeguards.clear();
            }
            self.say_as(giver, from, hand.at, vec![Fact::HandoverGiven(given)]);
            if hand.acknowledged {
                let received = received(hand.flow, &id, to, group);
                self.say_as(taker, to, later(hand.at, 5), vec![Fact::HandoverReceived(received)]);
            }
        }
    }

    /// The taker's side alone, for a taker that does not write and for whom another speaks.
    pub(crate) fn receive(&mut self, flow: &str, id: &str, at: Instant, parcels: &[Parcel]) {
        let taker = &self.flow(flow).to.party;
        self.say(taker, at, Fact::HandoverReceived(received(flow, id, "", parcels)));
    }

    /// Something is handed to a party that the ward does not know.
    pub(crate) fn give_outside(&mut self, giver: &str, taker: &str, id: &str, at: Instant, copy: &str) {
        let fact = proto::HandoverGiven {
            handover: id.to_owned(),
            copies: vec![part(copy, 0)],
            to_party: taker.to_owned(),
            ..Default::default()
        };
        self.say(giver, at, Fact::HandoverGiven(fact));
    }

    /// A fact that starts clocks.
    pub(crate) fn milestone(
        &mut self,
        (party, member): (&str, &str),
        at: Instant,
        word: &str,
        scope: Scope,
        targets: &[String],
    ) {
        let scope = match scope {
            Scope::Copy => proto::MilestoneScope::Copy,
            Scope::DataSet => proto::MilestoneScope::DataSet,
            Scope::Session => proto::MilestoneScope::Session,
            Scope::Day => proto::MilestoneScope::Day,
            Scope::Contract => proto::MilestoneScope::Contract,
        } as i32;
        for group in targets.chunks(LIST_LEN) {
            let (milestone, targets) = (word.to_owned(), group.to_vec());
            let fact = proto::MilestoneReached { milestone, scope, targets };
            self.say_as(party, member, at, vec![Fact::MilestoneReached(fact)]);
        }
    }

    /// Copies are erased.
    pub(crate) fn erase(&mut self, party: &str, at: Instant, copies: &[String], automatic: bool) {
        for group in copies.chunks(LIST_LEN) {
            self.say(party, at, facts::deleted(group, automatic));
        }
    }

    /// Copies go back to the ward.
    pub(crate) fn give_back(&mut self, party: &str, at: Instant, copies: &[String]) {
        for group in copies.chunks(LIST_LEN) {
            let copies = group.iter().map(|id| part(id, 0)).collect();
            let (to_party, received_by) = ("ward".to_owned(), "handler-9".to_owned());
            let fact = proto::Returned { copies, to_party, received_by, witnesses: Vec::new() };
            self.say(party, at, Fact::Returned(fact));
        }
    }

    /// A certificate of erasure is handed out.
    pub(crate) fn certify(&mut self, party: &str, at: Instant, id: &str, copies: &[String], to: &[&str]) {
        for (n, group) in copies.chunks(LIST_LEN).enumerate() {
            let certificate = if n == 0 { id.to_owned() } else { format!("{id}-{}", n + 1) };
            let fact = proto::DeletionCertified {
                document: super::plan::document_hash(&format!("{} {certificate}", self.scheme.id)),
                certificate,
                copies: group.to_vec(),
                recipients: to.iter().map(ToString::to_string).collect(),
                ..Default::default()
            };
            self.say(party, at, Fact::DeletionCertified(fact));
        }
    }

    /// The ward has checked.
    pub(crate) fn confirm(&mut self, at: Instant, copies: &[String], manner: &str) {
        for group in copies.chunks(LIST_LEN) {
            let fact = proto::DeletionConfirmed { copies: group.to_vec(), manner: manner.to_owned() };
            self.say("ward", at, Fact::DeletionConfirmed(fact));
        }
    }

    /// The ward orders otherwise.
    pub(crate) fn defer(&mut self, at: Instant, copies: &[String], until: Date, ground: &str) {
        for group in copies.chunks(LIST_LEN) {
            let (copies, ground) = (group.to_vec(), ground.to_owned());
            let fact = proto::DeletionDeferred { copies, until: until.to_string(), ground };
            self.say("ward", at, Fact::DeletionDeferred(fact));
        }
    }

    /// Data passed through since `since`.
    pub(crate) fn relay(
        &mut self,
        (party, member): (&str, &str),
        (since, at): (Instant, Instant),
        flow: &str,
        systems: &[&str],
        count: u64,
    ) {
        let fact = proto::Relayed {
            flow: flow.to_owned(),
            systems: systems.iter().map(ToString::to_string).collect(),
            count_in: count,
            count_out: count,
            period_start_ms: since.unix_ms(),
            member: member.to_owned(),
        };
        self.say_as(party, member, at, vec![Fact::Relayed(fact)]);
    }

    /// Nothing was kept at a system since `since`; closes what a machine erased meanwhile.
    pub(crate) fn attest(
        &mut self,
        (party, member): (&str, &str),
        (since, at): (Instant, Instant),
        system: &str,
        kinds: &[&str],
        copies: &[String],
    ) {
        let groups = if copies.is_empty() { vec![&[][..]] } else { copies.chunks(LIST_LEN).collect() };
        for group in groups {
            let fact = proto::NonPersistenceAttested {
                system: system.to_owned(),
                data_sets: kinds.iter().map(ToString::to_string).collect(),
                period_start_ms: since.unix_ms(),
                copies: group.to_vec(),
                manner: "system log reviewed".to_owned(),
            };
            self.say_as(party, member, at, vec![Fact::NonPersistenceAttested(fact)]);
        }
    }

    /// Something was done, with attributes that say how.
    pub(crate) fn act_with(
        &mut self,
        party: &str,
        at: Instant,
        kind: &str,
        target: &str,
        attributes: &[(&str, &str)],
    ) {
        let attribute = |(name, value): &(&str, &str)| proto::Attribute {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        let attributes = attributes.iter().map(attribute).collect();
        let (kind, target) = (kind.to_owned(), target.to_owned());
        let fact = proto::ActPerformed { kind, target, attributes, ..Default::default() };
        self.say(party, at, Fact::ActPerformed(fact));
    }

    /// Something that an obligation asks for was done.
    pub(crate) fn act(&mut self, party: &str, at: Instant, kind: &str, target: &str, counterpart: &str) {
        let fact = proto::ActPerformed {
            kind: kind.to_owned(),
            target: target.to_owned(),
            counterpart: counterpart.to_owned(),
            ..Default::default()
        };
        self.say(party, at, Fact::ActPerformed(fact));
    }
}

/// The channel and measures that a flow asks for, stated where it asks for some.
fn manner(flow: &Flow) -> (String, Vec<String>) {
    if flow.safeguards.is_empty() {
        (String::new(), Vec::new())
    } else {
        (flow.channel.clone(), flow.safeguards.clone())
    }
}

fn received(flow: &str, id: &str, member: &str, parcels: &[Parcel]) -> proto::HandoverReceived {
    let copies = parcels.iter().filter_map(|parcel| {
        let (id, system) = parcel.opens.as_ref()?;
        Some(facts::copy(id, &parcel.data_set, system))
    });
    let count =
        |parcel: &Parcel| proto::DataSetCount { data_set: parcel.data_set.clone(), count: parcel.count };
    proto::HandoverReceived {
        handover: id.to_owned(),
        flow: flow.to_owned(),
        copies: copies.collect(),
        received: parcels.iter().map(count).collect(),
        member: member.to_owned(),
    }
}
