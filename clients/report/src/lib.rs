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
    use daicho_custody::{AnswerKind, DeletionReport, FindingAnswer};

    use crate::{Lang, html, pdf};

    /// The documented sample, with a correction, a dispute and each decision of the ward on its first finding.
    pub(crate) fn sample_with_answers() -> DeletionReport {
        let sample = include_bytes!("../../../docs/formats/report-sample.json");
        let mut report: DeletionReport = serde_json::from_slice(sample).expect("a report");
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
        report
    }

    #[test]
    fn pages_and_papers_show_every_decision_with_its_finding() {
        let report = sample_with_answers();
        for lang in [Lang::Ja, Lang::En] {
            let page = html::page(&report, lang).replace("<wbr>", "");
            let paper = pdf::findings_shown(&report, lang);
            for said in &report.findings[0].answers {
                let label = said.kind.label();
                let label = lang.either(label.ja, label.en);
                for (drawn, text) in [("page", &page), ("paper", &paper)] {
                    assert!(text.contains(&label) && text.contains(&said.text), "{drawn}, {lang:?}: {label}");
                }
            }
        }
    }
}
