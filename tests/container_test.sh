#!/usr/bin/env bash
# Builds the image and does in it what the Challenge's organisers do: train, classify, score (`make container-test`).
#
#   tests/container_test.sh
#
# With Docker or Podman where its engine answers, else with the program named by the variable CONTAINER_TOOL:
#   TOOL build CONTEXT                        builds CONTEXT/Dockerfile
#   TOOL run [-v HOST:GUEST[:ro]]... -- COMMAND...   runs COMMAND in that image
#
# All of it happens twice on 40 simulated recordings that are mounted read-only: as root, and as a user who may write to
# nothing but the model and output folders (not even /tmp). There is no network and 1 MB of /dev/shm. With a
# CONTAINER_TOOL these two need `unshare` and root; without, the test says that they were not tested. Takes about
# 3 minutes on two CPU cores, the packages being at hand. No GPU is used.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."

IMAGE=heartbeats-container-test
RECORDINGS=40
NOBODY=65534
# The folders of the image that anyone may write to; an engine's --read-only covers them.
PUBLIC="/tmp /var/tmp /run/lock"

fail() {
  echo "container-test: FAILED: $*" >&2
  exit 1
}

choose_engine() { # sets engine, or isolate and CONTAINER_TOOL
  for engine in docker podman; do
    if command -v "$engine" >/dev/null && "$engine" info >/dev/null 2>&1; then
      echo "container-test: with $engine"
      return
    fi
  done
  engine=
  [ -n "${CONTAINER_TOOL:-}" ] || fail "no Docker or Podman engine answers, and CONTAINER_TOOL names no other program"
  echo "container-test: with $CONTAINER_TOOL"
  isolate=(unshare --net --mount --propagation slave sh -c 'mount -t tmpfs -o size=1m,mode=1777 none /dev/shm && exec "$@"' sh)
  if ! "${isolate[@]}" true 2>/dev/null; then
    isolate=()
    echo "container-test: NOT TESTED, unshare not being allowed here: no network, 1 MB of /dev/shm"
  fi
}

build() {
  if [ -n "$engine" ]; then
    "$engine" build --tag "$IMAGE" .
    "$engine" image ls "$IMAGE"
  else
    "$CONTAINER_TOOL" build .
  fi
}

# run_as USER [-v HOST:GUEST[:ro]]... -- COMMAND...
run_as() {
  local user=$1 mounts=()
  shift
  while [ "$1" != -- ]; do
    mounts+=("$1")
    shift
  done
  shift
  if [ -n "$engine" ]; then
    local options=(--rm --network none --shm-size 1m --security-opt label=disable)
    [ "$user" = 0 ] || options+=(--user "$user:$user" --read-only)
    "$engine" run "${options[@]}" "${mounts[@]}" "$IMAGE" "$@"
  elif [ "$user" = 0 ]; then
    "${isolate[@]}" "$CONTAINER_TOOL" run "${mounts[@]}" -- "$@"
  else
    # shellcheck disable=SC2016 # the arguments are the inner shell's
    "${isolate[@]}" "$CONTAINER_TOOL" run "${mounts[@]}" -- sh -ec '
      user=$1; shift
      for folder in $1; do [ ! -d "$folder" ] || chmod go-w "$folder"; done; shift
      exec setpriv --reuid "$user" --regid "$user" --clear-groups "$@"' sh "$user" "$PUBLIC" "$@"
  fi
}

# What runs inside, with /data, /settings, /model and /out mounted. $1: the user; $2: yes if there must be no network.
# shellcheck disable=SC2016
INSIDE='
[ "$(id -u)" = "$1" ] || { echo "runs as user $(id -u), not $1"; exit 1; }
[ "$PWD" = /physionet ] || { echo "starts in $PWD, not /physionet"; exit 1; }
for folder in /data /settings $3; do
  if touch "$folder/written" 2>/dev/null; then echo "$folder can be written"; exit 1; fi
done
[ "$2" = no ] || python -c "
import socket, sys
sys.exit(0 if {name for _, name in socket.if_nameindex()} <= {\"lo\"} else \"there is a network\")"
python train_model.py /data /model --config /settings/quick.toml
python driver.py /model /data /out
python evaluate_model.py /data /out
[ "$1" != 0 ] || python evaluate_model.py /data /out scores.csv class_scores.csv'

fingerprint() { # of every file and folder below $1: names, modes, times, contents
  (cd "$1" && find . -printf '%p %m %T@\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum) | sha256sum
}

train_classify_score() { # $1: the user
  local user=$1 folder=$work/$1 places='' offline=yes
  mkdir -m 777 "$folder" "$folder/model" "$folder/out"
  [ "$user" = 0 ] || places="/physionet $PUBLIC"
  [ -n "$engine" ] || [ ${#isolate[@]} -gt 0 ] || offline=no
  echo "container-test: train, classify and score as user $user"
  run_as "$user" -v "$work/data:/data:ro" -v "$work/settings:/settings:ro" \
    -v "$folder/model:/model" -v "$folder/out:/out" -- sh -ec "$INSIDE" sh "$user" "$offline" "$places" |
    tee "$folder/printed" || fail "as user $user (see above)"
  grep -qx 'AUROC,AUPRC,Accuracy,F-measure,Fbeta-measure,Gbeta-measure,Challenge metric' "$folder/printed" ||
    fail "no scores were printed as user $user"
  diff <(cd "$work/data" && find . -name '*.hea' | sed 's/\.hea$/.csv/' | sort) <(cd "$folder/out" && find . -type f | sort) ||
    fail "as user $user, the output files (>) are not one a recording (<)"
  ! grep -rqi nan "$folder/out" || fail "as user $user, a recording was not classified"
}

clean_up() {
  # With an engine other users may own what is in there.
  rm -rf "$work" 2>/dev/null || run_as 0 -v "$work:/work" -- find /work -mindepth 1 -delete && rm -rf "$work"
}

choose_engine
build
work=$(mktemp -d)
trap clean_up EXIT
chmod 755 "$work"
mkdir -m 777 "$work/data"
mkdir "$work/settings"
printf '[network]\nwidth = 8\nblocks = [1, 1, 1, 1]\nreduction = 4\n[training]\nepochs = 2\n' >"$work/settings/quick.toml"
run_as 0 -v "$work/data:/data" -- python -m heartbeats.simulation /data --records "$RECORDINGS" --seed 1
before=$(fingerprint "$work/data")
train_classify_score 0
train_classify_score "$NOBODY"
[ "$(fingerprint "$work/data")" = "$before" ] || fail "the data folder was changed"
diff -r "$work/0/out" "$work/$NOBODY/out" >/dev/null || fail "the two users' outputs differ"
echo "container-test: passed: $RECORDINGS recordings trained, classified and scored, as root and as user $NOBODY"
