//! Reports on paper: takes out what is attached, replays it, draws the paper again and compares.

use daicho_report::pdf::{self, Difference, Manifest};
use daicho_tlog::Policy;
use daicho_verify::bundle::{Claim, Proven, verify};
use serde_json::json;

use super::bundle::found_in;
use super::faults::Fault;
use super::findings::Findings;
use crate::context::Context;
use crate::report::paper::draw;

/// What a paper proves.
///
/// The pages are checked by drawing them again from the attached bundle: a program of the same version gives the same
/// bytes or the paper was changed.
pub(super) fn of_paper(bytes: &[u8], policy: &Policy, given: &[u8], context: &Context) -> Result<Findings, Fault> {
    let files = pdf::attachments(bytes).map_err(|error| Fault::read(&error, context))?;
    let of = |name: &str| files.iter().find(|(other, _)| *other == name).map(|(_, bytes)| bytes.as_slice());
    let listed: Vec<(&str, &[u8])> =
        files.iter().filter(|(name, _)| *name != pdf::MANIFEST).map(|(name, b)| (*name, b.as_slice())).collect();
    let manifest = of(pdf::MANIFEST).unwrap_or_default();
    let (manifest, lang) =
        Manifest::check(manifest, &listed).map_err(|error| Fault::manifest(&error, context))?;
    let bundle = of(pdf::BUNDLE).unwrap_or_default();
    let found = verify(bundle, policy).map_err(|error| Fault::bundle(&error, context))?;
    let (Claim::DeletionReport(_), Proven::Complete { report, .. }) = (&found.claim, &found.proven) else {
        return Err(Fault::paper("OtherClaim", pdf::BUNDLE, other_claim(context), context));
    };
    let computed = pdf::report_json(report)
        .map_err(|error| Fault::paper("Render", pdf::REPORT, ("計算した報告書を書き出せません", error.to_string()), context))?;
    if of(pdf::REPORT) != Some(computed.as_slice()) {
        return Err(Fault::paper("ReportDiffers", pdf::REPORT, report_differs(), context));
    }
    if manifest.program != pdf::PROGRAM {
        return Err(Fault::paper("OtherProgram", "", other_program(&manifest.program), context));
    }
    let attached = of(pdf::POLICY);
    let again = draw(report, lang, bundle.to_vec(), attached.map(<[u8]>::to_vec));
    let again = again.map_err(|error| Fault::paper("Render", "", ("紙面を描き直せません", format!("{error:?}")), context))?;
    if let Some(difference) = pdf::difference(bytes, &again) {
        return Err(Fault::paper(check(difference), &part(difference), differs(difference), context));
    }
    let pages = pdf::pages(bytes) as u64;
    let same_policy = attached.map(|attached| attached == given);
    let mut findings = found_in(found, policy, context)?;
    findings.kind = "report-pdf";
    findings.headline = context.pick(
        format!("証明されました: この文書の全{pages}ページは、添付の証拠一式の全記録から計算し、描き直したものと一字一句同じです"),
        format!("PROVEN: all {pages} pages are, to the byte, what the entries of the attached bundle give"),
    );
    findings.checks.push((
        "attachments",
        files.len() as u64,
        context.pick("添付ファイルを目録と照合", "attachments compared with their list").to_owned(),
    ));
    findings.checks.push((
        "pages",
        pages,
        context.pick("紙面を描き直して照合", "pages drawn again and compared").to_owned(),
    ));
    findings.trust.push(policy_line(same_policy, context).to_owned());
    if let serde_json::Value::Object(facts) = &mut findings.facts {
        facts.insert("program".to_owned(), json!(manifest.program));
        facts.insert("attachments".to_owned(), json!(manifest.files));
        facts.insert("attached_policy_is_yours".to_owned(), json!(same_policy));
    }
    Ok(findings)
}

fn policy_line(same: Option<bool>, context: &Context) -> &'static str {
    match same {
        Some(true) => context.pick(
            "表紙の連署の記載は、あなたの信頼方針によるものです",
            "the cover names witnesses by the policy that you gave",
        ),
        Some(false) => context.pick(
            "注意: 表紙の連署の記載は、添付の信頼方針によるもので、あなたのものと異なります。ここでの確認はあなたの信頼方針によります",
            "note: the cover names witnesses by the attached policy, which is not yours; what is said here goes by yours",
        ),
        None => context.pick(
            "この文書は信頼方針なしで作成され、表紙は連署を確認していないと記しています。ここでの確認はあなたの信頼方針によります",
            "this paper was made without a policy and says that no witness was checked; what is said here goes by yours",
        ),
    }
}

type Words = (&'static str, String);

fn other_claim(_: &Context) -> Words {
    ("添付の証拠一式は、消去の報告書のものではありません", "the attached bundle is not about a deletion report".into())
}

fn report_differs() -> Words {
    (
        "添付の報告書（JSON）は、添付の証拠一式の記録から計算したものと一致しません",
        "the attached JSON is not the report that the entries of the attached bundle give".into(),
    )
}

fn other_program(theirs: &str) -> Words {
    (
        "添付の証拠一式と報告書は一致しますが、紙面は別の版のプログラムが描いたもので、この版では照合できません",
        format!(
            "the attached bundle and JSON agree, but the pages were drawn by `{theirs}` and this is `{}`: verify with that one",
            pdf::PROGRAM
        ),
    )
}

fn check(difference: Difference) -> &'static str {
    match difference {
        Difference::Pages { .. } => "PageCount",
        Difference::Page(_) => "PageDiffers",
        Difference::Byte(_) => "FileDiffers",
    }
}

fn part(difference: Difference) -> String {
    match difference {
        Difference::Page(page) => format!("page {page}"),
        Difference::Pages { .. } | Difference::Byte(_) => String::new(),
    }
}

fn differs(difference: Difference) -> Words {
    match difference {
        Difference::Pages { one, other } => (
            "紙面のページ数が、証拠一式から描いたものと異なります",
            format!("the file has {one} pages and its bundle gives {other}"),
        ),
        Difference::Page(page) => (
            "紙面の記載が、証拠一式から描いたものと異なります",
            format!("page {page} does not show what its bundle gives"),
        ),
        Difference::Byte(byte) => (
            "ファイルの内容（文字、図、構造、または付随情報）が、証拠一式から描いたものと異なります",
            format!("fonts, pictures, structure or metadata differ from byte {byte} on"),
        ),
    }
}
