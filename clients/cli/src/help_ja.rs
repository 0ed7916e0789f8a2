//! The help in Japanese. What is missing here stays in English.

use clap::Command;

/// Translates the texts of a command and all below it.
pub(crate) fn translate(command: Command) -> Command {
    let command = level(command, "");
    command
        .after_help(
            "終了コード:\n  0  正常に終了し、問題は見つからなかった\n  1  検査の結果、問題が見つかった\n  \
             2  使い方または入力の誤り（何も送信していない）\n  3  サーバーに接続できない、または応答がない\n  \
             4  台帳に受け付けられなかった",
        )
}

fn level(command: Command, path: &str) -> Command {
    let about = ABOUT.iter().find(|(name, _)| *name == path).map(|(_, text)| *text);
    let command = match about {
        Some(text) => command.about(text),
        None => command,
    };
    let command = match examples(&command, path) {
        Some(text) => command.after_help(text),
        None => command,
    };
    let command = command.mut_args(|arg| {
        let id = arg.get_id().as_str().to_owned();
        let own = format!("{path} {id}");
        let text =
            ARGS.iter().find(|(name, _)| *name == own).or_else(|| ARGS.iter().find(|(name, _)| *name == id));
        match text {
            Some((_, text)) => arg.help(*text),
            None => arg,
        }
    });
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| {
        let path = if path.is_empty() { name.clone() } else { format!("{path} {name}") };
        command.mut_subcommand(name, |sub| level(sub, &path))
    })
}

/// The examples under a Japanese heading, with the notes below them in Japanese.
fn examples(command: &Command, path: &str) -> Option<String> {
    let text = command.get_after_help()?.to_string();
    let (examples, notes) = text.split_once("\n\n").unwrap_or((&text, ""));
    let notes = NOTES.iter().find(|(name, _)| *name == path).map_or(notes, |(_, text)| text);
    let examples = examples.replacen("Examples:", "例:", 1);
    Some(format!("{examples}\n\n{notes}").trim_end().to_owned())
}

/// What stands below the examples, by path.
const NOTES: &[(&str, &str)] = &[
    (
        "audit",
        "--tiles は、daichod serve --tiles-listen の所在か、daichod export の書き出した場所を読みます。\n\
         --policy がなければ、検査点は台帳自身の記載する鍵で検証します。誰を信頼するかを決めるものではありません。\n\n\
         終了コード: 0 誤りなし、1 誤りあり（最初の記録と、失敗した検査を示します）",
    ),
    (
        "receipt show",
        "終了コード: 0 受領証として成り立つ、1 ハッシュ値が検査点の根に達しない、2 受領証ではない",
    ),
    (
        "receipt verify",
        "申告の答えとともに届く受領証は、連署を求める前のものです。--without-quorum を付けるか、後で取得し直してください。\n\
         受領証に申告者の公開鍵は含まれません。与える公開鍵は daicho key show で表示できます。\n\n\
         終了コード: 0 すべて証明された、1 証明されないものがある",
    ),
    (
        "receipt compare",
        "現在の台帳が以前のものを引き継いでいないときは、分岐の証明を書き込みます。daicho verify で誰でも検証できます。\n\n\
         終了コード: 0 すべて引き継いでいる、1 引き継いでいないものがある",
    ),
    (
        "key new",
        "ファイルは PKCS#8 PEM 形式で、作成した本人だけが読めます。既にあるファイルには上書きしません。\n\
         --encrypt を付けると、パスフレーズで保護します（scrypt、AES-256）。署名する命令はそのつど尋ねるか、\n\
         DAICHO_PASSPHRASE_FILE の示すファイルから読みます。",
    ),
    (
        "key request",
        "依頼に秘密は含まれません。公開鍵と、その鍵がその台帳でその当事者のものとなることへの鍵自身の署名です。\n\
         区は自分の機器で、そのまま記録します: daicho emit --key ward.pem --file request.json",
    ),
    (
        "key invite",
        "紙は本人に手渡してください。コードはその当事者とその用途のために一回だけ使え、使われたことは台帳に残ります。\n\
         紛失したときは、鍵と同じく key_revoked で失効させます。",
    ),
    ("key enrol", "紙のコードを尋ね、この機器で鍵を作り、承認を受けます。コードはそれで使用済みになります。"),
    (
        "cosign",
        "秘密鍵はそれぞれの機器に置いたまま、下書きのファイルだけを回します。署名に接続は要らず、秘密も含みません。\n\
         送る前に、署名者の鍵が別の申告に使われると、番号が重なるため台帳は下書きを受け付けません。",
    ),
    (
        "findings",
        "一覧が空のときは「違反の記録がない」ことを示すもので、違反がないことを示すものではありません。",
    ),
    (
        "due",
        "果たされなかった義務は、先を見る期間と同じだけ後まで示します。それ以降は daicho duties が示します。\n\
         カレンダーと他のシステムへの知らせ: daicho remind",
    ),
    (
        "remind",
        "知らせは Standard Webhooks の形式で、webhook-id、webhook-timestamp、webhook-signature（v1a、Ed25519）を付けて送ります。\n\
         2xx の応答があるまで間隔を延ばしながら送り直し、同じ知らせには同じ webhook-id を付けます。\n\
         検証のための公開鍵（whpk_…）は開始時に表示します。\n\n\
         終了コード: 0 止められた、または --once で済ませた、1 --once で知らせが届かなかった",
    ),
    (
        "duties",
        "義務は、事業の定める義務か契約の特記事項の一項で、負う者ごとに示します。「違反の記録なし」は違反の記録が\n\
         ないことだけを示し、「判定対象外」「期限の定めなし」は合格ではありません。",
    ),
    (
        "verify",
        "報告書（PDF）、証拠一式、受領証、分岐の証明、検査点を検証します。どこにも問い合わせません。ファイルと信頼方針だけで判断し、\n\
         証明しないことも示します。\n\n\
         終了コード: 0 証明された、1 証明されない（検査と部分を示します）、2 ファイルまたは信頼方針を読めない",
    ),
    (
        "report deletion",
        "対象期間に生じたデータセットについて、その後どうなったかを報告します。\n\
         --bundle は、検査点を公表し、そこまでのすべての記録を読んで検証し、報告書を計算し直して、台帳の計算したものと\n\
         一致することを確かめます。書き出したファイルは誰でも検証できます: daicho verify report.bundle --policy policy.txt\n\
         --format pdf も同じことをし、証拠一式を文書の中に添付します: daicho verify report.pdf --policy policy.txt",
    ),
    (
        "certificate deletion",
        "署名付きの申告を、その証明とともに添付します。表示されるハッシュ値は、提出したときの事象 deletion_certified に\n\
         記録します。完了が確認されていない消去は証明しません。",
    ),
    (
        "emit",
        "事象は protobuf の JSON 形式で、一行に一つ書きます。occur_time_ms の代わりに occur_time（日本時間）を書けます。\n\
         bytes の値は base64、または hex: に続く16進数です。\n\
         すべての行を読み、検査してから送信を始めます。一行でも誤りがあれば何も送信しません。\n\
         受け付けられない申告があると、それ以降は送信しません。既に送信したものの結果は表示します。\n\
         --dry-run は、指摘が生じる場合に終了コード 1、受け付けられない場合に 4 で終わります。\n\
         各申告は現在の台帳に対して判定され、前の行の申告は考慮されません。",
    ),
    (
        "simulate",
        "名前が /simulated で終わり、時計が模擬である台帳でだけ動き、その時計を進めます。\n\
         区を除く当事者の鍵は種から計算したもので、ほかでは何の価値もありません。\n\
         台帳の指摘が、書面の空白と仕込んだ不備によるものと一致しないときは、終了コード 1 で終わります。",
    ),
];

/// Commands by path.
const ABOUT: &[(&str, &str)] = &[
    ("receipt", "受領証（一つの記録の証明）を取得し、検証し、現在の台帳と照合する"),
    ("receipt get", "記録の受領証を取得する"),
    ("receipt show", "受領証に何が書かれているかを言葉で示す（署名は検証しない）"),
    ("receipt verify", "受領証を、接続せずに検証する"),
    ("receipt compare", "以前の受領証や検査点を、現在の台帳と照合する"),
    ("checkpoint", "台帳の署名した検査点と、その連署を表示する"),
    ("checkpoint show", "最新の検査点を、署名されたまま表示する"),
    ("checkpoint list", "保存されている検査点を、新しい順に並べる"),
    ("checkpoint publish", "最新の検査点を保存し、立会人と時刻認証局に求める"),
    ("checkpoint seal", "いま台帳を封緘する"),
    ("", "台帳に申告を送り、台帳を読みます。"),
    ("key", "鍵の作成・表示・一覧と、台帳での承認"),
    ("key request", "鍵の承認を求める依頼（事象）を表示する"),
    ("key invite", "一回限りのコードを記した招待状を表示する"),
    ("key enrol", "招待状のコードで、自分の鍵を作り承認を受ける"),
    ("key new", "秘密鍵を作る"),
    ("key show", "秘密鍵の識別子と公開鍵を表示する"),
    ("key list", "台帳に登録された鍵の一覧"),
    ("emit", "事象に署名して台帳に送る"),
    ("cosign", "複数の鍵で署名する申告の下書きを確かめ、署名し、送る"),
    ("log", "台帳の記録を言葉で表示する"),
    ("party", "当事者の表示"),
    ("party list", "当事者と構成員の一覧"),
    ("scheme", "事業の定義の検査・表示・施行"),
    ("scheme check", "事業の定義を検査する（誤りがあれば終了コード 1）"),
    ("scheme show", "事業の定義の内容を表示する"),
    ("scheme enact", "事業の定義を台帳に載せ、施行する"),
    ("dataset", "データセットの表示"),
    ("dataset list", "事業のデータセットの一覧"),
    ("dataset show", "データセットとその複製を表示する"),
    ("copies", "事業の複製と判定の一覧"),
    ("due", "期限の近い複製と義務の一覧（期限の早い順）"),
    ("remind", "期限のカレンダーを保ち、期限を過ぎたものを他のシステムに知らせる"),
    ("findings", "指摘の一覧"),
    ("duties", "義務と特記事項の履行状況"),
    ("handovers", "事業の授受の一覧"),
    ("audit", "運用者を信頼せずに台帳全体を検証する"),
    ("verify", "報告書（PDF）、証拠一式、受領証、分岐の証明を、どこにも接続せずに検証する"),
    ("certificate", "受託者が区に提出する書類"),
    ("certificate deletion", "消去の申告から、消去証明書またはデータ消去報告書（PDF/A-3）を作る"),
    ("report", "審議会への報告書"),
    ("report deletion", "期限どおりに消去されたもの、されなかったものの報告書"),
    ("simulate", "五つの事業を模擬の台帳の上で演じる"),
];

/// Arguments by path and id, or by id alone.
const ARGS: &[(&str, &str)] = &[
    ("server", "台帳サーバーの所在"),
    ("ca", "サーバーの証明書に署名した認証局の証明書。省略時はシステムの知る認証局"),
    ("identity", "台帳に登録された、接続する者の秘密鍵（PKCS#8 PEM）"),
    ("lang", "表示の言語（ja または en）。省略時はシステムの言語による"),
    ("output", "結果の形式（text: 表と文、json: 一行に一件の JSON）"),
    ("help", "使い方を表示する"),
    ("version", "版を表示する"),
    ("key new out", "作成するファイル"),
    ("key request file", "秘密鍵（PKCS#8 PEM）"),
    ("key request party", "鍵を使う当事者"),
    ("key request purpose", "用途（機器の名、auditor、council）"),
    ("key request origin", "台帳の名。省略時はサーバーに尋ねる"),
    ("key invite party", "招待する当事者"),
    ("key invite purpose", "承認される鍵の用途（機器の名、auditor、council）"),
    ("key invite days", "コードの使える日数"),
    ("key invite key", "区の秘密鍵（PKCS#8 PEM）"),
    ("key enrol out", "秘密鍵を書き込むファイル"),
    ("key enrol code", "コード。省略時は尋ねる（履歴に残らない）"),
    ("encrypt", "パスフレーズで保護する"),
    ("key show file", "秘密鍵（PKCS#8 PEM）"),
    ("key", "秘密鍵（PKCS#8 PEM）"),
    ("cosign file", "下書きのファイル"),
    ("cosign key", "署名する秘密鍵（PKCS#8 PEM）"),
    ("cosign yes", "確認せずに署名する"),
    ("cosign send", "全員が署名したものを台帳に送る"),
    ("cosign", "連名で署名する秘密鍵（区の定めが複数の鍵を求めるとき）"),
    ("with", "別の機器で署名する鍵の識別子。送信せず、--draft のファイルに下書きを書く"),
    ("draft", "それらの鍵が署名する下書きのファイル（daicho cosign --help）"),
    ("dry_run", "記録せずに、記録した場合の結果を尋ねる"),
    ("event", "事象（JSON）。複数回指定できる"),
    ("emit file", "一行に一つの事象を書いたファイル。- は標準入力"),
    (
        "emit outbox",
        "台帳から答えがあるまで、申告をこのフォルダに保管する。台帳に届かないことがあるとき用。もう一度実行すると（事象がなくても）送信を続ける",
    ),
    ("emit wait", "--outbox のとき、答えを待つ時間（秒）"),
    ("stdin", "標準入力から読む"),
    ("per_statement", "一つの申告に含める事象の数の上限。申告は全体として記録されるか、されないかのどちらか"),
    ("describe", "事象の一覧、または一つの事象の項目を表示する（何も送信しない）"),
    (
        "tiles",
        "サーバーに尋ねる代わりに、タイル（C2SP tlog-tiles）を検証する。その所在、またはファイルのあるフォルダ",
    ),
    ("receipt get entry", "記録の番号"),
    ("receipt get statement", "申告の名前（鍵の識別子/番号）"),
    ("receipt get out", "書き込むファイル"),
    ("receipt get bundle", "記録のよりどころも含む証拠一式を書き込むファイル"),
    ("receipt show file", "受領証のファイル"),
    ("receipt verify files", "受領証のファイル"),
    ("without_quorum", "信頼方針の求める連署がなくても、台帳の署名があれば認める"),
    ("public_key", "申告に署名があるべき Ed25519 公開鍵（16進数）。複数回指定できる"),
    (
        "receipts",
        "各申告の受領証を「記録の番号.tlog-proof」として置くフォルダ（daicho receipt verify で検証できる）",
    ),
    ("receipt compare files", "受領証、または署名された検査点のファイル"),
    ("receipt compare out", "分岐があったとき、その証明を書き込むファイル（二つ目からは番号が付く）"),
    (
        "report deletion bundle",
        "報告を接続なしに証明する証拠一式も書き込む。報告は、その記録から計算したものになる",
    ),
    ("dataset show bundle", "このデータセットに関する記録の証拠一式も書き込む"),
    ("kept", "保存されている最新のもの（連署を含む）"),
    ("most", "最大の件数"),
    ("policy", "信頼方針（C2SP tlog-policy）のファイル: 検査点に誰の署名と連署が必要か"),
    ("token_file", "記録の閲覧に必要なトークンのファイル"),
    ("from", "最初に表示する記録の番号。省略時は末尾の 20 件（--limit があればその件数）"),
    ("limit", "表示する件数の上限"),
    ("follow", "新しい記録を待って表示し続ける"),
    (
        "verify extract",
        "PDF に添付されたファイル（証拠一式、報告書、信頼方針、または署名された申告）を置くフォルダ。上書きはしない",
    ),
    ("verify file", "検証するもの: 報告書（PDF）、証拠一式、受領証、分岐の証明、検査点"),
    ("files", "事業の定義のファイル"),
    ("scheme show file", "事業の定義のファイル"),
    ("scheme enact file", "事業の定義のファイル"),
    ("scheme enact key", "区の秘密鍵（PKCS#8 PEM）"),
    ("vocabulary", "語彙のファイル。省略時は、事業の定義と同じ場所にあり、その識別子を持つファイル"),
    (
        "calendar",
        "開庁日の暦のファイル。省略時は、事業の定義と同じ場所か、その隣の calendar にあり、その名を持つファイル",
    ),
    ("settle", "原典の誤りをどう扱うか: scheme check の表示する「検査@表.識別子」と、その根拠"),
    ("applies_to_open", "既に進行している期限にもこの版を適用する"),
    ("report deletion from", "対象期間の最初の日（日本時間）: 2021-02-01"),
    ("to", "対象期間の最後の日"),
    (
        "format",
        "報告書の形式（csv: 表計算のための表、--out のフォルダに一表一ファイル。html: 一つのファイルの頁、画面と A4 の紙のため。\
         json: 計算されたままの値。pdf: 証拠一式を添付した文書、PDF/A-3。text: 100 桁の文字）",
    ),
    ("report deletion out", "標準出力の代わりに書き込むファイル（csv ではフォルダ）"),
    (
        "report deletion policy",
        "信頼方針（C2SP tlog-policy）のファイル。PDF は検査点の連署をこれによって示す。なければ、確認していないと記す",
    ),
    ("holder", "消去した当事者"),
    ("id", "書類の識別子（事業の中で一意）"),
    ("form", "書類の種類（certificate: 消去証明書、report: データ消去報告書）"),
    ("certificate deletion entry", "消去を申告した記録の番号。複数回指定できる"),
    ("certificate deletion from", "この日（日本時間）以後のすべての消去"),
    ("certificate deletion to", "この日までのすべての消去"),
    ("recipient", "書類を受け取る当事者。複数回指定できる。省略時は情報を所管する課"),
    ("certificate deletion out", "書き込むファイル"),
    ("bundle", "これを証明するすべて（証拠一式）を書き込むファイル"),
    ("simulate scheme", "演じる事業の識別子、または all。複数回指定できる"),
    ("schemes_dir", "事業の定義のある場所"),
    ("scale", "実際の数量に対する割合"),
    ("seed", "乱数の種。同じ種は同じ内容になる"),
    ("faults", "仕込む不備: none、all、またはコンマ区切りの名前"),
    ("ward_key", "台帳を開設した区の秘密鍵（PKCS#8 PEM）"),
    ("summary", "要約（JSON）を書き出すファイル"),
    ("plan_only", "演じる内容だけを示し、どこにも接続しない"),
    ("due scheme", "事業の識別子。省略時はすべての事業"),
    ("due follow", "終わらずに待ち、期限が近づいたもの、過ぎたもの、解消したものを表示し続ける"),
    ("due party", "この当事者がすべきものだけ"),
    ("remind scheme", "事業の識別子。省略時はすべての事業"),
    ("remind party", "この当事者がすべきものだけ"),
    ("calendar_dir", "当事者ごとのカレンダー（当事者の識別子.ics、iCalendar）を保つフォルダ"),
    ("webhook", "期限を過ぎたものを知らせる先（http または https）"),
    ("force", "既にあるファイルに上書きする"),
    ("webhook_key", "知らせに署名する秘密鍵（PKCS#8 PEM）。台帳の鍵とは別のものにしてください"),
    ("state", "知らせ終えたものを書き留めるファイル"),
    ("once", "いまあるものを済ませて終わる（定期実行のため）"),
    ("findings scheme", "事業の識別子。省略時はすべての事業"),
    ("issue_key", "報告書の発行（ハッシュ、宛先、基準時点）を台帳に記録する秘密鍵（PKCS#8 PEM）"),
    ("issued_to", "報告書の宛先"),
    ("duties who", "この当事者の負うものだけ"),
    (
        "duties status",
        "この状態のものだけ: missed、violated、met-late、no-schedule、not-judged、due、not-yet-due、no-violation、met、not-applicable",
    ),
    ("scheme", "事業の識別子"),
    ("data_set", "データセットの識別子"),
    ("as_of", "判定の時点: 日付（その日の終わり）または日本時間の時刻。省略時は現在"),
    ("within", "台帳の現在時刻から先の期間（P7D、P1M、PT12H）"),
    ("until", "この日の終わり、またはこの時刻まで"),
];
