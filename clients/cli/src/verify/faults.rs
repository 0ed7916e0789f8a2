//! Why a file does not prove what it claims, in words.

use std::fmt::{Debug, Display};
use std::io::Write;

use daicho_report::pdf::{BUNDLE, MANIFEST, ManifestError, POLICY, PaperError, REPORT, ReadError};
use daicho_tlog::policy::PolicyError;
use daicho_verify::bundle::BundleError;
use daicho_verify::{ForkError, ReceiptError};
use serde_json::json;

use crate::context::Context;
use crate::scheme::Lang;
use crate::table::plain;

/// A check that failed.
#[derive(Debug)]
pub(crate) struct Fault {
    kind: &'static str,
    /// Name of the check, as in the pages of the format.
    check: String,
    /// The part, for bundles: the name of a file in it.
    part: Option<String>,
    /// What was found, in the language of the user.
    words: String,
    /// What the check says.
    detail: String,
}

impl Fault {
    pub(super) fn bundle(error: &BundleError, context: &Context) -> Self {
        let part = part(error);
        Self { part, ..Self::new("bundle", error, meaning_of_bundle(error), context) }
    }

    pub(crate) fn receipt(error: &ReceiptError, context: &Context) -> Self {
        let ja = match error {
            ReceiptError::Policy(error) => meaning_of_policy(error),
            other => meaning_of_receipt(other),
        };
        Self::new("receipt", error, ja, context)
    }

    pub(super) fn fork(error: &ForkError, context: &Context) -> Self {
        let ja = match error {
            ForkError::NoContradiction => "二つは矛盾しません",
            ForkError::OtherLedger { .. } => "二つは別の台帳のものです",
            ForkError::Policy { error, .. } => meaning_of_policy(error),
            ForkError::Consistency(_) => "大きい木が、主張された根から始まることが証明されていません",
            ForkError::Receipt { error, .. } => meaning_of_receipt(error),
            _ => "分岐の証明として読めません",
        };
        Self::new("fork-proof", error, ja, context)
    }

    pub(crate) fn policy(error: &PolicyError, context: &Context) -> Self {
        Self::new("checkpoint", error, meaning_of_policy(error), context)
    }

    pub(super) fn paper(error: &PaperError, context: &Context) -> Self {
        let (check, part, ja) = match error {
            PaperError::Read(error) => of_attachment(error),
            PaperError::Manifest(error) => of_manifest(error),
            PaperError::Bundle(error) => return Self::bundle(error, context).in_paper(),
            PaperError::OtherClaim => {
                (variant(error), BUNDLE, "添付の証拠一式は、消去の報告書のものではありません")
            }
            PaperError::ReportDiffers => {
                (variant(error), REPORT, "添付の報告書は、添付の証拠一式の記録から計算したものと一致しません")
            }
            PaperError::OtherProgram { .. } => (
                variant(error),
                MANIFEST,
                "添付の証拠一式と報告書は一致しますが、紙面は別の版のプログラムが描いたもので、この版では照合できません",
            ),
            PaperError::Policy(_) => (variant(error), POLICY, "添付の信頼方針を読めません"),
            PaperError::Differs(difference) => (
                super::paper::check(*difference).to_owned(),
                "",
                "紙面またはファイルの内容が、添付の証拠一式から描いたものと異なります",
            ),
            _ => (variant(error), "", "紙面を描き直せません"),
        };
        let part = (!part.is_empty()).then(|| part.to_owned());
        Self { part, check, ..Self::new("report-pdf", error, ja, context) }
    }

    /// A fault of a bundle inside a paper.
    fn in_paper(self) -> Self {
        let part = self.part.map_or_else(|| BUNDLE.to_owned(), |part| format!("{BUNDLE}/{part}"));
        Self { kind: "report-pdf", part: Some(part), ..self }
    }

    pub(super) fn nothing_checked(context: &Context) -> Self {
        let detail = "nothing was checked".to_owned();
        let words = context.pick("検査したものがありません".to_owned(), detail.clone());
        Self { kind: "bundle", check: "NothingChecked".to_owned(), part: None, words, detail }
    }

    fn new<E: Debug + Display>(kind: &'static str, error: &E, ja: &str, context: &Context) -> Self {
        let detail = error.to_string();
        let words = match context.lang {
            Lang::Ja => format!("{ja}（{detail}）"),
            Lang::En => detail.clone(),
        };
        Self { kind, check: variant(error), part: None, words, detail }
    }

    pub(crate) fn write(&self, context: &Context, out: &mut dyn Write) -> std::io::Result<()> {
        if context.json() {
            let json = json!({
                "ok": false, "kind": self.kind, "check": self.check, "part": self.part, "detail": self.detail,
            });
            return writeln!(out, "{json}");
        }
        let check = &self.check;
        let part = self.part.as_deref().map_or_else(String::new, |part| {
            context.pick(format!("、部分 {}", plain(part)), format!(" of {}", plain(part)))
        });
        writeln!(
            out,
            "{}",
            context.pick(
                format!("証明されません: 検査 {check}{part}"),
                format!("NOT PROVEN: check {check}{part} failed"),
            )
        )?;
        writeln!(out, "  {}", plain(&self.words))
    }
}

/// Name of a variant.
fn variant(error: &impl Debug) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// The part of a bundle that an error is about.
fn part(error: &BundleError) -> Option<String> {
    use BundleError as E;
    match error {
        E::TooLarge { part, .. }
        | E::Truncated { part }
        | E::Header { part }
        | E::Missing { part }
        | E::Doubled { part }
        | E::Unknown { part }
        | E::Tile { part, .. } => Some(part.clone()),
        E::Manifest(_) | E::ManifestForm | E::Format(_) | E::EntryList => Some("manifest.json".to_owned()),
        E::Checkpoint(_) | E::Policy(_) => Some("checkpoint".to_owned()),
        E::Timestamp { number, .. } => Some(format!("timestamps/{number}.tsr")),
        E::ReportDiffers { .. } => Some("claim/report.json".to_owned()),
        E::Audit(_) | E::Size { .. } | E::Origin { .. } => Some("tile/entries".to_owned()),
        E::Receipt { entry, .. }
        | E::OtherCheckpoint { entry }
        | E::OtherEntry { entry, .. }
        | E::NotAbout { entry } => Some(format!("entries/{entry}.tlog-proof")),
        E::KeyUnknown { entry, .. }
        | E::KeyRevoked { entry, .. }
        | E::KeyRights { entry, .. }
        | E::Signature { entry, .. }
        | E::Document { entry, .. } => Some(format!("entries/{entry}.tlog-proof")),
        _ => None,
    }
}

/// Check, part and meaning of a paper whose attachments cannot be taken out.
fn of_attachment(error: &ReadError) -> (String, &str, &'static str) {
    let (part, ja) = match error {
        ReadError::TooLarge => ("", "大きさの上限を超えています"),
        ReadError::Missing(name) => (*name, "あるべき添付ファイルがありません"),
        ReadError::Doubled(name) => (name.as_str(), "同じ名の添付ファイルが二つあります"),
        ReadError::Unknown(name) => (name.as_str(), "報告書のものではない添付ファイルがあります"),
        ReadError::Contradicts(name) => (name.as_str(), "添付ファイルの名または内容の記載が食い違っています"),
        ReadError::Length { name, .. } => (name.as_str(), "添付ファイルの長さが記載と異なります"),
        ReadError::Packed(name) => (name.as_str(), "添付ファイルを上限内で取り出せません"),
        _ => ("", "PDFとして読めません"),
    };
    (variant(error), part, ja)
}

/// The same for a paper whose attachments are not those of its list.
fn of_manifest(error: &ManifestError) -> (String, &str, &'static str) {
    let (part, ja) = match error {
        ManifestError::Files => (MANIFEST, "目録にあるものと添付されたものが異なります"),
        ManifestError::Length { name, .. } => (name.as_str(), "添付ファイルの長さが目録と異なります"),
        ManifestError::Hash { name } => (name.as_str(), "添付ファイルのハッシュ値が目録と異なります"),
        _ => (MANIFEST, "目録が定められた形ではありません"),
    };
    (format!("Manifest{}", variant(error)), part, ja)
}

fn meaning_of_bundle(error: &BundleError) -> &'static str {
    use BundleError as E;
    match error {
        E::Io(_) => "ファイルを読めません",
        E::NotABundle => "証拠一式のファイルではありません",
        E::TooLarge { .. } => "大きさの上限を超えています",
        E::Gzip(_) => "圧縮されたデータが壊れています",
        E::Truncated { .. } => "途中で終わっています",
        E::Trailing => "終わりの後に余分なものがあります",
        E::Header { .. } => "部分の見出しが定められた形ではありません",
        E::Missing { .. } => "あるべき部分がないか、順序が違います",
        E::Doubled { .. } => "同じ部分が二度あるか、順序が違います",
        E::Unknown { .. } => "証拠一式に属さない部分があります",
        E::Manifest(_) | E::ManifestForm | E::Format(_) | E::EntryList => "目録が正しくありません",
        E::Checkpoint(_) => "検査点として読めません",
        E::Policy(error) => meaning_of_policy(error),
        E::TsaRoots(_) => "信頼方針の時刻認証局の証明書を読めません",
        E::Timestamp { .. } => "時刻認証が正しくありません",
        E::Tile { .. } => "記録の束が途中で切れているか、余分なものがあります",
        E::Audit(_) => "記録を再演したところ、誤りが見つかりました",
        E::Size { .. } => "記録の数が検査点と一致しません",
        E::Origin { .. } => "記録は検査点とは別の台帳のものです",
        E::NoScheme(_) => "この事業はこの台帳で施行されていません",
        E::State(_) => "再演した状態を読めません",
        E::ReportDiffers { .. } => "報告書は、記録から計算したものと一致しません",
        E::Receipt { error, .. } => meaning_of_receipt(error),
        E::OtherCheckpoint { .. } => "受領証の検査点が、証拠一式の検査点と異なります",
        E::OtherEntry { .. } => "受領証の記録が、その名前の記録と異なります",
        E::NoFounding => "台帳の開設の記録がありません",
        E::KeyUnknown { .. } => "署名した鍵が、証拠一式の中の先の記録で承認されていません",
        E::KeyRevoked { .. } => "署名した鍵は、先に失効しています",
        E::KeyRights { .. } => "鍵の承認または失効を申告する権限のない当事者によるものです",
        E::Signature { .. } => "申告の署名を検証できません",
        E::NotAbout { .. } => "主張に関係のない記録が挙げられています",
        E::SchemeMissing(_) => "事業を施行した記録がありません",
        E::Document { .. } => "事業の文書が揃っていません",
        _ => "証明されていません",
    }
}

fn meaning_of_receipt(error: &ReceiptError) -> &'static str {
    match error {
        ReceiptError::Proof(_) => "受領証として読めません",
        ReceiptError::NoEntry => "受領証に記録が含まれていません",
        ReceiptError::Entry(_) => "含まれているものは記録ではありません",
        ReceiptError::Index { .. } => "証明の番号と記録の番号が異なります",
        ReceiptError::Statement(_) => "記録の申告の形式に誤りがあります",
        ReceiptError::Origin { .. } => "申告と検査点は別の台帳のものです",
        ReceiptError::Inclusion(_) => "この記録が検査点の木にあることは証明されていません",
        ReceiptError::Policy(error) => meaning_of_policy(error),
        ReceiptError::NotSigner(_) => "与えられた鍵は申告者の鍵ではありません",
        ReceiptError::BadSignature(_) => "申告の署名を検証できません",
        _ => "証明されていません",
    }
}

fn meaning_of_policy(error: &PolicyError) -> &'static str {
    match error {
        PolicyError::UnknownLog { .. } => "信頼方針にない台帳です",
        PolicyError::NotSigned { .. } => "信頼方針にある台帳の鍵は、この検査点に署名していません",
        PolicyError::Signature(_) => "検査点の署名を検証できません",
        PolicyError::NoQuorum(_) => "連署が定足数に達していません",
    }
}
