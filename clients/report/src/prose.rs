//! What a report proves and what it does not, and how to check it, in plain words.

use crate::words::{Words, count};

/// Sentences under a heading.
pub struct Prose {
    /// What the report proves.
    pub proves: Vec<String>,
    /// What it does not.
    pub does_not: Vec<String>,
    /// Steps of its verification, with what to type.
    pub verify: Vec<(String, Option<String>)>,
}

/// The sentences for this report.
pub fn prose(w: &Words<'_>) -> Prose {
    let head = &w.report.ledger;
    let (size, copies) = (count(head.size), count(w.report.totals.copies));
    let each = match w.report.totals.copies {
        1 => "the one copy recorded in the ledger".to_owned(),
        _ => format!("each of the {copies} copies recorded in the ledger"),
    };
    let proves = vec![
        w.say(
            format!("台帳に記録された複製{copies}件のそれぞれについて、いつ生じ、いつまでに消去すべきで、いつ消去・返却・引渡しされたと、誰が署名して申告したか。"),
            format!("For {each}: when it came to be, by when it had to go, and who signed that it was erased, returned or handed on, and when."),
        ),
        w.say(
            "その申告がどの程度の証拠に支えられているか（保有者の申告のみ、消去証明書、区の確認）。".to_owned(),
            "What supports that statement: the holder's word alone, a certificate of erasure, or the ward's check.".to_owned(),
        ),
        w.say(
            "期限の数が、書面によるものか、区が署名して定めたものか。".to_owned(),
            "Whether the number behind each deadline comes from the source paper or was set by the ward under its signature.".to_owned(),
        ),
        w.say(
            format!("この報告書のもとになった記録{size}件が、その後に書き換えられず、抜き取られず、差し込まれてもいないこと。これは台帳の運用者を信用しなくても、以前に控えた連鎖ハッシュ、受領証または連署と比べて確かめられる。"),
            format!("That none of the {size} entries behind this report was changed, taken out or put in afterwards. This can be checked without trusting whoever runs the ledger, against a chain hash, receipt or cosignature kept from before."),
        ),
    ];
    let mut does_not = vec![
        w.say(
            "台帳に記録されなかった複製が存在しないこと。授受の双方の記録、申告番号の欠番、立入調査は、この隙間を狭めるが、なくすことはできない。".to_owned(),
            "That no copy exists which was never recorded. Records by both sides of a handover, gaps in the numbers of statements and inspections narrow this hole; they do not close it.".to_owned(),
        ),
        w.say(
            "保有者の申告そのものが真実であること。証明されるのは「消去したと署名して申告した」ことであり、証明書と区の確認がそれを補強する。".to_owned(),
            "That a holder told the truth. What is proven is that it signed \"erased\"; a certificate and the ward's check add to that.".to_owned(),
        ),
        w.say(
            "期限の定めがない複製が適切に扱われたこと。期限のないものを「期限内」と判定することはない。".to_owned(),
            "That copies without a schedule were treated well. What has no deadline is never called on time.".to_owned(),
        ),
        w.say(
            "違反がないこと。指摘がない場合に言えるのは「違反の記録なし」までである。".to_owned(),
            "That there is no violation. Where there is no finding, it says \"no violation recorded\" and no more.".to_owned(),
        ),
    ];
    does_not.extend(w.unset_limits().map(|limit| w.of(&limit.without).to_owned()));
    if head.simulated {
        does_not.push(
            w.say(
                "実在の事務について何かを示すこと。この台帳は模擬であり、時刻も出来事も作られたものである。"
                    .to_owned(),
                "Anything about real work. This ledger is a simulation; its times and events are made up."
                    .to_owned(),
            ),
        );
    }
    let r = w.report;
    let command = format!(
        "daicho report deletion --scheme {} --from {} --to {} --as-of {} --format json",
        r.scheme.id, r.period.from, r.period.to, r.as_of
    );
    let verify = vec![
        (
            w.say(
                "監査者は、台帳の写しを自分の機器で検証する。すべての署名、連鎖ハッシュ、判定の状態が再計算される。".to_owned(),
                "An auditor verifies a copy of the ledger on a machine of their own. All signatures, the chain of hashes and the state behind each verdict are computed again.".to_owned(),
            ),
            Some("daicho audit".to_owned()),
        ),
        (
            w.say(
                format!("検証の結果の、記録{size}件までの連鎖ハッシュが、この報告書の冒頭の値と一致することを確かめる。一致しなければ、この報告書は別の記録から作られている。この値を報告書とは別に控えておけば、後の書換えも見つけられる。"),
                format!("The chain hash after {size} entries must be the one at the head of this report. If it differs, this report was made from other records. Keep the value apart from this report, and a later rewrite shows too."),
            ),
            None,
        ),
        (
            w.say(
                "同じ条件で報告書を計算し直し、数が一致することを確かめる。表題の各値を変えない限り、誰が計算しても同じ結果になる。".to_owned(),
                "Compute the report again and compare the numbers. With the same ledger and the same terms everyone gets the same.".to_owned(),
            ),
            Some(command),
        ),
        (
            w.say(
                "各複製の「記録」の番号から、もとになった署名付きの申告を読むことができる。".to_owned(),
                "The entry numbers beside each copy lead to the signed statements behind it.".to_owned(),
            ),
            Some("daicho log --from N --limit 1".to_owned()),
        ),
    ];
    Prose { proves, does_not, verify }
}
