//! Receipts and checkpoints in words.

use daicho_core::{Origin, PublicKey};
use daicho_tlog::{Policy, SignedCheckpoint};
use daicho_verify::{Receipt, ReceiptError, ReceiptReport};
use serde_json::json;

use super::faults::Fault;
use super::findings::{
    Findings, fixed_json, japan, since_lines, trust_json, trust_lines, when_simulated, without_witnesses,
};
use crate::context::Context;
use crate::{schema, words};

/// What is asked of a receipt besides the ledger's signature.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    /// Whether the quorum may be missing.
    pub(crate) without_quorum: bool,
    /// Keys whose signatures must be on the statement.
    pub(crate) signers: Vec<PublicKey>,
}

/// What a receipt proves.
pub(crate) fn of_receipt(
    bytes: &[u8],
    policy: &Policy,
    demand: &Demand,
    context: &Context,
) -> Result<Findings, Fault> {
    let fault = |error: ReceiptError| Fault::receipt(&error, context);
    let receipt = Receipt::parse(bytes).map_err(fault)?;
    let report = if demand.without_quorum { receipt.examine(policy) } else { receipt.verify(policy) };
    let report = report.map_err(fault)?;
    demand.signers.iter().try_for_each(|key| receipt.signed_by(key)).map_err(fault)?;
    Ok(findings(&receipt, &report, policy, demand, context))
}

fn findings(
    receipt: &Receipt,
    report: &ReceiptReport<'_>,
    policy: &Policy,
    demand: &Demand,
    context: &Context,
) -> Findings {
    let (since, fixed) = since_lines(policy, &report.trust, &[], report.simulated, context);
    let trust = &report.trust;
    let checks = [
        (
            "entries",
            1,
            context.pick("記録: バイト列から葉のハッシュを計算", "entry: leaf hash from its bytes"),
        ),
        (
            "proofs",
            1,
            context.pick("包含証明: 葉から検査点の根まで", "inclusion proof: from the leaf to the root"),
        ),
        (
            "statement_signatures",
            demand.signers.len() as u64,
            context
                .pick("申告の署名: 与えられた公開鍵で検証", "signatures on the statement: by the keys given"),
        ),
        (
            "log_signatures",
            trust.logs.len() as u64,
            context.pick("検査点への台帳の署名", "signatures of the ledger on the checkpoint"),
        ),
        (
            "cosignatures",
            trust.witnesses.len() as u64,
            context.pick("検査点への連署", "cosignatures on the checkpoint"),
        ),
    ];
    let signers: Vec<String> = report.signers.iter().map(ToString::to_string).collect();
    let facts = json!({
        "origin": report.origin, "simulated": report.simulated, "entry": report.index.get(),
        "recorded": report.recorded.to_string(), "chain_hash": report.chain.to_string(), "signers": signers,
        "events": receipt.statement().body().events.iter()
            .map(|event| schema::to_json("Event", event, false)).collect::<Vec<_>>(),
        "size": report.size, "root": report.root.to_string(),
        "trust": trust_json(policy, trust, &[], 0), "fixed_since": fixed_json(fixed),
    });
    Findings {
        proven: true,
        kind: "receipt",
        headline: context.pick(
            format!("証明されました: 記録 {} は台帳 {} にあります", report.index, report.origin),
            format!("PROVEN: entry {} is in the ledger {}", report.index, report.origin),
        ),
        claimed: described(receipt, context),
        checks: checks.map(|(word, count, text)| (word, count, text.to_owned())).into(),
        trust: trust_lines(policy, trust, &[], 0, context),
        since,
        limits: limits(report, policy, demand, context),
        facts,
    }
}

/// What a receipt says, proven or not.
pub(crate) fn described(receipt: &Receipt, context: &Context) -> Vec<String> {
    let entry = receipt.entry();
    let tree = receipt.checkpoint().checkpoint();
    let simulated =
        if is_simulated(tree.origin()) { context.pick("（模擬）", " (simulated, 模擬)") } else { "" };
    let time = japan(entry.recorded, context.lang);
    let mut lines = vec![context.pick(
        format!("記録 {}、{time}に記録{simulated}", entry.index),
        format!("entry {}, recorded {time}{simulated}", entry.index),
    )];
    for signer in receipt.statement().signers() {
        lines.push(context.pick(
            format!("申告者の鍵 {}、{} 番目の申告", signer.key, signer.sequence),
            format!("signed by key {}, its statement number {}", signer.key, signer.sequence),
        ));
    }
    let events = &receipt.statement().body().events;
    lines.extend(events.iter().take(20).map(|event| format!("・{}", words::event(event, context.lang))));
    if events.len() > 20 {
        let more = events.len() - 20;
        lines.push(context.pick(format!("ほか {more} 件の事象"), format!("{more} more events")));
    }
    let chain = daicho_core::ChainHash::of_entry(receipt.entry_bytes());
    lines.push(context.pick(format!("連鎖ハッシュ {chain}"), format!("chain hash {chain}")));
    lines.push(context.pick(
        format!("検査点: 台帳 {}、記録 {} 件、根 {}", tree.origin(), tree.size(), tree.root()),
        format!("checkpoint: ledger {}, {} entries, root {}", tree.origin(), tree.size(), tree.root()),
    ));
    lines
}

fn is_simulated(origin: &str) -> bool {
    origin.ends_with(Origin::SIMULATED_SUFFIX)
}

fn limits(report: &ReceiptReport<'_>, policy: &Policy, demand: &Demand, context: &Context) -> Vec<String> {
    let mut lines = vec![
        context
            .pick(
                "この記録のほかに、訂正、取消し、鍵の失効などの記録がないこと",
                "that no other entry corrects it, takes it back or revokes a key",
            )
            .to_owned(),
        context.pick("申告の内容が真実であること", "that what the statement says is true").to_owned(),
    ];
    if demand.signers.len() < report.signers.len() {
        lines.push(
            context
                .pick(
                    "申告の署名が誰のものか。鍵は受領証に含まれないため、申告の署名は検証していません（--public-key で与えられます）",
                    "whose signatures are on the statement: a receipt holds no keys, so they were not verified \
                     (--public-key of `daicho receipt verify` gives some)",
                )
                .to_owned(),
        );
    }
    lines.extend(without_witnesses(policy, context));
    lines.extend(when_simulated(report.simulated, context));
    lines
}

/// What a checkpoint proves.
pub(crate) fn of_checkpoint(
    checkpoint: &SignedCheckpoint,
    policy: &Policy,
    context: &Context,
) -> Result<Findings, Fault> {
    let trust = policy.check(checkpoint).map_err(|error| Fault::policy(&error, context))?;
    let tree = checkpoint.checkpoint();
    let simulated = is_simulated(tree.origin());
    let (since, fixed) = since_lines(policy, &trust, &[], simulated, context);
    let (size, root) = (tree.size(), tree.root());
    Ok(Findings {
        proven: true,
        kind: "checkpoint",
        headline: context.pick(
            format!("証明されました: 台帳 {} は {size} 件の記録にこの根を示しました", tree.origin()),
            format!("PROVEN: the ledger {} stated this root for {size} entries", tree.origin()),
        ),
        claimed: vec![
            context.pick(format!("記録 {size} 件、根 {root}"), format!("{size} entries, root {root}")),
        ],
        checks: vec![
            (
                "log_signatures",
                trust.logs.len() as u64,
                context.pick("台帳の署名", "signatures of the ledger").to_owned(),
            ),
            ("cosignatures", trust.witnesses.len() as u64, context.pick("連署", "cosignatures").to_owned()),
        ],
        trust: trust_lines(policy, &trust, &[], 0, context),
        since,
        limits: context
            .pick(
                vec!["どの記録が台帳にあるか。それには受領証または証拠一式が要ります".to_owned()],
                vec!["which entries are in it: that takes a receipt or a bundle".to_owned()],
            )
            .into_iter()
            .chain(without_witnesses(policy, context))
            .collect(),
        facts: json!({
            "origin": tree.origin(), "simulated": simulated, "size": size, "root": root.to_string(),
            "trust": trust_json(policy, &trust, &[], 0), "fixed_since": fixed_json(fixed),
        }),
    })
}
