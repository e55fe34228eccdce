# PostgreSQL. Sourced by tests/run; needs `run`, `deps`. Every server has these four functions and a file like this.

postgres_given() { [ -n "${IXN_TEST_POSTGRES_URL:-}" ]; }

# The folder with the server's programs, or nothing.
postgres_programs() {
  local found
  found=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1) || :
  [ -n "$found" ] || found=$(command -v initdb) || return 0
  dirname "$found"
}

# Installs it if need be and may be; otherwise says what to do.
postgres_ensure() {
  [ -z "$(postgres_programs)" ] || return 0
  debian_root || fail "the tests need the programs of a PostgreSQL server, initdb and postgres, of version 14 or later: some kill and set up servers of their own, also with IXN_TEST_POSTGRES_URL set. Install the package (Debian: postgresql, Fedora: postgresql-server, Homebrew: postgresql), or run as root on Debian, which installs it"
  # The package would make a server of the machine's own, and start it.
  local without=/etc/postgresql-common/createcluster.d/ixn-tests.conf
  mkdir -p "${without%/*}"
  echo 'create_main_cluster = false' >"$without"
  install_debian postgresql
  rm "$without"
}

# Starts an empty server on a free port of loopback and exports its address. Not with pg_ctl: that hands the server to
# another parent, and this one could not tell when it is gone.
postgres_start() {
  local programs port data=$run/postgres/data attempt dropped=()
  programs=$(postgres_programs)
  mkdir "$run/postgres"
  if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses root.
    ensure_user
    chown ixn-tests: "$run/postgres"
    dropped=(--reuid ixn-tests --regid ixn-tests --clear-groups)
  fi
  (cd / && setpriv "${dropped[@]}" -- "$programs/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N) \
    >"$run/postgres.log" 2>&1 || { cat "$run/postgres.log" >&2; fail "initdb failed"; }
  for attempt in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 12000))
    # Dies with this shell even when that is killed. setpriv execs: $! is the server itself.
    setpriv --pdeathsig KILL "${dropped[@]}" -- "$programs/postgres" -D "$data" -c "port=$port" -c listen_addresses=127.0.0.1 \
      -c unix_socket_directories= -c max_connections=200 >>"$run/postgres.log" 2>&1 </dev/null 9>&- &
    started+=("$!:INT")
    until_ok 30 postgres_settled "$!" "$programs" "$port" || break
    if kill -0 "$!" 2>/dev/null; then
      export IXN_TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$port/postgres"
      return 0
    fi
  done
  cat "$run/postgres.log" >&2
  fail "PostgreSQL does not start"
}

# It answers, or it has ended: the port was taken.
postgres_settled() { ! kill -0 "$1" || "$2/pg_isready" -q -h 127.0.0.1 -p "$3"; }
