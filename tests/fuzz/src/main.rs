//! Writes the seeds of every target into a folder of its name, for fuzzers that read files: `daicho-fuzz FOLDER`.

use std::path::PathBuf;

use daicho_fuzz::TARGETS;

fn main() -> std::io::Result<()> {
    let out = std::env::args_os().nth(1).map(PathBuf::from);
    let out = out.ok_or_else(|| std::io::Error::other("daicho-fuzz FOLDER"))?;
    for target in TARGETS {
        let folder = out.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (n, seed) in (target.seeds)().into_iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{n}")), seed)?;
        }
    }
    Ok(())
}
