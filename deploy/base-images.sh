#!/usr/bin/env bash
# Provides the base images that docker-compose.yml and deploy/Dockerfile name, on a machine that
# cannot pull them. An image that exists is left alone, one that can be pulled is pulled; only then
# a stand-in of the same name is made: Debian by debootstrap, with Redis from its packages, and with
# this machine's Rust toolchain and its downloaded crates (so that the build needs no network).
#
#     sudo deploy/base-images.sh
set -euo pipefail

readonly debian=debian:bookworm-slim redis=redis:7-bookworm rust=rust:1.95-slim-bookworm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '==> %s\n' "$*"; }

have() {
  docker image inspect "$1" >/dev/null 2>&1 || timeout 60 docker pull --quiet "$1" 2>/dev/null
}

need() {
  for tool in "$@"; do
    command -v "$tool" >/dev/null && continue
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get update -qq && apt-get install -y -qq "$tool" >/dev/null
    else
      printf '%s is missing: apt-get install %s\n' "$tool" "$tool" >&2
      exit 1
    fi
  done
}

# A root file system with the packages in $2 (comma-separated), at $1.
root() {
  need debootstrap
  local mirror
  mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d \
    2>/dev/null | head -n 1 | tr -d ' ' || true)
  debootstrap --variant=minbase ${2:+--include="$2"} bookworm "$1" ${mirror:+"$mirror"} \
    >"$work/debootstrap.log" 2>&1 || { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
  rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/* "$1"/usr/share/{doc,man,locale}
}

import() {
  local image=$1 from=$2
  shift 2
  tar --numeric-owner -C "$from" -c . | docker import "$@" - "$image" >/dev/null
  say "$image: made here"
}

if have "$debian"; then say "$debian: present"; else
  root "$work/debian" ca-certificates
  import "$debian" "$work/debian"
fi

if have "$redis"; then say "$redis: present"; else
  root "$work/redis" redis-server
  import "$redis" "$work/redis" --change 'WORKDIR /data' --change 'CMD ["redis-server"]'
  rm -rf "$work/redis"
fi

if have "$rust"; then say "$rust: present"; else
  need cargo
  cargo fetch --locked --manifest-path "$(dirname "$0")/../Cargo.toml"
  root "$work/rust" gcc,libc6-dev,ca-certificates
  cp -a "$(rustc --print sysroot)"/{bin,lib} "$work/rust/usr/local/"
  mkdir -p "$work/rust/usr/local/cargo"
  cp -a "${CARGO_HOME:-$HOME/.cargo}/registry" "$work/rust/usr/local/cargo/"
  rm -rf "$work/rust/usr/local/cargo/registry/src" "$work/rust"/usr/local/lib/rustlib/*/share/doc
  import "$rust" "$work/rust" --change 'ENV CARGO_HOME=/usr/local/cargo' \
    --change 'ENV CARGO_NET_OFFLINE=true'
  rm -rf "$work/rust"
fi
