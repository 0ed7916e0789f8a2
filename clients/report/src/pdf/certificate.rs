//! The forms that contracts ask of a contractor: データ消去報告書 and 消去証明書, made from its own signed statements.
//!
//! The fields are those of NIST SP 800-88 (sample certificate of sanitization). Names of people are not in the ledger: the
//! paper leaves lines for them.

use daicho_core::Instant;
use serde::Serialize;
use serde_json::json;

use super::manifest::FileRecord;
use super::rich::{Block, Look, Rich, Section, Table};
use super::{Attachment, PdfError, set};
use crate::Lang;
use crate::words::{clock, count};

/// Which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// データ消去報告書: what was erased, how and when.
    Report,
    /// 消去証明書: that it was erased completely.
    Certificate,
}

/// One signed statement that copies were erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The entry that holds it.
    pub entry: u64,
    /// When it was done, as its signer states.
    pub occurred: Instant,
    /// When that was recorded.
    pub recorded: Instant,
    /// Keys that signed, with the number of the statement under each.
    pub signers: Vec<(String, u64)>,
    /// What was erased.
    pub copies: Vec<ErasedCopy>,
    /// Facts about how, in the language of the paper: name and what stands for it.
    pub facts: Vec<(String, String)>,
    /// SHA-256 of photographs and logs, in hexadecimal.
    pub evidence: Vec<String>,
    /// The receipt: the signed statement with its proof, as a C2SP tlog-proof.
    pub receipt: Vec<u8>,
}

/// A copy that was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedCopy {
    /// Its id.
    pub copy: String,
    /// Its data set.
    pub data_set: String,
    /// Name of its system.
    pub system: String,
    /// Number of persons. 0: all that remained.
    pub persons: u64,
}

/// What a form says.
#[derive(Debug, Clone)]
pub struct CertificatePaper<'p> {
    /// Which form.
    pub form: Form,
    /// The language.
    pub lang: Lang,
    /// Id of the certificate.
    pub id: &'p str,
    /// Name of the ledger.
    pub origin: &'p str,
    /// Whether its clock is simulated.
    pub simulated: bool,
    /// Id and title of the scheme.
    pub scheme: (&'p str, &'p str),
    /// Name of the party that erased.
    pub holder: &'p str,
    /// Names of the parties that the form is for.
    pub recipients: &'p [String],
    /// What was erased, by entry.
    pub erasures: &'p [Erasure],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct View {
    lang: &'static str,
    title: String,
    author: String,
    description: String,
    keywords: Vec<String>,
    running: String,
    mark: String,
    mark_words: String,
    foot: String,
    number: String,
    date: String,
    to: Vec<String>,
    from: String,
    body: String,
    facts: Vec<(String, Rich)>,
    signatures: Vec<String>,
    sections: Vec<Section>,
    attachments: Vec<Attached>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Attached {
    name: String,
    description: String,
}

/// Most statements in one form: each is attached with its proof.
pub const MAX_STATEMENTS: usize = 1_000;
/// How the name of an attached statement ends, after the number of its entry.
pub(super) const STATEMENT: &str = ".tlog-proof";

/// The form as PDF/A-3a, with the signed statements attached. Its time is that of the last statement's recording.
///
/// # Errors
/// [`PdfError`] when it cannot be set, and when there is nothing to certify.
pub fn render_certificate(paper: &CertificatePaper<'_>) -> Result<Vec<u8>, PdfError> {
    let time = paper.erasures.iter().map(|e| e.recorded).max();
    let time = time.ok_or_else(|| PdfError::Set("no erasure is stated".to_owned()))?;
    let mut attachments: Vec<Attachment> = Vec::new();
    for e in paper.erasures {
        let name = format!("{}{STATEMENT}", e.entry);
        // One statement may state several erasures.
        if !attachments.iter().any(|file| file.name == name) {
            attachments.push(Attachment { name, bytes: e.receipt.clone() });
        }
    }
    let view = view(paper, time, &attachments);
    set::set(set::Job {
        template: include_str!("certificate.typ"),
        view: json!(view),
        attachments: &attachments,
        ident: format!(
            "daicho certificate {} {} {} {:?}",
            paper.origin, paper.scheme.0, paper.id, paper.form
        ),
        time,
    })
}

fn view(paper: &CertificatePaper<'_>, time: Instant, attachments: &[Attachment]) -> View {
    let say = |ja: &str, en: &str| paper.lang.either(ja.to_owned(), en.to_owned());
    let title = match paper.form {
        Form::Report => say("データ消去報告書", "Report of data erasure"),
        Form::Certificate => say("消去証明書", "Certificate of erasure"),
    };
    let (scheme, scheme_title) = paper.scheme;
    let number = say("番号", "No.");
    View {
        lang: paper.lang.tag(),
        title: title.clone(),
        author: paper.holder.to_owned(),
        description: format!("{scheme_title} {}", paper.id),
        keywords: vec![say("消去", "erasure"), scheme.to_owned(), paper.id.to_owned()],
        running: format!("{title}　{}", paper.id),
        mark: if paper.simulated { say("模擬", "模擬 SIMULATED") } else { String::new() },
        mark_words: say(
            "この台帳は模擬の時計で動いている。内容は実在の事務・個人情報ではない。",
            "This ledger runs on a simulated clock. Nothing in it is real work or real personal data.",
        ),
        foot: say(
            &format!("{} の台帳の記録による", paper.origin),
            &format!("From entries of the ledger {}", paper.origin),
        ),
        number: format!("{number} {}", paper.id),
        date: day(paper.lang, time),
        to: paper.recipients.to_vec(),
        from: paper.holder.to_owned(),
        body: body(paper),
        facts: facts(paper),
        signatures: vec![
            say("作成者（所属・職・氏名）", "Made by (office, position, name)"),
            say("確認者（所属・職・氏名）", "Checked by (office, position, name)"),
        ],
        sections: sections(paper, attachments),
        attachments: attachments
            .iter()
            .map(|file| Attached {
                name: file.name.clone(),
                description: say(
                    "署名付きの消去の申告と、その受領証",
                    "Signed statement of an erasure, with its receipt",
                ),
            })
            .collect(),
    }
}

fn day(lang: Lang, time: Instant) -> String {
    let day = time.jst_day();
    lang.either(format!("{}（{day}）", day.era()), day.to_string())
}

fn moment(lang: Lang, time: Instant) -> String {
    let day = time.jst_day();
    lang.either(format!("{}（{day}） {}", day.era(), clock(time)), format!("{day} {}", clock(time)))
}

fn body(paper: &CertificatePaper<'_>) -> String {
    let copies: usize = paper.erasures.iter().map(|e| e.copies.len()).sum();
    let n = count(copies as u64);
    match paper.form {
        Form::Report => paper.lang.either(
            format!("次のとおり、個人情報を記録した複製{n}件を消去したので、報告します。"),
            format!("We report that {n} copies of personal data were erased as follows."),
        ),
        Form::Certificate => paper.lang.either(
            format!("次のとおり、個人情報を記録した複製{n}件を消去したことを証明します。"),
            format!("We certify that {n} copies of personal data were erased as follows."),
        ),
    }
}

fn facts(paper: &CertificatePaper<'_>) -> Vec<(String, Rich)> {
    let say = |ja: &str, en: &str| paper.lang.either(ja.to_owned(), en.to_owned());
    let times = paper.erasures.iter().map(|e| e.occurred);
    let (first, last) = (times.clone().min(), times.max());
    let between = match (first, last) {
        (Some(first), Some(last)) if first != last => say(
            &format!("{} から {} まで", moment(paper.lang, first), moment(paper.lang, last)),
            &format!("{} to {}", moment(paper.lang, first), moment(paper.lang, last)),
        ),
        (Some(first), _) => moment(paper.lang, first),
        _ => String::new(),
    };
    let copies: Vec<&ErasedCopy> = paper.erasures.iter().flat_map(|e| &e.copies).collect();
    let mut sets: Vec<&str> = copies.iter().map(|c| c.data_set.as_str()).collect();
    let mut systems: Vec<&str> = copies.iter().map(|c| c.system.as_str()).collect();
    for list in [&mut sets, &mut systems] {
        list.sort_unstable();
        list.dedup();
    }
    vec![
        (say("事業", "Scheme"), Rich::from(paper.scheme.1).line().look(Look::Code, paper.scheme.0)),
        (say("消去した日時", "When"), between.into()),
        (
            say("消去したもの", "What"),
            paper
                .lang
                .either(
                    format!(
                        "データセット{}件、複製{}件",
                        count(sets.len() as u64),
                        count(copies.len() as u64)
                    ),
                    format!("{} data sets, {} copies", count(sets.len() as u64), count(copies.len() as u64)),
                )
                .into(),
        ),
        (say("機器・媒体", "Systems"), systems.join("、").into()),
    ]
}

fn sections(paper: &CertificatePaper<'_>, attachments: &[Attachment]) -> Vec<Section> {
    let say = |ja: &str, en: &str| paper.lang.either(ja.to_owned(), en.to_owned());
    let mut how = Section::new(&say("消去の方法", "How it was erased"));
    let mut what = Section::new(&say("消去した複製", "What was erased"));
    let (copy, set) = (say("複製", "Copy"), say("データセット", "Data set"));
    let (system, persons) = (say("機器・媒体", "System"), say("人数", "Persons"));
    let mut table = Table::new([3.0, 4.0, 4.0, -1.2], [copy.as_str(), &set, &system, &persons]).in_small();
    for e in paper.erasures {
        let heading = say(&format!("記録 #{}", e.entry), &format!("Entry #{}", e.entry));
        let mut facts = Table::new([2.0, 5.0], [say("項目", "Item").as_str(), &say("内容", "What")]);
        facts.row([say("消去した日時", "When").into(), moment(paper.lang, e.occurred).into()]);
        for (name, value) in &e.facts {
            facts.row([name.as_str().into(), value.as_str().into()]);
        }
        for hash in &e.evidence {
            facts.row([
                say("写真・記録のSHA-256", "SHA-256 of a photograph or log").into(),
                Rich::new().look(Look::Code, hash),
            ]);
        }
        for (key, n) in &e.signers {
            let number = say(&format!("、{n}番目の申告"), &format!(", its statement {n}"));
            facts.row([
                say("署名した鍵", "Signed by key").into(),
                Rich::new().look(Look::Code, key).plain(number),
            ]);
        }
        facts.row([say("台帳への記録", "Recorded").into(), moment(paper.lang, e.recorded).into()]);
        how = how.with(Block::Heading(heading.clone())).with(Block::Table(facts));
        table.group(
            Rich::new().look(Look::Bold, heading).plain(format!("　{}", moment(paper.lang, e.occurred))),
        );
        for one in &e.copies {
            let n = if one.persons == 0 { say("残り全部", "all left") } else { count(one.persons) };
            table.row([
                Rich::new().look(Look::Code, &one.copy),
                Rich::new().look(Look::Code, &one.data_set),
                one.system.as_str().into(),
                n.into(),
            ]);
        }
    }
    what = what.with(Block::Table(table));
    let mut files = Table::new(
        [3.0, -2.0, 10.0],
        [say("添付ファイル", "Attached file").as_str(), &say("バイト", "Bytes"), "SHA-256"],
    );
    for file in attachments {
        let record = FileRecord::of(&file.name, &file.bytes);
        files.row([
            Rich::new().look(Look::Code, record.name),
            count(record.bytes).into(),
            Rich::new().look(Look::Code, record.sha256),
        ]);
    }
    let proof = Section::new(&say("この文書の確かめ方", "How to check this paper"))
        .with(Block::Text(
            say(
                "添付ファイルは、消去した者の鍵で署名された申告と、それが台帳に記録されたことの証明である。取り出して、信頼方針とともに検証する。",
                "The attached files are the statements signed by whoever erased, with the proof that they are in the ledger. Take them out and verify them under a trust policy.",
            )
            .into(),
        ))
        .with(Block::Steps(vec![(
            say("受領証を検証する。", "Verify a receipt.").into(),
            vec!["daicho verify N.tlog-proof --policy policy.txt".to_owned()],
        )]))
        .with(Block::Table(files));
    vec![how, what, proof]
}
