//! `daicho scheme`: checks and shows scheme files, and puts them in force.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use clap::Subcommand;
use daicho_client::{Emitter, Enactment};
use daicho_core::proto::SourceCorrection;
use daicho_custody::calendar::Calendar;
use daicho_custody::scheme::{Diagnostic, Level, Scheme, Vocabulary, lint};
use serde_json::json;

use crate::context::Context;
use crate::cosign::{self, Cosigners};
use crate::exit::Exit;
use crate::{key, scheme};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check scheme files; exit code 1 when one has errors
    #[command(after_help = "Examples:\n  daicho scheme check deploy/schemes/*.toml\n  \
        daicho scheme check queue_notice.toml --output json")]
    Check {
        /// Scheme, vocabulary and calendar files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show what a scheme file says
    #[command(after_help = "Examples:\n  daicho scheme show queue_notice.toml --lang ja")]
    Show {
        /// Scheme file
        file: PathBuf,
    },
    /// Upload a scheme file and put it in force
    #[command(after_help = "Examples:\n  daicho scheme enact queue_notice.toml --key ward.pem\n  \
        daicho scheme enact queue_notice.toml --key ward.pem \\\n    \
        --settle 'date-order@matter.delivery=misprint, see letter 2021-12'")]
    Enact(EnactArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct EnactArgs {
    /// Scheme file
    file: PathBuf,
    /// Private key of the ward, PKCS#8 PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    cosigners: Cosigners,
    /// Vocabulary file. Default: the file beside the scheme that has the id which the scheme names
    #[arg(long, value_name = "FILE")]
    vocabulary: Option<PathBuf>,
    /// Calendar of business days. Default: the file in the scheme's folder, or in `calendar` beside that folder, that
    /// has the name which the scheme gives
    #[arg(long, value_name = "FILE")]
    calendar: Option<PathBuf>,
    /// How an error of the source is settled: the diagnostic of `scheme check`, and the ground
    #[arg(long, value_name = "CHECK@TABLE.ID=GROUND")]
    settle: Vec<String>,
    /// Judge clocks that already run under earlier versions by this one
    #[arg(long)]
    applies_to_open: bool,
}

pub(crate) async fn run(command: Command, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match command {
        Command::Check { files } => {
            let sound = scheme::check(&files, context.lang, context.json(), out)?;
            Ok(if sound { Exit::Ok } else { Exit::Wrong })
        }
        Command::Show { file } => {
            scheme::show(&file, context.lang, out)?;
            Ok(Exit::Ok)
        }
        Command::Enact(args) => enact(args, context, out).await,
    }
}

async fn enact(args: EnactArgs, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let enactment = prepare(&args, context)?;
    let key = key::load(&args.key, context)?;
    let cosigners = args.cosigners.here(context)?;
    let (scheme, version) = (enactment.scheme.clone(), enactment.version);
    let mut emitter = Emitter::new(context.connect_as(&key).await?, key).await?;
    if args.cosigners.is_elsewhere() {
        let event = emitter.enactment(enactment).await?;
        args.cosigners.draft(&mut emitter, &[event], context, out).await?;
        return Ok(Exit::Ok);
    }
    let enacted = emitter.enact_scheme(enactment, &cosign::signers(&cosigners)).await?;
    let entry = enacted.receipt.entry_index;
    if context.json() {
        let json = json!({
            "scheme": scheme,
            "version": version,
            "entry": entry,
            "scheme_document": enacted.scheme_document.to_string(),
            "vocabulary_document": enacted.vocabulary_document.to_string(),
        });
        writeln!(out, "{json}")?;
    } else {
        writeln!(
            out,
            "{}",
            context.pick(
                format!("事業 {scheme} 第{version}版を施行しました（記録 {entry}）。"),
                format!("scheme {scheme} version {version} is in force (entry {entry})"),
            )
        )?;
    }
    Ok(Exit::Ok)
}

/// Reads and checks everything that needs no server.
fn prepare(args: &EnactArgs, context: &Context) -> anyhow::Result<Enactment> {
    let corrections: Vec<SourceCorrection> =
        args.settle.iter().map(|text| correction(text, context)).collect::<Result<_, _>>()?;
    let scheme_file = context.read(&args.file)?;
    let text = String::from_utf8_lossy(&scheme_file);
    let scheme = Scheme::parse(&text)
        .map_err(|error| anyhow!("{}:{}: {}", args.file.display(), error.line, error.message))?;
    let vocabulary_file = match &args.vocabulary {
        Some(file) => context.read(file)?,
        None => vocabulary_beside(&args.file, &scheme.vocabulary, context)?,
    };
    check_settled(args, &text, &scheme, &vocabulary_file, &corrections, context)?;
    let calendar_file = match (&scheme.calendar, &args.calendar) {
        (None, _) => None,
        (Some(_), Some(file)) => Some(context.read(file)?),
        (Some(name), None) => Some(calendar_near(&args.file, name, context)?),
    };
    Ok(Enactment {
        scheme: scheme.id,
        version: scheme.version,
        vocabulary_file,
        calendar_file,
        scheme_file,
        corrections,
        applies_to_open: args.applies_to_open,
    })
}

/// What the ledger would refuse the file for, all of it and before anybody has signed.
fn check_settled(
    args: &EnactArgs,
    text: &str,
    scheme: &Scheme,
    vocabulary: &[u8],
    corrections: &[SourceCorrection],
    context: &Context,
) -> anyhow::Result<()> {
    let vocabulary = Vocabulary::parse(&String::from_utf8_lossy(vocabulary))
        .map_err(|error| anyhow!("{}, line {}: {}", scheme.vocabulary, error.line, error.message))?;
    let found = lint(text, scheme, &vocabulary);
    let file = args.file.display();
    let errors = found.iter().filter(|d| d.level == Level::Error).count();
    if errors > 0 {
        bail!(context.pick(
            format!("{file} に {errors} 件の誤りがあります。daicho scheme check {file} で確かめてください"),
            format!("{file} has {errors} error(s); see daicho scheme check {file}"),
        ));
    }
    let source: BTreeSet<String> =
        found.iter().filter(|d| d.level == Level::SourceError).map(Diagnostic::name).collect();
    let settled: BTreeSet<&str> = corrections.iter().map(|c| c.diagnostic.as_str()).collect();
    if let Some(nothing) = settled.iter().find(|name| !source.contains(**name)) {
        bail!(context.pick(
            format!("--settle {nothing}: そのような書面の誤りはありません"),
            format!("--settle {nothing}: there is no such error of the source"),
        ));
    }
    let open: Vec<String> = source.iter().filter(|name| !settled.contains(name.as_str())).cloned().collect();
    if !open.is_empty() {
        let list: String = open
            .iter()
            .map(|name| format!("\n  --settle '{name}={}'", context.pick("根拠", "GROUND")))
            .collect();
        let count = open.len();
        bail!(context.pick(
            format!(
                "書面の誤り {count} 件の扱いが決まっていません。それぞれ根拠を付けて指定してください:{list}"
            ),
            format!("{count} error(s) of the source are not settled; settle each with a ground:{list}"),
        ));
    }
    Ok(())
}

/// The vocabulary with this id, among the files beside the scheme.
fn vocabulary_beside(file: &Path, id: &str, context: &Context) -> anyhow::Result<Vec<u8>> {
    let folder = folder_of(file);
    let is_it = |text: &str| Vocabulary::parse(text).is_ok_and(|vocabulary| vocabulary.id == id);
    if let Some(bytes) = find_in(folder, is_it, context)? {
        return Ok(bytes);
    }
    Err(anyhow!(context.pick(
        format!(
            "語彙「{id}」のファイルが {} にありません。--vocabulary で指定してください",
            folder.display()
        ),
        format!("no file in {} holds vocabulary `{id}`; give it with --vocabulary", folder.display()),
    )))
}

/// The calendar with this name, beside the scheme or in the folder `calendar` next to the scheme's.
fn calendar_near(file: &Path, name: &str, context: &Context) -> anyhow::Result<Vec<u8>> {
    let folder = folder_of(file);
    let is_it = |text: &str| Calendar::parse(text).is_ok_and(|calendar| calendar.name() == name);
    for folder in [folder.to_owned(), folder.join("../calendar")] {
        if folder.is_dir()
            && let Some(bytes) = find_in(&folder, is_it, context)?
        {
            return Ok(bytes);
        }
    }
    Err(anyhow!(context.pick(
        format!("暦「{name}」のファイルが見つかりません。--calendar で指定してください"),
        format!("no file holds calendar `{name}`; give it with --calendar"),
    )))
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The first TOML file of a folder that is what is wanted.
fn find_in(
    folder: &Path,
    is_it: impl Fn(&str) -> bool,
    context: &Context,
) -> anyhow::Result<Option<Vec<u8>>> {
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let bytes = context.read(&path)?;
            if is_it(&String::from_utf8_lossy(&bytes)) {
                return Ok(Some(bytes));
            }
        }
    }
    Ok(None)
}

fn correction(text: &str, context: &Context) -> anyhow::Result<SourceCorrection> {
    let parts =
        text.split_once('=').filter(|(diagnostic, ground)| diagnostic.contains('@') && !ground.is_empty());
    let (diagnostic, ground) = parts.ok_or_else(|| {
        anyhow!(context.pick(
            format!("--settle 「{text}」は「検査@表.識別子=根拠」の形ではありません"),
            format!("--settle `{text}` is not of the form check@table.id=ground"),
        ))
    })?;
    Ok(SourceCorrection { diagnostic: diagnostic.to_owned(), ground: ground.to_owned() })
}
