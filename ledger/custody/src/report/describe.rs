//! What a report says about the scheme itself: rules, flows, limits, numbers, corrections, anomalies.

use std::collections::BTreeMap;

use daicho_core::Instant;

use super::{
    AnomalyReport, CorrectionReport, FlowEnd, FlowReport, LimitReport, Moment, Number, PartyInfo, RuleReport,
    RuleStatus, SchemeInfo, TriggerReport, VerdictCounts, WardSetting, WarningReport,
};
use crate::context::SchemeContext;
use crate::judge::{Judge, NumberSource};
use crate::scheme::{Action, Rule, Severity, Text};
use crate::state::StateError;

const EVERYTHING: &str = "*";

/// Reads what is known of a scheme at a time.
pub(super) struct Describer<'d, 's> {
    pub(super) judge: &'d Judge<'s>,
    pub(super) context: &'d SchemeContext,
    pub(super) as_of: Instant,
    /// Id of the ward's party in the ledger.
    pub(super) ward: String,
}

impl Describer<'_, '_> {
    pub(super) fn scheme(&self) -> SchemeInfo {
        let scheme = &self.context.scheme;
        SchemeInfo {
            id: scheme.id.clone(),
            version: scheme.version,
            title: scheme.title.clone(),
            department: scheme.department.clone(),
            subjects: scheme.subjects.clone(),
            enacted: self.judge.version_at(self.as_of).0.enacted.into(),
        }
    }

    pub(super) fn parties(&self) -> Vec<PartyInfo> {
        let named: BTreeMap<&str, &str> = self.judge.named_parties(self.as_of).collect();
        let info = |p: &crate::scheme::Party| PartyInfo {
            id: p.id.clone(),
            label: p.label.clone(),
            role: p.role,
            identity: named.get(p.id.as_str()).copied().unwrap_or_default().to_owned(),
        };
        self.context.scheme.parties.iter().map(info).collect()
    }

    pub(super) fn rules(&self) -> Vec<RuleReport> {
        self.context.scheme.rules.iter().map(|rule| self.rule(rule)).collect()
    }

    fn rule(&self, rule: &Rule) -> RuleReport {
        let names = |ids: &[String], name: &dyn Fn(&str) -> String| -> Vec<String> {
            ids.iter().map(|id| if id == EVERYTHING { id.clone() } else { name(id) }).collect()
        };
        let kind = |id: &str| self.context.kind(id).map_or(id, |k| &k.label).to_owned();
        let party = |id: &str| self.context.party(id).map_or(id, |p| &p.label).to_owned();
        let system = |id: &str| self.context.system(id).map_or(id, |s| &s.label).to_owned();
        let data_sets = names(&rule.data_sets, &kind);
        let holders: Vec<String> = names(&rule.holders, &party);
        let (must_ja, must_en) = action(rule.action);
        let all = |list: &[String], word: &str| {
            list.iter().map(|x| if x == EVERYTHING { word } else { x }).collect::<Vec<_>>().join("・")
        };
        let words = Text {
            ja: format!(
                "{}は、{}を{must_ja}",
                all(&holders, "すべての保有者"),
                all(&data_sets, "すべてのデータ")
            ),
            en: format!(
                "{} must {must_en} {}",
                all(&rule.holders, "every holder"),
                all(&rule.data_sets, "everything")
            ),
        };
        let milestones = &self.context.vocabulary.milestones;
        let milestone = &rule.trigger.milestone;
        let trigger = TriggerReport {
            milestone: milestone.clone(),
            label: milestones
                .iter()
                .find(|m| m.id == *milestone)
                .map(|m| m.label.clone())
                .unwrap_or_default(),
            words: rule.trigger.words.clone().unwrap_or_default(),
            scope: rule.trigger.scope,
        };
        let number = number(self.judge.number_source(rule, self.as_of));
        let judgeable =
            !matches!(number, Number::Missing { .. }) && rule.trigger.starts() && !rule.out_of_ledger;
        RuleReport {
            id: rule.id.clone(),
            words,
            action: rule.action,
            data_sets,
            holders,
            systems: names(&rule.systems, &system),
            trigger,
            deadline_words: rule.deadline.words.clone().unwrap_or_default(),
            number,
            // Becomes `Judged` with the first clock that starts.
            status: if judgeable { RuleStatus::NotTriggered } else { RuleStatus::NoSchedule },
            gap: rule.gap,
            copies: 0,
            started: 0,
            verdicts: VerdictCounts::new(),
        }
    }

    pub(super) fn flows(&self) -> Vec<FlowReport> {
        let end = |end: &crate::scheme::End| FlowEnd {
            party: end.party.clone(),
            system: end.system.clone().unwrap_or_default(),
        };
        let flow = |f: &crate::scheme::Flow| FlowReport {
            id: f.id.clone(),
            from: end(&f.from),
            to: end(&f.to),
            via: f.via.clone(),
            data_set: f.data_set.clone(),
            label: self.context.kind(&f.data_set).map_or(&f.data_set, |k| &k.label).clone(),
            effect: f.effect,
            basis_gap: f.basis_gap.clone(),
            copies: 0,
            open: 0,
            passages: 0,
            last_use: None,
        };
        self.context.scheme.flows.iter().map(flow).collect()
    }

    pub(super) fn limits(&self) -> Vec<LimitReport> {
        let limits = self.judge.limits(self.as_of);
        let rows = [
            (
                "certificate",
                limits.certificate,
                ("消去証明書の提出期限", "Certificate after erasure"),
                (
                    "提出期限の定めがないため、証明書の「未提出」を判定できない。",
                    "No limit is set for certificates, so none can be called missing.",
                ),
            ),
            (
                "acknowledge",
                limits.acknowledge,
                ("授受の相手方の記録期限", "Other side of a handover"),
                (
                    "記録期限の定めがないため、授受の片側の記録の「欠落」を判定できない。",
                    "No limit is set for the other side of a handover, so none can be called missing.",
                ),
            ),
            (
                "report",
                limits.report,
                ("事実の記録期限", "Recording after the fact"),
                (
                    "記録期限の定めがないため、記録の「遅れ」を判定できない。",
                    "No limit is set for recording, so no record can be called too late.",
                ),
            ),
            (
                "attest",
                limits.attest,
                ("保持していないことの申告の間隔", "Between attestations of systems that keep nothing"),
                (
                    "間隔の定めがないため、申告の「途絶」を判定できない。",
                    "No limit is set for attestations, so no system can be called silent.",
                ),
            ),
            (
                "warn",
                limits.warn,
                ("契約終了前の警告期間", "Warning before the end of a contract"),
                (
                    "警告期間の定めがないため、終了が近い契約の保有を事前に指摘できない。",
                    "No warning time is set, so copies open near the end of a contract raise no finding.",
                ),
            ),
        ];
        let text = |(ja, en): (&str, &str)| Text { ja: ja.into(), en: en.into() };
        rows.into_iter()
            .map(|(what, within, label, without)| LimitReport {
                what: what.to_owned(),
                label: text(label),
                without: if within.is_some() { Text::default() } else { text(without) },
                within: within.map(|w| w.to_string()),
            })
            .collect()
    }

    pub(super) fn settings(&self) -> Vec<WardSetting> {
        let mut all = Vec::new();
        for rule in &self.context.scheme.rules {
            for s in self.judge.settings_of(&rule.id).filter(|s| s.set.recorded <= self.as_of) {
                let values = [
                    ("deadline", &s.deadline),
                    ("longest-wait", &s.longest_wait),
                    ("keep-at-least", &s.keep_at_least),
                ];
                for (what, value) in values {
                    let Some(value) = value else { continue };
                    all.push(WardSetting {
                        rule: rule.id.clone(),
                        what: what.to_owned(),
                        value: value.clone(),
                        set: s.set.into(),
                        by: s.by.clone(),
                        ground: s.ground.clone(),
                        adopts_proposal: s.adopts_proposal && what == "deadline",
                    });
                }
            }
        }
        for s in self.judge.record().limits.iter().filter(|s| s.set.recorded <= self.as_of) {
            let values = [
                ("certificate", &s.certificate_within),
                ("acknowledge", &s.acknowledge_within),
                ("report", &s.report_within),
                ("closing-time", &s.closing_time),
                ("attest", &s.attest_within),
                ("warn", &s.warn_before),
            ];
            for (what, value) in values {
                let Some(value) = value else { continue };
                all.push(WardSetting {
                    rule: String::new(),
                    what: what.to_owned(),
                    value: value.clone(),
                    set: s.set.into(),
                    by: self.ward.clone(),
                    ground: s.ground.clone(),
                    adopts_proposal: false,
                });
            }
        }
        all.sort_by_key(|s| s.set.entry);
        all
    }

    pub(super) fn corrections(&self) -> Vec<CorrectionReport> {
        let versions = self.judge.record().versions.iter().filter(|v| v.enacted.recorded <= self.as_of);
        let of = |v: &crate::state::SchemeVersion| {
            let (version, set) = (v.version, Moment::from(v.enacted));
            let report = move |(diagnostic, ground): &(String, String)| CorrectionReport {
                diagnostic: diagnostic.clone(),
                ground: ground.clone(),
                version,
                set,
            };
            v.corrections.iter().map(report).collect::<Vec<_>>()
        };
        versions.flat_map(of).collect()
    }

    pub(super) fn warnings(&self) -> Result<Vec<WarningReport>, StateError> {
        let found = self.judge.warnings(self.as_of)?;
        let report = |d: crate::scheme::Diagnostic| WarningReport {
            diagnostic: d.name(),
            line: d.line as u64,
            what: d.message,
        };
        Ok(found.into_iter().map(report).collect())
    }

    pub(super) fn anomalies(&self) -> Vec<AnomalyReport> {
        let mut all: Vec<AnomalyReport> = self
            .context
            .scheme
            .anomalies
            .iter()
            .filter(|a| a.severity != Severity::Low)
            .map(|a| AnomalyReport { id: a.id.clone(), severity: a.severity, what: a.what.clone() })
            .collect();
        all.sort_by_key(|a| a.severity);
        all
    }
}

fn number(source: NumberSource) -> Number {
    match source {
        NumberSource::Source { deadline } => Number::Source { deadline },
        NumberSource::Ward { deadline, set, by, ground, adopts_proposal } => {
            Number::Ward { deadline, set: set.into(), by, ground, adopts_proposal }
        }
        NumberSource::Missing { proposal } => Number::Missing { proposal },
    }
}

fn action(action: Action) -> (&'static str, &'static str) {
    match action {
        Action::Erase => ("消去する", "erase"),
        Action::Return => ("返却する", "return"),
        Action::HandOver => ("引き渡す", "hand over"),
        Action::ReturnAndErase => ("返還し消去する", "return and erase"),
        Action::NoRetention => ("保持しない", "never keep"),
    }
}
