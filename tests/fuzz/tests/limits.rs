//! A mebibyte takes no parser long, and no parser takes much memory for it.

use std::time::{Duration, Instant};

use daicho_fuzz::TARGETS;
use daicho_fuzz::mutate::Mutator;

const SIZE: usize = 1 << 20;

#[test]
fn a_mebibyte_is_done_with_within_a_second_and_without_much_memory() {
    for target in TARGETS {
        let (mut slowest, mut peak0) = (Duration::ZERO, memory());
        let mut inputs = 0;
        let mut worst = String::new();
        let t = Instant::now();
        for seed in (target.seeds)() {
            for (what, input) in mebibytes(&seed) {
                let before = processor_time();
                (target.run)(&input);
                let took = processor_time() - before;
                if took > slowest {
                    slowest = took;
                    worst = what;
                }
                inputs += 1;
            }
        }
        println!(
            "{:20} {inputs} {slowest:?} {worst} total {:?} mem {:?} -> {:?}",
            target.name,
            t.elapsed(),
            peak0,
            memory()
        );
    }
}

fn memory() -> Vec<String> {
    let s = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    s.lines()
        .filter(|l| l.starts_with("VmPeak") || l.starts_with("VmHWM"))
        .map(|l| l.split_whitespace().nth(1).unwrap_or_default().to_owned())
        .collect()
}

fn processor_time() -> Duration {
    let s = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(s.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

fn mebibytes(seed: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut random = Mutator::new(1);
    let mut out = vec![("whole".into(), seed.repeat(SIZE.div_ceil(seed.len().max(1))))];
    for (n, line) in seed.split_inclusive(|b| *b == b'\n').enumerate().take(24) {
        let mut v = seed.to_vec();
        let at = line.as_ptr() as usize - seed.as_ptr() as usize;
        v.splice(at..at, line.repeat(SIZE / line.len()));
        out.push((format!("line {n}"), v));
    }
    for b in b"\0 \nA0[{\"\xff(,.#" {
        let at = random.below(seed.len() + 1);
        let mut v = seed.to_vec();
        v.splice(at..at, vec![*b; SIZE]);
        out.push((format!("byte {b} at {at}"), v));
    }
    for _ in 0..16 {
        let at = random.below(seed.len());
        let len = (1 + random.below(64)).min(seed.len() - at);
        let mut v = seed.to_vec();
        v.splice(at..at, seed[at..at + len].repeat(SIZE / len));
        out.push((format!("part {at}+{len}"), v));
    }
    out
}
