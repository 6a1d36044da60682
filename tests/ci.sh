#!/usr/bin/env bash
# Everything that must be green, on a machine that has only Rust and Debian.
#
#   tests/ci.sh [setup|lint|unit|sim|e2e|firmware|fuzz [Ns]|mutants|bench [SHOW...|far|publish]|bench_smoke|soak [Ns]|all]...
#
# Without a word it is `all`. Beside `bench`, numbers name the shows to be measured, all of them without, `far` downloads
# over wires with delay and loss, and `publish` puts the figures where the README shows them; beside `fuzz`, `60s` lets
# each target run for so long (10 s without), beside `soak` the load (600 s without). Each step says what it does and
# how long it took; the first that fails ends the run.
# What is missing is installed where that is allowed (root or sudo), and named where it is not; nothing is skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# By theme: the lab's clients, networks and programs of the tests, checkers and a linker.
PACKAGES=(
    netcat-openbsd netcat-traditional ncat socat mawk tmux
    dnsmasq-base iproute2 iputils-arping iputils-ping procps util-linux nftables nmap
    shellcheck gcc g++ libc6-dev
    python3 iperf strace valgrind tshark
    avahi-daemon avahi-utils dbus bind9-dnsutils
)
# The compiler for boards where rustup cannot bring core's source.
FIRMWARE_PACKAGES=(rustc-web cargo-web rust-web-src)
# What runs a board's image.
BOARD_PACKAGES=(qemu-system-arm)
BOARDS=(lm3s6965evb mps2-an385)
FIRMWARE_TARGET=thumbv7m-none-eabi
MACOS_TARGET=x86_64-apple-darwin
TOOLS=$PWD/target/tools
# Every test is built with one set of features, so that each crate is compiled once, whatever step comes first.
HOUSE=(--locked --workspace --features r2-tests/e2e --features r2-tests/firmware)
# Of the end-to-end tests (tests/e2e), those that wait for minutes and ask for nothing meanwhile, and run beside the
# others; and those that need the machine for themselves: they measure, open thousands of connections, or watch a terminal.
E2E_BESIDE=closed_windows
E2E_ALONE=(big jobs pcap pool terminal)

AS_ROOT=()
if [[ $EUID -ne 0 ]]; then
    AS_ROOT=(sudo -n -E)
fi

may_be_root() { "${AS_ROOT[@]}" true 2>/dev/null; }

die() {
    echo "ci: $*" >&2
    exit 1
}

missing() {
    local package
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

install() {
    local lacking
    mapfile -t lacking < <(missing "$@")
    [[ ${#lacking[@]} -gt 0 ]] || return 0
    may_be_root || die "these packages are missing and installing needs root: apt-get install ${lacking[*]}"
    echo "installing ${lacking[*]}"
    "${AS_ROOT[@]}" apt-get update -q
    "${AS_ROOT[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${lacking[@]}"
}

# Both netcats are called by their own names: which of them `nc` is differs between machines.
setup() {
    install "${PACKAGES[@]}"
    cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
    cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
    local program
    for program in nc.openbsd nc.traditional ncat socat mawk tmux ip dnsmasq arping ping shellcheck iperf strace valgrind \
        tshark python3 avahi-daemon avahi-browse dbus-daemon dig; do
        command -v "$program" >/dev/null || PATH=$PATH:/sbin:/usr/sbin command -v "$program" >/dev/null ||
            die "$program is not there although its package is"
    done
    cargo fetch --locked
}

cargo_deny() {
    if [[ ! -x $TOOLS/bin/cargo-deny ]]; then
        # Unoptimised: it runs for a second, its optimised build for many minutes.
        cargo install cargo-deny --version 0.20.2 --locked --debug --root "$TOOLS" --target-dir "$TOOLS/build"
        rm -rf "$TOOLS/build"
    fi
    "$TOOLS/bin/cargo-deny" --locked "$@"
}

lint() {
    cargo fmt --all --check
    cargo clippy "${HOUSE[@]}" --all-targets -- -D warnings
    local package feature
    for package in r2-core r2-node r2-services; do
        for feature in "" log defmt; do
            cargo clippy --locked --package "$package" --features "$feature" -- -D warnings
        done
    done
    RUSTDOCFLAGS="-D warnings" cargo doc "${HOUSE[@]}" --no-deps --document-private-items
    git grep -lzE '^#!(/usr)?/bin/(env )?(ba)?sh' | xargs -0 shellcheck
    local workspace
    for workspace in . firmware firmware/no-panic; do
        cargo_deny --manifest-path "$workspace/Cargo.toml" check bans licenses sources
    done
    packages
    macos
}

# Nothing but the TAP is Linux's own. Where rustup cannot bring the target, the boundary rests on `cfg` in hostapp/links.
macos() {
    if timeout 120 rustup target add "$MACOS_TARGET" 2>/dev/null; then
        cargo check --locked --target "$MACOS_TARGET" --package hostapp
    else
        echo "rustup cannot bring $MACOS_TARGET here: hostapp is not checked for it"
    fi
}

# The libraries as others would get them: packed, and built from what was packed. The node is built without anything that
# only R2 has: it names no service of core, and nothing that hashes is below it.
packages() {
    # Cargo unpacks and builds each version once: the node would be built with the core of an earlier run.
    rm -rf "${CARGO_HOME:-$HOME/.cargo}"/registry/src/-*/r2-{core,node}-* target/packages
    cargo package --locked --allow-dirty --target-dir target/packages \
        --package r2-core --package r2-node --package r2-services
    ! cargo tree --locked --package r2-node --edges normal | grep -E 'sha2|env_logger' || die "the node hashes or logs"
}

# The tests that manifests declare in one of these folders of tests/; with `elsewhere` first, in none of them.
test_targets() {
    cargo metadata --locked --no-deps --format-version 1 | python3 -c '
import json, os, sys
elsewhere = sys.argv[1] == "elsewhere"
folders = tuple(f"{os.getcwd()}/tests/{folder}/" for folder in sys.argv[1 + elsewhere:])
for package in json.load(sys.stdin)["packages"]:
    for target in package["targets"]:
        if "test" in target["kind"] and target["src_path"].startswith(folders) != elsewhere:
            print(target["name"])
' "$@"
}

# What asks for neither root nor a board. Conformance makes TAPs, and the simulator has a step of its own.
unit() {
    local targets
    mapfile -t targets < <(test_targets elsewhere e2e qemu firmware conformance sim)
    cargo test "${HOUSE[@]}" --lib --bins "${targets[@]/#/--test=}"
    cargo test "${HOUSE[@]}" --doc
}

# What no hand can try, ten thousand times; a failure names its seed, and the command that lives it again.
sim() { R2_SEEDS=10000 cargo test "${HOUSE[@]}" --test sim; }

# Namespaces and TAPs need root; the build does not: cargo starts only what it built through sudo.
run_as_root() {
    may_be_root || die "this step makes network namespaces and TAPs: run it as root or with sudo"
    if [[ $EUID -ne 0 ]]; then
        local host
        host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
        local -x "CARGO_TARGET_${host}_RUNNER=${AS_ROOT[*]}"
    fi
    "$@"
}

build_hostapp() { cargo build --locked --release --package hostapp; }

# One binary after the other; inside one, tests wait for timers more than for the processor. Boards have their own step.
e2e() {
    local beside targets together=() target
    build_hostapp
    cargo build "${HOUSE[@]}" --example visits
    mapfile -t targets < <(test_targets e2e conformance)
    for target in "${targets[@]}"; do
        [[ " $E2E_BESIDE ${E2E_ALONE[*]} " == *" $target "* ]] || together+=("--test=$target")
    done
    cargo test "${HOUSE[@]}" "${targets[@]/#/--test=}" --no-run
    run_as_root cargo test "${HOUSE[@]}" --test "$E2E_BESIDE" &
    beside=$!
    run_as_root cargo test "${HOUSE[@]}" "${together[@]}" -- --test-threads=8 --skip boards::
    wait "$beside"
    run_as_root cargo test "${HOUSE[@]}" "${E2E_ALONE[@]/#/--test=}" -- --test-threads=1
}

# defmt-print makes a board's log readable: the decoder that belongs to the boards' logger.
defmt_print() {
    if [[ ! -x $TOOLS/bin/defmt-print ]]; then
        cargo install defmt-print --version 1.2.0 --locked --debug --root "$TOOLS" --target-dir "$TOOLS/build"
        rm -rf "$TOOLS/build"
    fi
}

# core and node compile for a Cortex-M, where there is neither std nor an allocator; the boards' images are built.
firmware() {
    local package feature board
    timeout 120 rustup component add rust-src 2>/dev/null || install "${FIRMWARE_PACKAGES[@]}"
    install "${BOARD_PACKAGES[@]}"
    defmt_print
    echo "compiling with $(firmware/cargo target)"
    for package in r2-core r2-node; do
        for feature in "" log defmt $([[ $package == r2-core ]] && echo async || echo call dhcp ipv6 multicast recovery); do
            firmware/cargo build --locked --release --target "$FIRMWARE_TARGET" --target-dir target/thumbv7m \
                --package "$package" --features "$feature"
        done
    done
    (cd firmware && cargo fmt --all --check)
    # The small board as hardware, with its log over RTT: built, not run. The image that is run takes its place.
    (cd firmware && ./cargo build --locked --release --package lm3s6965evb --no-default-features --features rtt,services)
    # Each by itself: together, every board would have the features of all.
    for board in "${BOARDS[@]}"; do
        (cd firmware && ./cargo clippy --locked --package "$board" -- -D warnings)
        (cd firmware && ./cargo clippy --locked --package "$board" --features count -- -D warnings)
        (cd firmware && ./cargo build --locked --release --package "$board")
    done
    (cd firmware && ./cargo clippy --locked --package template -- -D warnings)
    (cd firmware && ./cargo build --locked --release --package template)
    # Of the conversations on a board, only which of them it is at: what core says of each would be thousands of lines.
    (
        export DEFMT_LOG=warn,mps2_an385_on_target=info
        cd firmware
        ./cargo clippy --locked --package on-target -- -D warnings
        ./cargo build --locked --release --package on-target
    )
    # The board for the hand, and the emulator of ours that it runs in.
    (cd firmware/w5500-evb-pico && ../cargo clippy --locked --release --package w5500-evb-pico -- -D warnings)
    (cd firmware/w5500-evb-pico && ../cargo build --locked --release --package w5500-evb-pico)
    cargo build "${HOUSE[@]}" --bin r2-pico
    run_as_root cargo test "${HOUSE[@]}" --test boards --test board_flash --test board_noise -- --test-threads=2
    run_as_root cargo test "${HOUSE[@]}" --test conformance -- --test-threads=2 boards::
    local no_panic=(--manifest-path firmware/no-panic/Cargo.toml)
    cargo fmt "${no_panic[@]}" --check
    firmware/cargo clippy --locked "${no_panic[@]}" --target "$FIRMWARE_TARGET" --features node -- -D warnings
    cargo test "${HOUSE[@]}" --test board_counts --test board_hardware --test no_panic
}

# What the fuzzer is given, each target by itself. libFuzzer, since it runs on stable Rust: the counters that it looks at
# are compiler options (tests/fuzz/.cargo), and the fuzzer is a crate. What it found stays in target/fuzz.
fuzz() (
    found=$PWD/target/fuzz seconds=${LASTING:-10}
    cd tests/fuzz
    cargo fmt --check
    cargo clippy --locked --release -- -D warnings
    cargo build --locked --release
    for target in seeds/*; do
        target=${target#*/}
        mkdir -p "$found/corpus/$target" "$found/artifacts"
        echo "fuzzing $target for $seconds s"
        cargo run --locked --release --quiet --bin "$target" -- -max_total_time="$seconds" -max_len=2048 \
            -rss_limit_mb=1024 -timeout=20 -verbosity=0 -print_final_stats=1 -artifact_prefix="$found/artifacts/" \
            "$found/corpus/$target" "seeds/$target"
    done
)

# Changes core, and the node's gate and slots, in every way that cargo-mutants knows, one at a time, and counts the changes
# that the package's own tests notice; one that hangs them is noticed. Only what the unit tests let through is shown to the
# slower tests beside them. It takes hours, so it is no part of `all`.
mutants() {
    if [[ ! -x $TOOLS/bin/cargo-mutants ]]; then
        cargo install cargo-mutants --version 27.1.0 --locked --debug --root "$TOOLS" --target-dir "$TOOLS/build"
        rm -rf "$TOOLS/build"
    fi
    # The same cases in every run, and no time spent on finding the smallest that fails.
    local -x PROPTEST_RNG_SEED=1 PROPTEST_CASES=64 PROPTEST_MAX_SHRINK_ITERS=0
    mutants_of r2-core
    mutants_of r2-node --file 'node/src/gate/**' --file 'node/src/slot/**'
}

# The mutants of a package, as cargo-mutants chooses them by the words behind its name. Fails below nine in ten.
mutants_of() {
    local package=$1 found=$PWD/target/mutants/$1/mutants.out caught=0 missed=0
    rm -rf "$found"
    mkdir -p "${found%/*}"
    show_mutants --lib "$@"
    show_mutants '--test=*' "$@"
    missed=$(wc -l <"$found/missed.txt")
    echo "$caught of $((caught + missed)) mutants of $package are caught"
    ((caught * 10 >= (caught + missed) * 9)) || die "that is less than 9 in 10: $found/missed.txt names the others"
}

# The mutants that were not caught yet, to some of the package's tests. cargo-mutants ends with 2 or 3 where some are left.
show_mutants() {
    local status=0
    "$TOOLS/bin/cargo-mutants" mutants --package "$2" --iterate --jobs 2 --output "${found%/*}" --cargo-arg="$1" "${@:3}" ||
        status=$?
    [[ $status -eq 0 || $status -eq 2 || $status -eq 3 ]] || die "cargo-mutants failed"
    caught=$((caught + $(cat "$found"/{caught,timeout}.txt | wc -l)))
    cat "$found/timeout.txt" >>"$found/caught.txt"
}

# Everything at once for ten minutes, over a wire that loses 1 %; `e2e` does the same for ten seconds. Prints what was done.
soak() {
    build_hostapp
    R2_SOAK_SECONDS=${LASTING:-600} run_as_root \
        cargo test "${HOUSE[@]}" --test soak -- --nocapture
}

# smoltcp's own benchmark, from the source that cargo has unpacked: what R2's throughput is compared with.
build_peers() {
    local manifest
    manifest=$(cargo metadata --locked --format-version 1 |
        grep -o '"manifest_path":"[^"]*/smoltcp-[0-9.]*/Cargo.toml"' | head -n 1 | cut -d '"' -f 4)
    [[ -n $manifest ]] || die "smoltcp's source is not unpacked"
    cargo build --release --example benchmark --manifest-path "$manifest" --target-dir target/peers
}

# Prints a table of ratios, and fails where one is out of its bound.
bench() { measure "${SHOWS[@]}"; }

# The same code with small sizes, for `all`: that it runs, not how fast.
bench_smoke() { measure smoke; }

measure() {
    build_hostapp
    build_peers
    run_as_root cargo bench --locked --package r2-tests --features e2e --bench shows -- "$@"
}

SUMMARY=()
CURRENT=
finish() {
    local status=$?
    [[ -z $CURRENT ]] || SUMMARY+=("$(printf '%-10s FAILED after %d s' "$CURRENT" $((SECONDS - STARTED)))")
    printf '\n== summary\n'
    printf '%s\n' "${SUMMARY[@]}"
    exit "$status"
}

step() {
    CURRENT=$1 STARTED=$SECONDS
    printf '\n== %s\n' "$1"
    "$1"
    SUMMARY+=("$(printf '%-10s ok, %d s' "$1" $((SECONDS - STARTED)))")
    CURRENT=
    echo "== ${SUMMARY[-1]}"
}

STEPS=() SHOWS=() LASTING=
for word in "$@"; do
    case $word in
    setup | lint | unit | sim | e2e | firmware | fuzz | mutants | bench | bench_smoke | soak | all) STEPS+=("$word") ;;
    *[0-9]s) LASTING=${word%s} ;;
    [1-8] | far | publish) SHOWS+=("$word") ;;
    *) die "no step \`$word\`: setup, lint, unit, sim, e2e, firmware, fuzz, mutants, bench, bench_smoke, soak or all" ;;
    esac
done

[[ ${#STEPS[@]} -gt 0 ]] || STEPS=(all)

trap finish EXIT
for word in "${STEPS[@]}"; do
    case $word in
    all) for each in setup lint unit sim fuzz firmware e2e bench_smoke; do step "$each"; done ;;
    *) step "$word" ;;
    esac
done
