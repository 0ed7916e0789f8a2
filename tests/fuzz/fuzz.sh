#!/usr/bin/env bash
# Fuzzes each parser for some seconds, one after the other: fuzz.sh [TARGET]...
# What is learnt and what breaks stays in the target folder. `make fuzz` runs this.
# FUZZ_SANITIZER=address watches the memory of what is below our crates, too, at about half the speed.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${FUZZ_SECONDS:-60}
sanitizer=${FUZZ_SANITIZER:-none}
out=$CARGO_TARGET_DIR/fuzz

if ! command -v cargo-fuzz >/dev/null; then
    echo "fuzz: please install it: cargo install cargo-fuzz --locked" >&2
    exit 1
fi
# The versions that are shipped.
cp ../../Cargo.lock cargo-fuzz/
# Sanitizers are behind a switch that the stable compiler has, too, when it is asked for.
[ "$sanitizer" = none ] || export RUSTC_BOOTSTRAP=1
cargo fuzz build --fuzz-dir cargo-fuzz --sanitizer "$sanitizer" --target-dir "$out/$sanitizer" parser
parser=$out/$sanitizer/$(rustc -vV | sed -n 's/^host: //p')/release/parser
rm -rf "$out/seeds"
"$CARGO_TARGET_DIR/release/daicho-fuzz" "$out/seeds"

[ $# -gt 0 ] || set -- $(ls "$out/seeds")
broken=()
for target; do
    mkdir -p "$out/learnt/$target" "$out/broken"
    folders=("$out/learnt/$target" "$out/seeds/$target")
    [ ! -d "corpus/$target" ] || folders+=("corpus/$target")
    echo "fuzz: $target for $seconds s"
    DAICHO_FUZZ_TARGET=$target "$parser" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 \
        -verbosity=0 -print_final_stats=1 -artifact_prefix="$out/broken/$target-" "${folders[@]}" ||
        broken+=("$target")
done
if [ ${#broken[@]} -gt 0 ]; then
    echo "fuzz: broken: ${broken[*]}; the inputs are in $out/broken" >&2
    exit 1
fi
