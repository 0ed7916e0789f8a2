//! State as answers: the one place where records and judgements become messages.

use daicho_core::{Instant, KeyId};
use daicho_custody::duty::{Duty, DutyJudgement, DutySource};
use daicho_custody::state::{
    CopyRecord, DataSetRecord, HandoverRecord, InvitationRecord, KeyRecord, PartyRecord, SequenceRecord,
};
use daicho_custody::{Due, DueWhat, Finding, FindingAnswer, Judge, Judgement};
use daicho_proto::v1;

pub(super) fn summary(judge: &Judge<'_>, t: Instant) -> v1::SchemeSummary {
    let (in_force, context) = judge.version_at(t);
    let scheme = &context.scheme;
    v1::SchemeSummary {
        id: scheme.id.clone(),
        version: scheme.version,
        title_ja: scheme.title.ja.clone(),
        title_en: scheme.title.en.clone(),
        enacted_entry: in_force.enacted.entry.get(),
    }
}

pub(super) fn key(
    hex: &str,
    record: KeyRecord,
    used: &SequenceRecord,
    invitation: Option<InvitationRecord>,
) -> v1::Key {
    v1::Key {
        id: KeyId::parse(hex).map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
        party: record.party,
        purpose: record.purpose,
        authorized_entry: record.authorized.entry.get(),
        revoked: record.revoked.is_some(),
        revoked_entry: record.revoked.map_or(0, |(fact, _)| fact.entry.get()),
        last_sequence: used.last(),
        invites_for: invitation.map(|one| one.invites_for).unwrap_or_default(),
        gaps: used
            .gaps()
            .into_iter()
            .map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") })
            .collect(),
    }
}

pub(super) fn data_set(id: String, record: &DataSetRecord, copies: usize) -> v1::DataSetSummary {
    v1::DataSetSummary {
        id,
        kind: record.kind.clone(),
        subject_count: record.subjects,
        session: record.session.clone(),
        opened_entry: record.opened.entry.get(),
        copies: copies as u32,
    }
}

pub(super) fn party(id: String, record: PartyRecord) -> v1::Party {
    let members = record.members.into_iter().map(|(id, _)| id).collect();
    v1::Party { id, label: record.label, members }
}

pub(super) fn handover(id: String, record: HandoverRecord) -> v1::Handover {
    let state = match (record.given, record.received) {
        _ if record.mismatched => "mismatched",
        (Some(_), Some(_)) => "matched",
        (Some(_), None) => "sent",
        _ => "received",
    };
    v1::Handover {
        id,
        flow: record.flow,
        state: state.to_owned(),
        given_entry: record.given.map_or(0, |f| f.entry.get()),
        received_entry: record.received.map_or(0, |f| f.entry.get()),
    }
}

pub(super) fn finding(scheme: &str, finding: Finding) -> v1::Finding {
    v1::Finding {
        scheme: scheme.to_owned(),
        code: finding.code.word().to_owned(),
        object: finding.object,
        detail: finding.detail.en,
        detail_ja: finding.detail.ja,
        entries: finding.entries.iter().map(|e| e.get()).collect(),
        occurrences: finding.occurrences,
        answers: finding.answers.into_iter().map(answer).collect(),
    }
}

pub(super) fn copy(id: String, copy: CopyRecord, judgement: &Judgement) -> v1::CopyState {
    v1::CopyState {
        id,
        data_set: copy.data_set,
        holder: copy.holder,
        system: copy.system,
        unit: copy.unit,
        opened_ms: copy.opened.occurred.unix_ms(),
        opened_entry: copy.opened.entry.get(),
        closed_ms: judgement.closed.map_or(0, |f| f.occurred.unix_ms()),
        closed_entry: judgement.closed.map_or(0, |f| f.entry.get()),
        closed: judgement.closed.is_some(),
        verdict: judgement.verdict.word().to_owned(),
        evidence: judgement.evidence.word().to_owned(),
        due_ms: judgement.due.map_or(0, Instant::unix_ms),
        rule: judgement.rule.as_deref().unwrap_or_default().to_owned(),
    }
}

pub(super) fn answer(answer: FindingAnswer) -> v1::FindingAnswer {
    v1::FindingAnswer {
        kind: answer.kind.word().to_owned(),
        by: answer.by,
        text: answer.text,
        entry: answer.entry.get(),
        occur_time_ms: answer.occurred.unix_ms(),
    }
}

pub(super) fn duty(duty: Duty<'_>, judged: DutyJudgement) -> v1::Duty {
    let object = duty.object();
    let (obligation, clause_sheet, clause) = match duty.source {
        DutySource::Obligation { id, .. } => (id, String::new(), 0),
        DutySource::Clause { sheet, n } => (String::new(), sheet, n),
    };
    v1::Duty {
        object,
        obligation,
        clause_sheet,
        clause,
        contract: duty.contract.map(|contract| contract.id.clone()).unwrap_or_default(),
        label: duty.label.to_owned(),
        asks_ja: duty.asks.ja,
        asks_en: duty.asks.en,
        kind: duty.check.word().to_owned(),
        who: duty.who,
        to: duty.to,
        status: judged.status.word().to_owned(),
        due_ms: judged.due.map_or(0, |due| due.unix_ms()),
        next_ms: judged.next.map_or(0, |next| next.unix_ms()),
        owed: judged.owed,
        met: judged.met,
        entries: judged.entries.iter().map(|e| e.get()).collect(),
        detail_ja: judged.detail.ja,
        detail_en: judged.detail.en,
    }
}

/// One thing that is due, and how the ledger names who owes it.
pub(super) fn due(scheme: &str, party: String, one: Due<'_>) -> v1::DueItem {
    let (due_ms, overdue) = (one.due.unix_ms(), one.overdue);
    let (copy, duty) = match one.what {
        DueWhat::Copy(id, record, judgement) => (Some(copy(id, record, &judgement)), None),
        DueWhat::Duty(owed, judged) => (None, Some(duty(owed, judged))),
    };
    v1::DueItem { scheme: scheme.to_owned(), copy, duty, party, due_ms, overdue }
}
