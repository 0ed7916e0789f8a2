//! The outcome of an audit in words and as JSON.

use std::io::Write;

use super::anchor::{Anchor, Keys};
use super::{Fault, Sound};
use crate::context::Context;

pub(super) fn sound(sound: &Sound, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let report = &sound.report;
    if context.json() {
        writeln!(out, "{}", json(sound))?;
        return Ok(());
    }
    writeln!(out, "{} {}", context.pick("監査の結果、誤りはありません:", "sound:"), report.origin)?;
    for (count, text) in counts(sound, context) {
        writeln!(out, "  {count:>10}  {text}")?;
    }
    writeln!(out, "  {} {}  {}", context.pick("末尾の連鎖ハッシュ", "head"), report.head, report.recorded)?;
    for anchor in &sound.anchors {
        print_anchor(anchor, context, out)?;
    }
    if sound.anchors.iter().any(|anchor| anchor.keys == Keys::Ledger) {
        let text = context.pick(
            "検査点の鍵は台帳自身の記載によります。誰を信頼するかは --policy で定めてください。",
            "keys taken from the ledger itself; give --policy to decide whom you trust",
        );
        writeln!(out, "  {text}")?;
    }
    if report.origin.is_simulated() {
        let text = context.pick(
            "模擬時計の台帳です。実際の時刻は証明しません。",
            "simulated clock: it proves nothing about real time",
        );
        writeln!(out, "  {text}")?;
    }
    Ok(())
}

fn counts(sound: &Sound, context: &Context) -> Vec<(u64, &'static str)> {
    let counts = sound.report.counts;
    let mut lines = vec![
        (counts.entries, context.pick("記録のハッシュ値を再計算", "entries: hashes recomputed")),
        (
            counts.links,
            context.pick("前の記録との連鎖を確認", "links: each entry continues the one before it"),
        ),
        (
            counts.signatures,
            context.pick("署名を当時の鍵で検証", "signatures: verified under the keys of their time"),
        ),
        (
            counts.events,
            context.pick("事象を規則どおりに再演", "events: folded again by the rules of custody"),
        ),
        (counts.seals, context.pick("封緘を直前の記録と照合", "seals: each for the entry before it")),
        (
            counts.checkpoints,
            context.pick("検査点の署名を検証し、根を再計算", "checkpoints: signed, and the root recomputed"),
        ),
    ];
    if let Some(tiles) = sound.tiles {
        lines.push((
            tiles,
            context.pick("タイルのハッシュ値を記録から再計算", "tiles: hashes recomputed from the entries"),
        ));
    }
    lines
}

fn print_anchor(anchor: &Anchor, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let (size, root) = (anchor.size(), anchor.checkpoint.checkpoint().root());
    let head = context.pick(format!("検査点 記録 {size} 件"), format!("checkpoint of {size} entries"));
    writeln!(out, "  {head}  {root}")?;
    writeln!(out, "    {} {}", context.pick("署名", "signed by"), anchor.signed_by.join(", "))?;
    for (witness, at) in &anchor.cosigned_by {
        writeln!(out, "    {} {witness}  {at}", context.pick("連署", "cosigned by"))?;
    }
    Ok(())
}

fn json(sound: &Sound) -> serde_json::Value {
    let (report, counts) = (&sound.report, sound.report.counts);
    let findings: serde_json::Map<String, serde_json::Value> =
        report.findings.iter().map(|(code, n)| (code.word().to_owned(), (*n).into())).collect();
    let anchor = |anchor: &Anchor| {
        let cosigned = anchor
            .cosigned_by
            .iter()
            .map(|(name, at)| serde_json::json!({ "witness": name, "at": at.to_string() }));
        serde_json::json!({
            "size": anchor.size(), "root": anchor.checkpoint.checkpoint().root().to_string(),
            "signed_by": anchor.signed_by, "cosigned_by": cosigned.collect::<Vec<_>>(),
            "keys_from": match anchor.keys { Keys::Policy => "policy", Keys::Ledger => "ledger" },
        })
    };
    serde_json::json!({
        "ok": true, "origin": report.origin.as_str(), "simulated": report.origin.is_simulated(),
        "entries": counts.entries, "links": counts.links, "signatures": counts.signatures,
        "events": counts.events, "seals": counts.seals, "checkpoints": counts.checkpoints, "tiles": sound.tiles,
        "head": report.head.to_string(), "root": report.root.to_string(),
        "last_recorded": report.recorded.to_string(), "findings_raised": findings,
        "anchors": sound.anchors.iter().map(anchor).collect::<Vec<_>>(),
    })
}

pub(super) fn fault(fault: &Fault, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let Fault { entry, check, detail } = fault;
    if context.json() {
        let json = serde_json::json!({ "ok": false, "entry": entry, "check": check, "detail": detail });
        writeln!(out, "{json}")?;
        return Ok(());
    }
    let head = context.pick(
        format!("誤りを見つけました: 記録 {entry}、検査 {check}"),
        format!("NOT SOUND at entry {entry}: check {check} failed"),
    );
    writeln!(out, "{head}\n  {detail}")?;
    Ok(())
}
