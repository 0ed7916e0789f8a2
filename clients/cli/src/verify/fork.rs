//! Proofs of a fork in words.

use daicho_core::proto;
use daicho_tlog::Policy;
use daicho_tlog::policy::Trust;
use daicho_verify::{Evidence, ForkProof, Proves, Receipt};
use serde_json::json;

use super::faults::Fault;
use super::findings::{Findings, cosigned_at, japan, trust_json};
use crate::context::Context;
use crate::words;

/// What two words of a ledger prove.
pub(super) fn of_fork(bytes: &[u8], policy: &Policy, context: &Context) -> Result<Findings, Fault> {
    let fault = |error| Fault::fork(&error, context);
    let proof = ForkProof::parse(bytes).map_err(fault)?;
    let report = proof.verify(policy).map_err(fault)?;
    let [first, second] = proof.evidence().checkpoints().map(|signed| signed.checkpoint());
    let headline = match &report.proves {
        Proves::Fork => context.pick(
            format!("証明されました: 台帳 {} の鍵は、両立しない二つの履歴に署名しました", report.origin),
            format!(
                "PROVEN: the key of the ledger {} signed two histories that cannot both be true",
                report.origin
            ),
        ),
        Proves::WitnessWentBack(names) => {
            let names = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            context.pick(
                format!("証明されました: 連署者 {names} は、大きい木に連署した後で小さい木に連署しました"),
                format!("PROVEN: witness {names} cosigned a smaller tree after a larger one"),
            )
        }
        Proves::Nothing => context
            .pick(
                "証明されません: 疑わしいものの、これだけでは何も証明しません",
                "NOT PROVEN: suspicious, and by itself no proof",
            )
            .to_owned(),
    };
    let mut claimed = described(proof.evidence(), context);
    if !proof.asked().is_empty() {
        claimed.push(context.pick(
            format!("二つ目が示された時と場所（確かめた人の言葉）: {}", proof.asked()),
            format!("when and where the second was shown, as whoever asked says: {}", proof.asked()),
        ));
    }
    let links = match proof.evidence() {
        Evidence::EarlierTree { .. } => 1,
        Evidence::OtherEntry { .. } => 2,
        Evidence::SameSize { .. } | Evidence::Shorter { .. } => 0,
    };
    let both = |count: fn(&Trust<'_>) -> usize| (count(&report.first) + count(&report.second)) as u64;
    let checks = [
        (
            "log_signatures",
            both(|t| t.logs.len()),
            context.pick("検査点への台帳の署名", "signatures of the ledger on the two checkpoints"),
        ),
        ("proofs", links, context.pick("木の中の位置の証明", "proofs of a place in a tree")),
        (
            "cosignatures",
            both(|t| t.witnesses.len()),
            context.pick("検査点への連署", "cosignatures on the two checkpoints"),
        ),
    ];
    let mut trust = signed(1, &report.first, context);
    trust.extend(signed(2, &report.second, context));
    let side = |trust: &Trust<'_>, tree: &daicho_tlog::Checkpoint| json!({ "size": tree.size(), "root": tree.root().to_string(), "trust": trust_json(policy, trust, &[], 0) });
    Ok(Findings {
        proven: report.proves != Proves::Nothing,
        kind: "fork-proof",
        headline,
        claimed,
        checks: checks.map(|(word, count, text)| (word, count, text.to_owned())).into(),
        trust,
        since: Vec::new(),
        limits: limits(&report.proves, proof.evidence(), context),
        facts: json!({
            "origin": report.origin, "claim": proof.evidence().claim(), "asked": proof.asked(),
            "proves": match &report.proves {
                Proves::Fork => "fork",
                Proves::WitnessWentBack(_) => "witness-went-back",
                Proves::Nothing => "nothing",
            },
            "first": side(&report.first, first), "second": side(&report.second, second),
        }),
    })
}

/// What contradicts what.
pub(crate) fn described(evidence: &Evidence, context: &Context) -> Vec<String> {
    let [first, second] = evidence.checkpoints().map(|signed| signed.checkpoint());
    match evidence {
        Evidence::SameSize { .. } => vec![
            context.pick(
                format!("記録 {} 件の木の根が二つ示されました。同じ記録からは一つの根しか生じません", first.size()),
                format!("two roots were stated for {} entries; the same entries have one", first.size()),
            ),
            format!("1: {}", first.root()),
            format!("2: {}", second.root()),
        ],
        Evidence::EarlierTree { root, .. } => vec![
            context.pick(
                format!(
                    "記録 {} 件の検査点は、最初の {} 件として別の記録を含みます。記録は追記されるだけのはずです",
                    second.size(),
                    first.size()
                ),
                format!(
                    "the checkpoint of {} entries begins with {} entries that are not those of the earlier checkpoint; \
                     a ledger only grows",
                    second.size(),
                    first.size()
                ),
            ),
            context.pick(
                format!("先の検査点の根: {}", first.root()),
                format!("root of the earlier checkpoint: {}", first.root()),
            ),
            context.pick(
                format!("後の検査点における最初の {} 件の根: {root}", first.size()),
                format!("root of the first {} entries in the later one: {root}", first.size()),
            ),
        ],
        Evidence::OtherEntry { first, second } => vec![
            context.pick(
                format!("記録 {} に二つの内容があります", first.entry().index),
                format!("entry {} has two contents", first.entry().index),
            ),
            format!("1: {}", entry(first, context)),
            format!("2: {}", entry(second, context)),
        ],
        Evidence::Shorter { .. } => vec![context.pick(
            format!("記録 {} 件の検査点の後に、{} 件の検査点が最新のものとして示されました", first.size(), second.size()),
            format!(
                "after a checkpoint of {} entries, one of {} was shown as the newest",
                first.size(),
                second.size()
            ),
        )],
    }
}

fn entry(receipt: &Receipt, context: &Context) -> String {
    let events: &[proto::Event] = &receipt.statement().body().events;
    let shown: Vec<String> = events.iter().take(3).map(|event| words::event(event, context.lang)).collect();
    let time = japan(receipt.entry().recorded, context.lang);
    format!("{time}  {}", shown.join(context.pick("、", "; ")))
}

fn signed(which: u8, trust: &Trust<'_>, context: &Context) -> Vec<String> {
    let keys = trust.logs.iter().map(|log| {
        let id = log.key.key_id();
        context.pick(format!("{which}: 台帳の鍵 {id}"), format!("{which}: the ledger's key {id}"))
    });
    let witnesses = trust.witnesses.iter().map(|one| {
        let name = &one.witness.name;
        let time = cosigned_at(one).map_or_else(String::new, |time| japan(time, context.lang));
        context.pick(format!("{which}: 連署者 {name}、{time}"), format!("{which}: witness {name}, {time}"))
    });
    keys.chain(witnesses).collect()
}

fn limits(proves: &Proves, evidence: &Evidence, context: &Context) -> Vec<String> {
    let lines: &[(&str, &str)] = match proves {
        Proves::Fork => &[
            ("どちらの履歴が真実か", "which of the two histories is the true one"),
            (
                "誰が鍵を使ったか。鍵を持つ人、または鍵を盗んだ人です",
                "who used the key: whoever has it, or stole it",
            ),
        ],
        Proves::WitnessWentBack(_) => &[(
            "台帳の運用者が記録を切り捨てたこと。検査点を連署者に示すことは誰にでもできます",
            "that the operator cut the ledger: anybody can show a checkpoint to a witness",
        )],
        Proves::Nothing => &[
            (
                "記録が切り捨てられたこと。小さい検査点は過去のものとしていつまでも正しく、それが最新として示されたことは、確かめた人の言葉によるだけです",
                "that the ledger was cut: a small checkpoint stays true as a past one, and that it was shown as the newest is \
                 only the word of whoever asked",
            ),
            (
                "大きい方の検査点を保存し、台帳が再び同じ大きさを超えたときに daicho receipt compare で照合してください。続きでなければ、その時に証明できます",
                "keep the larger checkpoint and compare again once the ledger has grown past it: if it does not continue it, \
                 that is proof",
            ),
        ],
    };
    let mut lines: Vec<String> = lines.iter().map(|(ja, en)| context.pick(*ja, *en).to_owned()).collect();
    if let (Proves::Fork, Evidence::SameSize { .. } | Evidence::EarlierTree { .. }) = (proves, evidence) {
        lines.push(
            context
                .pick(
                    "どの記録が異なるか。それには双方の受領証が要ります",
                    "which entry differs: that takes receipts of both",
                )
                .to_owned(),
        );
    }
    lines
}
