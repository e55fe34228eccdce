# The real servers that the tests talk to. A server NAME is a file NAME.sh beside this one with NAME_ensure (installed, or
# says what to do), NAME_given (the address of one to share is set), NAME_start (starts one, adds "pid:signal" to `started`,
# exports the address); and its name in this list.
servers='postgres'

started=()

# Also with an address given: tests that kill a server start their own.
ensure_servers() {
  local server
  for server in $servers; do "${server}_ensure"; done
}

start_servers() {
  local server
  for server in $servers; do
    "${server}_given" || "${server}_start"
  done
}

stop_servers() {
  local entry
  for entry in "${started[@]}"; do
    stop "${entry%%:*}" "${entry##*:}"
  done
  started=()
}

debian_root() { [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null; }

# dpkg is asked every time: the cache may outlive the packages.
install_debian() {
  local package missing=()
  for package; do
    dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  mkdir -p "$deps/log"
  say "tests/run: installing ${missing[*]}"
  if ! { apt-get -qq -o DPkg::Lock::Timeout=300 update && DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}"; } >"$deps/log/debian" 2>&1 9>&-; then
    tail -n 5 "$deps/log/debian" >&2
    fail "${missing[*]} cannot be installed"
  fi
}

# For servers that refuse root: an account that owns nothing and cannot log in. The harness uses the same.
ensure_user() {
  id ixn-tests >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin ixn-tests
}
