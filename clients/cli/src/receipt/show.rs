//! `daicho receipt show`: what is in a receipt, believed by nobody yet.

use std::io::Write;
use std::path::Path;

use anyhow::anyhow;
use daicho_core::Origin;
use daicho_verify::Receipt;
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::schema;
use crate::table::plain;
use crate::verify::described;

pub(super) fn run(file: &Path, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let receipt = Receipt::parse(&context.read(file)?).map_err(|error| {
        let file = file.display();
        anyhow!(context.pick(
            format!("{file} は受領証として読めません（{error}）"),
            format!("{file} is no receipt: {error}"),
        ))
    })?;
    // What needs nobody's word: the hashes lead from these bytes to this root.
    let holds = receipt.check();
    if context.json() {
        writeln!(out, "{}", to_json(&receipt, holds.is_ok()))?;
    } else {
        write_words(&receipt, context, out)?;
        match &holds {
            Ok(()) => writeln!(
                out,
                "\n{}",
                context.pick(
                    "この記録から検査点の根まで、ハッシュ値はつながっています。誰が署名したかは検証していません:\n  \
                     daicho receipt verify で、信頼方針に照らして検証してください",
                    "The hashes lead from this entry to the root of the checkpoint. No signature was verified:\n  \
                     `daicho receipt verify` does that, under a policy",
                )
            )?,
            Err(error) => writeln!(
                out,
                "\n{}",
                plain(&context.pick(
                    format!("この受領証は成り立ちません（{error}）"),
                    format!("This receipt does NOT hold: {error}"),
                ))
            )?,
        }
    }
    Ok(if holds.is_ok() { Exit::Ok } else { Exit::Wrong })
}

fn write_words(receipt: &Receipt, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut lines = described(receipt, context);
    let signatures = receipt.checkpoint().signatures();
    for signature in signatures {
        let (name, id) = (signature.name(), signature.key_id());
        lines.push(context.pick(
            format!("検査点の署名: {name}、鍵 {id}"),
            format!("signature on the checkpoint: {name}, key {id}"),
        ));
    }
    let hashes = receipt.proof().hashes().len();
    lines.push(
        context
            .pick(format!("包含証明: ハッシュ値 {hashes} 個"), format!("inclusion proof: {hashes} hashes")),
    );
    Ok(lines.iter().try_for_each(|line| writeln!(out, "{}", plain(line)))?)
}

fn to_json(receipt: &Receipt, holds: bool) -> serde_json::Value {
    let entry = receipt.entry();
    let tree = receipt.checkpoint().checkpoint();
    let statement = receipt.statement();
    let signers: Vec<String> = statement.signers().iter().map(ToString::to_string).collect();
    let events: Vec<_> =
        statement.body().events.iter().map(|event| schema::to_json("Event", event, false)).collect();
    let signatures: Vec<_> = receipt
        .checkpoint()
        .signatures()
        .iter()
        .map(|one| json!({ "name": one.name().to_string(), "key_id": one.key_id().to_string() }))
        .collect();
    json!({
        "kind": "receipt", "holds": holds, "origin": tree.origin(),
        "simulated": tree.origin().ends_with(Origin::SIMULATED_SUFFIX),
        "entry": entry.index.get(), "recorded": entry.recorded.to_string(),
        "chain_hash": daicho_core::ChainHash::of_entry(receipt.entry_bytes()).to_string(),
        "leaf_hash": receipt.leaf().to_string(), "signers": signers, "events": events,
        "hashes": receipt.proof().hashes().len(), "size": tree.size(), "root": tree.root().to_string(),
        "checkpoint_signatures": signatures,
    })
}
