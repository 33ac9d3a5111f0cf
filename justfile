# The scripts work without just; these are short names for them.

# Format, lints, docs, dependencies.
check:
    scripts/check

# Everything, or a part: `just test rust`, `just test clients`.
test *part:
    scripts/test {{ part }}

# Build the GraphiQL page again after a change under web/graphiql.
graphiql:
    web/graphiql/build
