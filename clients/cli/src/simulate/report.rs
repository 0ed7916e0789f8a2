//! What a run prints, and the summary file.

use std::io::Write;

use anyhow::Context as _;
use daicho_custody::FindingCode;
use serde_json::{Map, Value, json};

use crate::context::Context;

use super::assumptions::Assumptions;
use super::baseline;
use super::faults::{Counts, Seen, by_code, total};
use super::plan::{Part, Plan};
use super::replies;

/// What the play rests on: assumptions, holes of the papers, faults.
pub(crate) fn preface(
    plan: &Plan,
    assumptions: &Assumptions,
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    writeln!(
        out,
        "{}",
        context.pick("書面にない数量(この模擬の仮定)", "Volumes that no paper gives (our assumptions)")
    )?;
    for part in &plan.parts {
        for one in assumptions.of(&part.id) {
            writeln!(out, "  {}  {}", part.id, context.pick(&one.what.ja, &one.what.en))?;
        }
    }
    writeln!(
        out,
        "{}",
        context.pick("書面そのものの空白による指摘", "Findings that the papers' own holes cause")
    )?;
    for hole in plan.parts.iter().flat_map(|part| baseline::of(&part.id)) {
        let why = context.pick(&hole.why.ja, &hole.why.en);
        writeln!(out, "  {}  {}  {} ({}): {why}", hole.scheme, hole.code.word(), hole.object, hole.cause)?;
    }
    writeln!(out, "{}", context.pick("仕込んだ不備", "Faults"))?;
    if plan.parts.iter().all(|part| part.injected.is_empty()) {
        writeln!(out, "  {}", context.pick("なし", "none"))?;
    }
    for part in &plan.parts {
        for one in &part.injected {
            let kind = context.pick(one.fault.meaning().ja, one.fault.meaning().en);
            let what = context.pick(&one.what.ja, &one.what.en);
            writeln!(out, "  {}  {}  {kind}: {what}", one.at.jst_day(), one.fault.word())?;
        }
    }
    Ok(())
}

/// How large the run is.
pub(crate) fn sizes(plan: &Plan, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    for part in &plan.parts {
        let events: u64 = part.touches.flows.values().sum();
        let copies = part.copies;
        let text = context.pick(
            format!("{}〜{}、流れの事象 {events}、複製 {copies}", part.from, part.to),
            format!("{} to {}, {events} events of flows, {copies} copies", part.from, part.to),
        );
        writeln!(out, "{}  {text}", part.id)?;
    }
    let (statements, events, signers) = (plan.steps.len(), plan.events(), plan.signers().len());
    let text = context.pick(
        format!("申告 {statements}、事象 {events}、鍵 {signers}"),
        format!("{statements} statements, {events} events, {signers} keys"),
    );
    Ok(writeln!(out, "{text}")?)
}

/// What must be found, beside what was found. Returns whether they agree code by code, and each is about what was touched.
pub(crate) fn compare(
    part: &Part,
    seen: &[Seen],
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    let injected = total(&part.injected);
    let found = by_code(seen.iter().map(|finding| finding.code));
    let of = |counts: &Counts, code: FindingCode| counts.get(&code).copied().unwrap_or(0);
    let mut agrees = true;
    writeln!(out, "{} ({})", part.id, part.as_of.jst_day())?;
    for code in FindingCode::ALL.iter().copied() {
        let (holes, faults, seen) = (of(&part.baseline, code), of(&injected, code), of(&found, code));
        if holes + faults + seen == 0 {
            continue;
        }
        let mark = if holes + faults == seen {
            context.pick("一致", "agrees")
        } else {
            context.pick("不一致", "DIFFERS")
        };
        agrees &= holes + faults == seen;
        let text = context.pick(
            format!("書面の空白 {holes} + 仕込み {faults}、指摘 {seen}"),
            format!("holes {holes} + faults {faults}, found {seen}"),
        );
        writeln!(out, "  {mark}  {}  {text}", code.word())?;
    }
    for stray in part.strays(seen) {
        agrees = false;
        let (code, object) = (stray.code.word(), &stray.object);
        let text = context.pick(
            format!("不一致  {code}  {object}: 仕込んだものではありません"),
            format!("DIFFERS  {code}  {object}: no fault touched it"),
        );
        writeln!(out, "  {text}")?;
    }
    if agrees && found.is_empty() {
        let text = "指摘なし(違反の記録なし)。あるべき指摘もない";
        writeln!(out, "  {}", context.pick(text, "no findings, and none expected"))?;
    }
    Ok(agrees)
}

/// Writes the summary for programs.
pub(crate) fn summary(plan: &Plan, file: &std::path::Path, context: &Context) -> anyhow::Result<()> {
    let counts = |counts: &Counts| -> Map<String, Value> {
        counts.iter().map(|(code, n)| (code.word().to_owned(), json!(n))).collect()
    };
    let scheme = |part: &Part| {
        json!({
            "id": part.id,
            "from": part.from.to_string(),
            "to": part.to.to_string(),
            "as_of": part.as_of.to_string(),
            "systems": part.touches.systems,
            "flows": part.touches.flows,
            "copies": part.copies,
            "baseline": counts(&part.baseline),
            "injected": counts(&total(&part.injected)),
            "replies": replies::counts(part),
        })
    };
    let json = json!({
        "schemes": plan.parts.iter().map(scheme).collect::<Vec<_>>(),
        "statements": plan.steps.len(),
        "events": plan.events(),
    });
    let text = format!("{}\n", serde_json::to_string_pretty(&json)?);
    std::fs::write(file, text).with_context(|| {
        let file = file.display();
        context.pick(format!("{file} に書き込めません"), format!("cannot write {file}"))
    })
}
