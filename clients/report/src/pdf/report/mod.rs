//! What the paper of a deletion report shows, in the order in which a council reads it.

mod annex;
mod cover;
mod duties;
mod figures;
mod proof;
mod sums;

use daicho_custody::report::AnswerCode;
use serde::Serialize;

use super::manifest::Manifest;
use super::rich::{Block, Rich, Section};
use super::{BUNDLE, MANIFEST, POLICY, Paper, REPORT};
use crate::words::Words;

/// Everything that `report.typ` reads.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct View {
    lang: &'static str,
    title: String,
    author: String,
    description: String,
    keywords: Vec<String>,
    /// Repeated at the head of each page.
    running: String,
    /// Beside it where the ledger is a simulation; else empty.
    mark: String,
    seal: String,
    mark_words: String,
    foot: String,
    office: String,
    subtitle: String,
    contents: String,
    cover: Vec<Part>,
    answer: Answer,
    sections: Vec<Section>,
    attachments: Vec<Attached>,
}

/// Names with what they stand for.
#[derive(Debug, Serialize)]
struct Part {
    title: String,
    rows: Vec<(String, Rich)>,
}

#[derive(Debug, Serialize)]
struct Answer {
    title: String,
    label: String,
    verdict: Vec<String>,
    /// What stands between two verdicts.
    joint: String,
    sentence: String,
    bad: bool,
    /// Name, figure, and whether it is bad.
    cards: Vec<(String, String, bool)>,
    blocks: Vec<Block>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Attached {
    name: &'static str,
    media_type: &'static str,
    relationship: &'static str,
    description: String,
}

pub(super) fn view(paper: &Paper<'_>, manifest: &Manifest) -> View {
    let w = &Words::new(paper.report, paper.lang);
    let r = paper.report;
    let simulated = r.ledger.simulated;
    let title = w.say("個人情報の消去に関する報告書", "Report on the deletion of personal data");
    let scheme = w.of(&r.scheme.title).to_owned();
    let mut sections =
        vec![figures::flow(w), figures::timeline(w), sums::problems(w), sums::sums(w), sums::rules(w)];
    sections.extend([duties::duties(w), sums::findings(w), sums::source(w), annex::data_sets(w)]);
    sections.extend([proof::limits(w), proof::steps(w, paper, manifest)]);
    View {
        lang: paper.lang.tag(),
        title: title.to_owned(),
        author: r.ledger.origin.clone(),
        description: format!("{scheme} {} – {}", r.period.from, r.period.to),
        keywords: keywords(w),
        running: format!("{title}　{scheme}"),
        mark: if simulated { w.say("模擬", "模擬 SIMULATED").to_owned() } else { String::new() },
        seal: w.say("模擬", "模擬 SIMULATED").to_owned(),
        mark_words: w
            .say(
                "この台帳は模擬の時計で動いている。内容は実在の事務・個人情報ではない。",
                "This ledger runs on a simulated clock. Nothing in it is real work or real personal data.",
            )
            .to_owned(),
        foot: w.say(
            format!("{} の台帳、記録{}件による", r.ledger.origin, crate::words::count(r.ledger.size)),
            format!("From {} entries of the ledger {}", crate::words::count(r.ledger.size), r.ledger.origin),
        ),
        office: r.scheme.department.clone(),
        subtitle: scheme,
        contents: w.say("目次", "Contents").to_owned(),
        cover: cover::parts(w, paper),
        answer: cover::answer(w),
        sections,
        attachments: attached(w, paper),
    }
}

fn keywords(w: &Words<'_>) -> Vec<String> {
    let mut words = vec![
        w.say("消去", "deletion").to_owned(),
        w.say("個人情報", "personal data").to_owned(),
        w.report.scheme.id.clone(),
    ];
    if w.report.ledger.simulated {
        words.push(w.say("模擬", "simulated").to_owned());
    }
    words
}

fn attached(w: &Words<'_>, paper: &Paper<'_>) -> Vec<Attached> {
    let mut list = vec![
        Attached {
            name: BUNDLE,
            media_type: "application/gzip",
            relationship: "source",
            description: w
                .say(
                    "証拠一式（daicho verify で検証できる）",
                    "Evidence bundle; verify it with daicho verify",
                )
                .into(),
        },
        Attached {
            name: REPORT,
            media_type: "application/json",
            relationship: "data",
            description: w.say("計算された報告書", "The report as computed").into(),
        },
    ];
    if paper.policy.is_some() {
        list.push(Attached {
            name: POLICY,
            media_type: "text/plain",
            relationship: "supplement",
            description: w.say("作成時に用いた信頼方針", "The trust policy used when this was made").into(),
        });
    }
    list.push(Attached {
        name: MANIFEST,
        media_type: "application/json",
        relationship: "supplement",
        description: w
            .say("添付ファイルの一覧とハッシュ値", "List of the attachments with their hashes")
            .into(),
    });
    list
}

/// All that is to be said in two or three words each, the worst first.
fn verdict(w: &Words<'_>) -> Vec<String> {
    let a = &w.report.answer;
    let found: Vec<String> = [
        (a.overdue, w.say("期限超過あり", "Overdue copies")),
        (a.late, w.say("期限後の消去あり", "Late erasure")),
        (a.unproven, w.say("未証明あり", "Unproven erasure")),
        (a.no_schedule, w.say("期限未設定あり", "No deadline set")),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(_, name)| name.to_owned())
    .collect();
    if !found.is_empty() {
        return found;
    }
    let one = match a.code {
        AnswerCode::AllInTime => w.say("全件期限内消去", "All erased in time"),
        AnswerCode::OpenInTime => {
            w.say("期限超過の記録なし（保有中あり）", "None past its deadline; some still kept")
        }
        _ => w.say("判定の対象なし", "Nothing to judge"),
    };
    vec![one.to_owned()]
}
