# Running a part and stopping it. Sourced by tests/run; needs `run` (the run's own temporary folder).

job='' # The process group of the part that runs now.

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "tests/run: $*"
  exit 2
}

# until_ok SECONDS COMMAND…: repeats the command until it succeeds.
until_ok() {
  local attempts=$(($1 * 20))
  shift
  until "$@" >/dev/null 2>&1; do
    attempts=$((attempts - 1))
    [ "$attempts" -gt 0 ] || return 1
    sleep 0.05
  done
}

gone() { ! kill -0 -- "$1" 2>/dev/null; }

# stop PROCESS [SIGNAL [SECONDS]]: a pid, or a process group as a negative number. Killed if it does not end in time.
stop() {
  kill "-${2:-TERM}" -- "$1" 2>/dev/null || return 0
  until_ok "${3:-10}" gone "$1" || kill -KILL -- "$1" 2>/dev/null || :
}

# in_job FILE COMMAND…: runs the command with its output on the screen and in FILE. It has a process group of its own, so
# that an interruption ends it with all its children at once; `wait`, unlike a foreground command, lets the trap run.
in_job() {
  local output=$1 status=0
  shift
  set -m
  { set -o pipefail; "$@" 2>&1 </dev/null | tee "$output"; } 9>&- &
  job=$!
  set +m
  wait "$job" || status=$?
  job=''
  return "$status"
}
