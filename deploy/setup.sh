#!/usr/bin/env bash
# Installs what the build and the reports need on Debian, when it is missing, and the packages given. Changes nothing else.
set -euo pipefail

missing=("$@")
command -v c++ >/dev/null || missing+=(g++)
# RocksDB's bindings are made with libclang.
if ! ldconfig -p | grep -q 'libclang[-.0-9]*\.so' && ! compgen -G '/usr/lib/llvm-*/lib/libclang[-.][0-9s]*' >/dev/null; then
    missing+=(libclang-dev)
fi
# Reports are Japanese: a machine that shows them needs one Japanese font.
if ! compgen -G '/usr/share/fonts/*/*/*CJK*' >/dev/null && ! { command -v fc-list >/dev/null && [ -n "$(fc-list :lang=ja 2>/dev/null)" ]; }; then
    missing+=(fonts-noto-cjk)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "setup: please install: ${missing[*]}" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "setup: as root, run: apt-get install ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
