//! What the paper proves and what it does not, and how anybody checks it.

use super::super::manifest::Manifest;
use super::super::rich::{Block, Look, Picture, Rich, Section, Table};
use super::super::{BUNDLE, Paper};
use super::figures;
use crate::prose::prose;
use crate::words::{Words, count};

pub(super) fn limits(w: &Words<'_>) -> Section {
    let p = prose(w);
    let list = |sentences: Vec<String>| Block::List(sentences.into_iter().map(Rich::from).collect());
    Section::new(w.say("証明すること・しないこと", "What is proven and what is not"))
        .on_new_page()
        .with(Block::Heading(
            w.say("✓ 証明すること（次の検証を経て）", "✓ It proves, once verified as below").into(),
        ))
        .with(list(p.proves))
        .with(Block::Heading(w.say("× 証明しないこと", "× It does not prove").into()))
        .with(list(p.does_not))
}

pub(super) fn steps(w: &Words<'_>, paper: &Paper<'_>, manifest: &Manifest) -> Section {
    let ledger = &w.report.ledger;
    let bundle = manifest.files.iter().find(|file| file.name == BUNDLE);
    let hash = bundle.map(|file| file.sha256.as_str()).unwrap_or_default();
    let steps = vec![
        (
            Rich::from(w.say(
                "この文書のPDFファイルを手元の機器に置き、監査者自身の信頼方針（信頼する台帳の鍵と連署者の一覧）を添えて検証する。添付の証拠一式から全記録が再演され、報告書が計算し直され、この紙面の一字一句が同じ結果になることが確かめられる。通信は行わない。",
                "Take the PDF file of this paper and a trust policy of your own (the keys of the ledger and the witnesses you trust). Every record of the attached bundle is replayed, the report is computed again, and every character of these pages is compared. Nothing is asked of anybody.",
            )),
            vec!["daicho verify REPORT.pdf --policy policy.txt".to_owned()],
        ),
        (
            Rich::from(w.say(
                "証拠一式を取り出し、そのSHA-256が次の値であることを確かめ、単独で検証する。",
                "Take the bundle out: its SHA-256 must be this, and it can be verified alone.",
            ))
            .line()
            .look(Look::Code, hash),
            vec![
                "daicho verify REPORT.pdf --policy policy.txt --extract attached".to_owned(),
                format!("daicho verify attached/{BUNDLE} --policy policy.txt"),
            ],
        ),
        (
            w.say(
                "下の二次元コードは検査点（台帳の名、記録の数、根）である。連署者または以前の受領証が示す検査点と照らし合わせる。同じ数で根が異なれば、台帳は二つの履歴を示している。",
                "The code below is the checkpoint: name of the ledger, number of entries, root. Compare it with the one that a witness or an earlier receipt shows. Another root for the same number means that the ledger shows two histories.",
            )
            .into(),
            Vec::new(),
        ),
    ];
    let checkpoint = format!("{}\n{}\n{}\n", ledger.origin, ledger.size, paper.root);
    let mut section = Section::new(
        w.say("この文書を自分で確かめる三つの手順", "Check this paper yourself, in three steps"),
    )
    .with(Block::Steps(steps));
    if let Some(svg) = figures::qr(&checkpoint) {
        let alt = w.say(
            "検査点の二次元コード。内容は表紙の台帳、記録の数、検査点の根。",
            "QR code of the checkpoint on the cover: ledger, entries, root.",
        );
        section = section.with(Block::Picture(Picture {
            svg,
            alt: alt.to_owned(),
            caption: String::new(),
            width: 0.18,
        }));
    }
    let mut table = Table::new(
        [3.0, -2.0, 10.0],
        [w.say("添付ファイル", "Attached file"), w.say("バイト", "Bytes"), "SHA-256"],
    );
    for file in &manifest.files {
        table.row([
            Rich::new().look(Look::Code, &file.name),
            count(file.bytes).into(),
            Rich::new().look(Look::Code, &file.sha256),
        ]);
    }
    section
        .with(Block::Heading(w.say("この文書の添付ファイル", "Files attached to this paper").into()))
        .with(Block::Table(table))
        .with(Block::Note(
            w.say(
                "この文書は台帳の記録から計算されたもので、それ自体は証拠ではない。証拠は添付の証拠一式と、それを検証する手順にある。",
                "This paper is computed from the records of the ledger and is no evidence itself. The evidence is the attached bundle and its verification.",
            )
            .into(),
        ))
}
