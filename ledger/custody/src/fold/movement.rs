//! Movements: collection, handovers, derivation, printing, copying, milestones.

use std::fmt::{self, Display};
use std::sync::Arc;

use daicho_core::{Date, EntryIndex, RefusalCode, check_id, check_text, proto};

use super::{FoldError, Result, Step, refuse};
use crate::context::{FlowContext, SchemeContext};
use crate::scheme::{Effect, Flow, Identity, Scope, Storage, Witness};
use crate::state::{
    ContractRecord, CopyChange, CopyFact, CopyRecord, DataSetRecord, HandoverRecord, Opening, Table, key,
};
use crate::{Detail, FindingCode};

/// Most persons in one data set: ten times the people of Japan.
const MAX_SUBJECTS: u64 = 1_300_000_000;
/// Most item names of one data set.
const MAX_ITEMS: usize = 100;

/// How a movement was done, as stated.
struct Manner<'e> {
    channel: &'e str,
    safeguards: &'e [String],
}

impl Step<'_, '_> {
    pub(super) fn collected(&mut self, e: &proto::Collected) -> Result<()> {
        let context = self.context();
        if e.flow.is_empty() {
            for data_set in &e.data_sets {
                check_id("data_sets.kind", &data_set.kind)?;
                self.raise(FindingCode::NoLegalBasis, &data_set.kind, Detail::OutsideFlows);
            }
        } else {
            let (flow, _) = self.flow(&context, &e.flow)?;
            self.require_end("taker", &flow.to.party)?;
            self.use_flow(
                &context,
                &e.flow,
                &e.flow,
                &Manner { channel: &e.channel, safeguards: &e.safeguards },
            )?;
        }
        self.create_data_sets(&context, &e.flow, &e.data_sets)?;
        self.open_copies(&context, &e.flow, &e.copies, Opening::Collected, &e.member)
    }

    pub(super) fn handover_given(&mut self, e: &proto::HandoverGiven) -> Result<()> {
        check_id("handover", &e.handover)?;
        let context = self.context();
        let manner = Manner { channel: &e.channel, safeguards: &e.safeguards };
        let mut taker = e.to_party.clone();
        let mut effect = Effect::Leaves;
        if !e.flow.is_empty() {
            let (flow, _) = self.flow(&context, &e.flow)?;
            self.require_end("giver", &flow.from.party)?;
            if taker.is_empty() {
                taker.clone_from(&flow.to.party);
            }
            effect = flow.effect;
            let (expected, system) = (flow.to.party.clone(), flow.to.system.clone());
            self.use_flow(&context, &e.flow, &e.handover, &manner)?;
            if taker != expected {
                let detail = Detail::GoesTo { flow: e.flow.clone(), party: expected };
                self.raise(FindingCode::RecipientNotApproved, &taker, detail);
            }
            if system.is_some_and(|s| !e.to_system.is_empty() && s != e.to_system) {
                check_id("to_system", &e.to_system)?;
                self.raise(FindingCode::SystemNotApproved, &e.to_system, Detail::Flow(e.flow.clone()));
            }
        }
        check_id("to_party", &taker)?;
        self.check_taker(&context, &e.flow, &taker, &e.to_member)?;
        let items = self.give_copies(&context, &e.flow, &e.copies, &taker, effect)?;
        self.record_side(&context, &e.handover, &e.flow, Side::Given { taker }, items)
    }

    pub(super) fn handover_received(&mut self, e: &proto::HandoverReceived) -> Result<()> {
        check_id("handover", &e.handover)?;
        let context = self.context();
        let mut giver = String::new();
        if !e.flow.is_empty() {
            let (flow, _) = self.flow(&context, &e.flow)?;
            self.require_end("taker", &flow.to.party)?;
            giver.clone_from(&flow.from.party);
            self.check_flow_use(&e.flow)?;
        }
        self.open_copies(&context, &e.flow, &e.copies, Opening::Received, &e.member)?;
        let mut items: Vec<(String, u64)> = Vec::new();
        for part in &e.received {
            self.data_set("received", &part.data_set)?;
            items.push((part.data_set.clone(), part.count));
        }
        if items.is_empty() {
            for copy in &e.copies {
                items.push((copy.data_set.clone(), self.data_set("copies", &copy.data_set)?.subjects));
            }
        }
        let items = by_data_set(items);
        self.record_side(&context, &e.handover, &e.flow, Side::Received { giver }, items)
    }

    pub(super) fn derived(&mut self, e: &proto::Derived) -> Result<()> {
        let context = self.context();
        let mut moves = e.moves;
        if !e.flow.is_empty() {
            let (flow, _) = self.flow(&context, &e.flow)?;
            self.require_end("holder", &flow.from.party)?;
            moves |= flow.effect == Effect::Moves;
            let manner = Manner { channel: &e.channel, safeguards: &e.safeguards };
            self.use_flow(&context, &e.flow, &e.flow, &manner)?;
        }
        self.touch_sources(&e.from_copies, moves)?;
        self.create_data_sets(&context, &e.flow, &e.data_sets)?;
        self.open_copies(&context, &e.flow, &e.copies, Opening::Derived, "")
    }

    pub(super) fn printed(&mut self, e: &proto::Printed) -> Result<()> {
        let context = self.context();
        if e.flow.is_empty() {
            self.check_copying(&context, &e.copies)?;
        } else {
            let (flow, _) = self.flow(&context, &e.flow)?;
            self.require_end("holder", &flow.from.party)?;
            self.use_flow(&context, &e.flow, &e.flow, &Manner { channel: "", safeguards: &[] })?;
        }
        self.touch_sources(&e.from_copies, false)?;
        self.create_data_sets(&context, &e.flow, &e.data_sets)?;
        self.open_copies(&context, &e.flow, &e.copies, Opening::Printed, "")
    }

    pub(super) fn copied(&mut self, e: &proto::Copied) -> Result<()> {
        let context = self.context();
        self.check_copying(&context, &e.copies)?;
        self.touch_sources(&e.from_copies, false)?;
        self.open_copies(&context, "", &e.copies, Opening::Copied, "")
    }

    pub(super) fn milestone_reached(&mut self, e: &proto::MilestoneReached) -> Result<()> {
        let context = self.context();
        let scope =
            scope_of(e.scope).ok_or_else(|| refuse(RefusalCode::Malformed, "scope", "a scope is wanted"))?;
        let waiting = || {
            context
                .scheme
                .rules
                .iter()
                .filter(|r| r.trigger.milestone == e.milestone && r.trigger.scope == scope)
        };
        if waiting().next().is_none() {
            let text = format!("no rule waits for milestone `{}` of this scope", e.milestone);
            return Err(refuse(RefusalCode::UnknownReference, "milestone", &text));
        }
        let permitted = self.is_ward()
            || waiting().any(|rule| {
                let by =
                    if rule.trigger.stated_by.is_empty() { &rule.holders } else { &rule.trigger.stated_by };
                by.contains(&self.actor)
            });
        if !permitted {
            let text = format!("`{}` may not state milestone `{}`", self.actor, e.milestone);
            return Err(refuse(RefusalCode::NotAuthorized, "milestone", &text));
        }
        if e.targets.is_empty() || e.targets.len() > daicho_core::MAX_EVENTS {
            return Err(refuse(RefusalCode::Malformed, "targets", "1 to 1,000 targets are wanted"));
        }
        for (i, target) in e.targets.iter().enumerate() {
            let field = format!("targets[{i}]");
            check_id(&field, target)?;
            if scope == Scope::Day && Date::parse(target).is_none() {
                return Err(refuse(RefusalCode::Malformed, &field, "a day such as 2021-04-01 is wanted"));
            }
            let place = self.output_key(
                Table::Milestone,
                &[self.scheme_id(), &e.milestone, scope_word(scope), target],
                i,
            );
            self.txn.put(place, &self.fact);
        }
        Ok(())
    }

    // ---- shared steps --------------------------------------------------------------------------

    fn flow<'c>(&self, context: &'c Arc<SchemeContext>, id: &str) -> Result<(&'c Flow, &'c FlowContext)> {
        context.flow(id).ok_or_else(|| {
            let text = format!(
                "scheme `{}` has no flow `{id}`; leave it empty for a movement that it does not know",
                self.scheme_id()
            );
            refuse(RefusalCode::UnknownReference, "flow", &text)
        })
    }

    fn require_end(&self, role: &str, expected: &str) -> Result<()> {
        if self.actor == expected {
            return Ok(());
        }
        let text = format!("the {role} of this flow is `{expected}`, not `{}`", self.actor);
        Err(refuse(RefusalCode::NotAuthorized, "flow", &text))
    }

    /// Raises what is wrong with using a flow now and in this manner.
    fn use_flow(
        &mut self,
        context: &Arc<SchemeContext>,
        id: &str,
        object: &str,
        manner: &Manner<'_>,
    ) -> Result<()> {
        let (flow, lawful) = self.flow(context, id)?;
        let day = self.fact.occurred.jst_day();
        let before = lawful.start.is_some_and(|start| day < start);
        let after = lawful.own_end.is_some_and(|end| day > end);
        let basis_ended = lawful.basis_end.is_some_and(|end| day > end);
        if before || after || basis_ended && !self.is_renewed(context, flow, day)? {
            self.raise(FindingCode::OutsidePeriod, id, Detail::OnDay(day));
        }
        if !lawful.has_basis {
            self.raise(FindingCode::NoLegalBasis, id, Detail::NoFullBasis);
        }
        let (from, to) = lawful.law;
        if let Some(last) = to.filter(|to| day > *to) {
            self.raise(FindingCode::NoLegalBasis, id, Detail::LawEnded { day, last });
        } else if let Some(first) = from.filter(|from| day < *from) {
            self.raise(FindingCode::NoLegalBasis, id, Detail::LawNotYet { day, first });
        }
        if manner.channel.is_empty() {
            return Ok(());
        }
        check_text("channel", manner.channel, 100)?;
        for safeguard in manner.safeguards {
            check_text("safeguards", safeguard, 100)?;
        }
        if manner.channel != flow.channel {
            let detail = Detail::Channel { used: manner.channel.to_owned(), approved: flow.channel.clone() };
            self.raise(FindingCode::ChannelNotApproved, object, detail);
        }
        let missing: Vec<String> =
            flow.safeguards.iter().filter(|s| !manner.safeguards.contains(s)).cloned().collect();
        if !missing.is_empty() {
            self.raise(FindingCode::SafeguardMissing, object, Detail::Safeguards(missing));
        }
        Ok(())
    }

    /// Raises what is wrong with using a flow now, however it was done.
    pub(super) fn check_flow_use(&mut self, id: &str) -> Result<()> {
        let context = self.context();
        self.use_flow(&context, id, id, &Manner { channel: "", safeguards: &[] })
    }

    /// Whether every basis of the flow that has ended by `day` goes on under a renewed contract.
    fn is_renewed(&self, context: &SchemeContext, flow: &Flow, day: Date) -> Result<bool> {
        for basis in &flow.basis {
            if context.matter_end(basis).is_none_or(|end| day <= end) {
                continue;
            }
            let mut renewed = false;
            for contract in context.scheme.contracts.iter().filter(|c| c.matter == *basis) {
                let record: Option<ContractRecord> =
                    self.txn.get(&self.local_key(Table::Contract, &contract.id))?;
                let ends = record.iter().flat_map(|r| &r.settlements).filter_map(|s| s.end);
                renewed |= ends.max().is_some_and(|end| day <= end);
            }
            if !renewed {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Raises what is wrong with the recipient of a handover.
    fn check_taker(&mut self, context: &SchemeContext, flow: &str, taker: &str, member: &str) -> Result<()> {
        if !member.is_empty() {
            check_id("to_member", member)?;
        }
        let object = if member.is_empty() { taker.to_owned() } else { format!("{taker}/{member}") };
        let giver_is_contractor = context.party(&self.actor).is_some_and(|p| p.role.is_contractor());
        let Some(party) = context.party(taker) else {
            let code = if giver_is_contractor {
                FindingCode::SubcontractNotApproved
            } else {
                FindingCode::RecipientNotApproved
            };
            self.raise(code, &object, Detail::NoParty);
            return Ok(());
        };
        if flow.is_empty() {
            self.raise(FindingCode::RecipientNotApproved, &object, Detail::NoFlow);
        }
        let is_set = party.identity == Identity::Set && !member.is_empty();
        if context.needs_approval(taker) {
            let whole = key(Table::Approval, &[self.scheme_id(), taker, ""]);
            let one = key(Table::Approval, &[self.scheme_id(), taker, member]);
            if !self.txn.exists(&whole)? && !self.txn.exists(&one)? {
                self.raise(FindingCode::SubcontractNotApproved, &object, Detail::NotConsented);
            }
        } else if is_set
            && party.writes
            && !self.txn.exists(&key(Table::Approval, &[self.scheme_id(), taker, member]))?
        {
            self.raise(FindingCode::RecipientNotApproved, &object, Detail::MemberNotApproved);
        }
        Ok(())
    }

    /// Takes what is given out of the giver's copies where it moves. Returns data sets with counts, sorted.
    fn give_copies(
        &mut self,
        context: &Arc<SchemeContext>,
        flow: &str,
        parts: &[proto::CopyPart],
        taker: &str,
        effect: Effect,
    ) -> Result<Vec<(String, u64)>> {
        let mut items = Vec::with_capacity(parts.len());
        for (i, part) in parts.iter().enumerate() {
            let Some(copy) = self.own_open_copy(At("copies", i, "copy"), &part.copy)? else { continue };
            let data_set = self.data_set("copies", &copy.data_set)?;
            self.check_contents(context, flow, &copy.data_set, &data_set);
            self.check_classes(context, flow, taker, &copy.data_set, &data_set);
            let count = if part.count == 0 { copy.remaining } else { part.count.min(copy.remaining) };
            items.push((copy.data_set.clone(), count));
            if effect == Effect::Moves {
                self.close(&part.copy, copy, part.count, i, |count| CopyChange::Moved {
                    count,
                    to: taker.to_owned(),
                });
            }
        }
        Ok(by_data_set(items))
    }

    fn record_side(
        &mut self,
        context: &SchemeContext,
        id: &str,
        flow: &str,
        side: Side,
        items: Vec<(String, u64)>,
    ) -> Result<()> {
        let place = self.local_key(Table::Handover, id);
        let known: Option<HandoverRecord> = self.txn.get(&place)?;
        let two_sided = context.flow(flow).is_none_or(|(f, _)| f.witness == Witness::TwoSided);
        let claim = |giver, taker, given, received| HandoverRecord {
            flow: flow.to_owned(),
            giver,
            taker,
            two_sided,
            given,
            received,
            items,
            mismatched: false,
        };
        let actor = self.actor.clone();
        let claim = match side {
            Side::Given { taker } => claim(actor, taker, Some(self.fact), None),
            Side::Received { giver } => claim(giver, actor, None, Some(self.fact)),
        };
        let record = match known {
            None => claim,
            Some(first) if self.has_sides() => return self.met(id, first, claim),
            Some(first) => self.joined(id, first, claim)?,
        };
        self.txn.put(place, &record);
        Ok(())
    }

    /// Takes in another statement about a handover of which something is known.
    ///
    /// Each pair of giver and taker has a handover of its own under the id, whoever else speaks of it. A statement belongs to the
    /// pair that it names, else to one that it may be of. Where there is none, it is a finding and begins one: refused, it
    /// would leave the id to whoever came first.
    fn met(&mut self, id: &str, first: HandoverRecord, claim: HandoverRecord) -> Result<()> {
        let others = self.local_key(Table::OtherHandovers, id);
        let mut known = vec![first];
        known.extend(self.txn.get::<Vec<HandoverRecord>>(&others)?.unwrap_or_default());
        let gives = claim.given.is_some();
        let taken = |one: &HandoverRecord| if gives { one.given.is_some() } else { one.received.is_some() };
        let speaker =
            |one: &HandoverRecord| if gives { one.giver == self.actor } else { one.taker == self.actor };
        if known.iter().any(|one| taken(one) && speaker(one)) {
            return Err(side_is_recorded(id));
        }
        let open = |one: &HandoverRecord| !taken(one) && one.taker == claim.taker;
        // A taker that knows no flow does not name the giver.
        let may_be = |one: &HandoverRecord| one.giver.is_empty() || claim.giver.is_empty();
        let named = known.iter().position(|one| open(one) && one.giver == claim.giver);
        let at = named.or_else(|| known.iter().position(|one| open(one) && may_be(one)));
        let differs = at.is_none_or(|at| known[at].flow != claim.flow || known[at].items != claim.items);
        if differs {
            let one = &known[at.unwrap_or(0)];
            let other = one.given.or(one.received).map_or(0, |f| f.entry.get());
            self.raise(FindingCode::HandoverMismatched, id, Detail::DiffersFrom(EntryIndex::new(other)));
        }
        match at.map(|at| &mut known[at]) {
            Some(one) => {
                one.given = one.given.or(claim.given);
                one.received = one.received.or(claim.received);
                one.mismatched = differs;
                if one.giver.is_empty() {
                    one.giver = claim.giver;
                }
            }
            None => known.push(claim),
        }
        if at == Some(0) {
            let place = self.local_key(Table::Handover, id);
            self.txn.put(place, &known[0]);
        } else {
            self.txn.put(others, &known.split_off(1));
        }
        Ok(())
    }

    /// The same by the rules of ledgers before version 3, in which whoever came first had the side.
    fn joined(
        &mut self,
        id: &str,
        mut first: HandoverRecord,
        claim: HandoverRecord,
    ) -> Result<HandoverRecord> {
        let gives = claim.given.is_some();
        if (if gives { first.given } else { first.received }).is_some() {
            return Err(side_is_recorded(id));
        }
        let same_giver = first.giver == claim.giver || claim.giver.is_empty() || first.giver.is_empty();
        let same_parties = first.taker == claim.taker && same_giver;
        first.mismatched = first.flow != claim.flow || !same_parties || first.items != claim.items;
        if first.mismatched {
            let other = first.given.or(first.received).map_or(0, |f| f.entry.get());
            self.raise(FindingCode::HandoverMismatched, id, Detail::DiffersFrom(EntryIndex::new(other)));
        }
        first.given = first.given.or(claim.given);
        first.received = first.received.or(claim.received);
        Ok(first)
    }

    fn touch_sources(&mut self, copies: &[String], moves: bool) -> Result<()> {
        let actor = self.actor.clone();
        for (i, id) in copies.iter().enumerate() {
            let Some(copy) = self.own_open_copy(format_args!("from_copies[{i}]"), id)? else { continue };
            if moves {
                self.close(id, copy, 0, i, |count| CopyChange::Moved { count, to: actor.clone() });
            }
        }
        Ok(())
    }

    /// A copy of the actor that is still open. What is unknown or gone becomes a finding and `None`.
    pub(super) fn own_open_copy(&mut self, field: impl Display, id: &str) -> Result<Option<CopyRecord>> {
        let Some(copy) = self.own_copy(field, id)? else { return Ok(None) };
        if let Some(closed) = copy.closed {
            self.raise(FindingCode::ActivityAfterDeletion, id, Detail::ClosedAt(closed.entry));
            return Ok(None);
        }
        Ok(Some(copy))
    }

    /// A copy of the actor, or of a holder whose system the actor answers for. Unknown: a finding and `None`.
    pub(super) fn own_copy(&mut self, field: impl Display, id: &str) -> Result<Option<CopyRecord>> {
        check_id(&field, id)?;
        let Some(copy) = self.txn.get::<CopyRecord>(&self.local_key(Table::Copy, id))? else {
            self.raise(FindingCode::UnrecordedCopy, id, Detail::NamedBy(self.actor.clone()));
            return Ok(None);
        };
        let answers = || self.context().system(&copy.system).is_some_and(|s| s.attester == self.actor);
        if copy.holder != self.actor && !answers() {
            // Who holds it is not for everybody.
            let text = format!("copy `{id}` is not held by `{}`", self.actor);
            return Err(refuse(RefusalCode::NotAuthorized, &field.to_string(), &text));
        }
        Ok(Some(copy))
    }

    fn data_set(&self, field: impl Display, id: &str) -> Result<DataSetRecord> {
        check_id(&field, id)?;
        self.txn.get(&self.local_key(Table::DataSet, id))?.ok_or_else(|| {
            refuse(
                RefusalCode::UnknownReference,
                &field.to_string(),
                &format!("data set `{id}` is not known"),
            )
        })
    }

    fn create_data_sets(
        &mut self,
        context: &Arc<SchemeContext>,
        flow: &str,
        data_sets: &[proto::DataSet],
    ) -> Result<()> {
        for (i, d) in data_sets.iter().enumerate() {
            let at = |field: &'static str| At("data_sets", i, field);
            check_id(at("id"), &d.id)?;
            let Some(kind) = context.kind(&d.kind) else {
                return Err(refuse(
                    RefusalCode::UnknownReference,
                    &at("kind").to_string(),
                    &format!("no kind `{}`", d.kind),
                ));
            };
            if d.subject_count > MAX_SUBJECTS
                || d.items.len() > MAX_ITEMS
                || d.subject_classes.len() > MAX_ITEMS
            {
                return Err(refuse(
                    RefusalCode::TooLarge,
                    &at("subject_count").to_string(),
                    "too many persons, items or classes",
                ));
            }
            for name in d.items.iter().chain(&d.subject_classes) {
                check_id(at("items"), name)?;
            }
            if !d.session.is_empty() {
                check_id(at("session"), &d.session)?;
            }
            if !d.commitment.is_empty() && d.commitment.len() != 32 {
                return Err(refuse(
                    RefusalCode::Malformed,
                    &at("commitment").to_string(),
                    "32 bytes or none are wanted",
                ));
            }
            let place = self.local_key(Table::DataSet, &d.id);
            if self.txn.exists(&place)? {
                return Err(refuse(
                    RefusalCode::DuplicateId,
                    &at("id").to_string(),
                    &format!("data set `{}` is known already", d.id),
                ));
            }
            let mut classes = d.subject_classes.clone();
            classes.extend(kind.subject_class.clone());
            classes.sort();
            classes.dedup();
            let record = DataSetRecord {
                kind: d.kind.clone(),
                subjects: d.subject_count,
                session: d.session.clone(),
                items: d.items.clone(),
                classes,
                opened: self.fact,
            };
            self.check_contents(context, flow, &d.id, &record);
            if !flow.is_empty() {
                let actor = self.actor.clone();
                self.check_classes(context, flow, &actor, &d.id, &record);
            }
            self.txn.put(place, &record);
        }
        Ok(())
    }

    /// Raises items and kinds that a flow (or, without one, the kind) does not allow.
    fn check_contents(&mut self, context: &Arc<SchemeContext>, flow: &str, id: &str, d: &DataSetRecord) {
        let lawful = context.flow(flow).map(|(_, lawful)| lawful);
        if lawful.is_some_and(|lawful| !lawful.allows_kind(&d.kind)) {
            let detail = Detail::NotOfFlow { kind: d.kind.clone(), flow: flow.to_owned() };
            self.raise(FindingCode::ItemsNotApproved, id, detail);
            return;
        }
        let Some(kind) = context.kind(&d.kind) else { return };
        let refused = |item: &&String| {
            kind.forbidden_items.iter().any(|f| f.id == **item)
                || match lawful {
                    Some(lawful) => lawful.allows_item(&d.kind, item) == Some(false),
                    None => kind.items_complete && !kind.items.iter().any(|i| i.id == **item),
                }
        };
        let extra: Vec<String> = d.items.iter().filter(refused).cloned().collect();
        if !extra.is_empty() {
            self.raise(FindingCode::ItemsNotApproved, id, Detail::Items(extra));
        }
    }

    /// Raises protected groups in a flow or at a party that must not have them.
    fn check_classes(
        &mut self,
        context: &Arc<SchemeContext>,
        flow: &str,
        taker: &str,
        id: &str,
        d: &DataSetRecord,
    ) {
        let by_flow = context.flow(flow).map_or(&[][..], |(f, _)| &f.exclude_subjects[..]);
        let by_party = context.party(taker).map_or(&[][..], |p| &p.must_not_receive[..]);
        if let Some(class) = d.classes.iter().find(|c| by_flow.contains(c) || by_party.contains(c)) {
            let detail = Detail::Class { class: class.clone(), party: taker.to_owned() };
            self.raise(FindingCode::SensitiveToContractor, id, detail);
        }
    }

    fn open_copies(
        &mut self,
        context: &Arc<SchemeContext>,
        flow: &str,
        copies: &[proto::Copy],
        how: Opening,
        member: &str,
    ) -> Result<()> {
        if !member.is_empty() {
            check_id("member", member)?;
        }
        for (i, c) in copies.iter().enumerate() {
            let at = |field: &'static str| At("copies", i, field);
            check_id(at("id"), &c.id)?;
            if context.system(&c.system).is_none() {
                return Err(refuse(
                    RefusalCode::UnknownReference,
                    &at("system").to_string(),
                    &format!("no system `{}`", c.system),
                ));
            }
            if !c.unit.is_empty() {
                check_id(at("unit"), &c.unit)?;
            }
            let data_set = self.data_set(at("data_set"), &c.data_set)?;
            let place = self.local_key(Table::Copy, &c.id);
            if self.txn.exists(&place)? {
                return Err(refuse(
                    RefusalCode::DuplicateId,
                    &at("id").to_string(),
                    &format!("copy `{}` is known already", c.id),
                ));
            }
            self.check_place(context, flow, c, &data_set);
            if how == Opening::Received {
                self.check_contents(context, flow, &c.data_set, &data_set);
            }
            if how != Opening::Collected {
                let actor = self.actor.clone();
                self.check_classes(context, "", &actor, &c.data_set, &data_set);
            }
            let record = CopyRecord {
                data_set: c.data_set.clone(),
                kind: data_set.kind,
                session: data_set.session,
                holder: self.actor.clone(),
                member: member.to_owned(),
                system: c.system.clone(),
                unit: c.unit.clone(),
                how,
                flow: flow.to_owned(),
                opened: self.fact,
                subjects: data_set.subjects,
                remaining: data_set.subjects,
                closed: None,
                erasure_failed: false,
            };
            self.txn.put(place, &record);
            let index = key(Table::CopyOfDataSet, &[self.scheme_id(), &c.data_set, &c.id]);
            self.txn.put_raw(index, Vec::new());
        }
        Ok(())
    }

    /// Raises what is wrong with keeping this data at this system.
    fn check_place(&mut self, context: &Arc<SchemeContext>, flow: &str, c: &proto::Copy, d: &DataSetRecord) {
        if context.is_personal(&d.kind) && context.storage(&self.actor, &c.system, &d.kind) == Storage::None {
            self.raise(FindingCode::KeptWhereNothingMayPersist, &c.id, Detail::At(c.system.clone()));
            return;
        }
        let Some((flow, _)) = context.flow(flow) else { return };
        let Some(end) = flow.to.system.as_deref() else { return };
        let within = |system: &str| context.system(system).and_then(|s| s.within.as_deref());
        let allowed = c.system == end
            || within(&c.system) == Some(end)
            || flow.also_stored_at.iter().chain(&flow.media).any(|s| *s == c.system);
        if !allowed {
            let detail = Detail::EndsAt { flow: flow.id.clone(), system: end.to_owned() };
            self.raise(FindingCode::SystemNotApproved, &c.system, detail);
        }
    }

    fn check_copying(&mut self, context: &SchemeContext, copies: &[proto::Copy]) -> Result<()> {
        if context.must_not_copy(&self.actor) {
            for copy in copies {
                check_id("copies.id", &copy.id)?;
                self.raise(FindingCode::CopyingNotAllowed, &copy.id, Detail::CopiedBy(self.actor.clone()));
            }
        }
        Ok(())
    }

    /// Takes `count` persons (0: all) out of a copy, closing it when none remain, and notes what happened.
    pub(super) fn close(
        &mut self,
        id: &str,
        mut copy: CopyRecord,
        count: u64,
        item: usize,
        what: impl FnOnce(u64) -> CopyChange,
    ) {
        let count = if count == 0 { copy.remaining } else { count.min(copy.remaining) };
        copy.remaining -= count;
        copy.erasure_failed = false;
        if copy.remaining == 0 {
            copy.closed = Some(self.fact);
        }
        self.note(id, item, what(count));
        self.txn.put(self.local_key(Table::Copy, id), &copy);
    }

    /// Notes what happened to a copy.
    pub(super) fn note(&mut self, copy: &str, item: usize, what: CopyChange) {
        let place = self.output_key(Table::CopyFact, &[self.scheme_id(), copy], item);
        self.txn.put(place, &CopyFact { fact: self.fact, what });
    }
}

/// Counts summed for each data set, in the order of their ids.
fn by_data_set(items: Vec<(String, u64)>) -> Vec<(String, u64)> {
    let mut sums = std::collections::BTreeMap::new();
    for (data_set, count) in items {
        let sum: &mut u64 = sums.entry(data_set).or_default();
        *sum = sum.saturating_add(count);
    }
    sums.into_iter().collect()
}

/// Path of a field inside a list: formatted only when it is at fault.
#[derive(Clone, Copy)]
pub(super) struct At(pub(super) &'static str, pub(super) usize, pub(super) &'static str);

impl Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}].{}", self.0, self.1, self.2)
    }
}

/// Which side of a handover writes.
enum Side {
    Given { taker: String },
    Received { giver: String },
}

/// The scheme's scope for the wire's.
pub(crate) fn scope_of(wire: i32) -> Option<Scope> {
    match proto::MilestoneScope::try_from(wire).ok()? {
        proto::MilestoneScope::Unspecified => None,
        proto::MilestoneScope::Copy => Some(Scope::Copy),
        proto::MilestoneScope::DataSet => Some(Scope::DataSet),
        proto::MilestoneScope::Session => Some(Scope::Session),
        proto::MilestoneScope::Day => Some(Scope::Day),
        proto::MilestoneScope::Contract => Some(Scope::Contract),
    }
}

/// The word of a scope in keys of the state.
pub(crate) fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Copy => "copy",
        Scope::DataSet => "data-set",
        Scope::Session => "session",
        Scope::Day => "day",
        Scope::Contract => "contract",
    }
}

fn side_is_recorded(id: &str) -> FoldError {
    refuse(RefusalCode::DuplicateId, "handover", &format!("this side of `{id}` is recorded already"))
}
