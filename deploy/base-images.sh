#!/usr/bin/env bash
# Provides the base images that docker-compose.yml and deploy/Dockerfile name, on a machine that
# cannot pull them. An image that exists is left alone, one that can be pulled is pulled; only then
# a stand-in of the same name is made: Debian by debootstrap, and from it Redis with Debian's
# package, and Rust with this machine's toolchain and its downloaded crates (so that the build
# needs no network).
#
#     sudo deploy/base-images.sh
set -euo pipefail

readonly debian=debian:bookworm-slim redis=redis:7-bookworm rust=rust:1.95-slim-bookworm
cd "$(dirname "$0")/.."
work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT

say() { printf '==> %s (%s s)\n' "$*" "$SECONDS"; }

# An engine without a registry may take long to say so: after the first image that does not come
# no other is asked for.
pullable=yes
have() {
  if docker image inspect "$1" >/dev/null 2>&1; then say "$1: present"; return; fi
  if [ "$pullable" = yes ] && timeout 120 docker pull --quiet "$1" >/dev/null 2>&1; then
    say "$1: pulled"
    return
  fi
  pullable=no
  return 1
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

# Runs a command that talks a lot: heard only if it fails.
quietly() {
  "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
}

# Whether a stand-in can be made at all.
root() {
  [ "$(id -u)" = 0 ] && return
  printf '%s cannot be pulled, and only root can make a stand-in: sudo %s\n' "$1" "$0" >&2
  exit 1
}

# A root file system from this machine's own mirror, at $1.
bootstrap() {
  need debootstrap
  local mirror
  mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d \
    2>/dev/null | head -n 1 | tr -d ' ' || true)
  quietly debootstrap --variant=minbase --include=ca-certificates bookworm "$1" ${mirror:+"$mirror"}
  printf '%s\n' 'path-exclude=/usr/share/doc/*' 'path-exclude=/usr/share/man/*' \
    'path-exclude=/usr/share/locale/*' >"$1/etc/dpkg/dpkg.cfg.d/slim"
  slim "$1"
}

slim() {
  rm -rf "$1"/var/cache/apt/*.bin "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/* \
    "$1"/usr/share/{doc,man,locale}/*
}

# The root file system of the Debian image, at $1, with further packages.
derive() {
  local root=$1 container
  shift
  container=$(docker create "$debian" true)
  mkdir "$root"
  docker export "$container" | tar -C "$root" --numeric-owner -x
  docker rm "$container" >/dev/null
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  # Nothing is started while packages are set up.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  quietly chroot "$root" apt-get update
  quietly env DEBIAN_FRONTEND=noninteractive \
    chroot "$root" apt-get install --yes --no-install-recommends "$@"
  rm "$root/usr/sbin/policy-rc.d"
  slim "$root"
}

import() {
  local image=$1 from=$2
  shift 2
  tar --numeric-owner -C "$from" -c . | docker import "$@" - "$image" >/dev/null
  rm -rf "$from"
  say "$image: made here"
}

if ! have "$debian"; then
  root "$debian"
  bootstrap "$work/debian"
  import "$debian" "$work/debian"
fi

if ! have "$redis"; then
  root "$redis"
  derive "$work/redis" redis-server
  import "$redis" "$work/redis" --change 'WORKDIR /data' --change 'CMD ["redis-server"]'
fi

# A stand-in holds the crates of one Cargo.lock: with another it is made anew.
holds=$( (rustc --version; cat Cargo.lock) 2>/dev/null | sha256sum | cut -d ' ' -f 1)
readonly holds
held=$(docker image inspect -f '{{index .Config.Labels "weir.holds"}}' "$rust" 2>/dev/null || true)
if [ -n "$held" ] && [ "$held" != "$holds" ]; then
  say "$rust: was made for another Cargo.lock"
elif have "$rust"; then
  exit
fi
root "$rust"
need cargo
quietly cargo fetch --locked
derive "$work/rust" gcc libc6-dev
cp -a "$(rustc --print sysroot)"/{bin,lib} "$work/rust/usr/local/"
mkdir -p "$work/rust/usr/local/cargo/registry"
cp -a "${CARGO_HOME:-$HOME/.cargo}"/registry/{cache,index} "$work/rust/usr/local/cargo/registry/"
import "$rust" "$work/rust" --change 'ENV CARGO_HOME=/usr/local/cargo' \
  --change 'ENV CARGO_NET_OFFLINE=true' --change "LABEL weir.holds=$holds"
