//! Bundles in words.

use std::io::Read;

use daicho_custody::DeletionReport;
use daicho_tlog::Policy;
use daicho_verify::bundle::{BundleReport, Claim, Proven, ReportTerms, SelectedEntry, verify};
use serde_json::{Value, json};

use super::faults::Fault;
use super::findings::{
    Findings, fixed_json, japan, since_lines, trust_json, trust_lines, when_simulated, without_witnesses,
};
use crate::context::Context;
use crate::words;

/// Entries that are put in words one by one.
const SHOWN: usize = 40;

/// What a bundle proves.
pub(super) fn of_bundle(input: impl Read, policy: &Policy, context: &Context) -> Result<Findings, Fault> {
    let found = verify(input, policy).map_err(|error| Fault::bundle(&error, context))?;
    found_in(found, policy, context)
}

/// A bundle that holds, in words.
pub(super) fn found_in(
    found: BundleReport<'_>,
    policy: &Policy,
    context: &Context,
) -> Result<Findings, Fault> {
    let checks = checks(&found, context);
    // Nothing that was not checked is proven, whatever the file says.
    let counted = |word: &str| checks.iter().any(|(other, count, _)| *other == word && *count > 0);
    if !["entries", "signatures", "proofs", "log_signatures"].into_iter().all(counted) {
        return Err(Fault::nothing_checked(context));
    }
    let (since, fixed) = since_lines(policy, &found.trust, &found.timestamps, found.simulated, context);
    let mut trust = trust_lines(policy, &found.trust, &found.timestamps, found.unknown_timestamps, context);
    trust.extend(named_key(&found, context));
    let (headline, claimed) = match (&found.claim, &found.proven) {
        (Claim::DeletionReport(terms), Proven::Complete { report, .. }) => {
            whole(terms, report, &found, context)
        }
        (claim, Proven::Selective(entries)) => selected(claim, entries, context),
        (_, Proven::Complete { report, .. }) => whole_of(report, &found, context),
    };
    let facts = json!({
        "claim": claim_json(&found.claim), "origin": found.origin, "simulated": found.simulated,
        "size": found.size, "root": found.root.to_string(), "proven": proven_json(&found.proven),
        "trust": trust_json(policy, &found.trust, &found.timestamps, found.unknown_timestamps),
        "fixed_since": fixed_json(fixed),
    });
    let limits = limits(&found, policy, context);
    Ok(Findings { proven: true, kind: "bundle", headline, claimed, checks, trust, since, limits, facts })
}

fn checks(found: &BundleReport<'_>, context: &Context) -> Vec<(&'static str, u64, String)> {
    let counts = found.checks;
    let complete = found.claim.is_complete();
    let proofs = if complete {
        context.pick("全記録の木の根を検査点と照合", "roots: the tree over all entries has the checkpoint's")
    } else {
        context.pick(
            "包含証明: 記録から検査点の根まで",
            "inclusion proofs: from an entry to the checkpoint's root",
        )
    };
    let keys = if complete {
        context.pick("申告の署名を当時の鍵で検証", "signatures: verified under the keys of their time")
    } else {
        context.pick(
            "申告の署名を、この証拠一式の記録が承認した鍵で検証",
            "signatures: verified under keys that entries of this bundle authorise",
        )
    };
    let all = [
        ("entries", counts.entries, context.pick("記録のハッシュ値を再計算", "entries: hashes recomputed")),
        (
            "links",
            counts.links,
            context.pick("前の記録との連鎖を確認", "links: each entry continues the one before it"),
        ),
        ("signatures", counts.signatures, keys),
        (
            "events",
            counts.events,
            context.pick("事象を規則どおりに再演", "events: folded again by the rules of custody"),
        ),
        (
            "seals",
            counts.seals,
            context.pick("封緘を直前の記録と照合", "seals: each for the entry before it"),
        ),
        ("proofs", counts.proofs, proofs),
        (
            "documents",
            counts.documents,
            context.pick(
                "事業の文書を組み立ててハッシュ値と照合",
                "documents: put together and compared with their hash",
            ),
        ),
        (
            "log_signatures",
            counts.log_signatures,
            context.pick("検査点への台帳の署名", "signatures of the ledger on the checkpoint"),
        ),
        (
            "cosignatures",
            counts.cosignatures,
            context.pick("検査点への連署", "cosignatures on the checkpoint"),
        ),
        ("timestamps", counts.timestamps, context.pick("検査点への時刻認証", "timestamps on the checkpoint")),
    ];
    // What cannot occur in a kind is left out; what is merely absent shows as zero.
    let shown = |word: &str, count: u64| {
        count > 0 || matches!(word, "cosignatures" | "timestamps") || (complete && word == "seals")
    };
    all.into_iter()
        .filter(|(word, count, _)| shown(word, *count))
        .map(|(word, count, text)| (word, count, text.to_owned()))
        .collect()
}

/// Whether the ledger itself named the key that signed the checkpoint.
fn named_key(found: &BundleReport<'_>, context: &Context) -> Option<String> {
    let Proven::Complete { audit, .. } = &found.proven else { return None };
    let (entry, keys) = audit.checkpoint_keys.last()?;
    let named = found.trust.logs.iter().all(|log| keys.contains(&log.key.to_string()));
    Some(if named {
        context.pick(
            format!("台帳の鍵は、記録 {entry} で運用者が検査点の鍵として示しています"),
            format!("the ledger's key is the one that its operator named in entry {entry}"),
        )
    } else {
        context.pick(
            format!("注意: 台帳の鍵は、記録 {entry} で運用者が示した検査点の鍵ではありません"),
            format!("note: the ledger's key is not one that its operator named in entry {entry}"),
        )
    })
}

fn whole(
    terms: &ReportTerms,
    report: &DeletionReport,
    found: &BundleReport<'_>,
    context: &Context,
) -> (String, Vec<String>) {
    let (_, mut claimed) = whole_of(report, found, context);
    let (scheme, from, to) = (&terms.scheme, terms.period.from, terms.period.to);
    let (title, as_of) = (&report.scheme.title, japan(terms.as_of, context.lang));
    claimed.insert(
        0,
        context.pick(
            format!(
                "事業 {scheme}（{}）の、{}から{}までの消去に関する報告書、{as_of}時点",
                title.ja,
                from.era(),
                to.era()
            ),
            format!("the deletion report of {scheme} ({}), {from} to {to}, as of {as_of}", title.en),
        ),
    );
    let headline = context.pick(
        format!(
            "証明されました: 報告書は、台帳 {} の記録 {} 件のすべてから計算したものと一致します",
            found.origin, found.size
        ),
        format!("PROVEN: the report is what all {} entries of the ledger {} give", found.size, found.origin),
    );
    (headline, claimed)
}

fn whole_of(report: &DeletionReport, found: &BundleReport<'_>, context: &Context) -> (String, Vec<String>) {
    let ledger = &report.ledger;
    let answer = context.pick(&report.answer.text.ja, &report.answer.text.en);
    let lines = vec![
        context.pick(format!("結論: {answer}"), format!("its answer: {answer}")),
        context.pick(
            format!(
                "記録 0 から {} までのすべて。末尾の連鎖ハッシュ {}",
                found.size - 1,
                ledger.chain_hash_hex
            ),
            format!(
                "from entries 0 to {}, all of them; chain hash after them {}",
                found.size - 1,
                ledger.chain_hash_hex
            ),
        ),
    ];
    (context.pick("証明されました", "PROVEN").to_owned(), lines)
}

fn selected(claim: &Claim, entries: &[SelectedEntry], context: &Context) -> (String, Vec<String>) {
    let subjects: Vec<&SelectedEntry> = entries.iter().filter(|entry| entry.subject).collect();
    let (count, rest) = (subjects.len(), entries.len() - subjects.len());
    let headline = match claim {
        Claim::DataSet(set) => context.pick(
            format!(
                "証明されました: データセット {} に関するこの {count} 件の記録は台帳にあります",
                set.data_set
            ),
            format!("PROVEN: these {count} entries about the data set {} are in the ledger", set.data_set),
        ),
        _ => context
            .pick("証明されました: この記録は台帳にあります", "PROVEN: this entry is in the ledger")
            .to_owned(),
    };
    let mut lines: Vec<String> = subjects.iter().take(SHOWN).map(|entry| line(entry, context)).collect();
    if count > SHOWN {
        let more = count - SHOWN;
        lines.push(context.pick(format!("ほか {more} 件"), format!("{more} more")));
    }
    lines.push(context.pick(
        format!("これらが拠る記録 {rest} 件（台帳の開設、当事者と鍵の承認、事業の施行など）"),
        format!("{rest} entries that these rest on (founding, parties, keys, the scheme)"),
    ));
    (headline, lines)
}

fn line(entry: &SelectedEntry, context: &Context) -> String {
    let time = japan(entry.recorded, context.lang);
    let mut events: Vec<String> =
        entry.events.iter().take(3).map(|event| words::event(event, context.lang)).collect();
    if entry.events.len() > 3 {
        let more = entry.events.len() - 3;
        events.push(context.pick(format!("ほか{more}件"), format!("{more} more")));
    }
    let events = events.join(context.pick("、", "; "));
    format!("{}  {time}  {}  {events}", entry.index, entry.parties.join("+"))
}

fn limits(found: &BundleReport<'_>, policy: &Policy, context: &Context) -> Vec<String> {
    let lines: [(&str, &str); 3] = if found.claim.is_complete() {
        [
            ("台帳に記録されなかった複製が存在しないこと", "that no copy exists which was never recorded"),
            (
                "保有者の申告が真実であること。証明されるのは、そう署名して申告したことです",
                "that a holder told the truth: what is proven is that it signed so",
            ),
            (
                "この検査点より後の記録。後から訂正や新たな事象が記録されているかもしれません",
                "anything recorded after this checkpoint: corrections and further events may follow",
            ),
        ]
    } else {
        [
            (
                "ここにない記録がないこと。訂正、取消し、鍵の失効、その後の事象が台帳にあるかもしれません。全体についての判定は示しません",
                "that there is nothing else: corrections, revocations and further events may be in the ledger and not here. \
                 No verdict on the whole is given",
            ),
            (
                "規則に照らして適切であったこと。期限や承認の判定には、すべての記録を収めた証拠一式が要ります",
                "that the rules were kept: judging that takes a complete bundle",
            ),
            ("申告の内容が真実であること", "that what the statements say is true"),
        ]
    };
    let mut lines: Vec<String> = lines.into_iter().map(|(ja, en)| context.pick(ja, en).to_owned()).collect();
    lines.extend(without_witnesses(policy, context));
    lines.extend(when_simulated(found.simulated, context));
    lines
}

fn claim_json(claim: &Claim) -> Value {
    serde_json::to_value(claim).unwrap_or(Value::Null)
}

fn proven_json(proven: &Proven) -> Value {
    match proven {
        Proven::Complete { audit, report } => json!({
            "kind": "complete", "head": audit.head.to_string(), "last_recorded": audit.recorded.to_string(),
            "answer": report.answer, "totals": report.totals,
        }),
        Proven::Selective(entries) => {
            let entries: Vec<Value> = entries
                .iter()
                .map(|entry| {
                    json!({
                        "entry": entry.index.get(), "recorded": entry.recorded.to_string(),
                        "statement": entry.statement.to_string(), "parties": entry.parties, "subject": entry.subject,
                    })
                })
                .collect();
            json!({ "kind": "selective", "entries": entries })
        }
    }
}
