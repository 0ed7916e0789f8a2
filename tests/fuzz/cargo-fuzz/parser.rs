//! Fuzzes the target that `DAICHO_FUZZ_TARGET` names. One program for all, so that a new target is one line elsewhere.

#![no_main]

use std::sync::LazyLock;

use daicho_fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("DAICHO_FUZZ_TARGET").expect("DAICHO_FUZZ_TARGET names a target");
    Target::named(&name).unwrap_or_else(|| panic!("{name} is no target"))
});

fuzz_target!(|input: &[u8]| {
    (TARGET.run)(input);
});
