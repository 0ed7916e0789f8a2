//! Draws reports: HTML, PDF and CSV from the one model that `daicho-custody` computes.
//!
//! Nothing here judges, opens a socket or a file, or reads a clock: the same report, words and attachments give the same
//! bytes everywhere. The fonts are in the crate; no font of the machine is looked at.

pub mod csv;
pub mod duties;
mod flow_svg;
pub mod html;
mod lang;
pub mod pdf;
pub mod problems;
pub mod prose;
mod svg;
mod timeline_svg;
pub mod words;

pub use lang::Lang;

#[cfg(test)]
mod tests {
    use daicho_core::{EntryIndex, Instant};
    use daicho_custody::{AnswerKind, Decision, DeletionReport, FindingAnswer, FindingCode};

    use daicho_custody::report::{AnswerCode, ThirdPartyReport};

    use crate::{Lang, csv, html, pdf};

    pub(crate) fn sample() -> DeletionReport {
        let sample = include_bytes!("../../../docs/formats/report-sample.json");
        serde_json::from_slice(sample).expect("a report")
    }

    /// The documented sample, with a correction, a dispute and each decision of the ward on its first finding.
    pub(crate) fn sample_with_answers() -> DeletionReport {
        let mut report = sample();
        let said = |(n, kind): (u64, AnswerKind)| FindingAnswer {
            kind,
            by: "ward".to_owned(),
            text: format!("理由その{n}"),
            occurred: Instant::parse("2021-02-10").expect("a day"),
            entry: EntryIndex::new(40 + n),
        };
        let kinds = [
            AnswerKind::Correction,
            AnswerKind::Dispute,
            AnswerKind::Accepted,
            AnswerKind::Guided,
            AnswerKind::Published,
        ];
        report.findings[0].answers = (1..).zip(kinds).map(said).collect();
        let code = FindingCode::Unacknowledged;
        report.decisions = vec![Decision {
            code,
            meaning: code.meaning(),
            object: "gone".to_owned(),
            stands: false,
            said: FindingAnswer {
                text: "受領の記録を求めた".to_owned(), ..said((9, AnswerKind::Guided))
            },
        }];
        report
    }

    #[test]
    fn pages_and_papers_show_every_decision_with_its_finding() {
        let report = sample_with_answers();
        for lang in [Lang::Ja, Lang::En] {
            let page = html::page(&report, lang).replace("<wbr>", "");
            let paper = pdf::shown(&report, None, lang);
            for said in &report.findings[0].answers {
                let label = said.kind.label();
                let label = lang.either(label.ja, label.en);
                for (drawn, text) in [("page", &page), ("paper", &paper)] {
                    assert!(text.contains(&label) && text.contains(&said.text), "{drawn}, {lang:?}: {label}");
                }
            }
            // So is what was decided of a finding that stands no more.
            let decided = csv::tables(&report, lang).into_iter().find(|(name, _)| name.starts_with("12"));
            let decided = String::from_utf8(decided.expect("a table").1).expect("UTF-8");
            for text in [&page, &paper, &decided] {
                let gone = lang.either("現在は指摘なし", "no finding now");
                for words in ["gone", "受領の記録を求めた", gone] {
                    assert!(text.contains(words), "{lang:?}: {words}");
                }
            }
        }
    }

    #[test]
    fn the_answer_of_a_paper_is_the_worst_that_is_to_be_said() {
        let mut report = sample();
        let all = "期限超過あり,期限後の消去あり,未証明あり,期限未設定あり".split(',');
        let shown = pdf::shown(&report, None, Lang::Ja);
        let a = report.answer.clone();
        assert!(
            a.overdue > 0 && a.late > 0 && a.unproven > 0 && a.no_schedule > 0,
            "the sample has all: {a:?}"
        );
        for word in all.clone() {
            assert!(shown.contains(word), "{word}");
        }
        let fields: [fn(&mut DeletionReport) -> &mut u64; 4] = [
            |r| &mut r.answer.overdue,
            |r| &mut r.answer.late,
            |r| &mut r.answer.unproven,
            |r| &mut r.answer.no_schedule,
        ];
        for (field, word) in fields.into_iter().zip(all) {
            *field(&mut report) = 0;
            assert!(!verdict_of(&report).contains(word), "{word}");
        }
        for (code, words) in [
            (AnswerCode::AllInTime, "全件期限内消去"),
            (AnswerCode::OpenInTime, "期限超過の記録なし（保有中あり）"),
        ] {
            report.answer.code = code;
            assert!(verdict_of(&report).contains(words), "{words}");
        }
    }

    /// The words of the one-page answer alone.
    fn verdict_of(report: &DeletionReport) -> String {
        let view: serde_json::Value =
            serde_json::from_str(&pdf::shown(report, None, Lang::Ja)).expect("JSON");
        view["answer"]["verdict"].to_string()
    }

    #[test]
    fn a_paper_names_witnesses_clauses_certifiers_and_how_to_check_it() {
        let mut report = sample();
        let closed =
            report.data_sets.iter_mut().flat_map(|d| &mut d.copies).find(|copy| copy.closed.is_some());
        closed.expect("an erased copy").third_party = Some(ThirdPartyReport {
            issuer: "第三者機関".to_owned(),
            number: "A-123456".to_owned(),
            level: "purge".to_owned(),
        });
        let time = Instant::parse("2021-02-10T10:00").expect("a time");
        let witnessed = |quorum| pdf::Witnessed {
            cosigned: vec![("witness.example/office".to_owned(), time)],
            stamped: vec![("CN=Stamp".to_owned(), time)],
            quorum_met: Some(quorum),
        };
        // An id is set in pieces, between which a line may end.
        let shown = pdf::shown(&report, Some(witnessed(true)), Lang::Ja).replace("\",\"", "");
        for text in [
            "witness.example/office",
            "CN=Stamp",
            "定足数を満たす",
            "第三者機関 A-123456（消去水準 Purge）",
            "第21項",
            "daicho verify REPORT.pdf --policy policy.txt",
            "the root of the tree",
        ] {
            assert!(shown.contains(text), "{text}");
        }
        let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"the evidence"));
        assert!(shown.contains(&hash), "the bundle's hash is in the second step");
        assert!(!pdf::shown(&report, Some(witnessed(false)), Lang::Ja).contains("定足数を満たす"));
        let copies = csv::tables(&report, Lang::Ja).into_iter().find(|(name, _)| name.contains("copies"));
        assert!(
            String::from_utf8(copies.expect("a table").1).expect("UTF-8").contains("第三者機関 A-123456")
        );
    }
}
