//! What `make fuzz` does for as long as one likes, in a few seconds and the same in every run.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::PathBuf;

use daicho_fuzz::mutate::Mutator;
use daicho_fuzz::{TARGETS, Target, corpus};

/// Changed inputs for each target.
const MUTATIONS: usize = if cfg!(debug_assertions) { 200 } else { 4_000 };

/// Runs a target. An input that breaks it is put aside.
fn run(target: &Target, what: &str, input: &[u8]) -> bool {
    catch_unwind(|| (target.run)(input)).unwrap_or_else(|_| {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-crash", target.name));
        std::fs::write(&file, input).expect("the input is put aside");
        panic!("{}: {what} breaks it; the input is in {}", target.name, file.display());
    })
}

#[test]
fn every_folder_of_the_corpus_is_of_a_target() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names.len(), TARGETS.len(), "two targets of one name");
    for folder in corpus().read_dir().expect("the corpus is part of the project") {
        let name = folder.expect("a folder").file_name();
        assert!(name.to_str().is_some_and(|name| names.contains(name)), "{name:?} is no target");
    }
}

#[test]
fn every_target_accepts_its_seeds_and_holds_on_its_corpus() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{}: what is never accepted is never looked at", target.name);
        for (n, seed) in seeds.iter().enumerate() {
            assert!(run(target, &format!("seed {n}"), seed), "{}: seed {n} is refused", target.name);
        }
        for (name, input) in target.files().expect("the corpus is part of the project") {
            run(target, &name, &input);
        }
    }
}

#[test]
fn every_target_holds_on_changed_inputs() {
    for target in TARGETS {
        let files = target.files().expect("the corpus is part of the project");
        let inputs: Vec<Vec<u8>> =
            (target.seeds)().into_iter().chain(files.into_iter().map(|(_, bytes)| bytes)).collect();
        let mut mutator = Mutator::new(1);
        let mut accepted = 0;
        for n in 0..MUTATIONS {
            let other = &inputs[mutator.below(inputs.len())];
            let changed = mutator.mutate(&inputs[n % inputs.len()], other);
            accepted += usize::from(run(target, &format!("mutation {n}"), &changed));
        }
        println!("{}: {accepted} of {MUTATIONS} were accepted", target.name);
    }
}
