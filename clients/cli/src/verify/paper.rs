//! Reports on paper, in words.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use daicho_report::pdf::{
    Difference, PaperError, ReadError, attachments, is_statement, statements, verify_paper,
};
use daicho_tlog::Policy;
use serde_json::{Value, json};

use super::bundle::found_in;
use super::faults::Fault;
use super::findings::Findings;
use super::receipt::{Demand, of_receipt};
use crate::context::Context;

/// What a paper proves. `given` are the bytes of the policy.
pub(super) fn of_paper(
    pdf: &[u8],
    policy: &Policy,
    given: &[u8],
    context: &Context,
) -> Result<Findings, Fault> {
    let paper = match verify_paper(pdf, policy) {
        Err(PaperError::Read(ReadError::Unknown(name))) if is_statement(&name) => {
            return of_certificate(pdf, policy, context);
        }
        paper => paper.map_err(|error| Fault::paper(&error, context))?,
    };
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

/// What a certificate of erasure proves: that the statements which it rests on were recorded as signed.
fn of_certificate(pdf: &[u8], policy: &Policy, context: &Context) -> Result<Findings, Fault> {
    let files = statements(pdf).map_err(|error| Fault::paper(&error.into(), context))?;
    let mut all: Option<Findings> = None;
    let mut each = Vec::with_capacity(files.len());
    for (_, bytes) in &files {
        let one = of_receipt(bytes, policy, &Demand::default(), context)?;
        each.push(one.facts.clone());
        let Some(all) = &mut all else {
            all = Some(one);
            continue;
        };
        all.claimed.extend(one.claimed);
        for (sum, more) in all.checks.iter_mut().zip(one.checks) {
            sum.1 += more.1;
        }
    }
    let mut all = all.ok_or_else(|| Fault::paper(&ReadError::Missing("N.tlog-proof").into(), context))?;
    all.kind = "certificate-pdf";
    let count = files.len();
    all.headline = context.pick(
        format!("証明されました: この文書に添付された消去の申告 {count} 件は、署名されたとおりに台帳に記録されています"),
        format!("PROVEN: the {count} statement(s) of erasure that are attached were recorded as signed"),
    );
    let words = context.pick(
        "紙面に印刷された文字。添付の申告とは照合していません。上の「主張されたこと」と見比べてください",
        "what the pages print: it was not compared with the statements; hold it against what is claimed above",
    );
    all.limits.insert(0, words.to_owned());
    all.facts = json!({ "statements": each });
    Ok(all)
}

/// Writes what is attached to a paper into a folder, proven or not. Of a paper that cannot be read, nothing: why is for the
/// verification to say.
pub(super) fn extract(pdf: &[u8], folder: &Path, context: &Context) -> anyhow::Result<()> {
    let files: Vec<(String, Vec<u8>)> = match attachments(pdf) {
        Err(ReadError::Unknown(name)) if is_statement(&name) => statements(pdf).unwrap_or_default(),
        files => files.unwrap_or_default().into_iter().map(|(name, file)| (name.to_owned(), file)).collect(),
    };
    if files.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).with_context(|| context.cannot_write(folder))?;
    if let Some((name, _)) = files.iter().find(|(name, _)| folder.join(name).exists()) {
        let path = folder.join(name);
        let path = path.display();
        bail!(context.pick(
            format!("{path} は既にあります。別のフォルダーを指定してください"),
            format!("{path} is there already; name another folder"),
        ));
    }
    for (name, bytes) in files {
        let path = folder.join(name);
        ensure!(context.create(&path, &bytes)?, context.cannot_write(&path));
        eprintln!("{}{}", context.pick("取り出しました: ", "extracted "), path.display());
    }
    Ok(())
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
        Difference::Page(_) => "PageDiffers",
        Difference::Byte(_) => "FileDiffers",
    }
}
