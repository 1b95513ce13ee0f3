#!/bin/sh
# What cargo calls for the members of the workspace when they are built for fuzzing: with counters at each branch, and
# optimised. The dependencies stay as the tests have built them. Stable Rust takes these flags; a sanitizer needs nightly;
# what reads foreign bytes has no `unsafe`, and the products that have it look at lengths first.
case " $* " in
    # A script that builds is no fuzzer: nothing there would take the counters.
    *" --crate-name build_script_build "*) exec "$@" ;;
    *" --crate-name "*)
        exec "$@" -Copt-level=2 -Cpasses=sancov-module \
            -Cllvm-args=-sanitizer-coverage-level=4 \
            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
            -Cllvm-args=-sanitizer-coverage-pc-table \
            -Cllvm-args=-sanitizer-coverage-trace-compares
        ;;
    *) exec "$@" ;;
esac
