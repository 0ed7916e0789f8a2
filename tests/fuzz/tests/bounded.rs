//! What `make fuzz` does for as long as one likes, in a few seconds and the same in every run.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::time::Duration;

use daicho_fuzz::mutate::Mutator;
use daicho_fuzz::{TARGETS, Target, corpus, large};

/// Changed inputs for each target.
const MUTATIONS: usize = if cfg!(debug_assertions) { 200 } else { 3_000 };
/// Longest that a parser and the checks on what it parsed may compute for one input, built as it is shipped.
const LONGEST: Duration = Duration::from_secs(1);
/// Most memory that this program may ever have asked for, in KiB. A parser that believes a length goes far beyond.
const MOST_MEMORY: u64 = 1 << 20;

/// Runs a target. An input that breaks it is put aside.
fn run(target: &Target, what: &str, input: &[u8]) -> bool {
    let put_aside = |how: &str| -> ! {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", target.name));
        fs::write(&file, input).expect("the input is put aside");
        panic!("{}: {what} {how}; the input is in {}", target.name, file.display());
    };
    let before = processor_time();
    let accepted = catch_unwind(|| (target.run)(input)).unwrap_or_else(|_| put_aside("breaks it"));
    let took = processor_time() - before;
    if took > LONGEST && !cfg!(debug_assertions) {
        put_aside(&format!("takes {took:?}"));
    }
    accepted
}

/// For how long this thread has computed, whatever else the machine does. Zero where the system does not say.
fn processor_time() -> Duration {
    let times = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(times.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or_default())
}

fn check_memory(target: &Target) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")?.split_whitespace().next());
    let peak: u64 = peak.and_then(|kib| kib.parse().ok()).unwrap_or_default();
    assert!(peak < MOST_MEMORY, "{}: {peak} KiB were asked for", target.name);
}

fn files(target: &Target) -> Vec<(String, Vec<u8>)> {
    target.files().expect("the corpus is part of the project")
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
        for (name, input) in files(target) {
            let word = if run(target, &name, &input) { "accepted" } else { "refused" };
            println!("{}/{name}: {word}", target.name);
        }
    }
}

#[test]
fn every_target_holds_on_changed_inputs() {
    for target in TARGETS {
        let files = files(target).into_iter().map(|(_, input)| input);
        let inputs: Vec<Vec<u8>> = (target.seeds)().into_iter().chain(files).collect();
        let mut mutator = Mutator::new(1);
        for n in 0..MUTATIONS {
            let other = &inputs[mutator.below(inputs.len())];
            let changed = mutator.mutate(&inputs[n % inputs.len()], other);
            run(target, &format!("mutation {n}"), &changed);
        }
        check_memory(target);
    }
}

#[test]
fn a_mebibyte_of_repetition_takes_neither_long_nor_much_memory() {
    for target in TARGETS {
        for seed in (target.seeds)() {
            for (what, input) in large::repeated(target, &seed) {
                run(target, &what, &input);
            }
        }
        check_memory(target);
    }
}

#[test]
fn as_much_as_a_format_allows_takes_neither_long_nor_much_memory() {
    for target in TARGETS {
        for (what, input) in large::made(target) {
            run(target, what, &input);
        }
        check_memory(target);
    }
}
