//! What a file proves, ready to be drawn, and the words that all kinds of files share.

use std::io::Write;

use daicho_core::{DAY_MS, Instant, JST_OFFSET_MS};
use daicho_tlog::Policy;
use daicho_tlog::policy::{Cosigned, Trust};
use daicho_verify::timestamp::VerifiedTime;
use daicho_verify::{FixedBy, FixedSince};
use serde_json::{Value, json};

use crate::context::Context;
use crate::scheme::Lang;
use crate::table::plain;

/// What a file proves, and what it does not, in one language.
#[derive(Debug)]
pub(crate) struct Findings {
    /// Whether it proves anything.
    pub(crate) proven: bool,
    /// `report-pdf`, `certificate-pdf`, `bundle`, `receipt`, `fork-proof` or `checkpoint`.
    pub(crate) kind: &'static str,
    pub(crate) headline: String,
    /// What is claimed.
    pub(crate) claimed: Vec<String>,
    /// How often what was checked, by a word for programs.
    pub(crate) checks: Vec<(&'static str, u64, String)>,
    /// On whose word.
    pub(crate) trust: Vec<String>,
    /// Since when it is fixed.
    pub(crate) since: Vec<String>,
    /// What it does not prove.
    pub(crate) limits: Vec<String>,
    /// The same for programs.
    pub(crate) facts: Value,
}

impl Findings {
    pub(crate) fn write(&self, context: &Context, out: &mut dyn Write) -> std::io::Result<()> {
        if context.json() {
            let mut json = json!({ "ok": self.proven, "kind": self.kind });
            let checks: serde_json::Map<String, Value> =
                self.checks.iter().map(|(word, count, _)| ((*word).to_owned(), (*count).into())).collect();
            json["checks"] = checks.into();
            if let (Value::Object(json), Value::Object(facts)) = (&mut json, &self.facts) {
                json.extend(facts.clone());
            }
            json["does_not_prove"] = self.limits.clone().into();
            return writeln!(out, "{json}");
        }
        writeln!(out, "{}", plain(&self.headline))?;
        let section = |heading: &str, lines: &[String], out: &mut dyn Write| {
            if lines.is_empty() {
                return Ok(());
            }
            writeln!(out, "\n{heading}")?;
            lines.iter().try_for_each(|line| writeln!(out, "  {}", plain(line)))
        };
        section(context.pick("主張されたこと", "What is claimed"), &self.claimed, out)?;
        let counts: Vec<String> =
            self.checks.iter().map(|(_, count, words)| format!("{count:>9}  {words}")).collect();
        section(context.pick("検査したこと", "What was checked"), &counts, out)?;
        section(context.pick("誰の言葉によるか", "On whose word"), &self.trust, out)?;
        section(context.pick("いつから変わっていないか", "Since when it is fixed"), &self.since, out)?;
        section(context.pick("証明しないこと", "What this does not prove"), &self.limits, out)
    }
}

/// A time for people: in Japan, with the Japanese era.
pub(crate) fn japan(time: Instant, lang: Lang) -> String {
    let in_day = (time.unix_ms() + JST_OFFSET_MS).rem_euclid(DAY_MS) / 1000;
    let (h, m, s) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
    match lang {
        Lang::Ja => format!("{} {h}時{m:02}分{s:02}秒", time.jst_day().era()),
        Lang::En => format!("{} {h:02}:{m:02}:{s:02} in Japan", time.jst_day()),
    }
}

/// A time of a cosignature, in seconds since 1970.
pub(super) fn cosigned_at(one: &Cosigned<'_>) -> Option<Instant> {
    Instant::from_unix_ms(i64::try_from(one.timestamp).ok()?.checked_mul(1000)?)
}

/// Who stands behind a checkpoint.
pub(super) fn trust_lines(
    policy: &Policy,
    trust: &Trust<'_>,
    timestamps: &[VerifiedTime],
    unknown: usize,
    context: &Context,
) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for log in &trust.logs {
        let (id, name) = (log.key.key_id(), log.key.name());
        lines.push(context.pick(
            format!("台帳の鍵 {id}（{name}、信頼方針による）"),
            format!("the ledger's key {id} ({name}, named by the policy)"),
        ));
    }
    for one in &trust.witnesses {
        let (name, id) = (&one.witness.name, one.witness.key.key_id());
        let time = cosigned_at(one).map_or_else(|| one.timestamp.to_string(), |t| japan(t, context.lang));
        lines.push(
            context.pick(
                format!("連署者 {name} の鍵 {id}、{time}"),
                format!("witness {name} by key {id}, {time}"),
            ),
        );
    }
    lines.push(match (policy.quorum(), &trust.shortfall) {
        (None, _) => {
            context.pick("信頼方針は連署を求めていません", "the policy asks for no cosignatures").to_owned()
        }
        (Some(name), None) => {
            context.pick(format!("定足数 {name} を満たしています"), format!("the quorum {name} is met"))
        }
        (Some(_), Some(shortfall)) => context.pick(
            format!("定足数を満たしていません（{shortfall}）"),
            format!("the quorum is NOT met: {shortfall}"),
        ),
    });
    for stamp in timestamps {
        let time = japan(stamp.gen_time, context.lang);
        let accuracy = stamp.accuracy_ms.map_or_else(String::new, |ms| {
            context.pick(format!("、誤差 {ms} ミリ秒以内"), format!(", within {ms} ms"))
        });
        lines.push(context.pick(
            format!("時刻認証 {}、{time}{accuracy}", stamp.tsa),
            format!("timestamp of {}, {time}{accuracy}", stamp.tsa),
        ));
    }
    if unknown > 0 {
        lines.push(context.pick(
            format!("信頼方針にない時刻認証局の時刻印 {unknown} 件は、何の証拠にもしていません"),
            format!("{unknown} timestamp(s) of authorities that the policy does not name count for nothing"),
        ));
    }
    lines
}

/// Since when a checkpoint is fixed.
pub(super) fn since_lines(
    policy: &Policy,
    trust: &Trust<'_>,
    timestamps: &[VerifiedTime],
    simulated: bool,
    context: &Context,
) -> (Vec<String>, Option<FixedSince>) {
    let fixed = FixedSince::earliest(policy, trust, timestamps);
    let mut lines = vec![match fixed {
        Some(fixed) => {
            let time = japan(fixed.time, context.lang);
            let by = match fixed.by {
                FixedBy::Witnesses => context.pick("連署者の定足数", "the quorum of witnesses"),
                FixedBy::Authority(_) => context.pick("時刻認証局", "the time-stamping authority"),
            };
            context.pick(
                format!("遅くとも{time}（日本時間）から。{by}による"),
                format!("at the latest since {time}, by {by}"),
            )
        }
        None => context
            .pick(
                "連署も時刻認証もないため、台帳自身の言うほかには分かりません",
                "unknown: neither witnesses nor an authority say when it was there",
            )
            .to_owned(),
    }];
    if simulated {
        lines.push(
            context
                .pick(
                    "この台帳の時計は模擬です。台帳の中の日時は作られたもので、連署と時刻認証の日時だけが実際のものです",
                    "this ledger's clock is simulated (模擬): the times in it are made up; only those of witnesses and \
                     authorities are real",
                )
                .to_owned(),
        );
    }
    (lines, fixed)
}

/// Who stands behind a checkpoint, for programs.
pub(super) fn trust_json(
    policy: &Policy,
    trust: &Trust<'_>,
    timestamps: &[VerifiedTime],
    unknown: usize,
) -> Value {
    let keys: Vec<String> = trust.logs.iter().map(|log| log.key.to_string()).collect();
    let witnesses: Vec<Value> = trust
        .witnesses
        .iter()
        .map(|one| {
            json!({
                "name": one.witness.name.to_string(), "key": one.witness.key.to_string(),
                "time": cosigned_at(one).map(|time| time.to_string()),
            })
        })
        .collect();
    let timestamps: Vec<Value> = timestamps
        .iter()
        .map(|stamp| {
            json!({
                "time": stamp.gen_time.to_string(), "accuracy_ms": stamp.accuracy_ms, "tsa": stamp.tsa,
                "policy": stamp.policy, "serial": stamp.serial,
            })
        })
        .collect();
    json!({
        "log_keys": keys, "witnesses": witnesses, "quorum": policy.quorum().map(ToString::to_string),
        "quorum_met": trust.shortfall.is_none(), "timestamps": timestamps, "unknown_timestamps": unknown,
    })
}

/// Since when it is fixed, for programs.
pub(super) fn fixed_json(fixed: Option<FixedSince>) -> Value {
    fixed.map_or(Value::Null, |fixed| {
        let by = match fixed.by {
            FixedBy::Witnesses => "witnesses",
            FixedBy::Authority(_) => "timestamp",
        };
        json!({ "time": fixed.time.to_string(), "by": by })
    })
}

/// What no proof of this kind can say when nobody but the ledger signed.
pub(super) fn without_witnesses(policy: &Policy, context: &Context) -> Option<String> {
    policy.quorum().is_none().then(|| {
        context
            .pick(
                "台帳の運用者が、他の人に別の履歴を見せていないこと。信頼方針が連署を求めていないためです",
                "that the operator shows the same history to everybody: the policy asks for no witnesses",
            )
            .to_owned()
    })
}

/// What no proof from a simulated ledger can say.
pub(super) fn when_simulated(simulated: bool, context: &Context) -> Option<String> {
    simulated.then(|| {
        context
            .pick(
                "実在の事務について何かを示すこと。この台帳は模擬です",
                "anything about real work: the ledger is simulated (模擬)",
            )
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_japan_with_its_era() {
        let time = Instant::parse("2025-12-01T00:01:02Z").expect("a time");
        assert_eq!(japan(time, Lang::Ja), "令和7年12月1日 9時01分02秒");
        assert_eq!(japan(time, Lang::En), "2025-12-01 09:01:02 in Japan");
    }
}
