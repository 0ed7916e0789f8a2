//! Ends of copies and their evidence: deletion, return, certificate, confirmation, deferral, relays, attestations, acts.

use daicho_core::{Date, Instant, RefusalCode, check_id, check_text, proto};

use super::{Result, Step, refuse};
use crate::media;
use crate::state::{
    ActRecord, AttestationRecord, CertificateRecord, CopyChange, CopyRecord, RelayRecord, Table, ThirdParty,
};
use crate::{Detail, FindingCode};

const MAX_WORDS_LEN: usize = 100;
const MAX_ATTRIBUTES: usize = 16;
const MAX_PHOTOGRAPHS: usize = 100;

impl Step<'_, '_> {
    pub(super) fn deleted(&mut self, e: &proto::Deleted) -> Result<()> {
        require_some("copies", e.copies.len())?;
        let method = proto::SanitizationMethod::try_from(e.method).unwrap_or_default();
        if method == proto::SanitizationMethod::Unspecified {
            let text = "clear, purge, destroy or cryptographic erase is wanted";
            return Err(refuse(RefusalCode::Malformed, "method", text));
        }
        let words = [&e.technique, &e.technique_standard, &e.tool, &e.tool_version, &e.performed_by];
        let names = ["technique", "technique_standard", "tool", "tool_version", "performed_by"];
        for (field, text) in names.into_iter().zip(words).chain(e.witnesses.iter().map(|w| ("witnesses", w)))
        {
            check_text(field, text, MAX_WORDS_LEN)?;
        }
        check_hashes(&e.evidence_documents)?;
        let medium = proto::MediumFate::try_from(e.medium).map_err(|_| {
            refuse(RefusalCode::Malformed, "medium", "in use (none given), disposed or released is wanted")
        })?;
        let passed = |result: i32| result == proto::CheckResult::Passed as i32;
        let failed = e.verification == proto::CheckResult::Failed as i32;
        for (i, part) in e.copies.iter().enumerate() {
            let Some(mut copy) = self.own_open_copy(format_args!("copies[{i}].copy"), &part.copy)? else {
                continue;
            };
            if failed {
                copy.erasure_failed = true;
                self.txn.put(self.local_key(Table::Copy, &part.copy), &copy);
                self.note(&part.copy, i, CopyChange::ErasureFailed);
                self.raise(FindingCode::ErasureNotVerified, &part.copy, Detail::NotCompleted);
                continue;
            }
            let context = self.context();
            let system = context.system(&copy.system);
            if let Some(detail) = system.and_then(|s| media::insufficient(s, medium, method))
                && context.is_personal(&copy.kind)
            {
                self.raise(FindingCode::MethodNotSufficient, &part.copy, detail);
            }
            self.close(&part.copy, copy, part.count, i, |count| CopyChange::Deleted {
                count,
                method: e.method,
                automatic: e.automatic,
                validated: passed(e.validation),
                medium: e.medium,
                witnesses: e.witnesses.len() as u32,
                photographs: e.evidence_documents.len() as u32,
            });
        }
        Ok(())
    }

    pub(super) fn returned(&mut self, e: &proto::Returned) -> Result<()> {
        require_some("copies", e.copies.len())?;
        check_text("received_by", &e.received_by, MAX_WORDS_LEN)?;
        for witness in &e.witnesses {
            check_text("witnesses", witness, MAX_WORDS_LEN)?;
        }
        if self.context().party(&e.to_party).is_none() {
            let text = format!("scheme `{}` has no party `{}`", self.scheme_id(), e.to_party);
            return Err(refuse(RefusalCode::UnknownReference, "to_party", &text));
        }
        for (i, part) in e.copies.iter().enumerate() {
            let Some(copy) = self.own_open_copy(format_args!("copies[{i}].copy"), &part.copy)? else {
                continue;
            };
            let to = e.to_party.clone();
            self.close(&part.copy, copy, part.count, i, |count| CopyChange::Returned { count, to });
        }
        Ok(())
    }

    pub(super) fn deletion_certified(&mut self, e: &proto::DeletionCertified) -> Result<()> {
        check_id("certificate", &e.certificate)?;
        require_some("copies", e.copies.len())?;
        let document: [u8; 32] = e
            .document
            .as_slice()
            .try_into()
            .map_err(|_| refuse(RefusalCode::Malformed, "document", "32 bytes of SHA-256 are wanted"))?;
        check_text("third_party", &e.third_party, MAX_WORDS_LEN)?;
        check_text("third_party_number", &e.third_party_number, MAX_WORDS_LEN)?;
        check_hashes(&e.evidence_documents)?;
        let third_party = third_party(e)?;
        let context = self.context();
        for (i, party) in e.recipients.iter().enumerate() {
            if context.party(party).is_none() {
                let text = format!("scheme `{}` has no party `{party}`", self.scheme_id());
                return Err(refuse(RefusalCode::UnknownReference, &format!("recipients[{i}]"), &text));
            }
        }
        let place = self.local_key(Table::Certificate, &e.certificate);
        if self.txn.exists(&place)? {
            let text = format!("certificate `{}` is known already", e.certificate);
            return Err(refuse(RefusalCode::DuplicateId, "certificate", &text));
        }
        for (i, id) in e.copies.iter().enumerate() {
            let field = format!("copies[{i}]");
            let Some(copy) = self.own_copy(&field, id)? else { continue };
            if copy.erasure_failed {
                let text = format!("the last erasure of `{id}` failed its verification; erase again first");
                return Err(refuse(RefusalCode::VerificationFailed, &field, &text));
            }
            if copy.closed.is_none() {
                let detail = Detail::Certificate(e.certificate.clone());
                self.raise(FindingCode::CertificateWithoutDeletion, id, detail);
            }
            let (certificate, recipients) = (e.certificate.clone(), e.recipients.clone());
            let (third_party, photographs) = (third_party.clone(), e.evidence_documents.len() as u32);
            self.note(id, i, CopyChange::Certified { certificate, recipients, third_party, photographs });
        }
        let record = CertificateRecord {
            issued: self.fact,
            holder: self.actor.clone(),
            document,
            recipients: e.recipients.clone(),
            copies: e.copies.len() as u32,
            third_party,
        };
        self.txn.put(place, &record);
        Ok(())
    }

    pub(super) fn deletion_confirmed(&mut self, e: &proto::DeletionConfirmed) -> Result<()> {
        self.require_ward()?;
        require_some("copies", e.copies.len())?;
        check_text("manner", &e.manner, MAX_WORDS_LEN)?;
        for (i, id) in e.copies.iter().enumerate() {
            self.known_copy(&format!("copies[{i}]"), id)?;
            self.note(id, i, CopyChange::Confirmed);
        }
        Ok(())
    }

    pub(super) fn deletion_deferred(&mut self, e: &proto::DeletionDeferred) -> Result<()> {
        self.require_ward_together()?;
        require_some("copies", e.copies.len())?;
        check_text("ground", &e.ground, 500)?;
        if e.ground.is_empty() {
            return Err(refuse(RefusalCode::Malformed, "ground", "a deferral needs a ground"));
        }
        let until = Date::parse(&e.until)
            .ok_or_else(|| refuse(RefusalCode::Malformed, "until", "a day such as 2021-04-30 is wanted"))?;
        for (i, id) in e.copies.iter().enumerate() {
            self.known_copy(&format!("copies[{i}]"), id)?;
            self.note(id, i, CopyChange::Deferred { until, ground: e.ground.clone() });
        }
        Ok(())
    }

    fn known_copy(&self, field: &str, id: &str) -> Result<CopyRecord> {
        check_id(field, id)?;
        self.txn
            .get(&self.local_key(Table::Copy, id))?
            .ok_or_else(|| refuse(RefusalCode::UnknownReference, field, &format!("copy `{id}` is not known")))
    }

    pub(super) fn relayed(&mut self, e: &proto::Relayed) -> Result<()> {
        let context = self.context();
        let Some((flow, _)) = context.flow(&e.flow) else {
            return Err(refuse(RefusalCode::UnknownReference, "flow", &format!("no flow `{}`", e.flow)));
        };
        let is_end = [Some(&flow.from.party), Some(&flow.to.party), flow.observer.as_ref()]
            .into_iter()
            .flatten()
            .any(|party| *party == self.actor);
        for (i, id) in e.systems.iter().enumerate() {
            let Some(system) = context.system(id) else {
                return Err(refuse(
                    RefusalCode::UnknownReference,
                    &format!("systems[{i}]"),
                    &format!("no system `{id}`"),
                ));
            };
            if !is_end && system.attester != self.actor {
                let text = format!("`{}` speaks for `{id}`", system.attester);
                return Err(refuse(RefusalCode::NotAuthorized, &format!("systems[{i}]"), &text));
            }
        }
        if e.systems.is_empty() && !is_end {
            return Err(refuse(
                RefusalCode::NotAuthorized,
                "flow",
                "only an end or the observer of the flow may say this",
            ));
        }
        if !e.member.is_empty() {
            check_id("member", &e.member)?;
        }
        self.check_flow_use(&e.flow)?;
        if e.count_in != e.count_out {
            let detail = Detail::Relayed { taken: e.count_in, given: e.count_out };
            self.raise(FindingCode::RelayMismatched, &e.flow, detail);
        }
        let place = self.output_key(Table::Relay, &[self.scheme_id(), &e.flow], 0);
        let since = self.period_start(e.period_start_ms)?;
        let record = RelayRecord { fact: self.fact, systems: e.systems.clone(), count: e.count_in, since };
        self.txn.put(place, &record);
        Ok(())
    }

    pub(super) fn non_persistence_attested(&mut self, e: &proto::NonPersistenceAttested) -> Result<()> {
        let context = self.context();
        let Some(system) = context.system(&e.system) else {
            return Err(refuse(
                RefusalCode::UnknownReference,
                "system",
                &format!("no system `{}`", e.system),
            ));
        };
        if system.attester != self.actor && system.operator != self.actor {
            let text = format!("`{}` speaks for `{}`", system.attester, e.system);
            return Err(refuse(RefusalCode::NotAuthorized, "system", &text));
        }
        check_text("manner", &e.manner, 200)?;
        let kinds = if self.has_attested_kinds() { &e.data_sets[..] } else { &[] };
        for (i, kind) in kinds.iter().enumerate() {
            if context.kind(kind).is_none() {
                let text = format!("no kind of data `{kind}`");
                return Err(refuse(RefusalCode::UnknownReference, &format!("data_sets[{i}]"), &text));
            }
        }
        for (i, id) in e.copies.iter().enumerate() {
            let Some(copy) = self.own_open_copy(format_args!("copies[{i}]"), id)? else { continue };
            let method = proto::SanitizationMethod::Clear as i32;
            self.close(id, copy, 0, i, |count| CopyChange::Deleted {
                count,
                method,
                automatic: true,
                validated: false,
                medium: proto::MediumFate::Unspecified as i32,
                witnesses: 0,
                photographs: 0,
            });
        }
        let since = self.period_start(e.period_start_ms)?;
        let by = self.actor.clone();
        let record = AttestationRecord { fact: self.fact, by, since, copies: e.copies.len() as u32 };
        if kinds.is_empty() {
            let place = self.output_key(Table::Attestation, &[self.scheme_id(), &e.system], 0);
            self.txn.put(place, &record);
        }
        for kind in kinds {
            let parts = [self.scheme_id(), &e.system, kind];
            let place = self.output_key(Table::AttestationOfKind, &parts, 0);
            self.txn.put(place, &record);
        }
        Ok(())
    }

    fn period_start(&self, ms: i64) -> Result<Instant> {
        match ms {
            0 => Ok(self.fact.occurred),
            _ => Instant::from_unix_ms(ms).filter(|t| *t <= self.fact.occurred).ok_or_else(|| {
                refuse(RefusalCode::Malformed, "period_start_ms", "a period starts before it ends")
            }),
        }
    }

    pub(super) fn act_performed(&mut self, e: &proto::ActPerformed) -> Result<()> {
        check_id("kind", &e.kind)?;
        for (field, id) in [("target", &e.target), ("counterpart", &e.counterpart)] {
            if !id.is_empty() {
                check_id(field, id)?;
            }
        }
        if !e.document.is_empty() && e.document.len() != 32 {
            return Err(refuse(RefusalCode::Malformed, "document", "32 bytes of SHA-256 are wanted"));
        }
        if e.attributes.len() > MAX_ATTRIBUTES {
            let text = format!("at most {MAX_ATTRIBUTES} attributes");
            return Err(refuse(RefusalCode::TooLarge, "attributes", &text));
        }
        for (i, attribute) in e.attributes.iter().enumerate() {
            check_id(format_args!("attributes[{i}].name"), &attribute.name)?;
            check_text(format_args!("attributes[{i}].value"), &attribute.value, MAX_WORDS_LEN)?;
        }
        let place = self.output_key(Table::Act, &[self.scheme_id(), &e.kind], 0);
        let record = ActRecord {
            fact: self.fact,
            by: self.actor.clone(),
            target: e.target.clone(),
            counterpart: e.counterpart.clone(),
            document: e.document.clone(),
            attributes: e.attributes.iter().map(|a| (a.name.clone(), a.value.clone())).collect(),
        };
        self.txn.put(place, &record);
        Ok(())
    }
}

fn check_hashes(documents: &[Vec<u8>]) -> Result<()> {
    if documents.len() > MAX_PHOTOGRAPHS {
        let text = format!("at most {MAX_PHOTOGRAPHS} documents");
        return Err(refuse(RefusalCode::TooLarge, "evidence_documents", &text));
    }
    if documents.iter().any(|hash| hash.len() != 32) {
        let text = "32 bytes of SHA-256 each are wanted";
        return Err(refuse(RefusalCode::Malformed, "evidence_documents", text));
    }
    Ok(())
}

/// The third party of a certificate. Its number and level mean nothing without it.
fn third_party(e: &proto::DeletionCertified) -> Result<Option<ThirdParty>> {
    use proto::SanitizationMethod::{Clear, Purge, Unspecified};
    let known = [Unspecified, Clear, Purge].map(|level| level as i32).contains(&e.third_party_level);
    if !known {
        let text = "a third party certifies clear or purge";
        return Err(refuse(RefusalCode::Malformed, "third_party_level", text));
    }
    if e.third_party.is_empty() {
        if e.third_party_level != Unspecified as i32 || !e.third_party_number.is_empty() {
            let text = "the third party whose number and level these are is wanted";
            return Err(refuse(RefusalCode::Malformed, "third_party", text));
        }
        return Ok(None);
    }
    let (issuer, number) = (e.third_party.clone(), e.third_party_number.clone());
    Ok(Some(ThirdParty { issuer, number, level: e.third_party_level }))
}

fn require_some(field: &str, len: usize) -> Result<()> {
    if (1..=daicho_core::MAX_EVENTS).contains(&len) {
        return Ok(());
    }
    Err(refuse(RefusalCode::Malformed, field, "1 to 1,000 copies are wanted"))
}
