//! Keeps personal data out: texts that look like a My Number, a card or account number, an e-mail address or a telephone
//! number. What was seen is never repeated, only what it looks like.
//!
//! This is a guard at the door, not a rule of the ledger: an auditor does not apply it, so it may be tuned without a
//! word about old entries. It reads every text of a statement by the schema; bytes (hashes, keys, documents) are not text.

use std::fmt;

/// What a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personal {
    /// 個人番号: twelve digits with the check digit of article 5 of 総務省令 (平成26年) 第85号.
    MyNumber,
    /// A payment card: the digits of a known issuer with the check digit of ISO/IEC 7812-1.
    CardNumber,
    /// A bank account: seven digits after a word for it, or 記号・番号 of ゆうちょ銀行.
    AccountNumber,
    /// An e-mail address.
    EmailAddress,
    /// A telephone number of Japan.
    TelephoneNumber,
}

impl fmt::Display for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MyNumber => "a My Number (個人番号)",
            Self::CardNumber => "a card number",
            Self::AccountNumber => "an account number",
            Self::EmailAddress => "an e-mail address",
            Self::TelephoneNumber => "a telephone number",
        })
    }
}

/// Fewest digits of anything that is looked for.
const FEWEST_DIGITS: usize = 7;
const ACCOUNT: [&str; 5] = ["口座", "普通", "当座", "貯蓄", "account"];
const TELEPHONE: [&str; 9] =
    ["電話", "連絡先", "tel", "telephone", "phone", "fax", "ファクス", "ファックス", "ファクシミリ"];
/// Words that a number may follow without a space.
const TOUCHING: [&str; 5] = ["tel", "telephone", "phone", "fax", "account"];
/// Characters before a number in which a word for what it is is looked for.
const WORD_REACH: usize = 12;

/// What personal data a text looks like it holds, if any.
pub fn looks_personal(text: &str) -> Option<Personal> {
    // Most ids are short and hold few digits.
    if !text.is_ascii()
        || text.contains('@')
        || text.bytes().filter(u8::is_ascii_digit).count() >= FEWEST_DIGITS
    {
        let text: Vec<char> = text.chars().map(plain).collect();
        if has_email(&text) {
            return Some(Personal::EmailAddress);
        }
        return numbers(&text);
    }
    None
}

/// Full-width forms as their plain ones.
fn plain(c: char) -> char {
    match c {
        '！'..='～' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '‐' | '‑' | '–' | '—' | '−' | 'ー' => '-',
        '\u{3000}' => ' ',
        _ => c,
    }
}

fn has_email(text: &[char]) -> bool {
    let local = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-');
    let host = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    text.iter().enumerate().filter(|(_, c)| **c == '@').any(|(at, _)| {
        let after: String = text[at + 1..].iter().take_while(|c| host(c)).collect();
        let last = after.trim_end_matches('.').rsplit_once('.').map_or("", |(_, last)| last);
        at > 0 && local(&text[at - 1]) && last.len() >= 2 && last.bytes().all(|b| b.is_ascii_alphabetic())
    })
}

/// A run of digits that no letter touches.
struct Run {
    start: usize,
    digits: String,
    /// Whether one separator alone is between it and the run before.
    joined: bool,
}

fn numbers(text: &[char]) -> Option<Personal> {
    let uuids = uuids(text);
    let mut runs: Vec<Run> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if !text[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        let digits: String = text[start..].iter().take_while(|c| c.is_ascii_digit()).collect();
        at = start + digits.len();
        let letter = |c: Option<&char>| c.is_some_and(char::is_ascii_alphabetic);
        let inside = uuids.iter().any(|uuid| uuid.contains(&start));
        let touched = letter(start.checked_sub(1).and_then(|i| text.get(i)));
        if inside || letter(text.get(at)) || touched && !ends_with_word(&text[..start], &TOUCHING) {
            continue;
        }
        let joined = runs.last().is_some_and(|before| {
            let end = before.start + before.digits.len();
            start - end == 1 && matches!(text[end], '-' | ' ' | '(' | ')')
        });
        runs.push(Run { start, digits, joined });
    }
    (0..runs.len()).find_map(|first| {
        let rest = runs[first + 1..].iter().take_while(|run| run.joined).take(3).count();
        // The longest first: a card in fours holds three fours that may pass for a My Number.
        (0..=rest).rev().find_map(|more| number(text, &runs[first..=first + more]))
    })
}

/// What these runs, joined by separators, are as one number.
fn number(text: &[char], runs: &[Run]) -> Option<Personal> {
    let lengths: Vec<usize> = runs.iter().map(|run| run.digits.len()).collect();
    let digits: String = runs.iter().map(|run| run.digits.as_str()).collect();
    let start = runs[0].start;
    let foreign = start > 0 && text[start - 1] == '+';
    match lengths[..] {
        [12] | [4, 4, 4] if is_my_number(&digits) && !is_dated(&digits) => return Some(Personal::MyNumber),
        [13..=19] | [4, 4, 4, 4] | [4, 6, 4 | 5] if is_card(&digits) => return Some(Personal::CardNumber),
        // 090-1234-5678 and 09012345678; +81 takes the place of the 0.
        [11] | [3, 4, 4] if !foreign && is_mobile(&digits) => return Some(Personal::TelephoneNumber),
        [12] | [2, 2, 4, 4]
            if foreign && digits.starts_with("81") && is_mobile(&format!("0{}", &digits[2..])) =>
        {
            return Some(Personal::TelephoneNumber);
        }
        [area, exchange, 4] if !foreign && is_landline(area, exchange, &digits) => {
            return Some(Personal::TelephoneNumber);
        }
        [2, area, exchange, 4]
            if foreign
                && digits.starts_with("81")
                && is_landline(area + 1, exchange, &format!("0{}", &digits[2..])) =>
        {
            return Some(Personal::TelephoneNumber);
        }
        [5, 6..=8] if digits.starts_with('1') && digits[4..5] == *"0" && digits.ends_with('1') => {
            return Some(Personal::AccountNumber);
        }
        // Serial numbers look the same: a word before the number decides.
        [7] if follows(text, start, &ACCOUNT) => return Some(Personal::AccountNumber),
        [10] if (2..=5).any(|area| is_landline(area, 6 - area, &digits))
            && follows(text, start, &TELEPHONE) =>
        {
            return Some(Personal::TelephoneNumber);
        }
        _ => {}
    }
    None
}

/// Whether one of the words stands shortly before a number.
fn follows(text: &[char], start: usize, words: &[&str]) -> bool {
    let from = start.saturating_sub(WORD_REACH);
    (from..=start).any(|end| {
        let goes_on =
            text[end].is_ascii_alphabetic() && text[..end].last().is_some_and(char::is_ascii_alphabetic);
        !goes_on && ends_with_word(&text[..end], words)
    })
}

/// Whether a text ends with one of the words. One of Latin letters is no part of a longer one: a hotel is no telephone.
fn ends_with_word(text: &[char], words: &[&str]) -> bool {
    words.iter().any(|word| {
        let length = word.chars().count();
        let Some(at) = text.len().checked_sub(length) else { return false };
        let same = text[at..].iter().map(char::to_ascii_lowercase).eq(word.chars());
        let longer = word.is_ascii() && at > 0 && text[at - 1].is_ascii_alphabetic();
        same && !longer
    })
}

fn values(digits: &str) -> impl DoubleEndedIterator<Item = u32> + '_ {
    digits.bytes().map(|b| u32::from(b - b'0'))
}

fn is_my_number(digits: &str) -> bool {
    let (number, check) = digits.split_at(11);
    let weight = |n: u32| if n <= 6 { n + 1 } else { n - 5 };
    let sum: u32 = values(number).rev().zip(1..).map(|(p, n)| p * weight(n)).sum();
    let wanted = if sum % 11 <= 1 { 0 } else { 11 - sum % 11 };
    values(check).next() == Some(wanted)
}

/// Whether twelve digits begin with a day such as 20210201: programs and people number files, batches and applications so. Of
/// all My Numbers, one in 2,500 does.
fn is_dated(digits: &str) -> bool {
    let part = |from: usize, to: usize| digits[from..to].parse::<u32>().unwrap_or(u32::MAX);
    let day = i32::try_from(part(0, 4)).ok().and_then(|y| crate::Date::from_ymd(y, part(4, 6), part(6, 8)));
    (1990..2100).contains(&part(0, 4)) && day.is_some()
}

fn is_card(digits: &str) -> bool {
    let head = |n: usize| digits[..n].parse::<u32>().unwrap_or(0);
    let issued = match digits.len() {
        13 | 19 => head(1) == 4,
        14 => matches!(head(2), 36 | 38 | 39) || (300..=305).contains(&head(3)),
        15 => matches!(head(2), 34 | 37),
        16 => {
            head(1) == 4
                || (51..=55).contains(&head(2))
                || (2221..=2720).contains(&head(4))
                || (3528..=3589).contains(&head(4))
                || head(4) == 6011
                || head(2) == 65
        }
        _ => false,
    };
    let double = |d: u32| if d > 4 { 2 * d - 9 } else { 2 * d };
    let sum: u32 =
        values(digits).rev().enumerate().map(|(i, d)| if i % 2 == 1 { double(d) } else { d }).sum();
    issued && sum.is_multiple_of(10)
}

/// 0A0 and eight digits (電気通信番号計画).
fn is_mobile(digits: &str) -> bool {
    digits.len() == 11
        && matches!(&digits[..3], "050" | "070" | "080" | "090")
        && !matches!(&digits[3..4], "0")
}

/// A trunk 0, an area, an exchange that starts with neither 0 nor 1, four digits: ten in all.
fn is_landline(area: usize, exchange: usize, digits: &str) -> bool {
    digits.len() == 10
        && (2..=5).contains(&area)
        && (1..=4).contains(&exchange)
        && digits.starts_with('0')
        && digits[1..2] != *"0"
        && !matches!(&digits[area..=area], "0" | "1")
}

/// Where UUIDs are: their digits mean nothing.
fn uuids(text: &[char]) -> Vec<std::ops::Range<usize>> {
    const LEN: usize = 36;
    let is_uuid = |window: &[char]| {
        window.iter().enumerate().all(|(i, c)| match i {
            8 | 13 | 18 | 23 => *c == '-',
            _ => c.is_ascii_hexdigit(),
        })
    };
    let found = text.windows(LEN).enumerate().filter(|(_, window)| is_uuid(window));
    found.map(|(start, _)| start..start + LEN).collect()
}

/// The first text of an encoded statement that looks like personal data: its field, e.g.
/// `events[0].collected.data_sets[2].id`, and what it looks like. Bytes that do not decode are for the decoder to refuse.
pub fn find_personal(statement: &[u8]) -> Option<(String, Personal)> {
    crate::text::find_in_statement(statement, looks_personal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daicho_proto::v1 as proto;
    use prost::Message as _;

    /// Numbers that are the same in every run (SplitMix64).
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        fn below(&mut self, n: u64) -> u64 {
            self.next() % n
        }

        fn digits(&mut self, n: usize) -> String {
            (0..n).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
        }
    }

    fn my_number(random: &mut Numbers) -> String {
        let number = random.digits(11);
        (0..10).map(|check| format!("{number}{check}")).find(|n| is_my_number(n)).expect("one digit fits")
    }

    fn card(random: &mut Numbers) -> String {
        let number = format!("4{}", random.digits(14));
        (0..10).map(|check| format!("{number}{check}")).find(|n| is_card(n)).expect("one digit fits")
    }

    fn in_fours(digits: &str) -> String {
        digits
            .as_bytes()
            .chunks(4)
            .map(|c| std::str::from_utf8(c).expect("digits"))
            .collect::<Vec<_>>()
            .join("-")
    }

    #[test]
    fn what_is_personal_is_named_and_what_is_not_passes() {
        use Personal::*;
        for (text, wanted) in [
            ("123456789018", MyNumber),
            ("個人番号は１２３４５６７８９０１８です", MyNumber),
            ("copy-1234-5678-9018", MyNumber),
            ("4111 1111 1111 1111", CardNumber),
            ("3782-822463-10005", CardNumber),
            ("口座番号 1234567", AccountNumber),
            ("13970-12345671", AccountNumber),
            ("taro.yamada@example.ne.jp", EmailAddress),
            ("連絡先 ｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐ", EmailAddress),
            ("090-1234-5678", TelephoneNumber),
            ("０９０ー１２３４ー５６７８", TelephoneNumber),
            ("08012345678", TelephoneNumber),
            ("+81-90-1234-5678", TelephoneNumber),
            ("03-3209-1111", TelephoneNumber),
            ("2021-02-01 0422(51)5131 に電話", TelephoneNumber),
            ("電話0332091111", TelephoneNumber),
            ("TEL:0422515131", TelephoneNumber),
            ("TEL0332091111", TelephoneNumber),
            ("ＦＡＸ０３３２０９１１１１", TelephoneNumber),
            ("ファクシミリ 0332091111", TelephoneNumber),
            ("TEL09012345678", TelephoneNumber),
            ("連絡先　０３３２０９１１１１", TelephoneNumber),
        ] {
            assert_eq!(looks_personal(text), Some(wanted), "{text}");
        }
        for text in [
            "123456789019",
            "202102011030",
            "20210201103000",
            "2021-02-01T10:30:00.123",
            "4111111111111112",
            "c1234567",
            "第1234567号",
            "0000000123",
            "0332091111",
            "電話 0032091111",
            "tel-0312345",
            "hotel-0332091111",
            "satellite 0332091111",
            "subaccount-1234567",
            "x0332091111",
            "550e8400-e29b-41d4-a716-123456789018",
            "sha256:123456789018abcdef",
            "新宿区@本庁舎",
            "令和3年2月1日",
            "",
        ] {
            assert_eq!(looks_personal(text), None, "{text}");
        }
    }

    #[test]
    fn few_ordinary_ids_are_refused_and_nearly_all_personal_data_is() {
        const N: u32 = 20_000;
        let mut random = Numbers(20_210_201);
        type Make = fn(&mut Numbers) -> String;
        let ordinary: [(&str, Make); 13] = [
            ("UUID", |r| {
                let hex = format!("{:016x}{:016x}", r.next(), r.next());
                [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
            }),
            ("SHA-256 in hex", |r| (0..4).map(|_| format!("{:016x}", r.next())).collect()),
            ("base32 of 26", |r| {
                let letters = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
                (0..26).map(|_| char::from(letters[r.below(32) as usize])).collect()
            }),
            ("minute", |r| {
                let (m, d, h, s) = (1 + r.below(12), 1 + r.below(28), r.below(24), r.below(60));
                format!("batch-{}{m:02}{d:02}{h:02}{s:02}", 2018 + r.below(9))
            }),
            ("second", |r| {
                let (m, d, h, s) = (1 + r.below(12), 1 + r.below(28), r.below(24), r.below(3600));
                format!("{}{m:02}{d:02}{h:02}{:02}{:02}", 2018 + r.below(9), s / 60, s % 60)
            }),
            ("milliseconds", |r| format!("evt-{}", 1_600_000_000_000 + r.below(200_000_000_000))),
            ("serial of ten", |r| format!("{:010}", r.below(10_000_000_000))),
            ("named serial", |r| {
                let name =
                    ["hotel", "intel", "satellite", "hotline", "faxes-in", "subaccount"][r.below(6) as usize];
                format!("{name}-{:010}", r.below(10_000_000_000))
            }),
            ("serial of seven", |r| format!("{:07}", r.below(10_000_000))),
            ("day and number", |r| {
                format!("q-2021-{:02}-{:02}-{:04}", 1 + r.below(12), 1 + r.below(28), r.below(10_000))
            }),
            ("day and serial of four", |r| {
                format!("2021{:02}{:02}{:04}", 1 + r.below(12), 1 + r.below(28), r.below(10_000))
            }),
            ("the same in fours", |r| {
                format!("2021-{:02}{:02}-{:04}", 1 + r.below(12), 1 + r.below(28), r.below(10_000))
            }),
            ("year of an era and number", |r| format!("R3-{:03}/{:06}", r.below(1_000), r.below(1_000_000))),
        ];
        for (name, make) in ordinary {
            let refused = (0..N).filter(|_| looks_personal(&make(&mut random)).is_some()).count();
            println!("ordinary: {name}: {refused} of {N} refused");
            assert!(refused as u32 * 10_000 <= N * 5, "{name}: {refused} of {N}, more than 0.05 %");
        }
        // Twelve digits without more are a My Number as often as their last one happens to be its check digit.
        let serial = |r: &mut Numbers| format!("{:012}", r.below(1_000_000_000_000));
        let refused = (0..N).filter(|_| looks_personal(&serial(&mut random)).is_some()).count();
        println!("twelve digits: {refused} of {N} refused");
        assert!((N / 14..N / 9).contains(&(refused as u32)), "{refused} of {N}");
        fn landline(r: &mut Numbers) -> (&'static str, String, String) {
            let area = [("03", 4), ("06", 4), ("045", 3), ("0422", 2), ("04992", 1)][r.below(5) as usize];
            let exchange = format!("{}{}", 2 + r.below(8), r.digits(area.1 - 1));
            (area.0, exchange, r.digits(4))
        }
        let personal: [(&str, Make); 12] = [
            ("My Number", my_number),
            ("My Number in fours", |r| in_fours(&my_number(r))),
            ("My Number in words", |r| format!("番号{}の方", my_number(r))),
            ("card", card),
            ("card in fours", |r| in_fours(&card(r))),
            ("mobile", |r| format!("0{}0-{}{}-{}", 7 + r.below(3), 1 + r.below(9), r.digits(3), r.digits(4))),
            ("e-mail", |r| format!("u{}@mail{}.example.jp", r.digits(5), r.below(10))),
            ("account", |r| {
                format!("{}{}", ["口座番号 ", "普通", "当座預金 No. "][r.below(3) as usize], r.digits(7))
            }),
            ("account of the post bank", |r| {
                let length = 5 + r.below(3) as usize;
                format!("1{}0-{}1", r.digits(3), r.digits(length))
            }),
            ("landline", |r| {
                let (area, exchange, rest) = landline(r);
                format!("{area}-{exchange}-{rest}")
            }),
            ("landline with brackets", |r| {
                let (area, exchange, rest) = landline(r);
                format!("{area}({exchange}){rest}")
            }),
            ("landline after its word", |r| {
                let (area, exchange, rest) = landline(r);
                format!("電話 {area}{exchange}{rest}")
            }),
        ];
        for (name, make) in personal {
            let passed = (0..N).filter(|_| looks_personal(&make(&mut random)).is_none()).count();
            println!("personal: {name}: {passed} of {N} passed");
            assert!(passed as u32 * 1_000 <= N, "{name}: {passed} of {N}, more than 0.1 %");
        }
    }

    #[test]
    fn every_text_of_a_statement_is_read_and_its_place_is_named() {
        let set = |id: &str| proto::DataSet { id: id.to_owned(), ..Default::default() };
        let collected =
            proto::Collected { data_sets: vec![set("d1"), set("d-123456789018")], ..Default::default() };
        let fact = Some(proto::event::Fact::Collected(collected));
        let events = vec![proto::Event::default(), proto::Event { fact, ..Default::default() }];
        let statement = proto::Statement { events, ..Default::default() };
        let (field, what) = find_personal(&statement.encode_to_vec()).expect("found");
        assert_eq!((field.as_str(), what), ("events[1].collected.data_sets[1].id", Personal::MyNumber));
        let clean =
            proto::Statement { ledger_origin: "demo.example/ledger".to_owned(), ..Default::default() };
        assert_eq!(find_personal(&clean.encode_to_vec()), None);
    }

    #[test]
    fn bytes_are_no_text_and_nonsense_does_no_harm() {
        let signer = proto::Signer { key_id: b"123456789018....".to_vec(), ..Default::default() };
        let statement = proto::Statement { signers: vec![signer], ..Default::default() };
        assert_eq!(find_personal(&statement.encode_to_vec()), None);
        let mut random = Numbers(1);
        for _ in 0..2_000 {
            let bytes: Vec<u8> = (0..random.below(64)).map(|_| random.next() as u8).collect();
            find_personal(&bytes);
        }
    }
}
