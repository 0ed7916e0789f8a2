//! The report in one sentence: the worst first, nothing left out.

use super::{Answer, AnswerCode, Totals};
use crate::Verdict;
use crate::scheme::Text;

/// The sentence that these sums give.
pub(super) fn answer(totals: &Totals, unproven: u64, findings: u64) -> Answer {
    let of = |verdict| totals.verdicts.get(&verdict).copied().unwrap_or_default();
    let (overdue, late) = (of(Verdict::Overdue), of(Verdict::Late));
    let (no_schedule, not_judged) = (of(Verdict::NoSchedule), of(Verdict::NotJudged));
    let open_in_time = of(Verdict::Due) + of(Verdict::Deferred) + of(Verdict::NotTriggered);
    let code = match () {
        () if overdue > 0 => AnswerCode::Overdue,
        () if late > 0 => AnswerCode::Late,
        () if unproven > 0 => AnswerCode::Unproven,
        () if no_schedule > 0 => AnswerCode::NoSchedule,
        () if open_in_time > 0 => AnswerCode::OpenInTime,
        () if totals.copies > not_judged => AnswerCode::AllInTime,
        () => AnswerCode::Nothing,
    };
    let problems = [
        (overdue, "期限を過ぎても消去・返却されていない複製", "still kept after the deadline"),
        (late, "期限を過ぎてから消去・返却された複製", "erased or returned after the deadline"),
        (
            unproven,
            "消去されたとの申告だけで、必要な証明書のない複製",
            "said to be erased, without the certificate that is owed",
        ),
        (no_schedule, "消去の期限が定められていない複製", "without any deadline for erasure"),
    ];
    let found: Vec<_> = problems.into_iter().filter(|(n, ..)| *n > 0).collect();
    let mut text =
        if found.is_empty() { in_time(code, totals, open_in_time, not_judged) } else { list(&found) };
    if findings > 0 {
        let n = grouped(findings);
        text.ja.push_str(&format!("事業全体の指摘は{n}件あります。"));
        text.en.push_str(&format!(" The scheme as a whole has {n} finding(s)."));
    }
    Answer { code, text, overdue, late, unproven, no_schedule, open: totals.open, findings }
}

fn list(found: &[(u64, &str, &str)]) -> Text {
    let ja: Vec<String> = found.iter().map(|(n, ja, _)| format!("{ja}が{}件", grouped(*n))).collect();
    let en: Vec<String> = found.iter().map(|(n, _, en)| format!("{} {en}", grouped(*n))).collect();
    Text { ja: format!("{}あります。", ja.join("、")), en: format!("Copies: {}.", en.join("; ")) }
}

fn in_time(code: AnswerCode, totals: &Totals, open: u64, not_judged: u64) -> Text {
    let judged = grouped(totals.copies - not_judged);
    let (mut ja, mut en) = match code {
        AnswerCode::OpenInTime => (
            format!(
                "期限を過ぎた複製の記録はありません。記録された複製{judged}件のうち{}件は、期限前または契機の到来前で、まだ保有されています。",
                grouped(open)
            ),
            format!(
                "No copy is recorded past its deadline. Of {judged} recorded copies, {} are still kept, in time.",
                grouped(open)
            ),
        ),
        AnswerCode::AllInTime => (
            format!("記録された複製{judged}件は、すべて期限内に消去、返却または引渡しされました。"),
            format!("All {judged} recorded copies were erased, returned or handed on in time."),
        ),
        _ => (
            "対象期間に、判定の対象となる複製の記録はありません。".to_owned(),
            "No copy that is judged was recorded in the period.".to_owned(),
        ),
    };
    if not_judged > 0 {
        let n = grouped(not_judged);
        ja.push_str(&format!("ほかに判定の対象外の複製が{n}件あります。"));
        en.push_str(&format!(" {n} more are outside what is judged."));
    }
    Text { ja, en }
}

/// A number with a comma every three digits.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn totals(counts: &[(Verdict, u64)]) -> Totals {
        let verdicts: BTreeMap<Verdict, u64> = counts.iter().copied().collect();
        Totals {
            data_sets: 1,
            copies: verdicts.values().sum(),
            open: 0,
            verdicts,
            evidence: BTreeMap::new(),
            certificates: BTreeMap::new(),
        }
    }

    #[test]
    fn the_worst_decides_and_all_problems_are_named() {
        let all =
            answer(&totals(&[(Verdict::Overdue, 2), (Verdict::Late, 1), (Verdict::NoSchedule, 1_234)]), 3, 4);
        assert_eq!(all.code, AnswerCode::Overdue);
        for part in ["2件", "1件", "3件", "1,234件", "4件"] {
            assert!(all.text.ja.contains(part), "{}", all.text.ja);
        }
        assert_eq!(answer(&totals(&[(Verdict::OnTime, 5)]), 1, 0).code, AnswerCode::Unproven);
    }

    #[test]
    fn nothing_recorded_is_never_a_pass() {
        assert_eq!(answer(&totals(&[]), 0, 0).code, AnswerCode::Nothing);
        assert_eq!(answer(&totals(&[(Verdict::NotJudged, 2)]), 0, 0).code, AnswerCode::Nothing);
        assert_eq!(answer(&totals(&[(Verdict::OnTime, 2)]), 0, 0).code, AnswerCode::AllInTime);
        assert_eq!(
            answer(&totals(&[(Verdict::OnTime, 2), (Verdict::Due, 1)]), 0, 0).code,
            AnswerCode::OpenInTime
        );
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
