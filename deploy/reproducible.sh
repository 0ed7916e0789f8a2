#!/usr/bin/env bash
# Builds the three programs so that whoever builds the same commit with the same compilers gets the same bytes, and prints
# their SHA-256. docs/operations/releases.md says what "the same compilers" means, and how to compare.
#
#   deploy/reproducible.sh [FOLDER]      FOLDER (target/reproducible) holds the build; FOLDER/bin the programs
#
# Paths get into programs: those of the source, of the crates, of generated code. So the build sees the same ones
# everywhere: /mnt/src, /mnt/crates and /mnt/target, in a mount namespace of its own (no rights are needed for it), with
# crates from a folder, without the network and with an environment that is written here.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd -P)
folder=$(realpath -m "${1:-$root/target/reproducible}")
mkdir -p "$folder"/{crates,target,home,bin}
[ -z "$(git -C "$root" status --porcelain)" ] || echo "reproducible: there are changes that no commit holds" >&2

# What compiles: the toolchain itself, so that nothing of a toolchain manager is asked for inside.
toolchain=$(cd "$root" && rustc --print sysroot)
cd "$root"
cargo vendor --locked --versioned-dirs "$folder/crates" >/dev/null
cat >"$folder/home/config.toml" <<'CONFIG'
[source.crates-io]
replace-with = "folder"
[source.folder]
directory = "/mnt/crates"
CONFIG

inside='
set -euo pipefail
mount -t tmpfs tmpfs /mnt
mkdir /mnt/src /mnt/crates /mnt/target /mnt/home
mount --bind "$ROOT" /mnt/src
mount --bind "$FOLDER/crates" /mnt/crates
mount --bind "$FOLDER/target" /mnt/target
mount --bind "$FOLDER/home" /mnt/home
cd /mnt/src
# The packages of the whole project together, so that they have the features that the tests ran with.
cargo build --release --workspace --locked --offline --bin daichod --bin daicho --bin daicho-witness
'
env -i PATH="$toolchain/bin:/usr/local/bin:/usr/bin:/bin" LANG=C.UTF-8 TZ=UTC HOME=/mnt/home CARGO_HOME=/mnt/home \
    CARGO_TARGET_DIR=/mnt/target CARGO_INCREMENTAL=0 ROOT="$root" FOLDER="$folder" \
    SOURCE_DATE_EPOCH="$(git -C "$root" log -1 --format=%ct)" \
    unshare --user --map-root-user --mount bash -c "$inside"

cp "$folder"/target/release/{daichod,daicho,daicho-witness} "$folder/bin/"
{
    git -C "$root" rev-parse HEAD | sed 's/^/commit  /'
    "$toolchain/bin/rustc" --version | sed 's/^/rustc   /'
    c++ --version | head -1 | sed 's/^/c++     /'
    ld --version | head -1 | sed 's/^/ld      /'
    (compgen -G '/usr/lib/llvm-*/lib/libclang-[0-9]*.so*' || echo unknown) | xargs -n 1 readlink -m | sort -u | sed 's/^/clang   /'
    (cd "$folder/bin" && sha256sum daichod daicho daicho-witness)
} | tee "$folder/bin/build.txt"
