# Short names for the scripts, which also work without just.

# Check format, lints, docs, dependencies, shell scripts and the GraphiQL bundle.
check:
    scripts/check

# Run all tests, or a part: `just test rust`, `just test clients`, `just test cluster`.
test *part:
    scripts/test {{ part }}

# Compare the instructions of each operation with the record; `just costs --record REASON` records them.
costs *options:
    scripts/costs {{ options }}

# Rebuild the demo page after a change under web/demo.
demo:
    web/demo/build

# Rebuild the GraphiQL page after a change under web/graphiql.
graphiql:
    web/graphiql/build
