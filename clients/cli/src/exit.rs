//! Exit codes, and errors in words.

use std::process::ExitCode;

use clap::error::ErrorKind;
use daicho_client::{ClientError, Code, Refusal, RefusalCode};

use crate::context::Context;
use crate::scheme::Lang;
use crate::tiles::Failure;

/// How the program ends. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, and nothing was found wrong.
    Ok = 0,
    /// Checked, and something is wrong.
    Wrong = 1,
    /// Wrong usage or bad input.
    Usage = 2,
    /// The server cannot be reached or did not answer.
    Unreachable = 3,
    /// Refused by the ledger.
    Refused = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// The exit code of an error of the client.
    pub(crate) fn of(error: &ClientError) -> Self {
        match error {
            ClientError::Refused(_) => Self::Refused,
            ClientError::Server { code: Code::InvalidArgument, .. }
            | ClientError::BadEndpoint { .. }
            | ClientError::BadField { .. }
            | ClientError::NotFound(_)
            | ClientError::BadIdentity(_)
            | ClientError::DocumentSize { .. } => Self::Usage,
            ClientError::Server { .. } | ClientError::NotKnown(_) | ClientError::NotAllowed(_) => {
                Self::Refused
            }
            _ => Self::Unreachable,
        }
    }
}

/// Prints an error of usage, or the help that was asked for.
pub(crate) fn usage(error: &clap::Error, lang: Lang) -> ExitCode {
    if lang == Lang::Ja && error.use_stderr() {
        eprintln!("{}", usage_ja(error.kind()));
    }
    // Nowhere left to say that standard error is closed.
    drop(error.print());
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() }
}

fn usage_ja(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => "指定された値に誤りがあります。",
        ErrorKind::UnknownArgument => "知らない指定があります。",
        ErrorKind::InvalidSubcommand => "そのような命令はありません。",
        ErrorKind::MissingRequiredArgument => "必要な指定が足りません。",
        ErrorKind::ArgumentConflict => "同時に使えない指定があります。",
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "命令を指定してください。"
        }
        _ => "使い方に誤りがあります。",
    }
}

/// Prints an error and gives its exit code.
pub(crate) fn report(error: &anyhow::Error, context: &Context) -> ExitCode {
    let lang = context.lang;
    if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) {
        // The reader has seen enough, as with `| head`.
        return Exit::Ok.into();
    }
    let (exit, text) = if let Some(client) = error.downcast_ref::<ClientError>() {
        // What was added says what came of it; the error says why.
        let (said, why) = (error.to_string(), explain(client, lang));
        (Exit::of(client), if said == client.to_string() { why } else { format!("{said}: {why}") })
    } else if let Some(failure) = error.downcast_ref::<Failure>() {
        (failure.exit(), failure.explain(lang))
    } else {
        (Exit::Usage, format!("{error:#}"))
    };
    let hint = error.downcast_ref().and_then(|error| hint(error, context)).unwrap_or_default();
    eprintln!("{}{text}{hint}", lang.either("エラー: ", "error: "));
    exit.into()
}

/// What to do about the first mistakes with TLS, which the transport tells in words of its own.
fn hint(error: &ClientError, context: &Context) -> Option<&'static str> {
    match error {
        ClientError::Connect { reason, .. } if reason.contains("UnknownIssuer") => Some(context.pick(
            "\n  サーバーの証明書を発行した認証局を --ca（または DAICHO_CA）に指定してください。`daichod init` が作ったものは、台帳フォルダーの隣の *.tls/ca.pem です。",
            "\n  name the authority of the server's certificate with --ca or DAICHO_CA; the one that `daichod init` made is \
             *.tls/ca.pem beside the ledger's folder",
        )),
        ClientError::Unreachable { message }
            if context.server.starts_with("http://") && message.contains("transport error") => Some(context.pick(
            "\n  サーバーが TLS を使っている場合は https:// で始めてください。",
            "\n  if the server speaks TLS, as it does by default, its address starts with https://",
        )),
        _ => None,
    }
}

/// An error of the client, for a person.
pub(crate) fn explain(error: &ClientError, lang: Lang) -> String {
    if lang == Lang::En {
        return match error {
            ClientError::Refused(refusal) => format!("the ledger refused it: {refusal}"),
            other => other.to_string(),
        };
    }
    match error {
        ClientError::BadEndpoint { endpoint } => {
            format!(
                "「{endpoint}」は接続先として読めません。https://127.0.0.1:7340 のように指定してください。"
            )
        }
        ClientError::Connect { endpoint, reason } => format!(
            "{endpoint} に接続できません（{reason}）。台帳サーバーが動いているか、--server の指定が正しいかをご確認ください。"
        ),
        ClientError::Refused(refusal) => refusal_ja(refusal),
        ClientError::Unreachable { message } => {
            format!("サーバーから応答がありません（{message}）。しばらくしてからもう一度お試しください。")
        }
        ClientError::BadField { field, message } => {
            format!("指定に誤りがあります。値を直してください（{field}: {message}）。")
        }
        ClientError::NotFound(message) => format!("見つかりません: {message}"),
        ClientError::NotKnown(_) => {
            "接続に使った鍵が台帳に登録されていないか、失効しています。--identity に、登録された鍵を指定してください。".to_owned()
        }
        ClientError::NotAllowed(_) => "この鍵には、この操作をする権限がありません。".to_owned(),
        ClientError::Signer(error) => format!("鍵が署名しませんでした。何も送信していません（{error}）。"),
        ClientError::BadIdentity(reason) => format!("接続のための鍵または証明書を使えません（{reason}）。"),
        ClientError::Server { code, message, .. } => {
            format!("サーバーが要求を受け付けませんでした（{code:?}）: {message}")
        }
        ClientError::Unanswered { attempts, last, .. } => format!(
            "{attempts} 回送信しましたが応答がありません。記録されたかどうかは分かりません。同じ申告をもう一度送ると確認できます。\
             最後の状況: {}",
            explain(last, lang)
        ),
        ClientError::Protocol(message) => {
            format!("サーバーの応答を解釈できません（{message}）。プログラムの版が異なる可能性があります。")
        }
        ClientError::StreamClosed => "送信が途中で打ち切られました。".to_owned(),
        ClientError::DocumentSize { len, max } => {
            format!("文書の大きさは 1 から {max} バイトまでです（指定された文書は {len} バイト）。")
        }
        other => other.to_string(),
    }
}

/// A refusal in Japanese: what it means, what to do, and the ledger's own words.
pub(crate) fn refusal_ja(refusal: &Refusal) -> String {
    let meaning = match refusal.code {
        RefusalCode::Malformed => "申告の形式に誤りがあります。内容を直してください。",
        RefusalCode::TooLarge => "申告が大きすぎます。分けて送ってください。",
        RefusalCode::WrongOrigin => "別の台帳あての申告です。接続先をご確認ください。",
        RefusalCode::BadSignature => "署名を検証できません。鍵をご確認ください。",
        RefusalCode::UnknownKey => "この鍵は台帳に登録されていません。先に鍵の承認を受けてください。",
        RefusalCode::KeyRevoked => "この鍵は失効しています。別の鍵をお使いください。",
        RefusalCode::NotAuthorized if refusal.field == "signers" => {
            "区の定めにより、この申告には複数の鍵の署名が要ります。下書き（--with、--draft）で署名をそろえてください。"
        }
        RefusalCode::NotAuthorized => "この当事者には申告する権限がありません。",
        RefusalCode::UnknownReference => {
            "台帳に登録のないものを指しています。先に登録するか、指定を直してください。"
        }
        RefusalCode::DuplicateId => "識別子がすでに別のものに使われています。別の識別子にしてください。",
        RefusalCode::SequenceUsed => {
            "この申告番号はすでに使われています。emit はもう一度送ると次の番号になります。下書きは作り直してください。"
        }
        RefusalCode::FutureTime => "発生時刻が未来になっています。機器の時計をご確認ください。",
        RefusalCode::SchemeRejected => "事業の定義に誤り、または処理されていない原典の誤りがあります。",
        RefusalCode::VerificationFailed => {
            "消去の完了が確認されていない複製に証明書は出せません。改めて消去してください。"
        }
        RefusalCode::PersonalData => {
            "個人番号や連絡先などの個人情報に見える文字があります。意味を持たない識別子に置き換えてください。"
        }
        RefusalCode::QueueFull => "台帳が混み合っています。しばらくしてからもう一度お送りください。",
        RefusalCode::DiskFull => {
            "台帳の記憶装置の空きが足りません。何も記録されていません。運用担当にご連絡のうえ、空きができてからもう一度お送りください。"
        }
        RefusalCode::WriterClosed => "台帳が書込みを停止しています。運用担当にご連絡ください。",
        _ => "台帳が申告を受け付けませんでした。",
    };
    let place =
        if refusal.field.is_empty() { String::new() } else { format!("、箇所: {}", refusal.field) };
    format!("台帳に記録されませんでした。{meaning}（{}: {}{place}）", refusal.code.reason(), refusal.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_japanese_words_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for code in RefusalCode::ALL {
            let text = refusal_ja(&Refusal::field(code, "events[0]", "m"));
            assert!(text.contains(code.reason()) && text.contains("events[0]"));
            let meaning = text.split('（').next().unwrap_or_default().to_owned();
            assert!(seen.insert(meaning), "{code:?} says what another one says");
        }
    }

    #[test]
    fn exit_codes_tell_input_server_and_ledger_apart() {
        let code = |error| Exit::of(&error) as u8;
        assert_eq!(code(ClientError::BadEndpoint { endpoint: String::new() }), 2);
        let bad = ClientError::BadField { field: "as_of_ms".to_owned(), message: String::new() };
        assert!(explain(&bad, Lang::Ja).contains("as_of_ms"));
        assert_eq!(code(bad), 2);
        assert_eq!(code(ClientError::Unreachable { message: String::new() }), 3);
        assert_eq!(code(ClientError::Refused(Refusal::new(RefusalCode::UnknownKey, ""))), 4);
    }
}
