//! The cover, and the page with the answer.

use daicho_custody::report::Certificate;
use daicho_custody::{Evidence, Verdict};

use super::super::Paper;
use super::super::rich::{Block, Look, Rich, Table};
use super::sums::{number, verdict_words};
use super::{Answer, Part};
use crate::words::{Words, count, is_amiss};

pub(super) fn parts(w: &Words<'_>, paper: &Paper<'_>) -> Vec<Part> {
    let r = w.report;
    let version = w.say(format!("（第{}版）", r.scheme.version), format!(" (version {})", r.scheme.version));
    let terms = vec![
        row(w.say("事業", "Scheme"), Rich::new().look(Look::Code, &r.scheme.id).plain(version)),
        row(w.say("所管", "Department"), r.scheme.department.as_str().into()),
        row(w.say("対象者", "Persons"), r.scheme.subjects.as_str().into()),
        row(
            w.say("対象期間", "Period"),
            Rich::from(w.say(
                format!("{} から {} まで", w.day(r.period.from), w.day(r.period.to)),
                format!("{} to {}", r.period.from, r.period.to),
            ))
            .line()
            .look(
                Look::Note,
                w.say(
                    "この期間に生じたデータセットと、そのすべての複製について報告する。",
                    "Data sets that came into being in it, with all their copies.",
                ),
            ),
        ),
        row(w.say("基準時点", "As of"), w.time(r.as_of).into()),
    ];
    let ledger = &r.ledger;
    let checkpoint = vec![
        row(w.say("台帳", "Ledger"), Rich::new().look(Look::Code, &ledger.origin)),
        row(
            w.say("記録の数", "Entries"),
            Rich::from(w.say(
                format!("{}件（最終記録 {}）", count(ledger.size), w.time(ledger.last_recorded)),
                format!("{}, the last of {}", count(ledger.size), w.time(ledger.last_recorded)),
            )),
        ),
        row(w.say("検査点の根", "Root"), Rich::new().look(Look::Code, &paper.root)),
        row(w.say("連鎖ハッシュ", "Chain hash"), Rich::new().look(Look::Code, &ledger.chain_hash_hex)),
        row(w.say("連署", "Witnesses"), witnesses(w, paper)),
        row(w.say("時刻認証", "Timestamps"), stamps(w, paper)),
    ];
    vec![
        Part { title: String::new(), rows: terms },
        Part {
            title: w
                .say(
                    "検査点（この報告書のもとになった記録の範囲）",
                    "Checkpoint: the records behind this report",
                )
                .into(),
            rows: checkpoint,
        },
    ]
}

fn row(name: &str, value: Rich) -> (String, Rich) {
    (name.to_owned(), value)
}

fn unchecked(w: &Words<'_>) -> Rich {
    Rich::new().look(
        Look::Bold,
        w.say("！確認していない（信頼方針が与えられていない）", "! not checked: no trust policy was given"),
    )
}

fn witnesses(w: &Words<'_>, paper: &Paper<'_>) -> Rich {
    let Some(seen) = &paper.witnessed else { return unchecked(w) };
    let quorum = match seen.quorum_met {
        Some(true) => Rich::from(w.say("✓ 定足数を満たす", "✓ the quorum is met")),
        Some(false) => {
            Rich::new().look(Look::Bad, w.say("！定足数に達していない", "! the quorum is not met"))
        }
        None => Rich::new()
            .look(Look::Bold, w.say("！信頼方針は連署を求めていない", "! the policy asks for no witness")),
    };
    list(w, &seen.cosigned).line().then(quorum)
}

fn stamps(w: &Words<'_>, paper: &Paper<'_>) -> Rich {
    match &paper.witnessed {
        None => unchecked(w),
        Some(seen) if seen.stamped.is_empty() => w.say("なし", "none").into(),
        Some(seen) => list(w, &seen.stamped),
    }
}

fn list(w: &Words<'_>, seen: &[(String, daicho_core::Instant)]) -> Rich {
    seen.iter().fold(Rich::new(), |text, (name, time)| {
        text.line().look(Look::Code, name).plain(format!("　{}", w.time(*time)))
    })
}

pub(super) fn answer(w: &Words<'_>) -> Answer {
    let (r, a) = (w.report, &w.report.answer);
    let card = |n: u64, name: &str| (name.to_owned(), count(n), n > 0);
    let sums = w.say(
        format!(
            "対象期間に生じたデータセット{}件、その複製{}件（うち基準時点で保有中{}件）。",
            count(r.totals.data_sets),
            count(r.totals.copies),
            count(r.totals.open)
        ),
        format!(
            "Data sets that came into being in the period: {}. Their copies: {}, of which {} are still kept.",
            count(r.totals.data_sets),
            count(r.totals.copies),
            count(r.totals.open)
        ),
    );
    Answer {
        title: w.say("結論", "Conclusion").to_owned(),
        label: w.say("判定", "Verdict").to_owned(),
        verdict: super::verdict(w),
        joint: w.say("・", "; ").to_owned(),
        sentence: w.of(&a.text).to_owned(),
        bad: a.overdue + a.late + a.unproven > 0,
        cards: vec![
            card(a.overdue, w.say("× 期限超過（保有中）", "× overdue, still kept")),
            card(a.late, w.say("▲ 期限後に消去・返却", "▲ late")),
            card(a.unproven, w.say("！ 証明不足", "! unproven")),
            card(a.no_schedule, w.say("？ 期限の定めなし", "? no schedule")),
        ],
        blocks: vec![Block::Text(sums.into()), Block::Pair(vec![verdicts(w)], evidence(w))],
    }
}

fn verdicts(w: &Words<'_>) -> Block {
    let mut table = Table::new([3.0, -1.0], [w.say("判定", "Verdict"), w.say("複製", "Copies")]);
    for (verdict, n) in &w.report.totals.verdicts {
        let words = if *n > 0 {
            verdict_words(w, *verdict)
        } else {
            Rich::new().look(Look::Faint, w.verdict(*verdict))
        };
        table.row([words, number(*n)]);
    }
    table.sum([w.say("計", "All").into(), count(w.report.totals.copies).into()]);
    Block::Table(table)
}

fn evidence(w: &Words<'_>) -> Vec<Block> {
    let totals = &w.report.totals;
    let of = |e: Evidence| totals.evidence.get(&e).copied().unwrap_or_default();
    let mut table =
        Table::new([3.0, -1.0], [w.say("消去・返却の証拠", "Evidence of the end"), w.say("複製", "Copies")]);
    for one in [Evidence::Confirmed, Evidence::Certified, Evidence::Attested] {
        table.row([w.evidence(one).into(), number(of(one))]);
    }
    table.row([
        w.say("なし（保有中・引渡し等）", "none (kept, handed on …)").into(),
        number(of(Evidence::None)),
    ]);
    table.sum([w.say("計", "All").into(), count(totals.copies).into()]);
    let mut certificates =
        Table::new([3.0, -1.0], [w.say("消去証明書", "Certificates of erasure"), w.say("複製", "Copies")]);
    for state in Certificate::ALL {
        let n = totals.certificates.get(&state).copied().unwrap_or_default();
        let words = w.certificate(state);
        let words = match is_amiss(state) && n > 0 {
            true => Rich::new().look(Look::Bad, format!("！ {words}")),
            false => words.into(),
        };
        certificates.row([words, number(n)]);
    }
    vec![Block::Table(table), Block::Table(certificates)]
}

/// Whether a verdict is a fault of somebody.
pub(super) fn is_fault(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Overdue | Verdict::Late)
}
