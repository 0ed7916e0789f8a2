//! Reports on paper, in words.

use daicho_report::pdf::{Difference, verify_paper};
use daicho_tlog::Policy;
use serde_json::{Value, json};

use super::bundle::found_in;
use super::faults::Fault;
use super::findings::Findings;
use crate::context::Context;

/// What a paper proves. `given` are the bytes of the policy.
pub(super) fn of_paper(
    pdf: &[u8],
    policy: &Policy,
    given: &[u8],
    context: &Context,
) -> Result<Findings, Fault> {
    let paper = verify_paper(pdf, policy).map_err(|error| Fault::paper(&error, context))?;
    let own = paper.policy.map(|attached| attached == given);
    let (pages, files) = (paper.pages as u64, &paper.manifest.files);
    let mut findings = found_in(paper.bundle, policy, context)?;
    findings.kind = "report-pdf";
    findings.headline = context.pick(
        format!(
            "証明されました: この文書の全{pages}ページは、添付の証拠一式の全記録から計算し、描き直したものと一字一句同じです"
        ),
        format!("PROVEN: all {pages} pages are, to the byte, what the entries of the attached bundle give"),
    );
    let checks = [
        (
            "attachments",
            files.len() as u64,
            context.pick("添付ファイルを目録と照合", "attachments: compared with their list"),
        ),
        ("pages", pages, context.pick("紙面を描き直して照合", "pages: drawn again and compared")),
    ];
    findings.checks.extend(checks.map(|(word, count, text)| (word, count, text.to_owned())));
    findings.trust.push(policy_line(own, context).to_owned());
    if let Value::Object(facts) = &mut findings.facts {
        facts.insert("program".to_owned(), json!(paper.manifest.program));
        facts.insert("attachments".to_owned(), json!(files));
        facts.insert("attached_policy_is_yours".to_owned(), json!(own));
    }
    Ok(findings)
}

fn policy_line(own: Option<bool>, context: &Context) -> &'static str {
    match own {
        Some(true) => context.pick(
            "表紙の連署の記載は、あなたの信頼方針によるものです",
            "the cover names witnesses by the policy that you gave",
        ),
        Some(false) => context.pick(
            "注意: 表紙の連署の記載は添付の信頼方針によるもので、あなたのものと異なります。ここでの確認はあなたの信頼方針によります",
            "note: the cover names witnesses by the attached policy, which is not yours; what is said here goes by yours",
        ),
        None => context.pick(
            "この文書は信頼方針なしで作成され、表紙には連署を確認していないとあります。ここでの確認はあなたの信頼方針によります",
            "this paper was made without a policy and says that no witness was checked; what is said here goes by yours",
        ),
    }
}

/// Name of the check on the pages that failed.
pub(super) fn check(difference: Difference) -> &'static str {
    match difference {
        Difference::Pages { .. } => "PageCount",
        Difference::Page(_) => "PageDiffers",
        Difference::Byte(_) => "FileDiffers",
    }
}
