# What is run often. `just` lists it; `./test` is the whole of it and what decides.

# list the recipes
default:
    @just --list

# everything that must hold
test:
    ./test

# form and lints alone
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# the main job on one machine, with nothing installed
demo *args:
    cargo run --release -- demo {{args}}

# one module's tests, e.g. `just unit sip`
unit module:
    cargo nextest run --lib {{module}}

# the laws of the house
tidy:
    cargo test --test tidy

# licences and advisories of the dependencies (needs cargo-deny)
deny:
    cargo deny check

# how fast the hot paths are
bench *args:
    cargo bench {{args}}

# what a flood of strangers costs everybody else: SECONDS for each part
flood seconds="60":
    cargo bench --bench stranger_flood -- {{seconds}}

# what calls that fail at every stage leave behind: in virtual time, then over loopback
soak virtual="100000" real="4000":
    cargo bench --bench failing_calls -- {{virtual}} {{real}}

# what must hold under faults, in full: every write, every point of a kill, the whole hour
faults *args:
    STROWGER_FAULTS=full cargo test --lib lanes::tests::hour -- --nocapture
    STROWGER_FAULTS=full cargo test --test faults -- --nocapture --test-threads 1 {{args}}

# the distributor against its reference on so many days of 1,000 calls each
sim-full seeds="10000":
    STROWGER_SEEDS={{seeds}} cargo test --release --test sim -- --nocapture model::

# coverage-guided fuzzing of one target of tests/fuzz (needs a nightly compiler and cargo-fuzz)
fuzz target *args:
    cargo +nightly fuzz run --fuzz-dir tests/fuzz {{target}} {{args}}
